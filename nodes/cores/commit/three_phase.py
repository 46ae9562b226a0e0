"""Three-phase commit (Skeen, 1981): nobody commits before everyone knows that all voted yes.

So no participant can be in doubt while another has committed already, and those that are left when
the coordinator crashes can decide among themselves. That holds as long as silence means a crash. In
a partition it does not: both sides believe that the other is dead, and may decide differently.

Who crashed and came back has no say in it: the others may have decided meanwhile, and crashed
since. Only if all of them have crashed, and all are back, may those decide (Skeen's total failure).
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
    heard: dict[NodeId, pb.InquireResponse] = field(default_factory=dict)
    precommitting: set[NodeId] = field(default_factory=set)


class ThreePhase(Termination):
    """Adds the middle phase, and the termination protocol that it makes possible."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.three_phases = self.protocol == "3pc"
        self.rounds: dict[str, Round] = {}
        self.silent: dict[str, set[NodeId]] = {}  # in the round before

    def records_begin(self) -> bool:
        return self.three_phases or super().records_begin()

    def recover_undecided(self, transaction: str, decision: pb.Decision) -> None:
        if not self.three_phases:
            super().recover_undecided(transaction, decision)
            return
        # The others may have decided without it: it asks them, like a participant in doubt.
        self.resume(transaction, decision).phase = "recovering"

    def unresolved(self) -> list[str]:
        recovering = [key for key, one in self.coordinated.items() if one.phase == "recovering"]
        return list(dict.fromkeys([*super().unresolved(), *recovering]))

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
        self.note("precommitting", transaction=coordination.transaction)
        coordination.waiting_for = set(coordination.participants)
        for node in coordination.participants:
            if node == self.env.node_id:
                self.take_precommit(coordination.transaction)
                self.count_precommit(coordination.transaction, node)
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
            self.force("precommit", transaction, {VOTES + transaction: vote})
            self.crash_point("precommit-logged")
            self.note("precommitted", transaction=transaction)
        # The coordinator is alive: its time begins anew.
        self.be_patient(transaction)
        return True

    @on_response(pb.PreCommitRequest, pb.PreCommitResponse)
    def on_precommitted(
        self, peer: NodeId, request: pb.PreCommitRequest, response: pb.PreCommitResponse
    ) -> None:
        if response.refused:
            self.precommit_refused(request.transaction, peer)
        else:
            self.count_precommit(request.transaction, peer)

    def precommit_refused(self, transaction: str, node: NodeId) -> None:
        """It has decided otherwise: silence was taken for a crash, and was none."""
        self.rounds.pop(transaction, None)
        coordination = self.coordinated.get(transaction)
        if coordination is not None and coordination.phase == "precommitting":
            self.decide_abort(coordination, f"{node} has aborted it")

    @exercise(part=5, brief="commit once all that are alive know that all voted yes")
    def count_precommit(self, transaction: str, node: NodeId) -> None:
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
            self.count_precommit(call.request.transaction, call.peer)

    # --------------------------------------------------------------------- termination protocol

    def in_doubt_for_long(self, transaction: str) -> None:
        if not self.three_phases:
            super().in_doubt_for_long(transaction)
            return
        coordination = self.coordinated.get(transaction)
        if coordination is not None and coordination.phase != "recovering":
            return  # It coordinates this itself, and is at it.
        if transaction in self.rounds:
            return
        self.note("in_doubt", transaction=transaction, coordinator=self.involved(transaction)[0])
        asked = [node for node in self.involved(transaction) if node != self.env.node_id]
        self.rounds[transaction] = running = Round(set(asked))
        for node in asked:
            self.inquire(node, transaction, cooperative=False)
        if not asked:
            self.judge_round(transaction, running)

    def involved(self, transaction: str) -> list[NodeId]:
        """The coordinator, which comes first, and all participants."""
        vote = self.votes.get(transaction)
        coordinator = self.env.node_id if vote is None else vote.coordinator
        return list(dict.fromkeys([coordinator, *self.participants_of(transaction)]))

    def participants_of(self, transaction: str) -> list[NodeId]:
        """All participants of a transaction that is not resolved."""
        vote = self.votes.get(transaction)
        return list(self.decisions[transaction].participants if vote is None else vote.participants)

    def tell_state(self, request: pb.InquireRequest) -> State.State:
        coordination = self.coordinated.get(request.transaction)
        if coordination is not None and coordination.phase == "recovering":
            return self.own_state(request.transaction)
        return super().tell_state(request)

    def own_state(self, transaction: str) -> State.State:
        """As participant, and as a coordinator that came back."""
        decision = self.decisions.get(transaction)
        if decision is not None and decision.precommitted:
            return State.PRECOMMITTED
        if self.env.node_id in self.participants_of(transaction):
            return self.state_of(transaction)
        return State.PREPARED

    def heard(self, transaction: str, peer: NodeId, response: pb.InquireResponse) -> None:
        if self.three_phases:
            self.round_went_on(transaction, peer, response)
        else:
            super().heard(transaction, peer, response)

    def unreachable(self, transaction: str, peer: NodeId) -> None:
        if self.three_phases:
            self.round_went_on(transaction, peer, None)
        else:
            super().unreachable(transaction, peer)

    def round_went_on(
        self, transaction: str, peer: NodeId, response: pb.InquireResponse | None
    ) -> None:
        """One more has answered in a round, or has not."""
        running = self.rounds.get(transaction)
        if running is None or peer not in running.waiting_for:
            return
        running.waiting_for.discard(peer)
        if response is not None:
            running.heard[peer] = response
        if transaction not in self.unresolved():
            del self.rounds[transaction]  # The outcome came by another way.
            self.silent.pop(transaction, None)
        elif not running.waiting_for:
            self.judge_round(transaction, running)

    @exercise(part=5, brief="the termination rule: what the states of those that are left allow")
    def judge_round(self, transaction: str, running: Round) -> None:
        """Skeen's rule for those that are left, carried out by the first of them: an outcome that
        anyone knows holds; who has not voted yes keeps all from committing; if anyone knows that
        all voted yes, commit; else abort."""
        states = [self.own_state(transaction), *(one.state for one in running.heard.values())]
        if State.COMMITTED in states:
            self.end_round(transaction, pb.COMMITTED)
        elif State.ABORTED in states:
            self.end_round(transaction, pb.ABORTED)
        elif self.coordinator_works(transaction, running):
            del self.rounds[transaction]
            self.silent.pop(transaction, None)
        elif State.UNKNOWN in states or State.WORKING in states:
            self.end_round(transaction, pb.ABORTED)
        elif self.fell_silent(transaction, running) or not self.leads(transaction, running):
            del self.rounds[transaction]
        elif State.PRECOMMITTED in states:
            self.bring_along(transaction, running)
        else:
            self.end_round(transaction, pb.ABORTED)

    def coordinator_works(self, transaction: str, running: Round) -> bool:
        """It is alive and will decide."""
        answer = running.heard.get(self.involved(transaction)[0])
        return answer is not None and answer.state == State.WORKING and not answer.recovered

    def fell_silent(self, transaction: str, running: Round) -> bool:
        """Somebody crashed since the round before: what it sent last may still be under way, and
        let another one know more than it said."""
        present = {node for node, one in running.heard.items() if not one.recovered}
        silent = set(self.involved(transaction)) - present - {self.env.node_id}
        before = self.silent.get(transaction, set())
        self.silent[transaction] = silent
        return not silent <= before

    def leads(self, transaction: str, running: Round) -> bool:
        """The first of the participants that have not crashed leads; when all have, and all are
        back, the first of them all."""
        me, participants = self.env.node_id, self.participants_of(transaction)
        never_crashed = [node for node, one in running.heard.items() if not one.recovered]
        if transaction not in self.recovered:
            never_crashed.append(me)
        candidates = [node for node in participants if node in never_crashed]
        if not candidates and {*running.heard, me} >= set(self.involved(transaction)):
            candidates = participants
        return me == min(candidates, default="")

    def bring_along(self, transaction: str, running: Round) -> None:
        """Those that are only prepared learn that all voted yes, before anyone commits."""
        self.take_precommit(transaction)
        behind = {node for node, one in running.heard.items() if one.state == State.PREPARED}
        running.precommitting = behind & set(self.participants_of(transaction))
        for node in sorted(running.precommitting):
            request = pb.PreCommitRequest(transaction=transaction)
            self.ask(node, request, self.vote_timeout_ms)
            self.crash_point("precommit-sent")
        if not running.precommitting:
            self.end_round(transaction, pb.COMMITTED)

    def end_round(self, transaction: str, outcome: pb.Outcome) -> None:
        """Decides for those that are left, and tells them."""
        running = self.rounds.pop(transaction)
        self.silent.pop(transaction, None)
        if transaction not in self.unresolved():
            return  # The outcome came by another way.
        self.note("terminated", transaction=transaction, committed=outcome == pb.COMMITTED)
        participants = self.participants_of(transaction)
        coordination = self.coordinated.get(transaction)
        if coordination is not None:
            if outcome == pb.COMMITTED:
                self.decide_commit(coordination)
            else:
                self.decide_abort(coordination, "its coordinator crashed before it decided")
            return
        self.conclude(transaction, outcome)
        for node, answer in sorted(running.heard.items()):
            knows = answer.state in (State.COMMITTED, State.ABORTED)
            if node in participants and not knows:
                request = pb.DecideRequest(transaction=transaction, outcome=outcome)
                self.ask(node, request, self.retry_ms)
                self.crash_point("outcome-sent")
