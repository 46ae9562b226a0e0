"""What a participant in doubt may do: ask (Bernstein, Hadzilacos, Goodman, 7.4).

It asks the coordinator, which may be down for long. In cooperative termination it asks the other
participants as well: one that knows the outcome tells it, and one that has not voted promises never
to vote yes, so that all may abort. If everyone who can be reached is in doubt too, two-phase commit
blocks: nobody may decide, and the locks stay.
"""

from __future__ import annotations

from nodes.core import Call, Caller, Env, NodeId, Started, exercise, handles, on_response, on_timer
from nodes.cores.commit.coordinator import Coordinator
from protos import commit_pb2 as pb

State = pb.InquireResponse


class Termination(Coordinator):
    """Participants in doubt ask, again and again, until somebody knows."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.doubt_timeout_ms = env.number("doubt_timeout_ms")
        self.cooperative = env.text("termination") == "cooperative"
        self.asks_ms: dict[str, int] = {}  # when it will ask (again), by what it is unsure of
        self.timer_ms: int | None = None  # when the timer fires

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        # How long it was in doubt before the crash is not known: it asks at once.
        self.voted_ms = dict.fromkeys(self.votes, self.now.mono_ms)
        self.asks_ms = dict.fromkeys(self.unresolved(), self.now.mono_ms)
        self.watch_doubts()

    def on_in_doubt(self, transaction: str) -> None:
        self.be_patient(transaction)
        self.watch_doubts()

    def unresolved(self) -> list[str]:
        """What this node has to ask about."""
        return list(self.votes)

    # ------------------------------------------------------------------------------------ asking

    def be_patient(self, transaction: str) -> None:
        """From now on, somebody has so long to tell the outcome."""
        self.asks_ms[transaction] = self.now.mono_ms + self.doubt_timeout_ms

    def watch_doubts(self) -> None:
        """Wakes up for the first doubt that is due."""
        first_ms = min(self.asks_ms.values(), default=None)
        if first_ms is None or (self.timer_ms is not None and self.timer_ms <= first_ms):
            return
        self.timer_ms = first_ms
        self.set_timer("doubt", max(0, first_ms - self.now.mono_ms))

    @on_timer("doubt")
    def resolve_doubts(self) -> None:
        """Asks about everything that has been in doubt for too long."""
        self.timer_ms = None
        for transaction in self.unresolved():
            if self.now.mono_ms >= self.asks_ms.get(transaction, 0):
                self.be_patient(transaction)
                self.in_doubt_for_long(transaction)
        still = set(self.unresolved())
        self.asks_ms = {one: at_ms for one, at_ms in self.asks_ms.items() if one in still}
        self.watch_doubts()

    def in_doubt_for_long(self, transaction: str) -> None:
        """It has waited for the outcome long enough."""
        self.ask_coordinator(transaction)

    @exercise(part=4, brief="ask the coordinator first")
    def ask_coordinator(self, transaction: str) -> None:
        """The coordinator is asked first, who may just be waiting for votes."""
        coordinator = self.votes[transaction].coordinator
        if coordinator != self.env.node_id:
            self.note("in_doubt", transaction=transaction, coordinator=coordinator)
            self.inquire(coordinator, transaction, cooperative=False)
        elif transaction not in self.coordinated:
            # It coordinated this before it crashed, and has no record of a decision.
            self.conclude(transaction, pb.ABORTED)

    def unreachable(self, transaction: str, peer: NodeId) -> None:
        """Somebody did not answer an inquiry."""
        self.ask_others(transaction, peer)

    @exercise(part=4, brief="when the coordinator is silent, ask the others if they cooperate")
    def ask_others(self, transaction: str, peer: NodeId) -> None:
        """`peer` is silent; if that is the coordinator, another participant may know the
        outcome."""
        vote = self.votes.get(transaction)
        if self.cooperative and vote is not None and peer == vote.coordinator:
            for node in self.others(vote):
                self.inquire(node, transaction, cooperative=True)

    def others(self, vote: pb.Vote) -> list[NodeId]:
        """The other participants, but not the coordinator."""
        known = (self.env.node_id, vote.coordinator)
        return [node for node in vote.participants if node not in known]

    def inquire(self, node: NodeId, transaction: str, *, cooperative: bool) -> None:
        """Asks one."""
        request = pb.InquireRequest(transaction=transaction, cooperative=cooperative)
        self.ask(node, request, self.doubt_timeout_ms)

    @on_response(pb.InquireRequest, pb.InquireResponse)
    def on_inquired(
        self, peer: NodeId, request: pb.InquireRequest, response: pb.InquireResponse
    ) -> None:
        self.heard(request.transaction, peer, response)

    def heard(self, transaction: str, peer: NodeId, response: pb.InquireResponse) -> None:
        """Somebody answered an inquiry."""
        self.learn(transaction, peer, response)

    @exercise(part=4, brief="what the answer to an inquiry allows a participant in doubt to do")
    def learn(self, transaction: str, peer: NodeId, response: pb.InquireResponse) -> None:
        """Somebody who knows ends the doubt; somebody in doubt does not."""
        if transaction not in self.votes:
            return
        state, from_coordinator = response.state, peer == self.votes[transaction].coordinator
        if state == State.COMMITTED:
            self.conclude(transaction, pb.COMMITTED)
        elif state == State.ABORTED or (state == State.UNKNOWN and from_coordinator):
            # A coordinator without a record never decided to commit: had it forgotten since, then
            # because everyone had acknowledged.
            self.conclude(transaction, pb.ABORTED)

    # --------------------------------------------------------------------------------- answering

    @handles(pb.InquireRequest)
    def inquired(self, request: pb.InquireRequest, caller: Caller) -> None:
        if self.lost_disk:
            return  # What it would say may be false, and silence never is.
        state = self.tell_state(request)
        recovered = request.transaction in self.recovered
        self.answer(caller, pb.InquireResponse(state=state, recovered=recovered))

    def tell_state(self, request: pb.InquireRequest) -> State.State:
        """What it says to somebody in doubt."""
        return self.state_told(request)

    @exercise(
        part=4, brief="answer an inquiry; who has not voted promises not to, if asked by a peer"
    )
    def state_told(self, request: pb.InquireRequest) -> State.State:
        """As coordinator what is on record, as participant what it voted."""
        transaction = request.transaction
        coordination = self.coordinated.get(transaction)
        if coordination is not None:
            if coordination.phase != "deciding":
                return State.WORKING
            committed = coordination.outcome == pb.COMMITTED
            return State.COMMITTED if committed else State.ABORTED
        state = self.state_of(transaction)
        if request.cooperative and state in (State.UNKNOWN, State.WORKING):
            self.conclude(transaction, pb.ABORTED)
            return State.ABORTED
        return state

    def on_call_failed(self, call: Call, reason: str) -> None:
        super().on_call_failed(call, reason)
        if isinstance(call.request, pb.InquireRequest):
            self.unreachable(call.request.transaction, call.peer)
