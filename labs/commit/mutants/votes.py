"""Planted bugs in voting, deciding and carrying out."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message

from nodes.core import Env, NodeId
from nodes.cores.commit import AtomicCommit
from nodes.cores.commit.coordinator import Coordination
from protos import commit_pb2 as pb


class TakesAndDoesNotGive(AtomicCommit):
    """Carries out only what a transaction takes away."""

    def conclude(self, transaction: str, outcome: pb.Outcome) -> None:
        vote = self.votes.get(transaction)
        if vote is not None:
            taken = [change for change in vote.changes if change.delta < 0]
            del vote.changes[:]
            vote.changes.extend(taken)
        super().conclude(transaction, outcome)


class MajorityDecides(AtomicCommit):
    """Commits when more than half of the participants voted yes."""

    def count(self, transaction: str, node: NodeId, vote: pb.PrepareResponse) -> None:
        coordination = self.coordinated.get(transaction)
        if coordination is not None:
            needed = len(coordination.participants) // 2 + 1
            if len(coordination.yes) + vote.yes >= needed:
                vote.yes = True
        super().count(transaction, node, vote)


class SilenceIsConsent(AtomicCommit):
    """Counts who does not answer in time as one that has nothing to object."""

    def count(self, transaction: str, node: NodeId, vote: pb.PrepareResponse) -> None:
        coordination = self.coordinated.get(transaction)
        if coordination is not None and node in coordination.silent:
            vote.yes = True
        super().count(transaction, node, vote)


class CountsOneTooFew(AtomicCommit):
    """Commits when one vote is still missing."""

    def count(self, transaction: str, node: NodeId, vote: pb.PrepareResponse) -> None:
        super().count(transaction, node, vote)
        coordination = self.coordinated.get(transaction)
        if coordination is None or coordination.phase != "voting":
            return
        if len(coordination.waiting_for) == 1 < len(coordination.participants):
            self.all_voted_yes(coordination)


class YesInMemoryOnly(AtomicCommit):
    """Says yes, and has not written down what it promises."""

    def force(self, what: str, transaction: str, slots: Mapping[str, Message]) -> None:
        if what != "vote":
            super().force(what, transaction, slots)


class TellsBeforeItIsWritten(AtomicCommit):
    """Tells its client that a transaction is committed before that is on disk."""

    def decide_commit(self, coordination: Coordination) -> None:
        coordination.outcome = pb.COMMITTED
        self.tell_client(coordination)
        super().decide_commit(coordination)


class CarriesOutAgain(AtomicCommit):
    """Carries out a decision as often as it is told."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.past: dict[str, pb.Vote] = {}

    def conclude(self, transaction: str, outcome: pb.Outcome) -> None:
        if transaction in self.votes:
            self.past[transaction] = self.votes[transaction]
        elif transaction in self.past and outcome == pb.COMMITTED:
            self.votes[transaction] = self.past[transaction]
            del self.ended[transaction]
        super().conclude(transaction, outcome)


class RowByRow(AtomicCommit):
    """Writes amounts, vote and outcome one after the other, and not as one."""

    def force(self, what: str, transaction: str, slots: Mapping[str, Message]) -> None:
        super().force(what, transaction, {})
        for slot, state in slots.items():
            self.save(slot, state)
