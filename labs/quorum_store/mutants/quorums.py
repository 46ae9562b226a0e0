"""Planted bugs in how answers are counted."""

from __future__ import annotations

from google.protobuf.message import Message

from nodes.core import Caller, handles
from nodes.cores.quorum_store import QuorumStore
from nodes.cores.quorum_store.operation import Asked, Operation, Target
from nodes.cores.quorum_store.records import Held
from nodes.cores.quorum_store.writes import Put
from protos import quorum_store_pb2 as pb


class CountsItselfTwice(QuorumStore):
    """Counts its own answer as that of two replicas."""

    def enough(
        self,
        operation: Operation,
        needed: int,
        *,
        reads: bool,
        states: tuple[Asked, ...] = (Asked.ANSWERED,),
    ) -> bool:
        mine = any(
            target.node == self.env.node_id and target.state is Asked.ANSWERED
            for target in operation.targets
        )
        return super().enough(operation, needed - mine, reads=reads, states=states)


class CountsSends(QuorumStore):
    """Counts a replica that a write was sent to as one that has it."""

    def enough(
        self,
        operation: Operation,
        needed: int,
        *,
        reads: bool,
        states: tuple[Asked, ...] = (Asked.ANSWERED,),
    ) -> bool:
        if not reads:
            states = (Asked.WAITING, Asked.ANSWERED)
        return super().enough(operation, needed, reads=reads, states=states)


class ReadsOneTooFew(QuorumStore):
    """Answers a read when one replica less than R has answered."""

    def enough(
        self,
        operation: Operation,
        needed: int,
        *,
        reads: bool,
        states: tuple[Asked, ...] = (Asked.ANSWERED,),
    ) -> bool:
        counts = reads and Asked.WAITING not in states
        return super().enough(operation, max(1, needed - counts), reads=reads, states=states)


class WaitsForAll(QuorumStore):
    """Waits for every replica that is asked, whatever R and W are."""

    def enough(
        self,
        operation: Operation,
        needed: int,
        *,
        reads: bool,
        states: tuple[Asked, ...] = (Asked.ANSWERED,),
    ) -> bool:
        if operation.count(Asked.WAITING) and Asked.WAITING not in states:
            return False
        return super().enough(operation, needed, reads=reads, states=states)


class SendsToWOnly(QuorumStore):
    """Sends a write to as many replicas as must have it, and to no other."""

    def ask(self, operation: Operation, target: Target, request: Message) -> None:
        waiting = operation.count(Asked.WAITING) - 1 + operation.count(Asked.ANSWERED)
        if isinstance(request, pb.StoreRequest) and waiting >= operation.needed:
            target.state = Asked.NOT_YET
        else:
            super().ask(operation, target, request)


class IgnoresRequestedQuorums(QuorumStore):
    """Waits for the quorum of the cluster's settings, whatever the request asks for."""

    @handles(pb.PutRequest)
    def put(self, request: pb.PutRequest, caller: Caller) -> pb.PutResponse | None:
        """Does not look at W."""
        request.w = 0
        return super().put(request, caller)


class AsksOnlyItself(QuorumStore):
    """Answers reads from its own records, when it has any of the key or not."""

    def targets_of(self, key: str, *, reads: bool) -> list[Target]:
        targets = super().targets_of(key, reads=reads)
        if reads and self.versions == "siblings":
            return [Target(self.env.node_id, read=True, other=True) for _ in targets]
        return targets


class RefusesWhatMayBeFound(QuorumStore):
    """Says that a write did not happen because too few replicas have it."""

    def may_have_happened(self, operation: Put) -> bool:
        return False


class KeepsInMemoryOnly(QuorumStore):
    """Acknowledges a record that is not on disk."""

    def keep(self, key: str, incoming: Held) -> bool:
        merged = self.merged(self.held(key), incoming)
        changed = merged != self.held(key)
        self.take(key, merged)
        return changed
