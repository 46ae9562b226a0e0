"""A cluster of real processes, whichever runtime runs them: `Cluster` of nodes/cluster/api.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar

from google.protobuf.message import Message

from nodes.cluster.api import ClusterSpec, NodeState
from nodes.cluster.real_world import Progress, RealWorld
from nodes.cluster.rpc_client import RpcClient, client_transport
from nodes.core import NodeId, Param
from nodes.host.rpc import load_protos, methods_of
from protos import node_pb2

if TYPE_CHECKING:
    from nodes.cluster.faults import Faults

T = TypeVar("T")
W = TypeVar("W", bound=RealWorld[Any])

VIEW_MS_MAX: Final = 500
LOOK_AGAIN_MS: Final = 20  # of `until`


class RealCluster(Generic[W]):
    """Implements Cluster of nodes/cluster/api.py; its `world` implements World."""

    runtime: ClassVar[str]

    def __init__(self, world: W) -> None:
        self.world = world
        methods = methods_of(load_protos(world.spec.protos))
        self._client = RpcClient(
            world.session,
            methods,
            world.channels,
            world.client_address,
            client_transport(world.spec.params),
            world.client_faults,
        )
        self._faults: Faults | None = None

    # ------------------------------------------------------------------------------ life and death

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self, progress: Progress | None = None) -> None:
        """Returns once every node serves. Raises RuntimeFailure; nothing is left running then."""
        await self.world.open(progress or (lambda _: None))

    async def close(self) -> None:
        """Ends nodes and proxy server; returns when they are gone. No harm if called twice."""
        await self.world.close()

    # ------------------------------------------------------------------------- to look at

    @property
    def spec(self) -> ClusterSpec:
        """As it was given."""
        return self.world.spec

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """Ids in order."""
        return self.world.nodes

    @property
    def params(self) -> Mapping[str, Param]:
        """The lab's settings."""
        return self.world.spec.params

    @property
    def faults(self) -> Faults:
        """Breaks and heals this cluster."""
        if self._faults is None:
            from nodes.cluster.faults import Faults

            self._faults = Faults(self.world, seed=self.spec.seed)
        return self._faults

    @property
    def session(self) -> str:
        """By which the nodes know each other and their clients."""
        return self.world.session

    def now_ms(self) -> int:
        """Monotonic, since the cluster was made."""
        return self.world.now_ms()

    def now_ns(self) -> int:
        """The same, finer; on the clock of the nodes' events."""
        return self.world.now_ns()

    def node_state(self, node: NodeId) -> NodeState:
        """DOWN also for one that ended by itself; see `how_it_ended`."""
        return self.world.node_state(node)

    def how_it_ended(self, node: NodeId) -> str | None:
        """Exit status and last words of a node that is down; None for one that is not."""
        return self.world.how_it_ended(node)

    def process_ids(self) -> tuple[int, ...]:
        """Of the nodes and the proxy server, those that run."""
        return self.world.process_ids()

    def address(self, node: NodeId) -> str:
        """Where the node itself listens, past the proxies. Raises RuntimeFailure when it is
        down."""
        return self.world.address(self.world.known(node))

    def log_path(self, node: NodeId) -> Path:
        """What the node wrote to stderr."""
        return self.world.log_path(node)

    def events_path(self, node: NodeId) -> Path:
        """The node's timeline; nodes.host.recorder.older_file is what was before a rotation."""
        return self.world.events_path(node)

    async def links(self) -> list[dict[str, Any]]:
        """Every link as it is now."""
        return await self.world.links()

    # -------------------------------------------------------------------------- to talk to

    async def call(self, node: NodeId, request: Message, *, timeout_ms: int) -> Message:
        """Over the link `client->node`. Raises Refused or Indeterminate."""
        return await self._client.call(self.world.known(node), request, timeout_ms=timeout_ms)

    async def view(self, node: NodeId) -> Message | None:
        """What the node believes; None when it does not answer within 500 ms."""
        found = await self._look(node)
        return found[0] if found is not None else None

    async def host_view(self, node: NodeId) -> node_pb2.HostView | None:
        """How the node's process is doing; None as for `view`."""
        found = await self._look(node)
        return found[1] if found is not None else None

    async def both_views(self, node: NodeId) -> tuple[Message, node_pb2.HostView] | None:
        """What `view` and `host_view` give, by one call."""
        return await self._look(node)

    async def _look(self, node: NodeId) -> tuple[Message, node_pb2.HostView] | None:
        if self.node_state(node) is not NodeState.UP:
            return None
        address = self.world.address(node)
        return await self.world.control.view(address, node, timeout_ms=VIEW_MS_MAX)

    async def sleep(self, ms: int) -> None:
        """Real time."""
        await asyncio.sleep(ms / 1000)

    async def until(
        self, what: str, holds: Callable[[], Awaitable[T | None]], *, within_ms: int
    ) -> T:
        """The first result that is neither None nor False. Raises TimeoutError."""
        try:
            async with asyncio.timeout(within_ms / 1000):
                while True:
                    found = await holds()
                    if found is not None and found is not False:
                        return found
                    await self.sleep(LOOK_AGAIN_MS)
        except TimeoutError:
            raise TimeoutError(f"not within {within_ms} ms: {what}") from None
