"""Quorums: how many are enough, what a majority agrees on, and what smaller ones may miss."""

from __future__ import annotations

from collections.abc import Iterable
from math import comb

from nodes.core import NodeId


def majority(count: int) -> int:
    """The smallest number of `count` members such that any two such groups overlap."""
    return count // 2 + 1


def reached_by_majority(values: Iterable[int]) -> int:
    """The largest value that a majority has reached, given what each member has reached; 0 if
    there are no members."""
    ordered = sorted(values, reverse=True)
    return ordered[majority(len(ordered)) - 1] if ordered else 0


def overlaps(n: int, r: int, w: int) -> bool:
    """Of n replicas, any r that are read and any w that were written share one."""
    return r + w > n


def stale_probability(n: int, r: int, w: int) -> float:
    """How likely a read misses a write, the r read and the w written being drawn at random and
    nothing spreading in between (Bailis and others, Probabilistically Bounded Staleness, 2012)."""
    assert 1 <= r <= n
    assert 1 <= w <= n
    return comb(n - w, r) / comb(n, r)


def fresh_within(n: int, r: int, w: int, k: int) -> float:
    """How likely a read returns one of the last k versions, each written to w drawn anew (the
    same paper's k-staleness)."""
    assert k >= 1
    return 1 - stale_probability(n, r, w) ** k


class VoteTally:
    """Votes of one election. Only members count, and each of them once."""

    def __init__(self, voters: Iterable[NodeId]) -> None:
        self.voters = tuple(voters)
        self.granted: list[NodeId] = []  # in the order in which the votes came

    def grant(self, voter: NodeId) -> None:
        """Counts a vote; a stranger's vote and a second one change nothing."""
        if voter in self.voters and voter not in self.granted:
            self.granted.append(voter)

    @property
    def won(self) -> bool:
        """A majority has voted for us."""
        return len(self.granted) >= majority(len(self.voters))
