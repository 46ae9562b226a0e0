"""The coordinator of two-phase commit: it asks for votes, decides, and makes sure that all hear.

The decision is made when it is durable, and not before: that is the commit point (Gray, 1978). With
presumed abort (Mohan, Lindsay, Obermarck, 1986) an abort leaves no trace: who finds no record of a
transaction answers that it was aborted. With nothing presumed, the begin and the abort are written
down as well, and the abort is acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.message import Message

from nodes.core import Call, Caller, Env, NodeId, Started, exercise, on_response, on_timer
from nodes.cores.commit.ledger import DECISIONS
from nodes.cores.commit.participant import Participant
from protos import commit_pb2 as pb


@dataclass(slots=True)
class Coordination:
    """A transaction that this node coordinates; `waiting_for` are participants in the phase at
    hand."""

    transaction: str
    request: str  # the client's name for it
    shares: dict[NodeId, list[pb.Change]]
    began_ms: int
    since_ms: int = 0  # by the wall clock, when the client first tried
    callers: list[Caller] = field(default_factory=list)
    phase: str = "voting"  # voting, precommitting, deciding
    waiting_for: set[NodeId] = field(default_factory=set)
    yes: list[NodeId] = field(default_factory=list)
    votes: dict[NodeId, pb.PrepareResponse] = field(default_factory=dict)
    silent: set[NodeId] = field(default_factory=set)  # that did not vote in time
    outcome: pb.Outcome = pb.UNDECIDED
    reason: str = ""
    told_ms: int = 0  # when those that have not acknowledged were told last

    @property
    def participants(self) -> list[NodeId]:
        """All of them, sorted."""
        return sorted(self.shares)


class Coordinator(Participant):
    """Coordinates whatever clients ask this node for."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.presumes_abort = env.text("presume") == "abort"
        self.vote_timeout_ms = env.number("vote_timeout_ms")
        self.retry_ms = env.number("retry_ms")
        self.coordinated: dict[str, Coordination] = {}
        self.telling = False  # the timer runs

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        self.recover()

    @exercise(
        part=3, brief="after a crash: an undecided transaction is aborted, a decided one told"
    )
    def recover(self) -> None:
        """What was decided is told again until everyone has heard; what was only begun is aborted,
        since nobody can have been told to commit."""
        for transaction, decision in list(self.decisions.items()):
            if decision.outcome == pb.UNDECIDED:
                self.recover_undecided(transaction, decision)
            else:
                self.resume(transaction, decision)

    def recover_undecided(self, transaction: str, decision: pb.Decision) -> None:
        """It began, and no decision is on disk."""
        coordination = self.resume(transaction, decision)
        self.decide_abort(coordination, "its coordinator crashed before it decided")

    def resume(self, transaction: str, decision: pb.Decision) -> Coordination:
        """Goes on with a transaction of an earlier life."""
        shares: dict[NodeId, list[pb.Change]] = {node: [] for node in decision.participants}
        name = transaction.rpartition("#")[0]
        coordination = Coordination(transaction, name, shares, self.now.mono_ms)
        coordination.yes = list(decision.participants)
        coordination.outcome = decision.outcome
        self.coordinated[transaction] = coordination
        if decision.outcome != pb.UNDECIDED:
            committed = decision.outcome == pb.COMMITTED
            self.note("resumed", transaction=transaction, committed=committed)
            self.tell(coordination)
        return coordination

    # ------------------------------------------------------------------------------- first phase

    @exercise(part=1, brief="first phase: ask every participant for its vote")
    def begin(self, coordination: Coordination) -> None:
        """Asks everyone to prepare; where nothing is presumed, it is written down first."""
        transaction = coordination.transaction
        self.coordinated[transaction] = coordination
        self.note("began", transaction=transaction, participants=",".join(coordination.shares))
        if self.records_begin():
            self.crash_point("before-begin-logged")
            self.write_decision(coordination)
            self.crash_point("begin-logged")
        coordination.waiting_for = set(coordination.shares)
        # Itself last: should it say no, everyone who was asked hears that.
        for node in sorted(coordination.participants, key=lambda one: one == self.env.node_id):
            request = pb.PrepareRequest(
                transaction=transaction,
                coordinator=self.env.node_id,
                participants=coordination.participants,
                changes=coordination.shares[node],
                priority=pb.Priority(time_ms=coordination.since_ms, transaction=transaction),
            )
            if node == self.env.node_id:
                self.consider(request, (None,))
            else:
                self.ask(node, request, self.vote_timeout_ms)
            self.crash_point("prepare-sent")

    def records_begin(self) -> bool:
        """There is a record of the transaction before anyone is asked."""
        return not self.presumes_abort

    @on_response(pb.PrepareRequest, pb.PrepareResponse)
    def on_vote(
        self, peer: NodeId, request: pb.PrepareRequest, response: pb.PrepareResponse
    ) -> None:
        self.count(request.transaction, peer, response)

    def on_own_vote(self, transaction: str, response: pb.PrepareResponse) -> None:
        self.count(transaction, self.env.node_id, response)

    @exercise(part=1, brief="count a vote: all yes commits, a single no aborts")
    def count(self, transaction: str, node: NodeId, vote: pb.PrepareResponse) -> None:
        """A vote came in, or (as a no) did not come in time. Unanimity is needed, not a
        majority."""
        coordination = self.coordinated.get(transaction)
        if coordination is None or coordination.phase != "voting":
            return  # It was decided without this vote.
        if node not in coordination.waiting_for:
            return
        coordination.waiting_for.discard(node)
        coordination.votes[node] = vote
        if not vote.yes:
            self.decide_abort(coordination, f"{node}: {vote.reason}")
            return
        coordination.yes.append(node)
        if not coordination.waiting_for:
            self.all_voted_yes(coordination)

    def all_voted_yes(self, coordination: Coordination) -> None:
        """Everyone is prepared."""
        self.decide_commit(coordination)

    # ------------------------------------------------------------------------------ second phase

    @exercise(part=1, brief="the commit point: durable first, then told")
    def decide_commit(self, coordination: Coordination) -> None:
        """From the moment that this is durable, the transaction is committed."""
        coordination.outcome = pb.COMMITTED
        self.crash_point("before-decision-logged")
        self.write_decision(coordination)
        self.crash_point("decision-logged")
        self.note("decided", transaction=coordination.transaction, committed=True)
        self.tell_client(coordination)
        self.tell(coordination)

    @exercise(
        part=3, brief="an abort: with presumed abort nothing is written, and nobody waited for"
    )
    def decide_abort(self, coordination: Coordination, reason: str) -> None:
        """Before the commit point it may be aborted at any time."""
        coordination.outcome, coordination.reason = pb.ABORTED, reason
        if self.records_begin():
            self.crash_point("before-decision-logged")
            self.write_decision(coordination)
            self.crash_point("decision-logged")
        else:
            self.ended[coordination.request] = pb.ABORTED  # As long as this node lives.
        self.note("decided", transaction=coordination.transaction, committed=False)
        self.tell_client(coordination)
        self.tell(coordination)

    def write_decision(self, coordination: Coordination, *, precommitted: bool = False) -> None:
        """The coordinator's record, as it is now."""
        decision = pb.Decision(
            outcome=coordination.outcome,
            participants=coordination.participants,
            precommitted=precommitted,
        )
        self.decisions[coordination.transaction] = decision
        what = "precommit" if precommitted else "begin"
        rows: dict[str, Message] = {DECISIONS + coordination.transaction: decision}
        if coordination.outcome != pb.UNDECIDED:
            what = "decision"
            rows |= self.remember(coordination.request, coordination.outcome)
        self.force(what, coordination.transaction, rows)

    def tell(self, coordination: Coordination) -> None:
        """Second phase: whoever may have voted yes hears the outcome; if need be, again."""
        coordination.phase = "deciding"
        voted_no = set(coordination.participants) - set(coordination.yes)
        unsure = voted_no & coordination.waiting_for
        coordination.waiting_for = set(coordination.yes) | unsure
        if coordination.outcome == pb.ABORTED and not self.records_begin():
            del self.coordinated[coordination.transaction]  # Nobody has to acknowledge it.
            self.note("ended", transaction=coordination.transaction)
        coordination.told_ms = self.now.mono_ms
        self.tell_waiting(coordination)
        self.end_if_all_know(coordination)
        if coordination.transaction in self.coordinated and not self.telling:
            self.watch_untold()

    @exercise(part=1, brief="second phase: tell everyone who has not acknowledged the outcome")
    def tell_waiting(self, coordination: Coordination) -> None:
        """Sends the outcome to all that have not acknowledged it."""
        for node in sorted(coordination.waiting_for):
            if node == self.env.node_id:
                self.conclude(coordination.transaction, coordination.outcome)
                coordination.waiting_for.discard(node)
                continue
            outcome = coordination.outcome
            request = pb.DecideRequest(transaction=coordination.transaction, outcome=outcome)
            self.ask(node, request, self.retry_ms)
            self.crash_point("outcome-sent")

    @on_response(pb.DecideRequest, pb.DecideResponse)
    def on_acknowledged(
        self, peer: NodeId, request: pb.DecideRequest, response: pb.DecideResponse
    ) -> None:
        coordination = self.coordinated.get(request.transaction)
        if coordination is not None and coordination.phase == "deciding":
            coordination.waiting_for.discard(peer)
            self.end_if_all_know(coordination)

    @exercise(part=3, brief="forget a transaction when everyone has acknowledged its outcome")
    def end_if_all_know(self, coordination: Coordination) -> None:
        """When all have the outcome, nobody will ask for it any more."""
        transaction = coordination.transaction
        if coordination.waiting_for or transaction not in self.decisions:
            return
        self.crash_point("before-end-logged")
        del self.decisions[transaction]
        del self.coordinated[transaction]
        self.save(DECISIONS + transaction, pb.Decision())
        self.crash_point("end-logged")
        self.note("ended", transaction=transaction)

    def watch_untold(self) -> None:
        """Wakes up for the first outcome that has to be told again."""
        told_ms = [one.told_ms for one in self.coordinated.values() if one.phase == "deciding"]
        self.telling = bool(told_ms)
        if told_ms:
            self.set_timer("retry", max(0, min(told_ms) + self.retry_ms - self.now.mono_ms))

    @on_timer("retry")
    def tell_again(self) -> None:
        """Those that have not acknowledged for so long may not have heard."""
        for coordination in list(self.coordinated.values()):
            late = self.now.mono_ms - coordination.told_ms >= self.retry_ms
            if coordination.phase == "deciding" and late:
                coordination.told_ms = self.now.mono_ms
                self.tell_waiting(coordination)
        self.watch_untold()

    # ----------------------------------------------------------------------------------- clients

    def tell_client(self, coordination: Coordination) -> None:
        """Everyone who asked hears the outcome."""
        response = pb.TransactResponse(
            outcome=coordination.outcome,
            reason=coordination.reason,
            since_ms=coordination.since_ms,
            ballots=[ballot(coordination, node) for node in coordination.participants],
        )
        for caller in coordination.callers:
            self.respond(caller, response)
        coordination.callers = []

    def on_call_failed(self, call: Call, reason: str) -> None:
        if isinstance(call.request, pb.PrepareRequest):
            no = pb.PrepareResponse(yes=False, reason=f"no vote ({reason})")
            coordination = self.coordinated.get(call.request.transaction)
            if coordination is not None and coordination.phase == "voting":
                coordination.silent.add(call.peer)
                # It may have voted yes all the same, so that it has to hear the outcome.
                coordination.yes.append(call.peer)
            self.count(call.request.transaction, call.peer, no)

    def describe(self, coordination: Coordination) -> pb.Coordinated:
        """For the view."""
        return pb.Coordinated(
            transaction=coordination.transaction,
            phase=coordination.phase,
            waiting_for=sorted(coordination.waiting_for),
            since_ms=max(0, self.now.mono_ms - coordination.began_ms),
        )


def ballot(coordination: Coordination, node: NodeId) -> pb.Ballot:
    """How a participant voted, for the client."""
    vote = coordination.votes.get(node)
    kind = pb.Ballot.NONE
    if vote is not None and node not in coordination.silent:
        kind = pb.Ballot.YES if vote.yes else pb.Ballot.NO
    return pb.Ballot(
        participant=node,
        kind=kind,
        reason=vote.reason if vote is not None else "",
        changes=coordination.shares[node],
    )
