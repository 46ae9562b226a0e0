"""Locks: exclusive, nobody overtakes; wait-die closes no circle, and the oldest has its turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.parts.locks import Answer, LockTable, Priority

OLD, MIDDLE, YOUNG = (1, "old"), (2, "middle"), (3, "young")
PLACES, RESOURCES = 3, ("a", "b", "c")


def test_a_free_lock_is_granted_and_a_held_one_is_not() -> None:
    """A lock is exclusive."""
    table = LockTable(wait_die=False)
    assert table.request("old", OLD, ["a", "b"]) == Answer.GRANTED
    assert table.request("young", YOUNG, ["b"]) == Answer.WAIT
    assert table.holders == {"a": "old", "b": "old"}
    assert table.waiting_for("b") == ["young"]


def test_an_older_one_waits_and_a_younger_one_dies() -> None:
    """An older transaction may wait for a younger one; a younger one must die (wait-die)."""
    table = LockTable(wait_die=True)
    assert table.request("middle", MIDDLE, ["a"]) == Answer.GRANTED
    assert table.request("old", OLD, ["a"]) == Answer.WAIT
    assert table.request("young", YOUNG, ["a"]) == Answer.DIE


def test_who_waits_holds_nothing() -> None:
    """All locks are taken at once, or none."""
    table = LockTable(wait_die=False)
    table.request("old", OLD, ["a"])
    assert table.request("young", YOUNG, ["a", "b"]) == Answer.WAIT
    assert "b" not in table.holders


def test_a_release_grants_the_oldest_and_the_younger_one_dies() -> None:
    """Who would wait for an older one after the release dies, though it waited for a younger one
    before."""
    table = LockTable(wait_die=True)
    table.request("young", YOUNG, ["a"])
    table.request("middle", MIDDLE, ["a"])
    table.request("old", OLD, ["a"])
    released = table.release("young")
    assert (released.granted, released.died) == (["old"], ["middle"])


def test_nobody_overtakes_a_waiting_one() -> None:
    """A lock that is free, but waited for together with another, is not given to who came later."""
    table = LockTable(wait_die=False)
    table.request("first", (1, "first"), ["b"])
    table.request("second", (2, "second"), ["a", "b"])
    assert table.request("third", (3, "third"), ["a"]) == Answer.WAIT
    assert table.release("first").granted == ["second"]
    assert table.release("second").granted == ["third"]


def test_what_was_held_before_a_crash_is_held_again() -> None:
    """A participant in doubt takes its locks back when it restarts."""
    table = LockTable(wait_die=True)
    table.hold("old", OLD, ["a"])
    assert table.request("young", YOUNG, ["a"]) == Answer.DIE


def test_without_a_policy_a_circle_closes() -> None:
    """Two places, two transactions, in opposite orders: each waits for the other for ever."""
    run = Run(wait_die=False)
    run.ask("1", (1, "1"), place=0, resources=["a"])
    run.ask("2", (2, "2"), place=1, resources=["a"])
    run.ask("1", (1, "1"), place=1, resources=["a"])
    run.ask("2", (2, "2"), place=0, resources=["a"])
    assert run.has_circle()


@dataclass
class Run:
    """Transactions that lock resources at several places, one place after the other; one that dies
    anywhere gives everything up."""

    wait_die: bool
    tables: list[LockTable] = field(init=False)
    granted: dict[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tables = [LockTable(wait_die=self.wait_die) for _ in range(PLACES)]

    def ask(self, name: str, priority: Priority, *, place: int, resources: list[str]) -> Answer:
        answer = self.tables[place].request(name, priority, resources)
        self.granted.setdefault(name, set())
        if answer == Answer.GRANTED:
            self.granted[name].add(place)
        elif answer == Answer.DIE:
            self.end(name)
        return answer

    def end(self, name: str) -> None:
        """It is over at all places, and so are those that die of that."""
        ending = [name]
        while ending:
            one = ending.pop()
            self.granted.pop(one, None)
            for place, table in enumerate(self.tables):
                released = table.release(one)
                ending += released.died
                for other in released.granted:
                    self.granted[other].add(place)

    def has_circle(self) -> bool:
        """Whether somebody waits, by way of others, for itself."""
        waits: dict[str, set[str]] = {}
        for table in self.tables:
            for index, wanted in enumerate(table.waiting):
                waits.setdefault(wanted.transaction, set()).update(
                    table.blockers(wanted, table.waiting[:index])
                )
        for start in waits:
            reached, front = set[str](), [start]
            while front:
                for other in waits.get(front.pop(), ()):
                    if other not in reached:
                        reached.add(other)
                        front.append(other)
            if start in reached:
                return True
        return False


ACTIONS = st.lists(
    st.tuples(
        st.integers(0, 7),  # which transaction
        st.integers(0, PLACES - 1),
        st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=3, unique=True),
        st.booleans(),  # ask, or end it
    ),
    max_size=60,
)


@given(actions=ACTIONS, ages=st.permutations(range(8)), wait_die=st.booleans())
def test_locks_are_exclusive_and_wait_die_closes_no_circle(
    actions: list[tuple[int, int, list[str], bool]], ages: list[int], wait_die: bool
) -> None:
    """Whatever is asked and released in whatever order: a lock has one holder, which was granted
    it, and with wait-die nobody waits for itself."""
    run = Run(wait_die=wait_die)
    asked: set[tuple[str, int]] = set()
    for number, place, resources, ends in actions:
        name = str(number)
        if ends:
            run.end(name)
            asked = {one for one in asked if one[0] != name}
        elif (name, place) not in asked:
            asked.add((name, place))
            run.ask(name, (ages[number], name), place=place, resources=resources)
        for index, table in enumerate(run.tables):
            for holder in table.holders.values():
                assert index in run.granted[holder]
            waiting = [one.transaction for one in table.waiting]
            assert len(set(waiting)) == len(waiting)
            assert not set(waiting) & set(table.holders.values())
        alive = {one.transaction for table in run.tables for one in table.waiting}
        asked = {one for one in asked if one[0] in run.granted or one[0] in alive}
        if wait_die:
            assert not run.has_circle()


@given(data=st.data())
def test_the_oldest_is_never_starved(data: st.DataObject) -> None:
    """The oldest waits for those that hold what it wants, and for nobody who comes later, however
    many come."""
    table, numbers = LockTable(wait_die=True), count(1)
    holders = []
    for resource in RESOURCES:
        name = f"holder{next(numbers)}"
        table.request(name, (next(numbers), name), [resource])
        holders.append(name)
    wanted = data.draw(st.lists(st.sampled_from(RESOURCES), min_size=1, unique=True))
    assert table.request("oldest", (0, "oldest"), wanted) == Answer.WAIT
    needed = {table.holders[resource] for resource in wanted}
    for holder in data.draw(st.permutations(holders)):
        late = f"late{next(numbers)}"
        table.request(late, (next(numbers), late), data.draw(st.permutations(RESOURCES))[:2])
        granted = table.release(holder).granted
        needed.discard(holder)
        assert ("oldest" in granted) == (not needed and holder in _held_before(holders, wanted))
        if "oldest" in granted:
            return
    pytest.fail("the oldest never had its turn")


def _held_before(holders: list[str], wanted: list[str]) -> set[str]:
    return {holders[RESOURCES.index(resource)] for resource in wanted}
