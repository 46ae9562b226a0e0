"""Reads: what R replicas hold together; and the repair of those that hold less (Dynamo 5, ABD)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.message import Message

from nodes.core import Caller, Env, NodeId, exercise, handles, on_response
from nodes.cores.quorum_store.coordinator import Coordinator
from nodes.cores.quorum_store.operation import Asked, Operation, Target
from nodes.cores.quorum_store.records import Held, seen
from nodes.cores.quorum_store.wire import pack, unpack
from nodes.parts.dotted_versions import Versions
from protos import node_pb2 as node
from protos import quorum_store_pb2 as pb


@dataclass
class Get(Operation):
    """Asks R replicas; where reads must not go back, writes what they hold together to W of them
    before the client hears it."""

    store: Reads
    hedges: bool = True
    result: Held | None = None  # what the client is told; set once R have answered
    writing_back: bool = False

    def request(self, target: Target) -> Message:
        """A fetch, or a store of what was found."""
        if self.writing_back:
            assert self.result is not None
            record = pack(self.result)
            return pb.StoreRequest(operation=self.id, key=self.key, record=record, home=target.home)
        return pb.FetchRequest(operation=self.id, key=self.key)

    def proceed(self) -> None:
        """See Operation.proceed."""
        if self.answered:
            if not self.count(Asked.WAITING):
                self.store.close(self)
                self.late()
        elif self.writing_back:
            if self.store.enough(self, self.store.write_quorum, reads=False):
                self.reply()
            elif self.hopeless():
                self.give_up("too few replicas took what was read")
        elif self.store.enough(self, self.needed, reads=True):
            self.result = self.store.together(self.found())
            if self.store.must_write_back(self):
                self.write_back()
            else:
                self.reply()
        elif self.hopeless():
            self.give_up("too few replicas answered")

    def ask_more(self) -> None:
        """See Operation.ask_more."""
        if self.writing_back:
            self.ask_enough(self.store.write_quorum, reads=False)
        else:
            self.ask_enough(self.needed, reads=True)

    def found(self) -> list[Held]:
        """What the replicas hold that have answered."""
        return [target.held for target in self.targets if target.held is not None]

    def write_back(self) -> None:
        """Makes the result as good as written, before anyone hears of it."""
        holders = [target.node for target in self.targets if target.held == self.result]
        self.writing_back = True
        self.store.number(self)
        self.targets = self.store.targets_of(self.key, reads=False)
        for target in self.targets:
            if target.node in holders:
                target.state, target.held = Asked.ANSWERED, self.result
        self.store.repaired += 1
        self.ask_more()

    def reply(self) -> None:
        """Tells the client what was found."""
        assert self.result is not None
        response = pb.GetResponse(
            siblings=[one for one in pack(self.result).siblings if not one.deleted],
            context=seen(self.result),
            answers=self.answers(),
        )
        self.store.finish(self, response)
        if not self.count(Asked.WAITING):
            self.store.close(self)
            self.late()

    def give_up(self, reason: str) -> None:
        """A read has no effect, so it is refused."""
        reason = f"{reason}: {self.count(Asked.ANSWERED)} of {self.needed} that are needed"
        response = pb.GetResponse(refused=node.Refused(reason=reason), answers=self.answers())
        self.store.finish(self, response)
        self.store.close(self)

    def late(self) -> None:
        """Repairs in the background, with the late answers too."""
        if self.store.repairs and not self.writing_back:
            self.store.repair(self)


class Reads(Coordinator):
    """Serves reads."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.read_quorum = env.number("read_quorum")
        self.write_quorum = env.number("write_quorum")
        self.repairs = env.text("read_repair") != "off"
        # ABD is that: no read may be answered before a quorum holds what it says.
        self.blocking = env.text("read_repair") == "blocking" or self.versions == "abd"
        self.coordinated_reads = 0
        self.repaired = 0

    @handles(pb.GetRequest)
    def get(self, request: pb.GetRequest, caller: Caller) -> pb.GetResponse | None:
        refusal = self.too_many(request.r)
        if refusal:
            return pb.GetResponse(refused=node.Refused(reason=refusal))
        self.coordinated_reads += 1
        needed = request.r or self.read_quorum
        operation = Get(self, caller, request.key, needed, request.explain)
        self.begin(operation, reads=True)
        operation.ask_more()
        if not operation.answered and operation.hopeless():
            operation.give_up("too few replicas in the ring")
        return None

    @on_response(pb.FetchRequest, pb.FetchResponse)
    def on_fetched(
        self, peer: NodeId, request: pb.FetchRequest, response: pb.FetchResponse
    ) -> None:
        self.heard_from(peer)
        found = self.target_of(request.operation, peer)
        if found:
            self.fetched(*found, response)

    @exercise(part=2, brief="a replica answered, or cannot tell: remember it, and go on")
    def fetched(self, operation: Operation, target: Target, response: pb.FetchResponse) -> None:
        if response.HasField("refused"):
            operation.failed(target)
            return
        target.state, target.held = Asked.ANSWERED, unpack(response.record)
        self.witness(target.held)
        operation.proceed()

    def together(self, found: Iterable[Held]) -> Held:
        """The merge of all answers: nothing that anyone holds is left out, unless another knows
        that it was overwritten."""
        result: Held = Versions({}, {})
        for held in found:
            result = self.merged(result, held)
        return result

    @exercise(part=3, brief="ABD: shall a write quorum have the result before the client hears it?")
    def must_write_back(self, operation: Get) -> bool:
        """Not when a write quorum holds the result already: no later read can miss it then."""
        owners = [target for target in operation.targets if target.read]
        holders = sum(owner.held == operation.result for owner in owners)
        held_by_enough = holders >= self.write_quorum and not self.changing
        return self.blocking and not held_by_enough

    @exercise(part=4, brief="send what was found to the replicas that answered with less")
    def repair(self, operation: Get) -> None:
        """Read repair: replicas that were found behind get the merged record (5)."""
        result = self.together(operation.found())
        for target in operation.targets:
            if target.held is None or target.held == result or target.home:
                continue
            self.repaired += 1
            self.note("repaired", peer=target.node, key=operation.key)
            if target.node == self.env.node_id:
                self.keep(operation.key, result)
            else:
                request = pb.StoreRequest(key=operation.key, record=pack(result))
                self.call(target.node, request, timeout_ms=self.replica_timeout_ms)
