"""A participant: it votes, and once it voted yes it has given up the right to abort alone.

Bernstein, Hadzilacos, Goodman, 7.3: what a yes promises must be durable before it is said, and the
locks stay until the outcome is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from nodes.core import Caller, Env, exercise, handles, on_timer
from nodes.cores.commit.ledger import AMOUNTS, VOTES, Ledger, before, changed
from nodes.parts.locks import Answer, Released
from protos import commit_pb2 as pb

# Who waits for a vote; None is this node itself, as coordinator.
Callers: TypeAlias = tuple[Caller | None, ...]


@dataclass(slots=True)
class Waiting:
    """A request to prepare that waits for locks."""

    request: pb.PrepareRequest
    callers: Callers  # more than one, if the request came twice
    until_ms: int


class Participant(Ledger):
    """Votes, and carries out what was decided."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        # Without a timeout of its own, a request waits for as long as its coordinator does.
        limit = "lock" if env.text("deadlocks") == "timeout" else "vote"
        self.patience_ms = env.number(f"{limit}_timeout_ms")
        self.waiting: dict[str, Waiting] = {}
        self.voted_ms: dict[str, int] = {}  # when, on the monotonic clock, by transaction in doubt
        self.committed = 0
        self.aborted = 0
        self.died = 0

    # --------------------------------------------------------------------------------- the vote

    @handles(pb.PrepareRequest)
    def prepare(self, request: pb.PrepareRequest, caller: Caller) -> None:
        self.consider(request, (caller,))

    def consider(self, request: pb.PrepareRequest, callers: Callers) -> None:
        """Takes a request to prepare, of a peer or of this node as coordinator."""
        transaction = request.transaction
        if self.lost_disk:
            self.vote(request, callers, f"{self.env.node_id} lost its disk")
        elif transaction in self.votes or self.ended.get(transaction) == pb.COMMITTED:
            self.vote(request, callers, "")
        elif self.ended.get(transaction) == pb.ABORTED:
            self.vote(request, callers, "it was aborted before")
        elif transaction in self.waiting:
            self.waiting[transaction].callers += callers
        else:
            self.ask_for_locks(request, callers)

    @exercise(part=2, brief="ask for the locks: prepare, wait, or die")
    def ask_for_locks(self, request: pb.PrepareRequest, callers: Callers) -> None:
        """A transaction locks all that it changes here, before it looks at it."""
        resources = [change.resource for change in request.changes]
        match self.locks.request(request.transaction, before(request.priority), resources):
            case Answer.GRANTED:
                self.locked(request, callers)
            case Answer.DIE:
                self.died += 1
                self.note("died", transaction=request.transaction)
                self.vote(request, callers, "an older transaction holds a lock that it needs")
            case Answer.WAIT:
                until_ms = self.now.mono_ms + self.patience_ms
                self.waiting[request.transaction] = Waiting(request, callers, until_ms)
                self.note("waits", transaction=request.transaction)
                self.watch_waiting()

    @exercise(part=1, brief="vote: no if it cannot be done, yes only once the promise is durable")
    def locked(self, request: pb.PrepareRequest, callers: Callers) -> None:
        """The locks are held: whether it can be done is certain from here on."""
        transaction = request.transaction
        try:
            changed(self.amounts, request.changes)
        except KeyError as missing:
            self.refuse(request, callers, f"there is no {missing.args[0]}")
        except ValueError as short:
            self.refuse(request, callers, f"not enough left of {short.args[0]}")
        else:
            vote = pb.Vote(
                coordinator=request.coordinator,
                participants=request.participants,
                changes=request.changes,
                priority=request.priority,
            )
            self.crash_point("before-vote-logged")
            self.force("vote", transaction, {VOTES + transaction: vote})
            self.crash_point("vote-logged")
            self.votes[transaction] = vote
            self.voted_ms[transaction] = self.now.mono_ms
            self.note("voted", transaction=transaction, yes=True)
            self.on_in_doubt(transaction)
            self.vote(request, callers, "")

    def refuse(self, request: pb.PrepareRequest, callers: Callers, reason: str) -> None:
        """Votes no and lets go; a participant that has not voted yes may always do that."""
        self.note("voted", transaction=request.transaction, yes=False)
        self.vote(request, callers, reason)
        self.let_go(request.transaction)

    def vote(self, request: pb.PrepareRequest, callers: Callers, reason: str) -> None:
        """Says yes, or no with a reason."""
        response = pb.PrepareResponse(yes=not reason, reason=reason)
        for caller in callers:
            if caller is None:
                self.on_own_vote(request.transaction, response)
            else:
                self.answer(caller, response)
                self.crash_point("vote-sent")

    # ------------------------------------------------------------------------------ the outcome

    @handles(pb.DecideRequest)
    def decide(self, request: pb.DecideRequest, caller: Caller) -> None:
        if request.outcome == pb.ABORTED and self.lazy_aborts():
            self.answer(caller, pb.DecideResponse())
            self.conclude(request.transaction, request.outcome)
        else:
            self.conclude(request.transaction, request.outcome)
            self.answer(caller, pb.DecideResponse())

    def lazy_aborts(self) -> bool:
        """Where abort is presumed, nobody waits for an abort to be durable."""
        return self.env.text("presume") == "abort" and self.protocol == "2pc"

    @exercise(part=1, brief="carry out the decision once: amounts, vote and outcome in one write")
    def conclude(self, transaction: str, outcome: pb.Outcome) -> None:
        """The transaction is over here. A decision that comes again changes nothing."""
        if transaction in self.ended:
            return
        vote = self.votes.get(transaction)
        rows = self.remember(transaction, outcome)
        self.crash_point("before-outcome-logged")
        if vote is not None:
            rows[VOTES + transaction] = pb.Vote()
            if outcome == pb.COMMITTED:
                after = changed(self.amounts, vote.changes)
                self.amounts |= after
                for resource, amount in after.items():
                    rows[AMOUNTS + resource] = pb.Amount(amount=amount, open=True)
            del self.votes[transaction]
        self.voted_ms.pop(transaction, None)
        if outcome == pb.ABORTED and self.lazy_aborts():
            self.save_all(rows)
        else:
            self.force("outcome", transaction, rows)
        self.crash_point("outcome-logged")
        if vote is not None:
            self.committed += outcome == pb.COMMITTED
            self.aborted += outcome == pb.ABORTED
            self.note("concluded", transaction=transaction, committed=outcome == pb.COMMITTED)
        waiting = self.waiting.get(transaction)
        if waiting is not None:
            self.refuse(waiting.request, waiting.callers, "it was aborted before")
        else:
            self.let_go(transaction)

    def let_go(self, transaction: str) -> None:
        """Releases locks; who waited for them goes on, or dies."""
        self.waiting.pop(transaction, None)
        self.after_release(self.locks.release(transaction))

    @exercise(part=2, brief="who has got its locks votes; who must die says no")
    def after_release(self, released: Released) -> None:
        """Those that got their locks vote; those that must die say no."""
        for transaction in released.died:
            waiting = self.waiting.pop(transaction, None)
            if waiting is not None:
                self.died += 1
                self.note("died", transaction=transaction)
                reason = "an older transaction holds a lock that it needs"
                self.vote(waiting.request, waiting.callers, reason)
        for transaction in released.granted:
            waiting = self.waiting.pop(transaction, None)
            if waiting is not None:
                self.locked(waiting.request, waiting.callers)

    # --------------------------------------------------------------------------------- patience

    def watch_waiting(self) -> None:
        """Looks again when the first that waits has waited for too long."""
        if self.waiting:
            first_ms = min(one.until_ms for one in self.waiting.values())
            self.set_timer("locks", max(0, first_ms - self.now.mono_ms))

    @exercise(part=2, brief="nobody waits for a lock for ever")
    @on_timer("locks")
    def give_up_waiting(self) -> None:
        """Who has waited for too long may be in a deadlock, and votes no."""
        late = [key for key, one in self.waiting.items() if one.until_ms <= self.now.mono_ms]
        for transaction in late:
            waiting = self.waiting.get(transaction)
            if waiting is not None:
                reason = f"no lock within {self.patience_ms} ms"
                self.refuse(waiting.request, waiting.callers, reason)
        self.watch_waiting()

    # -------------------------------------------------------------------------- for later layers

    def on_own_vote(self, transaction: str, response: pb.PrepareResponse) -> None:
        """This node is coordinator and participant, and has voted."""

    def on_in_doubt(self, transaction: str) -> None:
        """It voted yes and waits for the outcome."""

    def state_of(self, transaction: str) -> pb.InquireResponse.State:
        """What this node can say of a transaction as a participant."""
        states = pb.InquireResponse
        if transaction in self.ended:
            committed = self.ended[transaction] == pb.COMMITTED
            return states.COMMITTED if committed else states.ABORTED
        vote = self.votes.get(transaction)
        if vote is not None:
            return states.PRECOMMITTED if vote.precommitted else states.PREPARED
        return states.WORKING if transaction in self.waiting else states.UNKNOWN
