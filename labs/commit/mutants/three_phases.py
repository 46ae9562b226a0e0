"""Planted bugs in three-phase commit."""

from __future__ import annotations

from nodes.core import Call, NodeId
from nodes.cores.commit import AtomicCommit
from nodes.cores.commit.coordinator import Coordination
from nodes.cores.commit.three_phase import Round
from protos import commit_pb2 as pb


class SkipsTheMiddlePhase(AtomicCommit):
    """Decides as soon as all have voted yes."""

    def precommit(self, coordination: Coordination) -> None:
        self.decide_commit(coordination)


class CommitsWhenOneKnows(AtomicCommit):
    """Decides as soon as the first participant knows that all voted yes."""

    def count_precommit(self, transaction: str, node: NodeId) -> None:
        coordination = self.coordinated.get(transaction)
        if coordination is not None and coordination.phase == "precommitting":
            coordination.waiting_for.intersection_update({node})
        super().count_precommit(transaction, node)


class WaitsForItsCoordinator(AtomicCommit):
    """Asks round, and decides nothing without its coordinator."""

    def judge_round(self, transaction: str, running: Round) -> None:
        if self.involved(transaction)[0] in running.heard:
            super().judge_round(transaction, running)
        else:
            del self.rounds[transaction]


class AbortsWhatOneKnows(AtomicCommit):
    """Left alone, aborts also where somebody knows that all voted yes."""

    def bring_along(self, transaction: str, running: Round) -> None:
        self.end_round(transaction, pb.ABORTED)


class WaitsForTheDead(AtomicCommit):
    """Waits for everyone to know, also for those that are down."""

    def on_call_failed(self, call: Call, reason: str) -> None:
        if not isinstance(call.request, pb.PreCommitRequest):
            super().on_call_failed(call, reason)


class BackAndInCharge(AtomicCommit):
    """Comes back after a crash as coordinator, and aborts what the others may have committed."""

    def recover_undecided(self, transaction: str, decision: pb.Decision) -> None:
        coordination = self.resume(transaction, decision)
        self.decide_abort(coordination, "its coordinator crashed before it decided")
