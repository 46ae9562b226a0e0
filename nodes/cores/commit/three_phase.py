"""Three-phase commit (Skeen, 1981): nobody commits before everyone knows that all voted yes.

So no participant can be in doubt while another has committed already, and those that are left when
the coordinator crashes can decide among themselves. That holds as long as silence means a crash. In
a partition it does not: both sides believe that the other is dead, and may decide differently.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nodes.core import Call, Caller, Env, NodeId, exercise, handles, on_response
from nodes.cores.commit.coordinator import Coordination
from nodes.cores.commit.ledger import VOTES
from nodes.cores.commit.termination import State, Termination
from protos import commit_pb2 as pb


@dataclass(slots=True)
class Round:
    """A round of the termination protocol: who was asked, and what they said."""

    waiting_for: set[NodeId]
    states: dict[NodeId, State.State] = field(default_factory=dict)
    precommitting: set[NodeId] = field(default_factory=set)


class ThreePhase(Termination):
    """Adds the middle phase, and the termination protocol that it makes possible."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.three_phases = self.protocol == "3pc"
        self.rounds: dict[str, Round] = {}

    def records_begin(self) -> bool:
        return self.three_phases or super().records_begin()

    def recover_undecided(self, transaction: str, decision: pb.Decision) -> None:
        if not self.three_phases:
            super().recover_undecided(transaction, decision)
            return
        # The others may have decided without it: it asks them, like a participant.
        coordination = self.resume(transaction, decision)
        coordination.phase = "recovering"
        self.rounds[transaction] = Round(set(decision.participants))
        for node in decision.participants:
            self.inquire(node, transaction, cooperative=False)

    # ------------------------------------------------------------------------------ middle phase

    def all_voted_yes(self, coordination: Coordination) -> None:
        if not self.three_phases:
            super().all_voted_yes(coordination)
            return
        self.precommit(coordination)

    @exercise(part=5, brief="3PC's middle phase: tell everyone that all voted yes")
    def precommit(self, coordination: Coordination) -> None:
        """Everyone shall know that everyone voted yes, before anyone commits."""
        coordination.phase = "precommitting"
        self.crash_point("before-precommit-logged")
        self.write_decision(coordination, precommitted=True)
        self.crash_point("precommit-logged")
        coordination.waiting_for = set(coordination.participants)
        for node in coordination.participants:
            if node == self.env.node_id:
                self.take_precommit(coordination.transaction)
                self.precommitted(coordination.transaction, node)
                continue
            request = pb.PreCommitRequest(transaction=coordination.transaction)
            self.ask(node, request, self.vote_timeout_ms)
            self.crash_point("precommit-sent")

    @handles(pb.PreCommitRequest)
    def on_precommit(self, request: pb.PreCommitRequest, caller: Caller) -> None:
        taken = self.take_precommit(request.transaction)
        self.answer(caller, pb.PreCommitResponse(refused=not taken))

    @exercise(part=5, brief="a participant notes durably that all voted yes")
    def take_precommit(self, transaction: str) -> bool:
        """From here on this participant commits if it is left alone; whether it takes it."""
        vote = self.votes.get(transaction)
        if vote is None:
            return self.ended.get(transaction) == pb.COMMITTED
        if not vote.precommitted:
            vote.precommitted = True
            self.crash_point("before-precommit-logged")
            self.force({VOTES + transaction: vote})
            self.crash_point("precommit-logged")
        # The coordinator is alive: its time begins anew.
        self.voted_ms[transaction] = self.now.mono_ms
        return True

    @on_response(pb.PreCommitRequest, pb.PreCommitResponse)
    def on_precommitted(
        self, peer: NodeId, request: pb.PreCommitRequest, response: pb.PreCommitResponse
    ) -> None:
        self.precommitted(request.transaction, peer)

    @exercise(part=5, brief="commit once all that are alive know that all voted yes")
    def precommitted(self, transaction: str, node: NodeId) -> None:
        """One more knows, or is taken for dead."""
        coordination = self.coordinated.get(transaction)
        if coordination is not None and coordination.phase == "precommitting":
            coordination.waiting_for.discard(node)
            if not coordination.waiting_for:
                self.decide_commit(coordination)
            return
        running = self.rounds.get(transaction)
        if running is not None and node in running.precommitting:
            running.precommitting.discard(node)
            if not running.precommitting:
                self.end_round(transaction, pb.COMMITTED)

    def on_call_failed(self, call: Call, reason: str) -> None:
        super().on_call_failed(call, reason)
        if isinstance(call.request, pb.PreCommitRequest):
            # In this protocol silence is a crash, and the dead will learn of the outcome later.
            self.precommitted(call.request.transaction, call.peer)

    # --------------------------------------------------------------------- termination protocol

    def in_doubt_for_long(self, transaction: str) -> None:
        if not self.three_phases:
            super().in_doubt_for_long(transaction)
            return
        vote = self.votes[transaction]
        self.note("in_doubt", transaction=transaction, coordinator=vote.coordinator)
        asked = [vote.coordinator, *self.others(vote)]
        asked = [node for node in dict.fromkeys(asked) if node != self.env.node_id]
        self.rounds[transaction] = Round(set(asked))
        for node in asked:
            self.inquire(node, transaction, cooperative=False)

    def heard(self, transaction: str, peer: NodeId, state: State.State) -> None:
        if not self.three_phases:
            super().heard(transaction, peer, state)
            return
        running = self.rounds.get(transaction)
        if running is not None and peer in running.waiting_for:
            running.waiting_for.discard(peer)
            running.states[peer] = state
            if not running.waiting_for:
                self.judge_round(transaction, running)

    def unreachable(self, transaction: str, peer: NodeId) -> None:
        running = self.rounds.get(transaction)
        if self.three_phases and running is not None and peer in running.waiting_for:
            running.waiting_for.discard(peer)
            if not running.waiting_for:
                self.judge_round(transaction, running)

    @exercise(part=5, brief="the termination rule: what the states of those that are left allow")
    def judge_round(self, transaction: str, running: Round) -> None:
        """Skeen's rule for those that are left, carried out by the first of them: an outcome that
        anyone knows holds; if anyone knows that all voted yes, commit; else abort."""
        own = self.state_of(transaction)
        states = [own, *running.states.values()]
        if State.COMMITTED in states:
            self.end_round(transaction, pb.COMMITTED)
        elif State.ABORTED in states:
            self.end_round(transaction, pb.ABORTED)
        elif State.WORKING in states or not self.leads(transaction, running):
            del self.rounds[transaction]  # The coordinator is at it, or another one leads.
        elif State.PRECOMMITTED in states or self.recorded_precommit(transaction):
            self.bring_along(transaction, running)
        else:
            self.end_round(transaction, pb.ABORTED)

    def leads(self, transaction: str, running: Round) -> bool:
        """The first of the participants that answer leads the others to a decision."""
        if transaction not in self.votes:
            return True  # The coordinator that came back.
        vote = self.votes[transaction]
        present = [node for node in running.states if node in vote.participants]
        return self.env.node_id == min([self.env.node_id, *present])

    def recorded_precommit(self, transaction: str) -> bool:
        """This node coordinated it, and had told the others to precommit."""
        decision = self.decisions.get(transaction)
        return decision is not None and decision.precommitted

    def bring_along(self, transaction: str, running: Round) -> None:
        """Those that are only prepared learn that all voted yes, before anyone commits."""
        if transaction in self.votes:
            self.take_precommit(transaction)
        behind = [node for node, state in running.states.items() if state == State.PREPARED]
        running.precommitting = set(behind)
        for node in sorted(behind):
            request = pb.PreCommitRequest(transaction=transaction)
            self.ask(node, request, self.vote_timeout_ms)
        if not behind:
            self.end_round(transaction, pb.COMMITTED)

    def end_round(self, transaction: str, outcome: pb.Outcome) -> None:
        """Decides for those that are left, and tells them."""
        running = self.rounds.pop(transaction)
        self.note("terminated", transaction=transaction, committed=outcome == pb.COMMITTED)
        coordination = self.coordinated.get(transaction)
        if coordination is not None and coordination.phase == "recovering":
            if outcome == pb.COMMITTED:
                self.decide_commit(coordination)
            else:
                self.decide_abort(coordination, "the participants have aborted it")
            return
        self.conclude(transaction, outcome)
        for node, state in sorted(running.states.items()):
            if state in (State.PREPARED, State.PRECOMMITTED):
                request = pb.DecideRequest(transaction=transaction, outcome=outcome)
                self.ask(node, request, self.retry_ms)
