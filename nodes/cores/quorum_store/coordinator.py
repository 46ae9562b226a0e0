"""A node as the coordinator of a request: whom it asks, how long it waits, how many are enough.

Any node coordinates any key (Dynamo 4.5). A replica that coordinates asks itself as well, without a
message. Where the quorum is sloppy, nodes that are down are stood in for by the next ones on the
ring, which count, and keep a hint (4.6).
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum, auto

from google.protobuf.message import Message

from nodes.core import Call, Caller, Env, NodeId, exercise, on_response, on_timer
from nodes.cores.quorum_store.records import Held
from nodes.cores.quorum_store.ring import RingView
from nodes.cores.quorum_store.wire import pack, without_values
from protos import quorum_store_pb2 as pb


class Asked(Enum):
    """How far it is with one replica."""

    NOT_YET = auto()
    WAITING = auto()
    ANSWERED = auto()
    FAILED = auto()


ANSWER_KIND = {
    Asked.NOT_YET: pb.Answer.NOT_ASKED,
    Asked.WAITING: pb.Answer.WAITING,
    Asked.ANSWERED: pb.Answer.ANSWERED,
    Asked.FAILED: pb.Answer.FAILED,
}


@dataclass(slots=True)
class Target:
    """A replica, or a fallback that stands in for `home`; `read` and `other` say in which quorum it
    counts."""

    node: NodeId
    read: bool
    other: bool
    home: NodeId = ""
    state: Asked = Asked.NOT_YET
    held: Held | None = None  # what it answered to a fetch


@dataclass
class Operation(ABC):
    """One request of a client that is under way; how it goes on is each kind's own.

    `id` is repeated in all calls that it makes, and 0 is no operation's.
    """

    store: Coordinator
    caller: Caller
    key: str
    needed: int
    explain: bool
    id: int = 0
    targets: list[Target] = field(default_factory=list)
    hedges: bool = False  # another replica may be asked when one is slow
    answered: bool = False  # the client was; late responses may still be worth something
    deadline_ms: int = 0

    # ------------------------------------------------------------------------------ asking replicas

    @abstractmethod
    def request(self, target: Target) -> Message:
        """What the replica is asked now."""

    @abstractmethod
    def proceed(self) -> None:
        """Something has changed: a replica answered, failed, or was added."""

    @abstractmethod
    def give_up(self, reason: str) -> None:
        """It cannot succeed any more, or its time is over."""

    def ask_enough(self, needed: int) -> None:
        """Asks everyone, or as many as are needed where that is the setting."""
        wanted = len(self.targets) if self.store.fan_out == "all" else needed
        under_way = self.count(Asked.WAITING) + self.count(Asked.ANSWERED)
        chosen = [target for target in self.targets if target.state is Asked.NOT_YET]
        for target in chosen[: max(0, wanted - under_way)]:
            self.ask(target)

    def ask(self, target: Target) -> None:
        """Asks one; the node itself answers at once."""
        target.state = Asked.WAITING
        self.store.ask(self, target, self.request(target))

    def ask_another(self) -> bool:
        """Asks one more that was not needed so far; whether there was one."""
        for target in self.targets:
            if target.state is Asked.NOT_YET:
                self.ask(target)
                return True
        return False

    def count(self, state: Asked) -> int:
        """How many targets are in this state."""
        return sum(target.state is state for target in self.targets)

    def failed(self, target: Target) -> None:
        """One cannot answer: another takes its place if there is one."""
        target.state = Asked.FAILED
        if self.replaces_failed():
            if self.store.sloppy:
                self.store.stand_in(self, target)
            self.ask_another()
        self.proceed()

    def replaces_failed(self) -> bool:
        """Another replica is worth asking in the place of one that failed."""
        return not self.answered

    def late(self) -> None:
        """The client was answered, and nobody who was asked is heard of any more."""
        return

    def hopeless(self) -> bool:
        """Everyone who could be asked was, and has answered or failed."""
        return not self.count(Asked.NOT_YET) and not self.count(Asked.WAITING)

    def answers(self) -> list[pb.Answer]:
        """What became of each replica, for the client that wants to know."""
        if not self.explain:
            return []
        return [
            pb.Answer(
                replica=target.node,
                kind=ANSWER_KIND[target.state],
                stands_in_for=target.home,
                record=without_values(pack(target.held)) if target.held else None,
            )
            for target in self.targets
        ]


class Coordinator(RingView):
    """Keeps the operations that are under way, and their deadlines."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.fan_out = env.text("fan_out")
        self.hedge_ms = env.number("hedge_ms")
        self.replica_timeout_ms = env.number("replica_timeout_ms")
        self.request_timeout_ms = env.number("request_timeout_ms")
        self.operations: dict[int, Operation] = {}
        self.last_operation = 0
        self.alarms: list[tuple[int, int]] = []  # when to look at which

    # ------------------------------------------------------------------------------------ beginning

    def begin(self, operation: Operation, *, reads: bool) -> None:
        """Takes an operation on: finds its targets and sets its deadline."""
        operation.targets = self.targets_of(operation.key, reads=reads)
        operation.deadline_ms = self.now.mono_ms + self.request_timeout_ms
        self.number(operation)
        if operation.hedges and self.hedge_ms and self.fan_out == "quorum":
            self.watch(operation, self.now.mono_ms + self.hedge_ms)

    def number(self, operation: Operation) -> None:
        """Gives an operation a new number: responses to what it asked before are strange then."""
        self.operations.pop(operation.id, None)
        self.last_operation += 1
        operation.id = self.last_operation
        self.operations[operation.id] = operation
        self.watch(operation, operation.deadline_ms)

    @exercise(part=2, brief="have enough owners answered, by both readings of the ring?")
    def enough(self, operation: Operation, needed: int, *, reads: bool) -> bool:
        """So many owners have answered. While the ring changes, a write needs as many by both of
        its readings, and a read by the one to read by."""
        answered = [one for one in operation.targets if one.state is Asked.ANSWERED]
        by_read = sum(target.read for target in answered)
        by_other = sum(target.other for target in answered)
        return by_read >= needed and (reads or by_other >= needed)

    @exercise(part=2, brief="whom to ask: of the owners those that count, ourselves first")
    def targets_of(self, key: str, *, reads: bool) -> list[Target]:
        """Those to be asked, the likeliest to answer first."""
        targets = [
            Target(owner.node, owner.read, owner.other)
            for owner in self.owners(key)
            if owner.read or not reads
        ]
        if self.sloppy:
            self.replace_suspects(key, targets)
        if self.fan_out == "quorum":
            self.env.rng.shuffle(targets)
        else:
            targets.sort(key=lambda target: target.node != self.env.node_id)
        return sorted(targets, key=lambda target: self.seems_down(target.node))

    @exercise(part=5, brief="let the next on the ring stand in for owners that seem to be down")
    def replace_suspects(self, key: str, targets: list[Target]) -> None:
        """Nobody waits for a node that did not answer a moment ago (4.6)."""
        fallbacks = self.fallbacks(key)
        for target in targets:
            if self.seems_down(target.node):
                stand_in = next(fallbacks, None)
                if stand_in is not None:
                    target.home, target.node = target.node, stand_in

    @exercise(part=5, brief="when a replica fails now, add one that stands in for it")
    def stand_in(self, operation: Operation, failed: Target) -> None:
        """Finds someone to take the place of a replica that failed (4.6)."""
        used = {target.node for target in operation.targets}
        for node in self.fallbacks(operation.key):
            if node not in used:
                home = failed.home or failed.node
                operation.targets.append(Target(node, failed.read, failed.other, home))
                return

    # ---------------------------------------------------------------------------- calls and answers

    def ask(self, operation: Operation, target: Target, request: Message) -> None:
        """Sends to a replica; the node itself is asked without a message."""
        if target.node != self.env.node_id:
            self.call(target.node, request, timeout_ms=self.replica_timeout_ms)
            return
        match request:
            case pb.FetchRequest():
                self.fetched(operation, target, self.fetch(request.key))
            case pb.StoreRequest():
                self.store(request)
                self.took(operation, target)
            case pb.MintRequest():
                self.minted(operation, target, self.mint_now(request))
            case _:
                raise AssertionError(f"no replica is asked {type(request).__name__} by itself")

    def target_of(self, operation_id: int, node: NodeId) -> tuple[Operation, Target] | None:
        """The operation and its target that a response is for; None when all that is over."""
        operation = self.operations.get(operation_id)
        if operation is None:
            return None
        for target in operation.targets:
            if target.node == node and target.state is Asked.WAITING:
                return operation, target
        return None

    def fetched(self, operation: Operation, target: Target, response: pb.FetchResponse) -> None:
        """A replica said what it holds, or that it cannot tell. For the layer of reads."""
        raise NotImplementedError

    def minted(self, operation: Operation, target: Target, response: pb.MintResponse) -> None:
        """A replica gave the write its version. For the layer of writes."""
        raise NotImplementedError

    def took(self, operation: Operation, target: Target) -> None:
        """A replica has the record."""
        target.state = Asked.ANSWERED
        operation.proceed()

    @on_response(pb.StoreRequest, pb.StoreResponse)
    def on_stored(self, peer: NodeId, request: pb.StoreRequest, response: pb.StoreResponse) -> None:
        self.heard_from(peer)
        found = self.target_of(request.operation, peer)
        if found:
            self.took(*found)

    def on_call_failed(self, call: Call, reason: str) -> None:
        super().on_call_failed(call, reason)
        match call.request:
            case pb.StoreRequest() | pb.FetchRequest() | pb.MintRequest() as request:
                found = self.target_of(request.operation, call.peer)
                if found:
                    operation, target = found
                    operation.failed(target)

    # -------------------------------------------------------------------------------------- the end

    def finish(self, operation: Operation, response: Message) -> None:
        """Answers the client; the operation stays until everyone asked was heard or it is late."""
        operation.answered = True
        self.respond(operation.caller, response)

    def close(self, operation: Operation) -> None:
        """Nothing more is expected of an operation."""
        self.operations.pop(operation.id, None)

    def too_many(self, asked: int) -> str | None:
        """Why so many replicas cannot be asked for; None when they can."""
        if self.versions == "abd" and asked:
            return "where versions=abd, the quorums are fixed: leave r and w out"
        if asked > self.replication:
            return f"a key has {self.replication} replicas, fewer than {asked}"
        return None

    def watch(self, operation: Operation, at_ms: int) -> None:
        """Looks at an operation again at that time."""
        heapq.heappush(self.alarms, (at_ms, operation.id))
        if self.alarms[0] == (at_ms, operation.id):
            self.set_timer("operations", at_ms - self.now.mono_ms)

    @on_timer("operations")
    def look_at_operations(self) -> None:
        """Someone is late: another replica is asked, or the operation is over."""
        while self.alarms and self.alarms[0][0] <= self.now.mono_ms:
            _, number = heapq.heappop(self.alarms)
            operation = self.operations.get(number)
            if operation is None:
                continue
            if operation.deadline_ms <= self.now.mono_ms:
                if not operation.answered:
                    operation.give_up(f"not within {self.request_timeout_ms} ms")
                self.close(operation)
                operation.late()
            elif operation.hedges and not operation.answered:
                operation.ask_another()
        if self.alarms:
            self.set_timer("operations", max(0, self.alarms[0][0] - self.now.mono_ms))
