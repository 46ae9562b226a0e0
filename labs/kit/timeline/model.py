"""What a space-time diagram shows: five layers on one time axis, as plain data.

Client operations, messages between nodes, faults, the role and term of each node, and what went
wrong. Times are in milliseconds since the run began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Fate = Literal["arrived", "lost", "open"]

DOWN, PAUSED = "down", "paused"  # what is shown of a node instead of a role


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the run that is shown."""

    from_ms: float
    to_ms: float

    @property
    def length_ms(self) -> float:
        """Never 0, so that it can be divided by."""
        return max(self.to_ms - self.from_ms, 1e-3)

    def touches(self, began_ms: float, ended_ms: float | None) -> bool:
        """Whether something that lasted so long is seen; None means that it goes on."""
        return began_ms <= self.to_ms and (ended_ms is None or ended_ms >= self.from_ms)


@dataclass(frozen=True, slots=True)
class OperationBar:
    """What a client asked for. `ended_ms` is when the client heard or gave up; None when it was
    still waiting at the end."""

    number: int
    process: int
    label: str
    title: str
    outcome: Literal["ok", "fail", "info"]
    began_ms: float
    ended_ms: float | None


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response. `sent_ms` is None when nobody recorded the sending. `open` is a
    message of which it is not known whether it arrived."""

    id: str
    kind: str
    is_response: bool
    source: str
    target: str
    sent_ms: float | None
    received_ms: float | None
    fate: Fate
    why: str = ""

    @property
    def at_ms(self) -> float:
        """When it is first seen."""
        if self.sent_ms is not None:
            return self.sent_ms
        assert self.received_ms is not None, "a message was sent or received, or both"
        return self.received_ms


@dataclass(frozen=True, slots=True)
class FaultBand:
    """A fault from its injection to its end; None when it was never undone. `lasts` is False for
    one that is over as it happens, such as a restart. `groups` are those of a partition."""

    kind: str
    text: str
    nodes: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    began_ms: float
    ended_ms: float | None
    lasts: bool = True


@dataclass(frozen=True, slots=True)
class RoleBand:
    """A node in one role and term. The role may be DOWN, PAUSED or unknown (""). `text` says how
    it came about."""

    node: str
    role: str
    term: int | None
    began_ms: float
    ended_ms: float | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something else worth a mark on a node's lane. `about_role`: the bands say it, too."""

    node: str
    kind: str
    text: str
    at_ms: float
    about_role: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasts at a node, beside its role: a step, a lock. None: it goes on."""

    node: str
    label: str
    kind: Literal["work", "undo", "hold"]
    began_ms: float
    ended_ms: float | None


@dataclass(frozen=True, slots=True)
class Violation:
    """What must not have happened. At a moment, at a node, or by an operation; any may be
    missing."""

    text: str
    at_ms: float | None = None
    node: str | None = None
    operation: int | None = None


@dataclass(frozen=True, slots=True)
class Diagram:
    """Everything that is to be drawn, in order of time. `roles` are those that the lab knows, from
    the humblest to the most powerful; `remarks` say what the record does not hold."""

    nodes: tuple[str, ...]
    window: Window
    operations: Sequence[OperationBar]
    messages: Sequence[Message]
    faults: Sequence[FaultBand]
    bands: Sequence[RoleBand]
    marks: Sequence[Mark]
    spans: Sequence[Span]
    violation: Violation | None
    roles: tuple[str, ...]
    remarks: tuple[str, ...]
