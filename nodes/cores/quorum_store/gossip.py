"""How everyone learns of the ring (Dynamo 4.8.1): entries spread from node to node, and the newer
one of a node replaces the older."""

from __future__ import annotations

from nodes.core import Caller, Env, NodeId, Started, handles, on_response, on_timer
from nodes.cores.quorum_store.anti_entropy import AntiEntropy
from nodes.cores.quorum_store.ring import RING
from protos import node_pb2 as node
from protos import quorum_store_pb2 as pb


class Gossip(AntiEntropy):
    """Tells others of the ring, and hears of it.

    A node that lost its disk knows the ring that the cluster was started with, which may be long
    gone. It coordinates nothing until it has heard of the present one.
    """

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.gossip_ms = env.number("gossip_ms")
        self.knows_ring = True

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        lost = started.amnesia or self.recovering
        self.knows_ring = RING in started.slots or not lost or not self.env.peers
        if not self.knows_ring:
            for peer in self.env.peers:
                self.gossip_with(peer)
        self.set_timer("gossip", self.env.rng.randint(1, self.gossip_ms))

    @on_timer("gossip")
    def gossip(self) -> None:
        """Tells someone, whoever it is."""
        self.set_timer("gossip", self.gossip_ms)
        if self.env.peers:
            self.gossip_with(self.env.rng.choice(self.env.peers))

    def gossip_with(self, peer: NodeId) -> None:
        """Tells one peer, and hears what it knows."""
        request = pb.GossipRequest(ring=self.ring())
        self.call(peer, request, timeout_ms=self.replica_timeout_ms)

    @handles(pb.GossipRequest)
    def gossip_request(self, request: pb.GossipRequest, caller: Caller) -> pb.GossipResponse:
        self.learn(request.ring)
        return pb.GossipResponse(ring=self.ring())

    @on_response(pb.GossipRequest, pb.GossipResponse)
    def on_gossip(
        self, peer: NodeId, request: pb.GossipRequest, response: pb.GossipResponse
    ) -> None:
        self.heard_from(peer)
        self.learn(response.ring)
        if not self.knows_ring:
            self.knows_ring = True
            self.save(RING, self.ring())

    def learn(self, ring: pb.Ring) -> None:
        """Takes over what is newer; from then on that is what this node acts by, also after a
        crash."""
        newer = [entry for entry in ring.entries if entry.version > self.version_of(entry.node)]
        if newer:
            self.change(newer)

    def change(self, entries: list[pb.RingEntry]) -> None:
        """Puts entries into the ring. Saved before anyone hears that we know of them."""
        for entry in entries:
            copy = pb.RingEntry()
            copy.CopyFrom(entry)
            self.entries[entry.node] = copy
        self.save(RING, self.ring())
        self.redraw()

    def version_of(self, node_id: NodeId) -> int:
        """How new the entry of a node is; 0 if there is none."""
        entry = self.entries.get(node_id)
        return entry.version if entry else 0

    def refused_to_compare(self, peer: NodeId) -> None:
        super().refused_to_compare(peer)
        self.gossip_with(peer)

    # ------------------------------------------------------------------------------ before it knows

    def put(self, request: pb.PutRequest, caller: Caller) -> pb.PutResponse | None:
        if not self.knows_ring:
            return pb.PutResponse(refused=self.ignorance())
        return super().put(request, caller)

    def get(self, request: pb.GetRequest, caller: Caller) -> pb.GetResponse | None:
        if not self.knows_ring:
            return pb.GetResponse(refused=self.ignorance())
        return super().get(request, caller)

    def move_records(self) -> None:
        if self.knows_ring:
            super().move_records()

    def ignorance(self) -> node.Refused:
        """Why nothing can be asked of it yet."""
        reason = f"{self.env.node_id} lost its disk and does not know yet who is in the ring"
        return node.Refused(reason=reason)
