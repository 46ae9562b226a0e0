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

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        for transaction in self.votes:
            # How long it was in doubt before the crash is not known; ask at once.
            self.voted_ms[transaction] = self.now.mono_ms - self.doubt_timeout_ms
        if self.votes:
            self.set_timer("doubt", 0)

    def on_in_doubt(self, transaction: str) -> None:
        self.set_timer("doubt", self.doubt_timeout_ms)

    # ------------------------------------------------------------------------------------ asking

    @on_timer("doubt")
    def resolve_doubts(self) -> None:
        """Asks about everything that has been in doubt for too long."""
        for transaction, since_ms in list(self.voted_ms.items()):
            if self.now.mono_ms - since_ms >= self.doubt_timeout_ms:
                self.in_doubt_for_long(transaction)
        if self.voted_ms:
            self.set_timer("doubt", self.doubt_timeout_ms)

    @exercise(part=4, brief="ask the coordinator, and the other participants if they cooperate")
    def in_doubt_for_long(self, transaction: str) -> None:
        """Asks those who may know."""
        vote = self.votes[transaction]
        self.note("in_doubt", transaction=transaction, coordinator=vote.coordinator)
        if vote.coordinator != self.env.node_id:
            self.inquire(vote.coordinator, transaction, cooperative=False)
        if self.cooperative:
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
        self.heard(request.transaction, peer, response.state)

    @exercise(part=4, brief="what the answer to an inquiry allows a participant in doubt to do")
    def heard(self, transaction: str, peer: NodeId, state: State.State) -> None:
        """Somebody who knows ends the doubt; somebody in doubt does not."""
        if transaction not in self.votes:
            return
        from_coordinator = peer == self.votes[transaction].coordinator
        if state == State.COMMITTED:
            self.conclude(transaction, pb.COMMITTED)
        elif state == State.ABORTED or (state == State.UNKNOWN and from_coordinator):
            # A coordinator without a record never decided to commit, or everyone has acknowledged.
            self.conclude(transaction, pb.ABORTED)

    # --------------------------------------------------------------------------------- answering

    @handles(pb.InquireRequest)
    def inquired(self, request: pb.InquireRequest, caller: Caller) -> None:
        self.answer(caller, pb.InquireResponse(state=self.tell_state(request)))

    @exercise(
        part=4, brief="answer an inquiry; who has not voted promises not to, if asked by a peer"
    )
    def tell_state(self, request: pb.InquireRequest) -> State.State:
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

    # --------------------------------------------------------------------------- for later layers

    def unreachable(self, transaction: str, peer: NodeId) -> None:
        """Somebody did not answer an inquiry."""
