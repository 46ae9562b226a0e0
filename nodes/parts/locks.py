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
    """Exclusive locks by resource. Nobody overtakes: a request waits for who holds what it wants,
    and for those ahead of it in the queue that want the same.

    With `wait_die` (Rosenkrantz, Stearns, Lewis, 1978) the queue is by age, and only an older
    transaction waits for a younger one, so that no circle can close and the oldest always gets its
    turn. Without, the queue is by arrival, and anyone waits for anyone.
    """

    def __init__(self, *, wait_die: bool) -> None:
        self.wait_die = wait_die
        self.holders: dict[str, str] = {}
        self.priorities: dict[str, Priority] = {}  # of those that hold or wait
        self.waiting: list[Wanted] = []  # in the order of the queue

    def request(self, transaction: str, priority: Priority, resources: Iterable[str]) -> Answer:
        """Asks for all these locks. A transaction asks once here, until it is released."""
        wanted = Wanted(transaction, priority, tuple(sorted(set(resources))))
        answer = self._judge(wanted, [one for one in self.waiting if self._is_ahead(one, wanted)])
        if answer == Answer.GRANTED:
            self._grant(wanted)
        elif answer == Answer.WAIT:
            self.priorities[transaction] = priority
            self.waiting.append(wanted)
            if self.wait_die:
                self.waiting.sort(key=lambda one: one.priority)
        return answer

    def hold(self, transaction: str, priority: Priority, resources: Iterable[str]) -> None:
        """Takes the locks of a transaction that had them before a crash."""
        self._grant(Wanted(transaction, priority, tuple(resources)))

    def release(self, transaction: str) -> Released:
        """Gives up what a transaction holds or waits for; then the queue is gone through from its
        head."""
        self.holders = {key: held for key, held in self.holders.items() if held != transaction}
        self.priorities.pop(transaction, None)
        released = Released()
        still_waiting: list[Wanted] = []
        for wanted in self.waiting:
            if wanted.transaction == transaction:
                continue
            match self._judge(wanted, still_waiting):
                case Answer.GRANTED:
                    self._grant(wanted)
                    released.granted.append(wanted.transaction)
                case Answer.DIE:
                    # Whom it would wait for by now is older: that could close a circle.
                    del self.priorities[wanted.transaction]
                    released.died.append(wanted.transaction)
                case Answer.WAIT:
                    still_waiting.append(wanted)
        self.waiting = still_waiting
        return released

    def blockers(self, wanted: Wanted, ahead: Iterable[Wanted]) -> list[str]:
        """Whom it has to wait for: who holds what it wants, and who wants it and is ahead;
        sorted."""
        holders = {self.holders.get(resource) for resource in wanted.resources}
        queued = {one.transaction for one in ahead if set(one.resources) & set(wanted.resources)}
        return sorted({one for one in holders | queued if one not in (None, wanted.transaction)})

    def waiting_for(self, resource: str) -> list[str]:
        """The transactions that wait for this lock, in the order of the queue."""
        return [one.transaction for one in self.waiting if resource in one.resources]

    def _is_ahead(self, other: Wanted, wanted: Wanted) -> bool:
        return not self.wait_die or other.priority < wanted.priority

    def _judge(self, wanted: Wanted, ahead: Iterable[Wanted]) -> Answer:
        blockers = self.blockers(wanted, ahead)
        if not blockers:
            return Answer.GRANTED
        if self.wait_die and any(wanted.priority > self.priorities[one] for one in blockers):
            return Answer.DIE
        return Answer.WAIT

    def _grant(self, wanted: Wanted) -> None:
        for resource in wanted.resources:
            self.holders[resource] = wanted.transaction
        self.priorities[wanted.transaction] = wanted.priority
