"""Consistent hashing (Karger and others, 1997): which nodes hold a key.

Keys and nodes have places on a ring of 2**64 positions. A key belongs to the first nodes clockwise
from it. A node stands at many places, its tokens (virtual nodes), which evens out the shares: their
relative standard deviation is about 1/sqrt(tokens). A node that comes takes about 1/(n+1) of the
keys, and nothing moves among the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodes.core import NodeId  # a picture of the ring needs nothing else of cores

POSITIONS = 2**64


@lru_cache(maxsize=2**15)
def position(key: str) -> int:
    """Where a key is on the ring; the same in every process."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest())


@lru_cache(maxsize=1024)
def _tokens(node: NodeId, count: int) -> tuple[int, ...]:
    """Where a node stands. Rings are made anew on each change of members, tokens never change."""
    return tuple(sorted(position(f"{node}#{index}") for index in range(count)))


class HashRing:
    """The members, each at `tokens` places. Never changes, so that copies may share it."""

    def __init__(self, members: Iterable[NodeId], tokens: int) -> None:
        assert tokens > 0
        self.members = tuple(sorted(set(members)))
        self.tokens = tokens
        # Should two nodes ever share a place, it is the first one's.
        placed = {place: node for node in reversed(self.members) for place in _tokens(node, tokens)}
        self._places = tuple(sorted(placed))
        self._nodes = tuple(placed[place] for place in self._places)
        # By the index of the first token clockwise, since all keys between two tokens share a list;
        # beyond the last token comes the first.
        self._walks: list[tuple[NodeId, ...] | None] = [None] * (len(placed) + 1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HashRing):
            return NotImplemented
        return (self.members, self.tokens) == (other.members, other.tokens)

    def __repr__(self) -> str:
        return f"HashRing({list(self.members)}, {self.tokens})"

    def __deepcopy__(self, memo: dict[int, object]) -> HashRing:
        return self

    def walk(self, key: str) -> tuple[NodeId, ...]:
        """All members, in the order in which one meets them clockwise from the key."""
        return self.replicas_at(position(key), len(self.members))

    def preference_list(self, key: str, count: int) -> tuple[NodeId, ...]:
        """The `count` different nodes that hold the key (Dynamo 4.3); all, if there are fewer."""
        return self.replicas_at(position(key), count)

    def replicas_at(self, place: int, count: int) -> tuple[NodeId, ...]:
        """The preference list of the keys at a position."""
        index = bisect_left(self._places, place)
        walk = self._walks[index]
        if walk is None:
            walk = self._walks[index] = self._distinct_from(index)
        return walk[:count]

    def owner(self, key: str) -> NodeId:
        """The first node clockwise from the key. There must be a member."""
        return self.replicas_at(position(key), 1)[0]

    def clockwise(self, key: str) -> Iterator[NodeId]:
        """Whose tokens one meets from the key on, once around: every member, as often as it has
        tokens."""
        return self._clockwise_from(bisect_left(self._places, position(key)))

    def tokens_of(self, node: NodeId) -> tuple[int, ...]:
        """The places of a member, in ascending order; none of a stranger."""
        return _tokens(node, self.tokens) if node in self.members else ()

    def arcs(self) -> Iterator[tuple[int, int, NodeId]]:
        """Each token, in ascending order: how many positions end at it, its place, its node."""
        previous = self._places[-1] - POSITIONS if self._places else 0
        for place, node in zip(self._places, self._nodes, strict=True):
            yield place - previous, place, node
            previous = place

    def shares(self) -> dict[NodeId, float]:
        """How much of the ring each member is the first owner of; together 1."""
        lengths = dict.fromkeys(self.members, 0)
        for length, _, node in self.arcs():
            lengths[node] += length
        return {node: length / POSITIONS for node, length in lengths.items()}

    def _clockwise_from(self, index: int) -> Iterator[NodeId]:
        for step in range(len(self._nodes)):
            yield self._nodes[(index + step) % len(self._nodes)]

    def _distinct_from(self, index: int) -> tuple[NodeId, ...]:
        met: dict[NodeId, None] = {}
        for node in self._clockwise_from(index):
            met[node] = None
            if len(met) == len(self.members):
                break
        return tuple(met)


def moved(before: HashRing, after: HashRing) -> float:
    """The share of the ring that has another first owner afterwards; exact, not sampled."""
    return moved_replicas(before, after, 1)


def moved_replicas(before: HashRing, after: HashRing, count: int) -> float:
    """Of all replicas that `after` asks for, `count` of each key, the share that lies at nodes
    which did not hold the key before: what has to be sent."""
    sent = 0
    for length, place in _common_arcs(before, after):
        held = before.replicas_at(place, count)
        sent += length * sum(node not in held for node in after.replicas_at(place, count))
    return sent / (POSITIONS * (min(count, len(after.members)) or 1))


def _common_arcs(one: HashRing, other: HashRing) -> Iterator[tuple[int, int]]:
    """Stretches in which neither ring has a token except at the end: their length and last
    position."""
    places = sorted({place for ring in (one, other) for _, place, _ in ring.arcs()})
    previous = places[-1] - POSITIONS if places else 0
    for place in places:
        yield place - previous, place
        previous = place
