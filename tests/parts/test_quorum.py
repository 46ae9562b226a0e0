"""Majorities."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from nodes.parts.quorum import VoteTally, majority, reached_by_majority


@given(st.integers(1, 7))
def test_two_majorities_overlap(count: int) -> None:
    """Any two majorities share a member: the fact that everything else rests on."""
    members, size = range(count), majority(count)
    for one in combinations(members, size):
        for other in combinations(members, size):
            assert set(one) & set(other)


@given(st.integers(1, 1000))
def test_a_majority_is_as_small_as_can_be(count: int) -> None:
    """One fewer, and two groups could be disjoint."""
    assert 2 * majority(count) > count
    assert 2 * (majority(count) - 1) <= count


@given(st.lists(st.integers(0, 20), min_size=1, max_size=9))
def test_reached_is_the_largest_that_a_majority_has(values: list[int]) -> None:
    """A majority has reached it, and no majority has reached more."""

    def holders(index: int) -> int:
        return sum(value >= index for value in values)

    reached = reached_by_majority(values)
    assert holders(reached) >= majority(len(values))
    assert holders(reached + 1) < majority(len(values))


def test_nobody_reaches_nothing() -> None:
    """Without members there is no majority."""
    assert reached_by_majority([]) == 0


NAMES = [f"n{number}" for number in range(1, 8)]


@given(st.lists(st.sampled_from(NAMES)), st.integers(1, 5))
def test_each_member_counts_once(votes: list[str], size: int) -> None:
    """An election is won by as many different members as a majority has, however often they and
    strangers vote."""
    members = NAMES[:size]
    tally = VoteTally(members)
    for vote in votes:
        tally.grant(vote)
    assert tally.won == (len(set(votes) & set(members)) >= majority(size))
    assert tally.granted == list(dict.fromkeys(vote for vote in votes if vote in members))


def test_an_election_without_voters_is_not_won() -> None:
    """A majority of nobody is one."""
    assert not VoteTally(()).won
