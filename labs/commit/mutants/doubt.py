"""Planted bugs in what participants in doubt ask, are told and conclude."""

from __future__ import annotations

from nodes.core import NodeId
from nodes.cores.commit import AtomicCommit
from nodes.cores.commit.termination import State
from protos import commit_pb2 as pb


class NeverAsks(AtomicCommit):
    """Waits to be told."""

    def ask_coordinator(self, transaction: str) -> None:
        pass


class AsksNobodyElse(AtomicCommit):
    """Asks its coordinator, and nobody else when that is silent."""

    def ask_others(self, transaction: str, peer: NodeId) -> None:
        pass


class PromisesAndForgets(AtomicCommit):
    """Says that it will never vote yes, and votes yes when it is asked to."""

    def state_told(self, request: pb.InquireRequest) -> State.State:
        transaction = request.transaction
        if transaction not in self.coordinated and request.cooperative:
            state = self.state_of(transaction)
            return State.ABORTED if state in (State.UNKNOWN, State.WORKING) else state
        return super().state_told(request)


class PromisesNothing(AtomicCommit):
    """Says that it has not voted, and keeps it open what it will vote."""

    def state_told(self, request: pb.InquireRequest) -> State.State:
        request.cooperative = False
        return super().state_told(request)


class GivesUpInDoubt(AtomicCommit):
    """Aborts alone when its coordinator is silent."""

    def ask_others(self, transaction: str, peer: NodeId) -> None:
        vote = self.votes.get(transaction)
        if vote is not None and peer == vote.coordinator:
            self.conclude(transaction, pb.ABORTED)


class AnswersBeforeItKnows(AtomicCommit):
    """Says that it knows nothing of a transaction before it has decided."""

    def state_told(self, request: pb.InquireRequest) -> State.State:
        state = super().state_told(request)
        return State.UNKNOWN if state == State.WORKING else state
