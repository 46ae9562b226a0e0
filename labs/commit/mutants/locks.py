"""Planted bugs in what locks keep apart, and in who waits."""

from __future__ import annotations

from nodes.core import Caller, Started, handles, on_timer
from nodes.cores.commit import AtomicCommit
from nodes.cores.commit.ledger import before
from nodes.cores.commit.participant import Callers, Waiting
from nodes.parts.locks import LockTable, Released, Wanted
from protos import commit_pb2 as pb


class LocksNothing(AtomicCommit):
    """Votes on what is there now, whoever else is about to change it."""

    def ask_for_locks(self, request: pb.PrepareRequest, callers: Callers) -> None:
        self.locked(request, callers)


class ReleasesAfterItsVote(AtomicCommit):
    """Gives its locks up as soon as it has voted."""

    def locked(self, request: pb.PrepareRequest, callers: Callers) -> None:
        super().locked(request, callers)
        self.after_release(self.locks.release(request.transaction))


class LocksLostInACrash(AtomicCommit):
    """Comes back in doubt, and without the locks of what it is in doubt of."""

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        self.locks = LockTable(wait_die=self.locks.wait_die)


class ShowsWhatMayBeAborted(AtomicCommit):
    """Answers reads with amounts as they will be if all goes well."""

    @handles(pb.ReadRequest)
    def read(self, request: pb.ReadRequest, caller: Caller) -> pb.ReadResponse:
        """Looks at votes."""
        response = super().read(request, caller)
        for vote in self.votes.values():
            for change in vote.changes:
                if change.resource == request.resource:
                    response.amount += change.delta
        return response


class TheYoungerWaits(AtomicCommit):
    """Lets everyone wait for everyone."""

    def ask_for_locks(self, request: pb.PrepareRequest, callers: Callers) -> None:
        resources = tuple(sorted(change.resource for change in request.changes))
        age, transaction = before(request.priority), request.transaction
        ahead = [one for one in self.locks.waiting if set(one.resources) & set(resources)]
        wanted = Wanted(transaction, age, resources)
        if not self.locks.blockers(wanted, ahead):
            super().ask_for_locks(request, callers)
            return
        self.locks.waiting.append(wanted)
        self.locks.priorities[transaction] = age
        until_ms = self.now.mono_ms + self.patience_ms
        self.waiting[transaction] = Waiting(request, callers, until_ms)
        self.watch_waiting()


class TheOlderDies(AtomicCommit):
    """Lets nobody wait."""

    def ask_for_locks(self, request: pb.PrepareRequest, callers: Callers) -> None:
        super().ask_for_locks(request, callers)
        waiting = self.waiting.get(request.transaction)
        if waiting is not None:
            self.refuse(request, callers, "an older transaction holds a lock that it needs")


class ForgetsWhoWaits(AtomicCommit):
    """Gives locks up, and tells nobody who waits for them."""

    def after_release(self, released: Released) -> None:
        pass


class PatientForEver(AtomicCommit):
    """Waits for a lock for as long as it takes."""

    @on_timer("locks")
    def give_up_waiting(self) -> None:
        """Does not."""


class HoldsItsLocks(AtomicCommit):
    """Knows the outcome, and keeps the locks of those that aborted."""

    def let_go(self, transaction: str) -> None:
        self.waiting.pop(transaction, None)
        if self.ended.get(transaction) != pb.ABORTED:
            super().let_go(transaction)
