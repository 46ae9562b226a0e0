"""What a scenario does with a store: it writes and reads, and looks into single replicas.

Where a key belongs is worked out here from the ring alone, and not asked of the nodes, so that
nodes which are all wrong in the same way are found out as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from google.protobuf.message import Message

from labs.kit.check import Failed, expect, require
from nodes.cluster.api import Cluster, Indeterminate, NodeState, Refused
from nodes.core import NodeId
from nodes.parts.hash_ring import HashRing
from protos import quorum_store_pb2 as pb

T = TypeVar("T")
Verdict = Literal["acknowledged", "refused", "unknown"]
# More than a request may take, so that a client hears the store's own verdict.
PATIENCE = 2
KEYS_TRIED = 2000  # in the search for one that lies as a scenario needs it


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended; without a response when it was not acknowledged."""

    verdict: Verdict
    reason: str = ""
    siblings: tuple[pb.Sibling, ...] = ()
    context: pb.VersionVector | None = None

    @property
    def values(self) -> list[str]:
        """What was returned, sorted."""
        return values_of(self.siblings)

    @property
    def acknowledged(self) -> bool:
        """It succeeded."""
        return self.verdict == "acknowledged"


class Store:
    """A cluster of the store. Waits are in units of how long a request may take."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.unit_ms = self.setting("request_timeout_ms")
        self.replication = self.setting("replication")
        members = cluster.nodes[: self.setting("members") or len(cluster.nodes)]
        self.ring = HashRing(members, self.setting("tokens"))

    def setting(self, name: str) -> int:
        """A setting that is a number."""
        value = self.cluster.params[name]
        assert isinstance(value, int)
        return value

    # ------------------------------------------------------------------------------- where keys lie

    def owners(self, key: str) -> tuple[NodeId, ...]:
        """The nodes that shall hold a key, the first one first."""
        return self.ring.preference_list(key, self.replication)

    def strangers(self, key: str) -> tuple[NodeId, ...]:
        """All others, in the order in which they stand in."""
        return self.ring.walk(key)[self.replication :]

    def keys(self, count: int, *, owned_by: Sequence[NodeId] = (), prefix: str = "k") -> list[str]:
        """So many keys, of which all of `owned_by` are owners."""
        names = (f"{prefix}{number}" for number in range(KEYS_TRIED))
        found = [name for name in names if set(owned_by) <= set(self.owners(name))][:count]
        require(len(found) == count, f"too few keys are owned by {', '.join(owned_by)}")
        return found

    # ------------------------------------------------------------------------------------- requests

    async def put(
        self,
        node: NodeId,
        key: str,
        value: str,
        *,
        context: pb.VersionVector | None = None,
        w: int = 0,
        deleted: bool = False,
    ) -> Ended:
        """Writes through one node, once."""
        request = pb.PutRequest(
            key=key, value=value.encode(), context=context, w=w, deleted=deleted
        )
        return await self.ended(node, request)

    async def get(self, node: NodeId, key: str, *, r: int = 0) -> Ended:
        """Reads through one node, once."""
        return await self.ended(node, pb.GetRequest(key=key, r=r))

    async def ended(self, node: NodeId, request: Message) -> Ended:
        """Sends a request, and says how it ended."""
        try:
            response: Any = await self.cluster.call(
                node, request, timeout_ms=PATIENCE * self.unit_ms
            )
        except Refused as refused:
            return Ended("refused", refused.reason)
        except Indeterminate as unknown:
            return Ended("unknown", unknown.reason)
        if isinstance(response, pb.GetResponse | pb.PutResponse):
            return Ended("acknowledged", "", tuple(response.siblings), response.context)
        return Ended("acknowledged")

    async def written(self, node: NodeId, key: str, value: str, **options: Any) -> Ended:
        """Writes; it must be acknowledged."""
        ended = await self.put(node, key, value, **options)
        expect(
            ended.acknowledged,
            f"{node} acknowledges a write of {key} when enough replicas can be reached",
            f"{ended.verdict}: {ended.reason}",
        )
        return ended

    async def read(self, node: NodeId, key: str, *, r: int = 0) -> Ended:
        """Reads; it must be answered."""
        ended = await self.get(node, key, r=r)
        expect(
            ended.acknowledged,
            f"{node} answers a read of {key} when enough replicas can be reached",
            f"{ended.verdict}: {ended.reason}",
        )
        return ended

    async def read_once_served(self, node: NodeId, key: str) -> Ended:
        """Reads as soon as it is answered: after a restart connections are made anew."""
        found = await self.get(node, key)

        async def answered() -> bool:
            nonlocal found
            if not found.acknowledged:
                found = await self.get(node, key)
            return found.acknowledged

        await self.until(f"{node} answers a read of {key}", answered)
        return found

    async def rewritten(self, node: NodeId, key: str, value: str) -> Ended:
        """Reads, and writes as one who has seen what he replaces."""
        seen = await self.read(node, key)
        return await self.written(node, key, value, context=seen.context)

    # ------------------------------------------------------------------------------ single replicas

    async def inspect(self, node: NodeId, key: str) -> pb.InspectResponse:
        """What one node holds of a key. It must answer."""
        request = pb.InspectRequest(key=key)
        try:
            response = await self.cluster.call(node, request, timeout_ms=PATIENCE * self.unit_ms)
        except (Refused, Indeterminate) as error:
            raise Failed(f"{node} says what it holds", str(error)) from None
        assert isinstance(response, pb.InspectResponse)
        return response

    async def held(self, node: NodeId, key: str) -> list[str]:
        """The values that one node holds as a replica, sorted."""
        return values_of((await self.inspect(node, key)).record.siblings)

    async def holders(self, key: str, value: str, nodes: Iterable[NodeId] = ()) -> list[NodeId]:
        """The nodes that hold this value; by default of the key's owners."""
        asked = tuple(nodes) or self.owners(key)
        found = await asyncio.gather(*(self.held(node, key) for node in asked))
        return [node for node, values in zip(asked, found, strict=True) if value in values]

    async def view(self, node: NodeId) -> pb.QuorumStoreView:
        """What a node shows of itself. It must be up."""
        view = await self.cluster.view(node)
        if view is None:
            raise Failed(f"{node} answers", f"{node} is {self.cluster.node_state(node)}")
        assert isinstance(view, pb.QuorumStoreView)
        return view

    # ---------------------------------------------------------------------------------------- waits

    async def wait(self, units: float) -> None:
        """Lets so much time pass."""
        await self.cluster.sleep(int(units * self.unit_ms))

    async def until(
        self, what: str, holds: Callable[[], Awaitable[T | None]], *, units: float = 10
    ) -> T:
        """The first result that is neither None nor False. Raises TimeoutError."""
        return await self.cluster.until(what, holds, within_ms=int(units * self.unit_ms))

    async def calls_end(self) -> None:
        """Waits until nothing is under way any more between nodes: what was sent to one that is cut
        off would arrive if the cut ended now."""
        await self.cluster.sleep(self.setting("replica_timeout_ms") + 1)

    async def all_trusted(self) -> None:
        """Waits until no node takes another to be down."""

        async def trusted() -> bool:
            views = [await self.view(node) for node in self.cluster.nodes]
            return not any(view.suspected for view in views)

        await self.until("nobody takes a node to be down that is up", trusted)

    async def equal_at_owners(self, keys: Sequence[str], *, units: float = 20) -> None:
        """Waits until all owners of each key hold the same of it, and somebody holds something."""

        async def equal() -> bool:
            for key in keys:
                owners = self.owners(key)
                records = [(await self.inspect(node, key)).record for node in owners]
                if not records[0].siblings or any(one != records[0] for one in records[1:]):
                    return False
            return True

        keys = list(keys)
        names = keys[0] if len(keys) == 1 else f"each of {len(keys)} keys"
        await self.until(f"all owners hold the same of {names}", equal, units=units)

    # ------------------------------------------------------------------------------------ the world

    def others(self, *nodes: NodeId) -> tuple[NodeId, ...]:
        """Everyone but these."""
        return tuple(node for node in self.cluster.nodes if node not in nodes)

    async def kill(self, *nodes: NodeId) -> None:
        """Ends nodes; they are down afterwards."""
        await self.cluster.faults.kill(*nodes)
        for node in nodes:
            require(self.cluster.node_state(node) is NodeState.DOWN, f"{node} is not down")

    async def heal(self) -> None:
        """Undoes all faults. Connections that had been cut come back a moment later."""
        await self.cluster.faults.heal()

        async def reached() -> bool:
            request = pb.InspectRequest(key="anybody there")
            ends = [await self.ended(node, request) for node in self.cluster.nodes]
            return all(ended.acknowledged for ended in ends)

        await self.until("clients reach every node again", reached)


def values_of(siblings: Iterable[pb.Sibling]) -> list[str]:
    """The values of those that are not deleted, sorted."""
    return sorted(one.value.decode() for one in siblings if not one.deleted)


def shown(values: Sequence[str]) -> str:
    """For messages."""
    return ", ".join(values) or "nothing"
