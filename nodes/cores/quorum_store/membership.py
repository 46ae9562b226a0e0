"""Nodes that come and go, without a moment in which a read could miss what was written (4.8).

The node that comes or goes drives the change, one phase after the other. It takes the next only
when every node has acknowledged the present one, since any node coordinates: so no two of them are
ever more than one phase apart, and the quorums of such neighbours overlap. And before it is read
from, or no longer is, the records have to be where they will be looked for:

    OUTSIDE -> JOINING -> SETTLING -> MEMBER         MEMBER -> LEAVING -> DRAINING -> OUTSIDE
            everyone   it holds    everyone                 everyone  the next    everyone
            writes it  everything  reads it                 writes    hold all    reads them
                                                            the next
"""

from __future__ import annotations

from nodes.core import Caller, Env, NodeId, Started, exercise, handles, on_timer
from nodes.cores.quorum_store.gossip import Gossip
from nodes.cores.quorum_store.ring import in_between
from protos import node_pb2 as node
from protos import quorum_store_pb2 as pb

NEXT_PHASE = {
    pb.JOINING: pb.SETTLING,
    pb.SETTLING: pb.MEMBER,
    pb.LEAVING: pb.DRAINING,
    pb.DRAINING: pb.OUTSIDE,
}
PHASE_BEFORE = {pb.JOINING: pb.OUTSIDE, pb.LEAVING: pb.MEMBER}  # where a change can be called off
# Rounds of anti-entropy with everyone that a phase needs. Who leaves must first get what only some
# of the other owners hold, and then give it to those that take its place.
PASSES = {pb.JOINING: 1, pb.LEAVING: 2}


class Members(Gossip):
    """Drives the change of this node's own place in the ring."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.acknowledged: dict[NodeId, None] = {}  # the present phase, and no other change
        self.passes = 0  # finished since everyone acknowledged
        self.passed: dict[NodeId, None] = {}  # peers compared with in this pass
        self.pass_after = 0  # the last round that began before it
        self.waiting: list[tuple[Caller, type[pb.JoinResponse] | type[pb.LeaveResponse]]] = []

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        if self.is_driving:
            self.begin_phase()

    @property
    def place(self) -> pb.Membership:
        """This node's own entry in the ring."""
        entry = self.entries.get(self.env.node_id)
        return entry.membership if entry else pb.OUTSIDE

    @property
    def is_driving(self) -> bool:
        """This node comes or goes."""
        return self.place in NEXT_PHASE

    # ------------------------------------------------------------------------------------- requests

    @handles(pb.JoinRequest)
    def join(self, request: pb.JoinRequest, caller: Caller) -> pb.JoinResponse | None:
        if self.place == pb.JOINING:
            self.waiting.append((caller, pb.JoinResponse))
            return None
        refusal = self.cannot_join()
        if refusal:
            return pb.JoinResponse(refused=node.Refused(reason=refusal))
        self.start_change(pb.JOINING, caller, pb.JoinResponse)
        return None

    @handles(pb.LeaveRequest)
    def leave(self, request: pb.LeaveRequest, caller: Caller) -> pb.LeaveResponse | None:
        if self.place == pb.LEAVING:
            self.waiting.append((caller, pb.LeaveResponse))
            return None
        refusal = self.cannot_leave()
        if refusal:
            return pb.LeaveResponse(refused=node.Refused(reason=refusal))
        self.start_change(pb.LEAVING, caller, pb.LeaveResponse)
        return None

    def cannot_join(self) -> str | None:
        """Why this node cannot join now; None when it can."""
        if self.place == pb.MEMBER:
            return f"{self.env.node_id} is a member of the ring already"
        return self.cannot_change()

    def cannot_leave(self) -> str | None:
        """Why this node cannot leave now; None when it can."""
        if self.place == pb.OUTSIDE:
            return f"{self.env.node_id} is not in the ring"
        left = len(self.members()) - 1
        if left < self.replication:
            return f"each key has {self.replication} replicas, and only {left} nodes would be left"
        return self.cannot_change()

    def cannot_change(self) -> str | None:
        """Why the ring cannot be changed by this node now."""
        if self.recovering or not self.knows_ring:
            return f"{self.env.node_id} lost its disk and has not caught up yet"
        for entry in self.ring().entries:
            if in_between(entry):
                doing = "joining" if entry.membership in (pb.JOINING, pb.SETTLING) else "leaving"
                return f"{entry.node} is {doing}: the ring changes by one node at a time"
        return None

    # --------------------------------------------------------------------------------------- phases

    def start_change(
        self,
        phase: pb.Membership,
        caller: Caller,
        response: type[pb.JoinResponse] | type[pb.LeaveResponse],
    ) -> None:
        """The first phase begins; the client hears of it when everyone knows."""
        self.waiting.append((caller, response))
        self.set_timer("change", self.request_timeout_ms)
        self.move_to(phase)

    def move_to(self, phase: pb.Membership) -> None:
        """The next phase, from the disk on."""
        version = self.version_of(self.env.node_id) + 1
        entry = pb.RingEntry(node=self.env.node_id, membership=phase, version=version)
        self.change([entry])
        self.note(pb.Membership.Name(phase).lower())
        self.begin_phase()

    def begin_phase(self) -> None:
        """Nobody has acknowledged it yet."""
        self.acknowledged, self.passes = {}, 0
        self.begin_pass()
        for peer in self.env.peers:
            self.gossip_with(peer)
        self.advance()

    def begin_pass(self) -> None:
        """Rounds that began before do not count."""
        self.passed, self.pass_after = {}, self.last_round

    def gossip(self) -> None:
        super().gossip()
        if self.is_driving:
            for peer in self.env.peers:
                if peer not in self.acknowledged:
                    self.gossip_with(peer)
            self.hurry()

    def on_gossip(
        self, peer: NodeId, request: pb.GossipRequest, response: pb.GossipResponse
    ) -> None:
        super().on_gossip(peer, request, response)
        if self.is_driving and self.is_acknowledged(response.ring):
            if peer not in self.acknowledged:
                self.acknowledged[peer] = None
                self.begin_pass()
            self.advance()

    def is_acknowledged(self, ring: pb.Ring) -> bool:
        """The peer knows of our phase, and of no other change: of two that begin at the same time
        none goes on while the other is there."""
        changing = [entry for entry in ring.entries if in_between(entry)]
        return changing == [self.entries[self.env.node_id]]

    def learn(self, ring: pb.Ring) -> None:
        super().learn(ring)
        before = PHASE_BEFORE.get(self.place)
        if before is None:
            return
        changing = [entry for entry in self.ring().entries if in_between(entry)]
        # Both see the other's entry in the end: the one that is further goes on, or the first by
        # name.
        first = min(changing, key=lambda entry: (entry.membership in PHASE_BEFORE, entry.node))
        if first.node != self.env.node_id:
            self.move_to(before)
            self.tell_waiting(f"{first.node} changes its place at the same time: try again later")

    @property
    def all_acknowledged(self) -> bool:
        """Every node acts by the present phase: those outside, too, for they coordinate."""
        return all(peer in self.acknowledged for peer in self.env.peers)

    @exercise(part=5, brief="take the next phase: when all know of this one and hold the records")
    def advance(self) -> None:
        """The next phase, once everyone knows of this one and the records are in place."""
        if not self.is_driving or not self.all_acknowledged:
            return
        self.tell_waiting(None)
        if self.recovering or self.needs_pass:
            self.hurry()
            return
        self.move_to(NEXT_PHASE[self.place])

    # -------------------------------------------------------------------------------------- records

    @property
    def needs_pass(self) -> bool:
        """The records are not in place yet."""
        return self.passes < PASSES.get(self.place, 0) and bool(self.other_members())

    def urgent_peers(self) -> list[NodeId]:
        urgent = super().urgent_peers()
        if self.is_driving and self.all_acknowledged and self.needs_pass:
            partners = self.partners()
            urgent += [one for one in partners if one not in self.passed and one not in urgent]
        return urgent

    def on_round_ended(self, peer: NodeId, number: int) -> None:
        super().on_round_ended(peer, number)
        if not self.is_driving or not self.all_acknowledged or number <= self.pass_after:
            return
        self.passed[peer] = None
        if all(other in self.passed for other in self.other_members()):
            self.passes += 1
            self.begin_pass()
        self.advance()

    # ----------------------------------------------------------------------------- who asked for it

    @on_timer("change")
    def change_is_late(self) -> None:
        """Not everyone can be told of the change now; it goes on whenever that is possible."""
        for caller, response in self.waiting:
            missing = [peer for peer in self.env.peers if peer not in self.acknowledged]
            reason = f"{', '.join(missing)} did not acknowledge it yet; it goes on by itself"
            self.respond(caller, response(outcome_unknown=node.OutcomeUnknown(reason=reason)))
        self.waiting = []

    def tell_waiting(self, refusal: str | None) -> None:
        """Answers those who asked for the change."""
        refused = None if refusal is None else node.Refused(reason=refusal)
        for caller, response in self.waiting:
            self.respond(caller, response(refused=refused))
        self.waiting = []
