"""One question for every model and every level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from labs.kit.checkers.limits import Limits, OutOfLimits, Watched, no_collector
from labs.kit.checkers.linearizable import Finding, judge_linearizable
from labs.kit.checkers.models import MODELS as MODELS_BY_NAME
from labs.kit.errors import LabError, nearest
from labs.kit.history import Entry, Operation, operations
from labs.kit.verdict import Verdict

MODELS: Final = tuple(MODELS_BY_NAME)
LEVELS: Final = (
    *("linearizable", "sequential", "causal"),
    *("read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads"),
    "eventual",
)
NOTHING: Final = (
    "no operation completed, so the history says nothing: record one in which something succeeds"
)


def judge(
    entries: Sequence[Entry],
    model: str,
    consistency: str = "linearizable",
    *,
    time_limit_s: float = 60.0,
    memory_mb: float = 500,
) -> Verdict:
    """Whether the history is what `consistency` promises of objects of `model`.

    `valid` is None, with a reason, when that is not known within the limits, and when the history
    says nothing. Raises HistoryMalformed, which names the line, and LabError for a name that is not
    in MODELS or LEVELS and for a level that this model cannot be judged by.
    """
    if model not in MODELS_BY_NAME:
        raise LabError(f"no model is called {model}; {nearest(model, MODELS)}")
    if consistency not in LEVELS:
        raise LabError(
            f"no consistency level is called {consistency}; {nearest(consistency, LEVELS)}"
        )
    limits = Limits(time_limit_s, memory_mb)
    verdict = Verdict(None, model, consistency, 0, 0.0)
    try:
        with no_collector():
            found = operations(Watched(entries, limits))
            verdict = replace(verdict, operations=len(found))
            finding = _find(found, entries, model, consistency, limits)
    except OutOfLimits as out:
        finding = Finding(None, reason=out.reason)
    return replace(
        verdict,
        valid=finding.valid,
        counterexample=finding.counterexample,
        reason=finding.reason,
        elapsed_s=limits.elapsed_s,
    )


def _find(
    found: Sequence[Operation],
    entries: Sequence[Entry],
    model: str,
    consistency: str,
    limits: Limits,
) -> Finding:
    chosen = MODELS_BY_NAME[model]
    if consistency == "linearizable":
        finding = judge_linearizable(found, entries, chosen, limits)
    else:
        from labs.kit.checkers.levels import judge_level

        finding = judge_level(found, entries, chosen, consistency, limits)
    if finding.valid and not any(one.outcome == "ok" for one in found):
        return Finding(None, reason=NOTHING)
    return finding
