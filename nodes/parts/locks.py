"""Locks of one participant, and who may wait for whom.

A transaction asks for all its locks here at once, and holds none of them while it waits. It may
hold locks at other participants meanwhile, so that without a policy two transactions can wait for
each other for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

# The smaller, the older: a time, and a name that decides between equal ones.
Priority: TypeAlias = tuple[int, str]


class Answer(Enum):
    """What becomes of a request for locks."""

    GRANTED = auto()
    WAIT = auto()
    DIE = auto()  # the transaction must be aborted; its client may try again


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that waits."""

    transaction: str
    priority: Priority
    resources: tuple[str, ...]


@dataclass(slots=True)
class Released:
    """What follows from a release: transactions that hold their locks now, and such that must
    die."""

    granted: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)


class LockTable:
    """Exclusive locks by resource. With `wait_die` (Rosenkrantz, Stearns, Lewis, 1978) only an
    older transaction waits for a younger one, so that no circle can close; without, anyone waits
    for anyone."""

    def __init__(self, *, wait_die: bool) -> None:
        self.wait_die = wait_die
        self.holders: dict[str, str] = {}
        self.priorities: dict[str, Priority] = {}  # of those that hold
        self.waiting: list[Wanted] = []

    def request(self, transaction: str, priority: Priority, resources: Iterable[str]) -> Answer:
        """Asks for all these locks."""
        wanted = Wanted(transaction, priority, tuple(sorted(set(resources))))
        blockers = self.blockers(wanted)
        if not blockers:
            self._grant(wanted)
            return Answer.GRANTED
        if self.wait_die and any(priority > self.priorities[holder] for holder in blockers):
            return Answer.DIE
        self.waiting.append(wanted)
        return Answer.WAIT

    def hold(self, transaction: str, priority: Priority, resources: Iterable[str]) -> None:
        """Takes the locks of a transaction that had them before a crash."""
        self._grant(Wanted(transaction, priority, tuple(resources)))

    def release(self, transaction: str) -> Released:
        """Gives up what a transaction holds or waits for; the oldest that wait come first."""
        self.waiting = [one for one in self.waiting if one.transaction != transaction]
        self.holders = {key: held for key, held in self.holders.items() if held != transaction}
        self.priorities.pop(transaction, None)
        released = Released()
        for wanted in sorted(self.waiting, key=lambda one: one.priority):
            blockers = self.blockers(wanted)
            if not blockers:
                self._grant(wanted)
                released.granted.append(wanted.transaction)
            elif self.wait_die and any(
                wanted.priority > self.priorities[holder] for holder in blockers
            ):
                # Whoever holds it now is older: to wait for that one could close a circle.
                released.died.append(wanted.transaction)
        over = {*released.granted, *released.died}
        self.waiting = [one for one in self.waiting if one.transaction not in over]
        return released

    def blockers(self, wanted: Wanted) -> list[str]:
        """Who holds what it wants; sorted."""
        holders = (self.holders.get(resource) for resource in wanted.resources)
        return sorted({holder for holder in holders if holder not in (None, wanted.transaction)})

    def waiting_for(self, resource: str) -> list[str]:
        """The transactions that wait for this lock, in the order in which they came."""
        return [one.transaction for one in self.waiting if resource in one.resources]

    def _grant(self, wanted: Wanted) -> None:
        for resource in wanted.resources:
            self.holders[resource] = wanted.transaction
        self.priorities[wanted.transaction] = wanted.priority
