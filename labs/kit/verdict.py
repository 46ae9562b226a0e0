"""What a checker says: yes, no, or that it could not tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from labs.kit.history import Operation


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Why a history is not what it should be. `explanation` is for people, in whole sentences.

    `linearized` is the longest prefix that works, as numbers of operations in their order, each
    with the state after it; `stuck` is the operation that fits nowhere.
    """

    explanation: str
    key: str | None = None
    operations: Sequence[Operation] = ()  # of that key
    linearized: Sequence[tuple[int, str]] = ()
    stuck: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Without the operations themselves, which the history has."""
        return {
            "explanation": self.explanation,
            "key": self.key,
            "linearized": [
                {"operation": number, "state": state} for number, state in self.linearized
            ],
            "stuck": self.stuck,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """`valid` None: could not tell within the limits, and `reason` says which and what to do."""

    valid: bool | None
    model: str
    consistency: str
    operations: int
    elapsed_s: float
    counterexample: Counterexample | None = None
    reason: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `lab verify --json` prints it."""
        document: dict[str, Any] = {
            "valid": self.valid,
            "model": self.model,
            "consistency": self.consistency,
            "operations": self.operations,
            "elapsed_s": round(self.elapsed_s, 6),
            "counterexample": self.counterexample.to_json() if self.counterexample else None,
        }
        return document | ({"reason": self.reason} if self.reason else {}) | self.extra
