"""Planted bugs in what brings replicas up to date."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nodes.core import NodeId
from nodes.cores.quorum_store import QuorumStore
from nodes.cores.quorum_store.reads import Get
from nodes.cores.quorum_store.records import Held
from nodes.cores.quorum_store.wire import pack
from protos import quorum_store_pb2 as pb


class RepairsNobody(QuorumStore):
    """Sees that a replica is behind, and leaves it so."""

    def repair(self, operation: Get) -> None:
        pass


class RepairsWithOwnRecord(QuorumStore):
    """Sends a replica that is behind what the coordinator itself holds."""

    def repair(self, operation: Get) -> None:
        result = self.together(operation.found())
        for target in operation.targets:
            if target.held is not None and target.held != result and not target.home:
                record = pack(self.held(operation.key))
                request = pb.StoreRequest(key=operation.key, record=record)
                if target.node != self.env.node_id:
                    self.call(target.node, request, timeout_ms=self.replica_timeout_ms)


class StopsAtTheRoot(QuorumStore):
    """Finds that two trees differ, and goes no deeper."""

    def compared(
        self, peer: NodeId, level: int, theirs: Sequence[pb.TreeNode]
    ) -> pb.CompareTreesResponse:
        return pb.CompareTreesResponse()


class ComparesKeysOnly(QuorumStore):
    """Exchanges keys that only one side has, and no key that both have differently."""

    def differences(
        self, peer: NodeId, leaves: Sequence[int], theirs: dict[str, int]
    ) -> pb.ExchangeLeavesResponse:
        same = {key: self.digests.get(key, 0) for key in theirs if key in self.digests}
        return super().differences(peer, leaves, theirs | same)


class SendsEverything(QuorumStore):
    """Sends all records whenever it is compared with, equal or not."""

    def differing(self, peer: NodeId, level: int, theirs: Iterable[pb.TreeNode]) -> list[int]:
        return [one.index for one in theirs if one.hash]

    def differences(
        self, peer: NodeId, leaves: Sequence[int], theirs: dict[str, int]
    ) -> pb.ExchangeLeavesResponse:
        return super().differences(peer, leaves, {})


class TombstonesDroppedAtOnce(QuorumStore):
    """Forgets at the first occasion that a key was deleted."""

    def is_expired(self, held: Held) -> bool:
        return bool(held.siblings) and all(one.deleted for one in held.siblings.values())


class TombstonesKeptForEver(QuorumStore):
    """Never forgets that a key was deleted."""

    def is_expired(self, held: Held) -> bool:
        return False


class LostDiskIsEmpty(QuorumStore):
    """Says that a key has no value when it has lost what it held."""

    def fetch(self, key: str) -> pb.FetchResponse:
        return pb.FetchResponse(record=pack(self.known(key)))


class RecoversAfterOnePeer(QuorumStore):
    """Takes itself for complete when it has compared with one other node."""

    def caught_up_with(self, peer: NodeId) -> None:
        self.recovered()


class NeverRecovers(QuorumStore):
    """Serves no read any more once it has lost its disk."""

    def caught_up_with(self, peer: NodeId) -> None:
        pass
