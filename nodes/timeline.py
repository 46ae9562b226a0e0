"""What happened at a node, as one JSON line each; merging the lines of many nodes into one order.

The Lamport time of an event is what makes the merged order keep happens-before without trusting any
clock: sends and receives of one message carry the same `message` id, and a receive has a larger
Lamport time than its send.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nodes.core import NodeId, NoteValue

# Kinds that hosts write by themselves; every other kind is a Note of a core.
STARTED, SENT, RECEIVED, TIMER, SAVED, CRASHED, FAULT, FAILED = (
    "started",
    "sent",
    "received",
    "timer",
    "saved",
    "crashed",
    "fault",
    "failed",
)

POINT = "point"  # field of CRASHED: the crash point of the core at which the node died


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One thing that happened at one node. `seq` counts the node's events, `at_ms` is since the
    session began."""

    node: NodeId
    seq: int
    lamport: int
    at_ms: float
    kind: str
    fields: Mapping[str, NoteValue]

    def to_json(self) -> str:
        """One line, without its newline."""
        head = {
            "node": self.node,
            "seq": self.seq,
            "lamport": self.lamport,
            "at_ms": self.at_ms,
            "kind": self.kind,
        }
        return json.dumps({**self.fields, **head}, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> TimelineEvent:
        """Raises ValueError when the line is no event."""
        try:
            raw: dict[str, Any] = json.loads(line)
            head = {name: raw.pop(name) for name in ("node", "seq", "lamport", "at_ms", "kind")}
        except (KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"no timeline event: {line[:80]!r}") from error
        return cls(fields=raw, **head)


def merge(streams: Iterable[Iterable[TimelineEvent]]) -> list[TimelineEvent]:
    """All events in an order that keeps happens-before: by Lamport time, then node, then seq."""
    events = [event for stream in streams for event in stream]
    return sorted(events, key=lambda event: (event.lamport, event.node, event.seq))
