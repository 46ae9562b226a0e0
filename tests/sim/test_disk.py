"""The disk: what a crash keeps is a prefix of what was ordered, and what was synced is kept."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.core import Append, Discard, DurableEffect, Save, SaveAll, Started, Truncate
from nodes.sim.disk import MisuseOfDisk, SimDisk
from tests.support import ping_pb2 as pb

State = tuple[int, int, tuple[int, ...]]  # the slot's total, the log's first index, its amounts


def state_of(started: Started) -> State:
    counter = started.slots.get("counter", pb.Counter())
    log = started.logs.get("added")
    assert isinstance(counter, pb.Counter)
    amounts = [
        entry.amount for entry in (log.entries if log else ()) if isinstance(entry, pb.Added)
    ]
    return counter.total, log.first_index if log else 1, tuple(amounts)


def carry_out(state: State, effect: DurableEffect) -> State:
    """The meaning of an order, on a plain tuple."""
    total, first, amounts = state
    match effect:
        case Save(_, pb.Counter() as counter):
            return counter.total, first, amounts
        case Append(_, _, entries):
            new = tuple(entry.amount for entry in entries if isinstance(entry, pb.Added))
            return total, first, amounts + new
        case Truncate(_, from_index):
            return total, first, amounts[: from_index - first]
        case Discard(_, through_index):
            dropped = max(0, through_index + 1 - first)
            return total, max(first, through_index + 1), amounts[dropped:]
    raise AssertionError(effect)


@st.composite
def stories(draw: st.DrawFn) -> list[DurableEffect | str]:
    """Orders that make sense, with a sync here and there."""
    story: list[DurableEffect | str] = []
    state: State = (0, 1, ())
    for number in range(draw(st.integers(0, 12))):
        _, first, amounts = state
        end = first + len(amounts)
        effect: DurableEffect | str
        match draw(st.sampled_from(["save", "append", "truncate", "discard", "sync"])):
            case "save":
                effect = Save("counter", pb.Counter(total=number + 1))
            case "append":
                count = draw(st.integers(1, 3))
                entries = tuple(pb.Added(amount=100 * number + place) for place in range(count))
                effect = Append("added", end, entries)
            case "truncate":
                effect = Truncate("added", draw(st.integers(first, end)))
            case "discard":
                effect = Discard("added", draw(st.integers(max(0, first - 1), end + 2)))
            case _:
                effect = "sync"
        if not isinstance(effect, str):
            state = carry_out(state, effect)
        story.append(effect)
    return story


def play(disk: SimDisk, story: list[DurableEffect | str]) -> tuple[list[State], int]:
    """Plays a story; returns the states that a prefix of it leads to, torn writes included, and how
    many of them lie before the last sync."""
    states: list[State] = [(0, 1, ())]
    safe = 0
    for effect in story:
        if isinstance(effect, str):
            disk.sync()
            safe = len(states) - 1
            continue
        disk.write(effect)
        if isinstance(effect, Append):
            for kept in range(1, len(effect.entries)):
                part = Append(effect.log, effect.first_index, effect.entries[:kept])
                states.append(carry_out(states[-kept], part))
            whole = states[-len(effect.entries)]
            states.append(carry_out(whole, effect))
        else:
            states.append(carry_out(states[-1], effect))
    return states, safe


@given(stories(), st.integers(0, 1000), st.booleans())
def test_a_crash_keeps_a_prefix_and_all_that_was_synced(
    story: list[DurableEffect | str], seed: int, power_cut: bool
) -> None:
    """Whatever the crash, the disk is as after some prefix of the orders, and that prefix has all
    that was synced."""
    disk = SimDisk(Random(seed))
    states, safe = play(disk, story)
    disk.crash(power_cut=power_cut)
    assert state_of(disk.load(amnesia=False)) in states[safe:]


@given(stories(), st.integers(0, 1000))
def test_a_disk_that_lies_loses_only_by_a_power_cut(
    story: list[DurableEffect | str], seed: int
) -> None:
    """Without a power cut the page cache survives; with one, any prefix may be what is left."""
    disk = SimDisk(Random(seed), lies=True)
    states, safe = play(disk, story)
    disk.crash(power_cut=False)
    assert state_of(disk.load(amnesia=False)) in states[safe:]
    disk = SimDisk(Random(seed), lies=True)
    states, _ = play(disk, story)
    disk.crash(power_cut=True)
    assert state_of(disk.load(amnesia=False)) in states


def test_crashes_do_lose_what_was_not_synced() -> None:
    """Over many seeds every prefix occurs, the empty one and torn ones too."""
    entries = tuple(pb.Added(amount=amount) for amount in (1, 2, 3))
    left = set()
    for seed in range(100):
        disk = SimDisk(Random(seed))
        disk.write(Append("added", 1, entries))
        disk.crash(power_cut=False)
        left.add(state_of(disk.load(amnesia=False))[2])
    assert left == {(), (1,), (1, 2), (1, 2, 3)}


def kept_of(*effects: DurableEffect, power_cut: bool) -> set[frozenset[str]]:
    """Which slots a crash after these orders leaves, over many seeds."""
    left = set()
    for seed in range(100):
        disk = SimDisk(Random(seed))
        for effect in effects:
            disk.write(effect)
        disk.crash(power_cut=power_cut)
        left.add(frozenset(disk.load(amnesia=False).slots))
    return left


@pytest.mark.parametrize("power_cut", [False, True])
def test_what_is_saved_as_one_is_never_half_kept(power_cut: bool) -> None:
    """Where the same slots saved one by one are, over the same seeds."""
    saves = tuple(Save(name, pb.Counter(total=1)) for name in ("a", "b"))
    assert kept_of(SaveAll(saves), power_cut=power_cut) == {frozenset(), frozenset("ab")}
    assert frozenset("a") in kept_of(*saves, power_cut=power_cut)


def test_lies_come_out() -> None:
    """A lying disk does lose what it called synced."""
    left = set()
    for seed in range(50):
        disk = SimDisk(Random(seed), lies=True)
        disk.write(Save("counter", pb.Counter(total=1)))
        disk.sync()
        disk.crash(power_cut=True)
        left.add(state_of(disk.load(amnesia=False))[0])
    assert left == {0, 1}


def test_an_empty_message_removes_the_slot() -> None:
    """As the disk of a real node does; until then it is one more write that a crash may lose."""
    left = set()
    for seed in range(50):
        disk = SimDisk(Random(seed))
        disk.write(Save("counter", pb.Counter(total=1)))
        disk.sync()
        disk.write(Save("counter", pb.Counter()))
        disk.write(Save("never saved", pb.Counter()))
        disk.crash(power_cut=False)
        left.add(tuple(disk.load(amnesia=False).slots))
    assert left == {("counter",), ()}


def test_wiped_is_empty() -> None:
    """And says so, when asked to."""
    disk = SimDisk(Random(0))
    disk.write(Save("counter", pb.Counter(total=1)))
    disk.sync()
    disk.wipe()
    started = disk.load(amnesia=True)
    assert (dict(started.slots), dict(started.logs), started.amnesia) == ({}, {}, True)


@pytest.mark.parametrize(
    ("effect", "complaint"),
    [
        (Append("added", 2, (pb.Added(),)), "append to added at 2, but it ends before 1"),
        (Truncate("added", 3), "truncate added from 3"),
    ],
)
def test_orders_that_make_no_sense_are_the_cores_fault(
    effect: DurableEffect, complaint: str
) -> None:
    """A log has no holes; nobody repairs the order silently."""
    disk = SimDisk(Random(0))
    disk.write(effect)
    with pytest.raises(MisuseOfDisk, match=complaint):
        disk.sync()


def test_what_is_loaded_is_a_copy() -> None:
    """A node that changes what it loaded does not write to the disk."""
    disk = SimDisk(Random(0))
    disk.write(Save("counter", pb.Counter(total=1)))
    disk.sync()
    loaded = disk.load(amnesia=False).slots["counter"]
    assert isinstance(loaded, pb.Counter)
    loaded.total = 99
    assert state_of(disk.load(amnesia=False))[0] == 1
