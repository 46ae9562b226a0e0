"""Writes: a version for each, and W replicas that have it before the client hears so."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from google.protobuf.message import Message

from nodes.core import Caller, Env, NodeId, exercise, handles, on_response
from nodes.cores.quorum_store.operation import Asked, Operation, Target
from nodes.cores.quorum_store.reads import Reads
from nodes.cores.quorum_store.records import Held, seen
from nodes.cores.quorum_store.wire import alone, pack, pack_context, unpack, unpack_context
from protos import node_pb2 as node
from protos import quorum_store_pb2 as pb


class Phase(Enum):
    """How far a write is."""

    TAG = auto()  # ABD: the greatest tag of R replicas is looked for
    MINT = auto()  # a replica gives it its dot
    STORE = auto()  # the replicas take it


@dataclass
class Put(Operation):
    """Gets a version in the way of the store's setting, and then W replicas to take it."""

    store: Writes
    sibling: pb.Sibling = field(default_factory=pb.Sibling)
    context: dict[str, int] = field(default_factory=dict)
    phase: Phase = Phase.STORE
    record: Held | None = None

    def request(self, target: Target) -> Message:
        """What the phase asks of a replica."""
        if self.phase is Phase.TAG:
            return pb.FetchRequest(operation=self.id, key=self.key)
        if self.phase is Phase.MINT:
            return pb.MintRequest(
                operation=self.id,
                key=self.key,
                value=self.sibling.value,
                deleted=self.sibling.deleted,
                context=pack_context(self.context),
                home=target.home,
            )
        assert self.record is not None
        record = pack(self.record)
        return pb.StoreRequest(operation=self.id, key=self.key, record=record, home=target.home)

    def ask_more(self) -> None:
        """See Operation.ask_more."""
        if self.phase is Phase.TAG:
            self.ask_enough(self.store.read_quorum, reads=True)
        elif self.phase is Phase.STORE:
            self.ask_enough(self.needed, reads=False)
        elif not self.count(Asked.WAITING):
            # One at a time: two replicas would make two versions of it.
            self.ask_another()

    def proceed(self) -> None:
        """See Operation.proceed."""
        if self.answered:
            if not self.count(Asked.WAITING):
                self.store.close(self)
        elif self.phase is Phase.TAG and self.store.enough(
            self, self.store.read_quorum, reads=True
        ):
            found = [target.held for target in self.targets if target.held is not None]
            self.keep_version(self.store.tagged(self.sibling, found))
        elif self.phase is Phase.STORE and self.store.enough(self, self.needed, reads=False):
            self.reply()
        elif self.hopeless():
            self.give_up("too few replicas took it")

    def keep_version(self, record: Held) -> None:
        """The write has its version: from now on the replicas take it."""
        if self.phase is Phase.TAG:
            self.store.number(self)
            self.targets = self.store.targets_of(self.key, reads=False)
        self.record, self.phase = record, Phase.STORE
        self.ask_more()
        if not self.answered:
            self.proceed()

    def replaces_failed(self) -> bool:
        """Also when the client was answered: it is not the answer that a hint is for."""
        return not self.answered or self.store.sloppy

    def reply(self) -> None:
        """W replicas have it."""
        assert self.record is not None
        response = pb.PutResponse(answers=self.answers())
        if self.store.versions == "siblings":
            response.siblings.extend(one for one in pack(self.record).siblings if not one.deleted)
            response.context.CopyFrom(seen(self.record))
        self.store.finish(self, response)
        if not self.count(Asked.WAITING):
            self.store.close(self)

    def give_up(self, reason: str) -> None:
        """The client hears that it failed, or that nobody can tell."""
        reason = f"{reason}: {self.count(Asked.ANSWERED)} of {self.needed} that are needed"
        response = pb.PutResponse(answers=self.answers())
        if self.store.may_have_happened(self):
            response.outcome_unknown.reason = reason
        else:
            response.refused.reason = reason
        self.store.finish(self, response)
        self.store.close(self)


class Writes(Reads):
    """Serves writes."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.coordinated_writes = 0

    @handles(pb.PutRequest)
    def put(self, request: pb.PutRequest, caller: Caller) -> pb.PutResponse | None:
        refusal = self.too_many(request.w)
        if refusal:
            return pb.PutResponse(refused=node.Refused(reason=refusal))
        self.coordinated_writes += 1
        needed = request.w or self.write_quorum
        operation = Put(self, caller, request.key, needed, request.explain)
        operation.sibling = pb.Sibling(value=request.value, deleted=request.deleted)
        operation.context = unpack_context(request.context)
        self.begin(operation, reads=False)
        self.give_version(operation)
        operation.ask_more()
        if not operation.answered and operation.hopeless():
            operation.give_up("too few replicas in the ring")
        return None

    @exercise(part=2, brief="a write has failed: could a read find it all the same?")
    def may_have_happened(self, operation: Put) -> bool:
        """What one replica took may be found by a later read: only a write that was sent to nobody
        is certain not to have happened."""
        if operation.phase is Phase.TAG:
            return False
        return any(target.state is not Asked.NOT_YET for target in operation.targets)

    @exercise(part=3, brief="where a write gets its version: from a replica, a clock, or a quorum")
    def give_version(self, operation: Put) -> None:
        """Siblings are named by a replica, ABD asks a quorum for the greatest tag first, and where
        the last writer wins the coordinator's clock decides."""
        sibling = operation.sibling
        if self.versions == "siblings":
            operation.phase = Phase.MINT
        elif self.versions == "abd":
            operation.phase = Phase.TAG
        else:
            self.witness(self.known(operation.key))
            operation.record = self.stamped(sibling, self.new_stamp())

    def stamped(self, sibling: pb.Sibling, stamp: pb.Stamp) -> Held:
        """A write under its stamp, which is its name, too."""
        sibling.stamp.CopyFrom(stamp)
        sibling.deleted_at_ms = self.now.wall_ms if sibling.deleted else 0
        sibling.dot.actor, sibling.dot.counter = stamp.writer, stamp.nonce
        return alone(sibling)

    @exercise(part=3, brief="ABD: a tag greater than all that a quorum holds")
    def tagged(self, sibling: pb.Sibling, found: list[Held]) -> Held:
        """The write comes after everything that was written before it began (ABD, multi-writer)."""
        held = self.together(found)
        greatest = max((one.stamp.time for one in held.siblings.values()), default=0)
        return self.stamped(sibling, self.tag(greatest + 1))

    # -------------------------------------------------------------------------------------- answers

    @on_response(pb.MintRequest, pb.MintResponse)
    def on_minted(self, peer: NodeId, request: pb.MintRequest, response: pb.MintResponse) -> None:
        self.heard_from(peer)
        found = self.target_of(request.operation, peer)
        if found:
            self.minted(*found, response)

    def minted(self, operation: Operation, target: Target, response: pb.MintResponse) -> None:
        assert isinstance(operation, Put)
        target.state = Asked.ANSWERED
        operation.keep_version(unpack(response.record))
