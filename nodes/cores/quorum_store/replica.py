"""A node as one of the replicas: it keeps what it is sent, and says what it holds."""

from __future__ import annotations

from nodes.core import Caller, exercise, handles
from nodes.cores.quorum_store.records import RecordStore
from nodes.cores.quorum_store.wire import pack, unpack, unpack_context
from protos import node_pb2 as node
from protos import quorum_store_pb2 as pb


class Replica(RecordStore):
    """Serves coordinators. It takes whatever it is sent: who owns a key is the coordinator's to
    say, and a record in the wrong place is handed on later."""

    @handles(pb.MintRequest)
    def mint_request(self, request: pb.MintRequest, caller: Caller) -> pb.MintResponse:
        return self.mint_now(request)

    def mint_now(self, request: pb.MintRequest) -> pb.MintResponse:
        """Versions a write and keeps it."""
        sibling = self.sibling(request.value, deleted=request.deleted)
        context = unpack_context(request.context)
        record, (actor, counter) = self.mint(request.key, sibling, context, request.home)
        return pb.MintResponse(record=pack(record), dot=pb.Dot(actor=actor, counter=counter))

    @handles(pb.StoreRequest)
    def store_request(self, request: pb.StoreRequest, caller: Caller) -> pb.StoreResponse:
        self.store(request)
        return pb.StoreResponse()

    def store(self, request: pb.StoreRequest) -> None:
        """Keeps a record: for itself, or as a hint."""
        if request.home and request.home != self.env.node_id:
            self.keep_hint(request.home, request.key, unpack(request.record))
        else:
            self.keep(request.key, unpack(request.record))

    @handles(pb.FetchRequest)
    def fetch_request(self, request: pb.FetchRequest, caller: Caller) -> pb.FetchResponse:
        return self.fetch(request.key)

    @exercise(part=4, brief="say what is known of a key, or that this cannot be told")
    def fetch(self, key: str) -> pb.FetchResponse:
        """What this node knows of a key; a node that lost its disk would say "nothing" of writes
        that it acknowledged, so it says that it cannot tell."""
        if self.recovering:
            reason = f"{self.env.node_id} lost its disk and has not caught up yet"
            return pb.FetchResponse(refused=node.Refused(reason=reason))
        return pb.FetchResponse(record=pack(self.known(key)))
