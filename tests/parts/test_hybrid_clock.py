"""Hybrid logical clocks."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from nodes.parts.hybrid_clock import HybridClock, HybridStamp


@dataclass(frozen=True)
class Step:
    """A node does something; it has heard of what another did last, or of nothing."""

    node: int
    heard_from: int | None
    wall_ms: int


NODES = 3
steps_of = st.lists(
    st.builds(
        Step,
        st.integers(0, NODES - 1),
        st.none() | st.integers(0, NODES - 1),
        st.integers(0, 20),  # clocks jump back and forth, and often show the same
    ),
    max_size=40,
)


def stamps(steps: list[Step]) -> list[HybridStamp]:
    """The stamps given, in order, by nodes that hear from each other."""
    clocks = [HybridClock() for _ in range(NODES)]
    given_stamps = []
    for step in steps:
        clock = clocks[step.node]
        if step.heard_from is None:
            given_stamps.append(clock.tick(step.wall_ms))
        else:
            given_stamps.append(clock.witness(clocks[step.heard_from].last, step.wall_ms))
    return given_stamps


@given(steps_of)
def test_a_stamp_is_greater_than_those_of_its_causes(steps: list[Step]) -> None:
    """What a node did before, and what it has heard of, comes before what it does."""
    last: list[HybridStamp] = [(0, 0)] * NODES
    for step, stamp in zip(steps, stamps(steps), strict=True):
        assert stamp > last[step.node]
        if step.heard_from is not None:
            assert stamp > last[step.heard_from]
        last[step.node] = stamp


@given(steps_of)
def test_a_stamp_is_as_late_as_its_wall_clock_and_no_later_than_the_latest(
    steps: list[Step],
) -> None:
    """Its time lies between the own wall clock and the greatest that anybody has shown."""
    greatest = 0
    for step, (time, _) in zip(steps, stamps(steps), strict=True):
        greatest = max(greatest, step.wall_ms)
        assert step.wall_ms <= time <= greatest


@given(steps_of)
def test_the_count_is_bounded_by_what_happened_in_the_millisecond(steps: list[Step]) -> None:
    """It starts anew with each later time, so it is less than the number of stamps of that
    time."""
    given_stamps = stamps(steps)
    of_time_zero = 1  # where clocks start
    for index, (time, logical) in enumerate(given_stamps):
        earlier = sum(other == time for other, _ in given_stamps[:index])
        assert logical <= earlier + of_time_zero * (time == 0)


@given(st.lists(st.integers(1, 1000), unique=True).map(sorted))
def test_a_clock_that_runs_forward_alone_is_the_wall_clock(walls: list[int]) -> None:
    """Nothing is counted unless it has to be."""
    clock = HybridClock()
    assert [clock.tick(wall) for wall in walls] == [(wall, 0) for wall in walls]


def test_a_clock_goes_on_where_it_was_before_a_restart() -> None:
    """Even if the wall clock was set back meanwhile."""
    clock = HybridClock()
    clock.tick(100)
    assert HybridClock(clock.last).tick(50) == (100, 1)
    assert HybridClock(clock.last).witness((200, 7), 50) == (200, 8)
