"""What lasts at a node: the steps of a saga, the locks of a transaction, as its lab reads them off
events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labs.kit.lab import SpanChange
from labs.kit.timeline.faults import TAKE_DOWN, injections
from labs.kit.timeline.model import Span
from labs.kit.timeline.roles import as_mapping
from nodes.timeline import CRASHED, TimelineEvent

SpansInNote = Callable[[Mapping[str, Any]], Sequence[SpanChange]]


@dataclass(slots=True)
class _Open:
    """A span that has begun. It ends with the node that told of it, unless it is durable."""

    change: SpanChange
    node: str
    teller: str
    began_ms: float

    def until(self, ended_ms: float | None) -> Span:
        change = self.change
        return Span(self.node, change.label, change.kind, self.began_ms, ended_ms)


def deaths(events: Sequence[TimelineEvent]) -> list[tuple[float, str]]:
    """When which node went down: by a crash that is on record, or by a fault."""
    found = [
        (event.at_ms, str(event.fields.get("of", event.node)))
        for event in events
        if event.kind == CRASHED
    ]
    for fault in injections(events):
        if fault.kind in TAKE_DOWN:
            found += [(fault.ended_ms, node) for node in fault.nodes()]
    return sorted(found)


def spans(
    events: Sequence[TimelineEvent], nodes: Sequence[str], spans_in_note: SpansInNote
) -> list[Span]:
    """All of them in the order in which they began; those that never ended are open."""
    found: list[Span] = []
    under_way: dict[str, _Open] = {}

    def end(name: str, at_ms: float) -> None:
        ended = under_way.pop(name, None)
        if ended is not None:
            found.append(ended.until(at_ms))

    ends = deque(deaths(events))
    for event in events:
        while ends and ends[0][0] <= event.at_ms:
            at_ms, dead = ends.popleft()
            for name, one in list(under_way.items()):
                if one.teller == dead and not one.change.durable:
                    end(name, at_ms)
        for change in spans_in_note(as_mapping(event)):
            before = under_way.get(change.name)
            if before is not None and before.change == change:
                continue  # It goes on.
            end(change.name, event.at_ms)
            if change.label:
                node = change.node or event.node
                under_way[change.name] = _Open(change, node, event.node, event.at_ms)
    found += [one.until(None) for one in under_way.values()]
    return sorted(
        (span for span in found if span.node in nodes), key=lambda span: (span.began_ms, span.label)
    )
