"""A node as the coordinator of a request: whom it asks, how long it waits, how many are enough.

Any node coordinates any key (Dynamo 4.5). A replica that coordinates asks itself as well, without a
message. Where the quorum is sloppy, nodes that are down are stood in for by the next ones on the
ring, which count, and keep a hint (4.6).
"""

from __future__ import annotations

import heapq

from google.protobuf.message import Message

from nodes.core import Call, Env, NodeId, exercise, on_response, on_timer
from nodes.cores.quorum_store.operation import Asked, Operation, Target
from nodes.cores.quorum_store.ring import RingView
from protos import quorum_store_pb2 as pb


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
    def enough(
        self,
        operation: Operation,
        needed: int,
        *,
        reads: bool,
        states: tuple[Asked, ...] = (Asked.ANSWERED,),
    ) -> bool:
        """So many owners have answered. While the ring changes, a write needs as many by both of
        its readings, and a read by the one to read by."""
        answered = [one for one in operation.targets if one.state in states]
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
        """Nobody waits for a node that did not answer a moment ago (4.6), and nobody stands in for
        one that has been away too long."""
        fallbacks = iter(self.fallbacks(key))
        for target in targets:
            if self.seems_down(target.node) and not self.away_too_long(target.node):
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

    def on_ring_changed(self) -> None:
        """What is under way is finished by the new ring: who acknowledges a phase of a change must
        not complete a write by the one before."""
        super().on_ring_changed()
        for operation in list(self.operations.values()):
            if not operation.answered:
                self.aim_anew(operation)
                operation.ask_more()
                operation.proceed()

    def aim_anew(self, operation: Operation) -> None:
        """Owners that are new are asked too, and those that are none any more do not count."""
        owners = {owner.node: owner for owner in self.owners(operation.key)}
        for target in operation.targets:
            owner = owners.get(target.home or target.node)
            target.read = owner is not None and owner.read
            target.other = owner is not None and owner.other
        aimed_at = {target.home or target.node for target in operation.targets}
        for node, owner in owners.items():
            if node not in aimed_at:
                operation.targets.append(Target(node, owner.read, owner.other))

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
