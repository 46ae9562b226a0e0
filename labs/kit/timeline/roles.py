"""Who was what, and when: role and term bands, and the other marks on a node's lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labs.kit.lab import RoleChange
from labs.kit.timeline.faults import TAKE_DOWN, injections
from labs.kit.timeline.model import DOWN, PAUSED, Mark, RoleBand
from nodes.timeline import (
    CRASHED,
    FAILED,
    FAULT,
    RECEIVED,
    SAVED,
    SENT,
    STARTED,
    TIMER,
    TimelineEvent,
)

ROUTINE = frozenset({SENT, RECEIVED, FAILED, TIMER, SAVED, FAULT})
_RESUMES = frozenset({"resume", "heal"})

RoleInNote = Callable[[Mapping[str, Any]], RoleChange | None]
Sentence = Callable[[TimelineEvent], str]


def as_mapping(event: TimelineEvent) -> dict[str, Any]:
    """The event as labs get it: one dictionary, the head over the fields."""
    head = {"node": event.node, "seq": event.seq, "lamport": event.lamport}
    return {**event.fields, **head, "at_ms": event.at_ms, "kind": event.kind}


@dataclass(slots=True)
class _Lane:
    """One node, as of the last event."""

    node: str
    role: str
    term: int | None
    since_ms: float
    text: str = ""
    before: tuple[str, int | None] | None = None  # what a pause interrupted

    def band(self, until_ms: float | None) -> RoleBand:
        return RoleBand(self.node, self.role, self.term, self.since_ms, until_ms, self.text)


def role_bands(
    events: Sequence[TimelineEvent], nodes: tuple[str, ...], role_in_note: RoleInNote, say: Sentence
) -> list[RoleBand]:
    """What each node was from when to when. The last band of each is open."""
    found: list[RoleBand] = []
    for node in nodes:
        found += _bands_of(node, events, role_in_note, say)
    return found


def _bands_of(
    node: str, events: Sequence[TimelineEvent], role_in_note: RoleInNote, say: Sentence
) -> Iterator[RoleBand]:
    lane: _Lane | None = None
    for at_ms, role, term, text in _changes(node, events, role_in_note, say):
        if lane is None:
            # What a node was before its record begins is not known, but for its being there.
            lane = _Lane(node, role or "", term, at_ms, text)
            continue
        if role == PAUSED and lane.role != PAUSED:
            before = (lane.role, lane.term)
            yield lane.band(at_ms)
            lane = _Lane(node, PAUSED, lane.term, at_ms, text, before)
            continue
        if role == _AS_BEFORE:
            if lane.before is None:
                continue
            role, term = lane.before
        new_role = lane.role if role is None else role
        new_term = lane.term if term is None else term
        if (new_role, new_term) == (lane.role, lane.term):
            continue
        yield lane.band(at_ms)
        lane = _Lane(node, new_role, new_term, at_ms, text)
    if lane is not None:
        yield lane.band(None)


_AS_BEFORE = "as before the pause"


def _changes(
    node: str, events: Sequence[TimelineEvent], role_in_note: RoleInNote, say: Sentence
) -> list[tuple[float, str | None, int | None, str]]:
    changes: list[tuple[float, str | None, int | None, str]] = []
    for event in events:
        if event.node != node or event.kind in (SENT, RECEIVED, FAILED, FAULT):
            if event.kind == CRASHED and event.fields.get("of") == node:
                changes.append((event.at_ms, DOWN, None, str(event.fields.get("text", ""))))
            continue
        if event.kind == CRASHED:
            changes.append((event.at_ms, DOWN, None, say(event)))
            continue
        change = role_in_note(as_mapping(event))
        if change is not None:
            changes.append((event.at_ms, change.role, change.term, say(event)))
        elif event.kind == STARTED:
            changes.append((event.at_ms, "", None, say(event)))
    for fault in injections(events):
        healed = fault.kind == "heal"
        if not healed and node not in fault.nodes():
            continue
        if fault.kind in TAKE_DOWN:
            # By then nothing more can come from it, so that nothing it did just before counts.
            changes.append((fault.ended_ms, DOWN, None, fault.text))
        elif fault.kind == "pause":
            changes.append((fault.ended_ms, PAUSED, None, fault.text))
        elif fault.kind in _RESUMES:
            changes.append((fault.began_ms, _AS_BEFORE, None, fault.text))
    if not changes and any(event.node == node for event in events):
        first = next(event for event in events if event.node == node)
        changes.append((first.at_ms, "", None, ""))
    return sorted(changes, key=lambda change: change[0])


def marks(
    events: Sequence[TimelineEvent],
    nodes: tuple[str, ...],
    quiet: frozenset[str],
    role_in_note: RoleInNote,
    say: Sentence,
) -> list[Mark]:
    """Everything that nodes said of themselves, routine left out."""
    known = frozenset(nodes)

    def about_role(event: TimelineEvent) -> bool:
        change = role_in_note(as_mapping(event))
        return event.kind in (STARTED, CRASHED) or (change is not None and change.role is not None)

    return [
        Mark(event.node, event.kind, text, event.at_ms, about_role(event))
        for event in events
        if event.kind not in ROUTINE
        and event.kind not in quiet
        and event.node in known
        and (text := say(event))
    ]
