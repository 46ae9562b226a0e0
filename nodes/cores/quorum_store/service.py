"""The whole store, and what it shows of itself."""

from __future__ import annotations

from google.protobuf.message import Message

from nodes.core import Caller, handles
from nodes.cores.quorum_store.membership import Members
from nodes.cores.quorum_store.wire import pack
from protos import quorum_store_pb2 as pb


class QuorumStore(Members):
    """A leaderless key-value store: any node coordinates, and quorums overlap."""

    @handles(pb.InspectRequest)
    def inspect(self, request: pb.InspectRequest, caller: Caller) -> pb.InspectResponse:
        hints = self.hints.get(request.key, {})
        return pb.InspectResponse(
            record=pack(self.held(request.key)),
            hints=[hints[home] for home in sorted(hints)],
            preference_list=[owner.node for owner in self.owners(request.key)],
        )

    def view(self) -> Message:
        total = 0
        for digest in self.digests.values():
            total ^= digest
        return pb.QuorumStoreView(
            keys=len(self.records),
            hints=sum(map(len, self.hints.values())),
            siblings_max=max((len(held.siblings) for held in self.records.values()), default=0),
            digest=total,
            ring=self.ring(),
            recovering=self.recovering,
            suspected=sorted(node for node in self.suspects if self.seems_down(node)),
            actor=self.actor,
            tokens=self.tokens,
            coordinated_reads=self.coordinated_reads,
            coordinated_writes=self.coordinated_writes,
            repaired=self.repaired,
            handed_off=self.handed_off,
            exchanged_bytes=self.exchanged_bytes,
            exchanged_records=self.exchanged_records,
            rounds=self.rounds,
            transferred=self.transferred,
            shared={peer: tree.root for peer, tree in self.trees.items()},
        )
