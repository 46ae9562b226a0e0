"""The answering side of anti-entropy: what of two trees differs, and the records that differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message

from nodes.core import Caller, Env, NodeId, exercise, handles
from nodes.cores.quorum_store.trees import Trees
from nodes.cores.quorum_store.wire import pack, unpack
from protos import node_pb2 as node
from protos import quorum_store_pb2 as pb

Counted = TypeVar("Counted", bound=Message)
MESSAGE_BYTES = 128 * 1024  # about as much content as one message carries; a record at least


class Exchange(Trees):
    """Answers comparisons; only what differs travels."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.exchanged_bytes = 0
        self.exchanged_records = 0

    @handles(pb.CompareTreesRequest)
    def compare_trees(
        self, request: pb.CompareTreesRequest, caller: Caller
    ) -> pb.CompareTreesResponse:
        refusal = self.cannot_compare(caller.node, request.ring_digest)
        if refusal:
            return pb.CompareTreesResponse(refused=node.Refused(reason=refusal))
        return self.counted(self.compared(caller.node, request.level, request.nodes))

    @exercise(part=4, brief="of the nodes asked about, our hashes of the children that may differ")
    def compared(
        self, peer: NodeId, level: int, theirs: Sequence[pb.TreeNode]
    ) -> pb.CompareTreesResponse:
        """Below a node that is equal, everything is."""
        differing = self.differing(peer, level, theirs)
        if level >= self.trees[peer].depth:
            return pb.CompareTreesResponse(differing_leaves=differing)
        children = self.children_of(peer, level, differing)
        return pb.CompareTreesResponse(children=self.nodes_at(peer, level + 1, children))

    @handles(pb.ExchangeLeavesRequest)
    def exchange_leaves(
        self, request: pb.ExchangeLeavesRequest, caller: Caller
    ) -> pb.ExchangeLeavesResponse:
        refusal = self.cannot_compare(caller.node, request.ring_digest)
        if refusal:
            return pb.ExchangeLeavesResponse(refused=node.Refused(reason=refusal))
        for one in request.records:
            self.keep(one.key, unpack(one.record))
        theirs = {one.key: one.digest for one in request.held}
        return self.counted(self.differences(caller.node, request.leaves, theirs))

    @exercise(part=4, brief="the records that differ, and the keys of which we want theirs")
    def differences(
        self, peer: NodeId, leaves: Sequence[int], theirs: dict[str, int]
    ) -> pb.ExchangeLeavesResponse:
        """What we hold differently, as much as fits, and what we want of the other side."""
        ours = self.current_keys(peer, leaves)
        response = pb.ExchangeLeavesResponse()
        room = MESSAGE_BYTES
        for key in sorted({*ours, *theirs}):
            if theirs.get(key) == self.digests.get(key):
                continue
            if room <= 0:
                response.more = True
                break
            if key in theirs:
                response.wanted.append(key)
                room -= len(key) + 2
            if key in self.records:
                added = self.key_record(key)
                response.records.append(added)
                room -= added.ByteSize()
        return response

    def current_keys(self, peer: NodeId, leaves: Sequence[int]) -> list[str]:
        """The keys that we hold and share, once tombstones past their time are gone: those would
        be taken for something that the peer lacks."""
        for key in self.shared_keys(peer, leaves):
            self.collect(key)
        return self.shared_keys(peer, leaves)

    def key_record(self, key: str) -> pb.KeyRecord:
        """A record that we hold, on its way."""
        return pb.KeyRecord(key=key, record=pack(self.held(key)))

    def cannot_compare(self, peer: NodeId, ring_digest: int) -> str | None:
        """Why trees cannot be compared now; None when they can."""
        if peer not in self.trees:
            return f"{peer} is no node of this cluster"
        if ring_digest != self.ring_digest:
            return f"{self.env.node_id} knows another ring than {peer}"
        return None

    def counted(self, message: Counted) -> Counted:
        """Counts what is about to be sent."""
        self.exchanged_bytes += message.ByteSize()
        if isinstance(message, pb.ExchangeLeavesRequest | pb.ExchangeLeavesResponse):
            self.exchanged_records += len(message.records)
        return message
