"""Majorities: how many are enough, and what a majority agrees on."""

from __future__ import annotations

from collections.abc import Iterable

from nodes.core import NodeId


def majority(count: int) -> int:
    """The smallest number of `count` members such that any two such groups overlap."""
    return count // 2 + 1


def reached_by_majority(values: Iterable[int]) -> int:
    """The largest value that a majority has reached, given what each member has reached; 0 if
    there are no members."""
    ordered = sorted(values, reverse=True)
    return ordered[majority(len(ordered)) - 1] if ordered else 0


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
