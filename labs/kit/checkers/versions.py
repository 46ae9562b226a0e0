"""Histories in which every value names the write that wrote it: who read from whom.

The levels below linearizability ask about the order of writes, which clients do not see. If no
value is written twice to a key, every read says which write it saw, and most of these questions
have an exact answer in short time.

Writes without response count if somebody saw their value: then they happened. Those that nobody
saw can be left out of any order. A compare-and-set that said no is left out, too: what it saw is a
value that was not there, which names no write.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

from labs.kit.checkers.limits import Limits
from labs.kit.checkers.models import Action, Model, describe, malformed
from labs.kit.checkers.values import show
from labs.kit.errors import LabError
from labs.kit.history import Entry, HistoryMalformed, Operation
from labs.kit.verdict import Counterexample

REGISTERS: Final = ("register", "cas-register", "kv")
INITIAL: Final = -1  # what a read saw that saw no write


@dataclass(frozen=True, slots=True)
class Event:
    """An operation that read, wrote, or did both at once."""

    operation: Operation
    saw: int | None = None  # place of the write whose value it read, INITIAL, or None: no read
    writes: bool = False


@dataclass(slots=True)
class Versions:
    """Events by their place; sessions are processes, each in its order."""

    events: list[Event] = field(default_factory=list)
    sessions: list[list[int]] = field(default_factory=list)

    def key(self, place: int) -> str | None:
        """The key of an event."""
        return self.events[place].operation.key

    def say(self, place: int) -> str:
        """An event in words."""
        return said(self.events[place].operation)


class Violated(Exception):
    """The history breaks every promise: somebody read what nobody wrote."""

    def __init__(self, counterexample: Counterexample) -> None:
        super().__init__(counterexample.explanation)
        self.counterexample = counterexample


def said(operation: Operation) -> str:
    """An operation in words, with its place."""
    where = "" if operation.key is None else f" of key {operation.key}"
    at = f"process {operation.process} (line {operation.invoked + 1})"
    return f"{describe(operation)}{where} by {at}"


def because(
    explanation: str, operations: Sequence[Operation], stuck: Operation | None = None
) -> Counterexample:
    """A counterexample that shows these operations."""
    unique = sorted({one.number: one for one in operations}.items())
    key = operations[0].key if operations and len({one.key for one in operations}) == 1 else None
    number = None if stuck is None else stuck.number
    return Counterexample(explanation, key, [one for _, one in unique], stuck=number)


def versions(
    found: Sequence[Operation],
    entries: Sequence[Entry],
    model: Model,
    consistency: str,
    limits: Limits,
) -> Versions:
    """The history as versions. Raises LabError where values do not identify their writes, and
    Violated for a read of what nobody wrote."""
    if model.name not in REGISTERS:
        also = "" if consistency in ("sequential", "causal") else " and append-list"
        raise LabError(
            f"{consistency} cannot be judged for the model {model.name}: only for "
            f"{', '.join(REGISTERS)}{also}, with a value that is unique in every write"
        )
    claims: list[tuple[Operation, Action]] = []
    writers: dict[tuple[str | None, Hashable], int] = {}  # key and value -> place in claims
    for one in found:
        limits.check()
        action = model.action(one, entries)
        if action is None or action.verb == "not" or (action.verb == "read" and _open(one)):
            continue
        made = written(action)
        if action.verb == "append" or one.f == "delete" or (action.verb != "read" and made is None):
            raise LabError(
                f"line {one.invoked + 1}: {describe(one)} does not identify itself to its readers: "
                f"{consistency} is judged for reads, writes and cas of unique values, not null"
            )
        if action.verb != "read":
            if (one.key, made) in writers:
                first = claims[writers[one.key, made]][0].invoked + 1
                raise LabError(
                    f"line {one.invoked + 1}: {show(made)} is written again (first in line "
                    f"{first}): {consistency} is judged only if every value is written once a key"
                )
            writers[one.key, made] = len(claims)
        claims.append((one, action))
    return _linked(claims, writers, found)


def written(action: Action) -> Hashable:
    """The value that a write or a compare-and-set leaves."""
    return action.value if action.verb == "write" else action.new


def _open(operation: Operation) -> bool:
    return operation.completed is None


def _linked(
    claims: list[tuple[Operation, Action]],
    writers: dict[tuple[str | None, Hashable], int],
    found: Sequence[Operation],
) -> Versions:
    happened = {at for at, (one, _) in enumerate(claims) if not _open(one)}
    waiting = sorted(happened)
    saw: dict[int, int] = {}
    while waiting:
        at = waiting.pop()
        one, action = claims[at]
        if action.verb not in ("read", "cas"):
            continue
        writer = INITIAL if action.value is None else writers.get((one.key, action.value))
        if writer is None:
            failed = [
                other
                for other in found
                if other.outcome == "fail" and other.key == one.key and other.f != "read"
            ]
            hint = " (a write that failed is one that did not happen)" if failed else ""
            raise Violated(because(f"{said(one)} saw a value that nobody wrote{hint}", [one], one))
        saw[at] = writer
        if writer != INITIAL and writer not in happened:
            happened.add(writer)
            waiting.append(writer)
    place = {at: number for number, at in enumerate(sorted(happened))}
    made, sessions = Versions(), {}  # type: ignore[var-annotated] # process -> places, below
    for at in sorted(happened):
        one, action = claims[at]
        seen = saw.get(at)
        if seen is not None and seen != INITIAL:
            seen = place[seen]
        made.events.append(Event(one, seen, action.verb != "read"))
        sessions.setdefault(one.process, []).append(place[at])
    made.sessions = list(sessions.values())
    return made


# ------------------------------------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class Appended:
    """What a session did to a list: an append of `element`, or a read that returned `seen`."""

    operation: Operation
    element: Hashable = None
    seen: tuple[Hashable, ...] | None = None


@dataclass(slots=True)
class Lists:
    """Sessions of appends and reads; `appends` by key and element."""

    sessions: list[list[Appended]] = field(default_factory=list)
    appends: dict[tuple[str | None, Hashable], Operation] = field(default_factory=dict)


def read_lists(found: Sequence[Operation], entries: Sequence[Entry], model: Model) -> Lists:
    """Raises LabError for an element that is appended twice, Violated for one that nobody did."""
    lists, sessions = Lists(), {}  # type: ignore[var-annotated] # process -> its steps, below
    for one in found:
        action = model.action(one, entries)
        if action is None:
            continue
        steps = sessions.setdefault(one.process, [])
        if action.verb == "append":
            if (one.key, action.value) in lists.appends:
                raise LabError(
                    f"line {one.invoked + 1}: {show(action.value)} is appended again: sessions are "
                    f"judged only if every element is appended once a key"
                )
            lists.appends[one.key, action.value] = one
            steps.append(Appended(one, action.value))
        elif not _open(one):
            assert isinstance(action.value, tuple)
            steps.append(Appended(one, seen=action.value))
    lists.sessions = list(sessions.values())
    for session in lists.sessions:
        for step in session:
            for element in step.seen or ():
                if (step.operation.key, element) not in lists.appends:
                    raise Violated(
                        because(
                            f"{said(step.operation)} saw {show(element)}, which nobody appended",
                            *([step.operation], step.operation),
                        )
                    )
            if step.seen is not None and len(set(step.seen)) < len(step.seen):
                raise Violated(
                    because(
                        f"{said(step.operation)} saw an element twice that was appended once",
                        *([step.operation], step.operation),
                    )
                )
    return lists


__all__ = ["INITIAL", "Event", "HistoryMalformed", "Versions", "malformed", "versions"]
