"""Majorities."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.parts.quorum import (
    VoteTally,
    fresh_within,
    majority,
    overlaps,
    reached_by_majority,
    stale_probability,
)


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


quorums = st.integers(1, 6).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(1, n), st.integers(1, n))
)


@given(quorums)
def test_staleness_is_counted_over_all_quorums(quorum: tuple[int, int, int]) -> None:
    """The share of pairs of a read and a written quorum that have nobody in common; and none has,
    exactly if they overlap."""
    n, r, w = quorum
    pairs = [
        (read, wrote) for read in combinations(range(n), r) for wrote in combinations(range(n), w)
    ]
    missed = sum(not set(read) & set(wrote) for read, wrote in pairs)
    assert stale_probability(n, r, w) == pytest.approx(missed / len(pairs))
    assert overlaps(n, r, w) == (missed == 0)


@pytest.mark.parametrize(
    ("quorum", "stale"),
    [((3, 1, 1), 0.667), ((3, 1, 2), 0.333), ((3, 2, 1), 0.333), ((3, 2, 2), 0), ((5, 2, 2), 0.3)],
)
def test_staleness_is_what_the_paper_says(quorum: tuple[int, int, int], stale: float) -> None:
    """Right after the acknowledgement, Bailis and others, 2012, section 2."""
    assert stale_probability(*quorum) == pytest.approx(stale, abs=0.001)


def test_a_read_is_likely_one_of_the_last_few_versions() -> None:
    """The k-staleness of the same paper, at N=3, R=W=1."""
    likely = [fresh_within(3, 1, 1, k) for k in (1, 2, 3, 5)]
    assert likely == pytest.approx([0.333, 0.556, 0.704, 0.868], abs=0.001)
    assert fresh_within(3, 2, 2, 1) == 1
