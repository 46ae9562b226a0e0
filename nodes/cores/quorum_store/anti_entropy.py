"""Anti-entropy (Dynamo 4.7): rounds in which two nodes find what differs between them, and mend it.

A round goes down the two trees level by level, then exchanges what the leaves that differ hold. A
node that has been through a round with a peer holds all that the peer held when it began, and the
other way round. A node that lost its disk needs one with everyone before it answers reads again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.message import Message

from nodes.core import Call, Env, NodeId, Started, exercise, on_response, on_timer
from nodes.cores.quorum_store.exchange import MESSAGE_BYTES, Exchange
from nodes.cores.quorum_store.wire import unpack
from protos import quorum_store_pb2 as pb

NODES_MAX = 512  # of a tree, asked about in one message; the response has their children
DIGEST_BYTES = 12  # of a key's digest on the wire, without the key


@dataclass(slots=True)
class Round:
    """One comparison with a peer, on the side that asks. `request` is what is under way."""

    peer: NodeId
    number: int
    request: Message | None = None
    level: int = 0
    differs: bool = False
    ask: list[int] = field(default_factory=list)  # nodes of `level` to ask about
    next_level: list[int] = field(default_factory=list)  # what was found to differ below them
    leaves: list[int] = field(default_factory=list)  # found to differ, yet to be exchanged
    batch: list[int] = field(default_factory=list)  # leaves that are being exchanged
    wanted: list[str] = field(default_factory=list)  # keys that the peer wants of the batch
    again: bool = False  # not all of the batch fitted into the response


class AntiEntropy(Exchange):
    """Compares with one peer after another."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.anti_entropy_ms = env.number("anti_entropy_ms")
        self.round: Round | None = None
        self.last_round = 0
        self.turn = 0  # index of the peer whose turn it is
        self.rounds = 0
        self.compared_with: dict[
            NodeId, None
        ] = {}  # by rounds to their end since the disk was lost

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        if self.anti_entropy_ms:
            # Nodes that start together are not to compare at the same moments for ever.
            self.set_timer("anti_entropy", self.env.rng.randint(1, self.anti_entropy_ms))

    def on_ring_changed(self) -> None:
        super().on_ring_changed()
        self.round = None

    # ----------------------------------------------------------------------------- whose turn it is

    @on_timer("anti_entropy")
    def compare_with_next(self) -> None:
        """Begins a round, unless one is under way."""
        self.set_timer("anti_entropy", self.anti_entropy_ms)
        self.recover_if_alone()
        if self.round is None:
            self.begin_round(self.urgent_peers() or self.partners())

    def partners(self) -> list[NodeId]:
        """Peers in the ring that do not seem to be down, from the one whose turn it is."""
        peers = self.env.peers[self.turn :] + self.env.peers[: self.turn]
        members = self.members()
        return [peer for peer in peers if peer in members and not self.seems_down(peer)]

    def urgent_peers(self) -> list[NodeId]:
        """Those with whom a round is needed soon: all members, for who lost its disk."""
        if not self.recovering:
            return []
        return [peer for peer in self.partners() if peer not in self.compared_with]

    def hurry(self) -> None:
        """The next round at once, where one is urgent."""
        if self.round is None:
            self.begin_round(self.urgent_peers())

    def begin_round(self, peers: list[NodeId]) -> None:
        """Compares the roots with the first of them."""
        if not peers:
            return
        peer = peers[0]
        self.turn = (self.env.peers.index(peer) + 1) % len(self.env.peers)
        self.last_round += 1
        self.round = Round(peer, self.last_round, ask=[0])
        self.continue_round(self.round)

    # -------------------------------------------------------------------------------- a round's way

    def continue_round(self, round_: Round) -> None:
        """What comes next: nodes of this level, those of the next, then the leaves, in batches."""
        depth = self.trees[round_.peer].depth
        if not round_.ask and round_.next_level:
            self.descend(round_, depth)
        if round_.ask:
            asked, round_.ask = round_.ask[:NODES_MAX], round_.ask[NODES_MAX:]
            nodes = self.nodes_at(round_.peer, round_.level, asked)
            request = pb.CompareTreesRequest(
                ring_digest=self.ring_digest, level=round_.level, nodes=nodes
            )
            self.send(round_, request)
        elif round_.wanted:
            self.send_wanted(round_)
        elif round_.batch and round_.again:
            self.exchange_batch(round_)
        elif round_.leaves:
            self.take_batch(round_)
            self.exchange_batch(round_)
        else:
            self.end_round(round_)

    def descend(self, round_: Round, depth: int) -> None:
        """The peer told us its hashes one level down, so that we ask about the level below: two
        levels with each message there and back."""
        level, round_.level = round_.level + 1, min(round_.level + 2, depth)
        differing, round_.next_level = sorted(round_.next_level), []
        if level == depth:
            round_.leaves += differing
        else:
            round_.ask = self.children_of(round_.peer, level, differing)

    def send(self, round_: Round, request: Message) -> None:
        """Sends the next request of a round."""
        round_.request = request
        self.call(round_.peer, self.counted(request), timeout_ms=self.request_timeout_ms)

    @on_response(pb.CompareTreesRequest, pb.CompareTreesResponse)
    def on_compared(
        self, peer: NodeId, request: pb.CompareTreesRequest, response: pb.CompareTreesResponse
    ) -> None:
        self.heard_from(peer)
        round_ = self.round_of(peer, request)
        if round_ is None:
            return
        if response.HasField("refused"):
            self.refused_to_compare(peer)
            return
        if response.children or response.differing_leaves:
            round_.differs = True
        if round_.level < self.trees[peer].depth:
            below = round_.level + 1
            round_.next_level += self.differing(peer, below, response.children)
        else:
            round_.leaves += response.differing_leaves
        self.continue_round(round_)

    # --------------------------------------------------------------------------------------- leaves

    def take_batch(self, round_: Round) -> None:
        """As many leaves as have their digests in one message; one at least."""
        room, count = MESSAGE_BYTES, 0
        for leaf in round_.leaves:
            keys = self.current_keys(round_.peer, [leaf])
            room -= sum(len(key.encode()) + DIGEST_BYTES for key in keys)
            if room < 0 and count:
                break
            count += 1
        round_.batch, round_.leaves = round_.leaves[:count], round_.leaves[count:]

    def exchange_batch(self, round_: Round) -> None:
        """Says what we hold in the leaves, and asks for what the peer holds differently."""
        round_.again = False
        keys = self.current_keys(round_.peer, round_.batch)
        held = [pb.KeyDigest(key=key, digest=self.digests[key]) for key in keys]
        request = pb.ExchangeLeavesRequest(
            ring_digest=self.ring_digest, leaves=round_.batch, held=held
        )
        self.send(round_, request)

    def send_wanted(self, round_: Round) -> None:
        """Sends the peer what it wants, as much as fits into one message."""
        request = pb.ExchangeLeavesRequest(ring_digest=self.ring_digest)
        room = MESSAGE_BYTES
        while round_.wanted and room > 0:
            key = round_.wanted.pop(0)
            if key in self.records:
                record = self.key_record(key)
                request.records.append(record)
                room -= record.ByteSize()
        if request.records:
            self.send(round_, request)
        else:
            self.continue_round(round_)

    @on_response(pb.ExchangeLeavesRequest, pb.ExchangeLeavesResponse)
    def on_exchanged(
        self, peer: NodeId, request: pb.ExchangeLeavesRequest, response: pb.ExchangeLeavesResponse
    ) -> None:
        self.heard_from(peer)
        known = {one.key: one.record for one in response.records}
        news = [self.keep(one.key, unpack(one.record)) for one in response.records]
        round_ = self.round_of(peer, request)
        if round_ is None:
            return
        if response.HasField("refused"):
            self.refused_to_compare(peer)
            return
        # Of a key that both hold, the peer needs ours only if it is more than what it sent.
        round_.wanted += [
            key
            for key in response.wanted
            if key not in known or self.held(key) != unpack(known[key])
        ]
        # Without progress the same request would have the same response, for ever.
        round_.again |= response.more and (any(news) or bool(response.wanted))
        self.continue_round(round_)

    # -------------------------------------------------------------------------------------- the end

    def round_of(self, peer: NodeId, request: Message) -> Round | None:
        """The round that a response belongs to; None when that was given up."""
        round_ = self.round
        if round_ is None or round_.peer != peer or round_.request != request:
            return None
        round_.request = None
        return round_

    def end_round(self, round_: Round) -> None:
        """Both hold now all that either held when the round began."""
        self.round = None
        self.rounds += not round_.differs
        self.on_round_ended(round_.peer, round_.number)
        self.hurry()

    def on_round_ended(self, peer: NodeId, number: int) -> None:
        """A round came to its end."""
        if self.recovering:
            self.caught_up_with(peer)

    @exercise(part=4, brief="after a lost disk: note the peer; recovered once it was everyone")
    def caught_up_with(self, peer: NodeId) -> None:
        """Who has been through a round with every other member has caught up."""
        self.compared_with[peer] = None
        if all(other in self.compared_with for other in self.other_members()):
            self.recovered()

    def recover_if_alone(self) -> None:
        """Where nobody else is in the ring, there is nothing to wait for."""
        if self.recovering and not self.other_members():
            self.recovered()

    def recovered(self) -> None:
        """It may say again what it holds."""
        self.recovering, self.compared_with = False, {}
        self.save_actor()
        self.note("recovered")

    def refused_to_compare(self, peer: NodeId) -> None:
        """The peer knows another ring. For the layer of gossip."""
        self.round = None

    def on_call_failed(self, call: Call, reason: str) -> None:
        super().on_call_failed(call, reason)
        if self.round_of(call.peer, call.request):
            self.round = None
