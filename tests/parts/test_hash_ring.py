"""Consistent hashing."""

from __future__ import annotations

from math import sqrt
from statistics import mean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.parts.hash_ring import POSITIONS, HashRing, moved, moved_replicas, position

NAMES = [f"n{number}" for number in range(1, 9)]
KEYS = [f"key {number}" for number in range(4000)]
members_of = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
tokens_of = st.integers(1, 40)
counts = st.integers(1, 4)
keys = st.text(max_size=12)


def clusters(size: int, seeds: int) -> list[list[str]]:
    """As many clusters as there are seeds, whose nodes stand elsewhere in each."""
    return [[f"seed {seed} node {number}" for number in range(size)] for seed in range(seeds)]


def test_a_position_is_the_same_everywhere() -> None:
    """Python's own hash() differs from process to process. This is what `b2sum -l 64` says."""
    assert position("cart") == 0xC200930B493AE896


@given(members_of, tokens_of, keys)
def test_a_walk_meets_everyone_once_beginning_clockwise(
    members: list[str], tokens: int, key: str
) -> None:
    """It is the order of the tokens, each node where it is met first."""
    ring = HashRing(members, tokens)
    place = position(key)

    def way_to(node: str) -> int:
        return min((token - place) % POSITIONS for token in ring.tokens_of(node))

    assert ring.walk(key) == tuple(sorted(members, key=way_to))


@given(members_of, tokens_of, keys, counts)
def test_a_preference_list_is_the_beginning_of_the_walk(
    members: list[str], tokens: int, key: str, count: int
) -> None:
    """Different nodes, as many as asked for or as there are, and the owner first."""
    ring = HashRing(members, tokens)
    for _ in range(2):  # the second is cached
        assert ring.preference_list(key, count) == ring.walk(key)[:count]
    assert len(ring.preference_list(key, count)) == min(count, len(members))
    assert ring.owner(key) == ring.walk(key)[0]


@given(members_of, tokens_of)
def test_the_order_in_which_members_are_named_does_not_matter(
    members: list[str], tokens: int
) -> None:
    """Nodes heard of each other in different orders, and must agree all the same."""
    ring, same = HashRing(members, tokens), HashRing(members[::-1] + members[:1], tokens)
    assert ring == same
    assert [ring.walk(key) for key in KEYS[:20]] == [same.walk(key) for key in KEYS[:20]]
    assert ring != HashRing(members, tokens + 1)


def test_a_ring_without_members_holds_nothing() -> None:
    """It is what a node outside may see."""
    ring = HashRing((), 8)
    assert ring.walk("cart") == ring.preference_list("cart", 3) == ()
    assert ring.shares() == {}
    assert moved(ring, ring) == 0
    assert moved_replicas(ring, HashRing(["n1"], 8), 3) == 1
    assert moved_replicas(HashRing(["n1"], 8), ring, 3) == 0


@given(members_of, tokens_of, st.sampled_from(NAMES))
def test_arcs_are_the_tokens_and_fill_the_ring(
    members: list[str], tokens: int, stranger: str
) -> None:
    """Each token of each member once, ascending, and no stretch left over."""
    ring = HashRing(members, tokens)
    arcs = list(ring.arcs())
    assert sum(length for length, _, _ in arcs) == POSITIONS
    assert [place for _, place, _ in arcs] == sorted({place for _, place, _ in arcs})
    for node in NAMES:
        at = tuple(place for _, place, owner in arcs if owner == node)
        assert at == ring.tokens_of(node)
        assert len(at) == (tokens if node in members else 0)
    assert sum(ring.shares().values()) == pytest.approx(1)


def test_shares_are_what_keys_find() -> None:
    """The shares are worked out from the tokens; counted keys agree."""
    ring = HashRing(NAMES[:5], 16)
    for node, share in ring.shares().items():
        counted = sum(ring.owner(key) == node for key in KEYS) / len(KEYS)
        assert counted == pytest.approx(share, abs=4 * sqrt(0.25 / len(KEYS)))


# --------------------------------------------------------------------------- what a change moves


@given(members_of, tokens_of, st.sampled_from(NAMES), keys, counts)
def test_a_node_that_comes_moves_keys_to_itself_only(
    members: list[str], tokens: int, newcomer: str, key: str, count: int
) -> None:
    """Nothing moves among the others: at most the last of the old holders is relieved."""
    before = HashRing([node for node in members if node != newcomer], tokens)
    after = HashRing([*members, newcomer], tokens)
    old, new = before.preference_list(key, count), after.preference_list(key, count)
    if newcomer in new:
        assert [node for node in new if node != newcomer] == [*old[: len(new) - 1]]
    else:
        assert new == old


@given(members_of, members_of, tokens_of, counts)
def test_moved_shares_are_what_keys_find(
    one: list[str], other: list[str], tokens: int, count: int
) -> None:
    """Worked out by intervals, and counted over keys."""
    before, after = HashRing(one, tokens), HashRing(other, tokens)
    sample = KEYS[:1000]
    owners = sum(before.owner(key) != after.owner(key) for key in sample)
    assert moved(before, after) == pytest.approx(owners / len(sample), abs=0.08)
    copies = [
        node not in before.preference_list(key, count)
        for key in sample
        for node in after.preference_list(key, count)
    ]
    assert moved_replicas(before, after, count) == pytest.approx(mean(copies), abs=0.08)


@given(members_of, tokens_of, counts)
def test_nothing_moves_when_nothing_changes(members: list[str], tokens: int, count: int) -> None:
    """And one whom nobody replaces moves what it held, all of it."""
    ring = HashRing(members, tokens)
    assert moved(ring, ring) == moved_replicas(ring, ring, count) == 0
    left = HashRing(members[1:], tokens)
    if members[1:]:
        assert moved(ring, left) == pytest.approx(ring.shares()[members[0]])


@pytest.mark.parametrize("size", [3, 4, 5, 10])
def test_a_newcomer_takes_one_share_of_n_plus_1(size: int) -> None:
    """25, 20, 16.7 and 9.1 % on the average; hash(key) mod n would move the other 75 to 91 %."""
    owners, copies = [], []
    for members in clusters(size + 1, 60):
        before, after = HashRing(members[:-1], 64), HashRing(members, 64)
        owners.append(moved(before, after))
        copies.append(moved_replicas(before, after, 3))
    assert mean(owners) == pytest.approx(1 / (size + 1), abs=0.01)
    assert mean(copies) == pytest.approx(1 / (size + 1), abs=0.01)

    def by_remainder(count: int) -> list[int]:
        return [position(key) % count for key in KEYS]

    pairs = zip(by_remainder(size), by_remainder(size + 1), strict=True)
    moved_by_remainder = mean(old != new for old, new in pairs)
    assert moved_by_remainder == pytest.approx(1 - 1 / (size + 1), abs=0.02)


def test_few_tokens_move_anything_from_little_to_much() -> None:
    """With one token a node, a newcomer takes from next to nothing to much more than its part."""
    takes = [moved(HashRing(members[:-1], 1), HashRing(members, 1)) for members in clusters(6, 100)]
    assert min(takes) < 0.03
    assert max(takes) > 0.25


# ------------------------------------------------------------------------------ how even it is


def spread(tokens: int, size: int, seeds: int) -> float:
    """The standard deviation of the members' shares, in mean shares."""
    rings = [HashRing(names, tokens) for names in clusters(size, seeds)]
    return pstdev(share for ring in rings for share in ring.shares().values()) * size


@pytest.mark.parametrize(("tokens", "expected"), [(1, 1.0), (10, 0.315), (100, 0.0997)])
def test_shares_spread_as_one_over_the_root_of_the_tokens(tokens: int, expected: float) -> None:
    """The figures of Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014,
    table 1."""
    measured = spread(tokens, 100, 5)
    assert measured == pytest.approx(expected, rel=0.12)
    assert measured == pytest.approx(1 / sqrt(tokens), rel=0.12)


@pytest.mark.parametrize("tokens", [1, 16, 128])
def test_of_five_nodes_shares_spread_by_the_law_of_random_cuts(tokens: int) -> None:
    """Shares of randomly cut intervals follow Dirichlet's distribution, whose relative standard
    deviation is sqrt((n-1)/(n*tokens+1)): 0.82 with one token, 0.22 with 16, 0.08 with 128."""
    size = 5
    assert spread(tokens, size, 200) == pytest.approx(
        sqrt((size - 1) / (size * tokens + 1)), rel=0.08
    )


def test_with_one_token_somebody_has_more_than_twice_its_part() -> None:
    """Of n random cuts the longest is 1 + 1/2 + ... + 1/n mean ones: 2.28 with five nodes."""
    largest = [max(HashRing(names, 1).shares().values()) * 5 for names in clusters(5, 200)]
    assert mean(largest) == pytest.approx(1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5, rel=0.08)
