"""Planted bugs in what a coordinator writes down, presumes and forgets."""

from __future__ import annotations

from nodes.cores.commit import AtomicCommit
from nodes.cores.commit.coordinator import Coordination
from nodes.cores.commit.ledger import DECISIONS, ENDED
from protos import commit_pb2 as pb


class ForgetsInACrash(AtomicCommit):
    """Comes back, and takes up nothing of what it had decided."""

    def recover(self) -> None:
        self.decisions.clear()


class RecoversToCommit(AtomicCommit):
    """Commits what it had only begun when it crashed."""

    def recover_undecided(self, transaction: str, decision: pb.Decision) -> None:
        self.decide_commit(self.resume(transaction, decision))


class RecoversToAbort(AtomicCommit):
    """Aborts after a crash whatever not everyone has acknowledged."""

    def recover(self) -> None:
        for transaction, decision in list(self.decisions.items()):
            decision.outcome = pb.UNDECIDED
            self.recover_undecided(transaction, decision)


class WritesDownAborts(AtomicCommit):
    """Presumes abort, and forces every abort to disk all the same."""

    def decide_abort(self, coordination: Coordination, reason: str) -> None:
        if self.presumes_abort:
            transaction = coordination.transaction
            row = {ENDED + transaction: pb.Ended(outcome=pb.ABORTED)}
            self.force("decision", transaction, row)
        super().decide_abort(coordination, reason)


class BeginsUnrecorded(AtomicCommit):
    """Presumes nothing, and does not write down that it begins."""

    beginning = False

    def begin(self, coordination: Coordination) -> None:
        self.beginning = True
        super().begin(coordination)
        self.beginning = False

    def records_begin(self) -> bool:
        return super().records_begin() and not self.beginning


class AbortsUnacknowledged(AtomicCommit):
    """Presumes nothing, and forgets an abort as soon as it has told it."""

    def end_if_all_know(self, coordination: Coordination) -> None:
        if coordination.outcome == pb.ABORTED:
            coordination.waiting_for.clear()
        super().end_if_all_know(coordination)


class ForgetsAtOnce(AtomicCommit):
    """Forgets a commit as soon as it has told it."""

    def end_if_all_know(self, coordination: Coordination) -> None:
        if coordination.outcome == pb.COMMITTED:
            coordination.waiting_for.clear()
        super().end_if_all_know(coordination)


class ForgetsInMemoryOnly(AtomicCommit):
    """Forgets a commit, and leaves it on disk."""

    def end_if_all_know(self, coordination: Coordination) -> None:
        super().end_if_all_know(coordination)
        transaction = coordination.transaction
        if transaction not in self.decisions and transaction not in self.coordinated:
            decision = pb.Decision(outcome=coordination.outcome, participants=coordination.yes)
            self.save(DECISIONS + transaction, decision)
