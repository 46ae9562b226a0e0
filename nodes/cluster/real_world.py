"""What the runtimes of real processes have in common: a session, its links, its control channel."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from nodes.cluster.api import (
    CLIENT,
    ClusterSpec,
    Link,
    LinkState,
    NodeState,
    RpcFault,
    RuntimeFailure,
)
from nodes.cluster.network import Network
from nodes.cluster.rpc_client import Channels, ControlClient
from nodes.core import NodeId
from nodes.host.faults_rpc import RpcFaults
from nodes.host.rpc import MessageTypes, load_protos
from protos import node_pb2

SUPPORTED: Final = frozenset(
    {
        "partition",
        "isolate",
        "cut",
        "sever",
        "heal",
        "delay",
        "bandwidth",
        "slice",
        "slow-close",
        "limit",
        "reset",
        "kill",
        "pause",
        "resume",
        "restart",
        "wipe",
        "power-cut",
        "crash-at",
        "skew",
        "lose",
        "duplicate",
        "reorder",
    }
)
CONTROL_MS_MAX: Final = 3_000

Progress = Callable[[str], None]


class Member(Protocol):
    """What a node is in a runtime: a process, or a container."""

    @property
    def is_running(self) -> bool: ...
    @property
    def is_paused(self) -> bool: ...
    @property
    def crash_point(self) -> str | None:
        """At which it died."""

    def epitaph(self) -> str:
        """Exit status and last words."""

    async def kill(self) -> None: ...
    async def pause(self) -> None: ...
    async def resume(self) -> None: ...


M = TypeVar("M", bound=Member)


class RealWorld(ABC, Generic[M]):
    """The part of World (nodes/cluster/api.py) that is the same for processes and containers.

    A runtime adds how nodes begin and end. `folder` takes what the cluster keeps on this machine.
    """

    supports: Final = SUPPORTED

    def __init__(self, spec: ClusterSpec, folder: Path, *, events: bool) -> None:
        self.spec = spec
        self.session = secrets.token_hex(8)
        self.channels = Channels()
        self._token = secrets.token_urlsafe(32)
        types = MessageTypes(load_protos(spec.protos))
        self.control = ControlClient(self._token, self.channels, types)
        self.client_faults = RpcFaults()
        self._folder = folder.resolve()
        self._records = events
        self._began_s = time.monotonic()
        self._starts: dict[NodeId, int] = {}
        self._wiped: set[NodeId] = set()
        self._crash_points: dict[NodeId, dict[str, int]] = {}
        self._locks = {node: asyncio.Lock() for node in spec.node_ids}
        self._members: dict[NodeId, M] = {}  # those that were made, running or not
        self._network: Network | None = None
        self._closed = False

    # -------------------------------------------------------------------------- what a runtime adds

    @abstractmethod
    async def open(self, tell: Progress) -> None:
        """Returns once every node serves. Raises RuntimeFailure; nothing is left running then."""

    @abstractmethod
    async def close(self) -> None:
        """Ends all; returns when it is gone. No harm if called twice."""

    @abstractmethod
    def process_ids(self) -> tuple[int, ...]:
        """Of the processes on this machine that belong to the cluster and run."""

    @abstractmethod
    def address(self, node: NodeId) -> str:
        """Where the node itself is reached, past the proxies. Raises RuntimeFailure when it is
        down."""

    @abstractmethod
    def client_address(self, node: NodeId) -> str:
        """Where the link `client->node` begins. Raises RuntimeFailure before the start."""

    @abstractmethod
    async def start(self, node: NodeId) -> None:
        """A node that is down serves again with what its disk holds."""

    @abstractmethod
    async def _lose_unsynced(self, node: NodeId) -> None:
        """Takes what the node had not synced from its disk; it is down."""

    @abstractmethod
    async def _empty_disk(self, node: NodeId) -> None:
        """Takes everything from the disk of a node that is down."""

    # -------------------------------------------------------------------------------- what is there

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """Ids in order."""
        return self.spec.node_ids

    @property
    def network(self) -> Network:
        """The links. Raises RuntimeFailure before the start."""
        if self._network is None:
            raise RuntimeFailure("the cluster has not started")
        return self._network

    def now_ms(self) -> int:
        """Monotonic, since the cluster was made."""
        return int((time.monotonic() - self._began_s) * 1000)

    def now_ns(self) -> int:
        """The same, finer; on the clock of the nodes' events."""
        return int((time.monotonic() - self._began_s) * 1e9)

    def known(self, node: NodeId) -> NodeId:
        """The same. Raises RuntimeFailure when there is no such node."""
        if node not in self._locks:
            raise RuntimeFailure(f"there is no node {node!r}; there are {', '.join(self.nodes)}")
        return node

    def node_state(self, node: NodeId) -> NodeState:
        """DOWN also for one that ended by itself; see `how_it_ended`."""
        member = self._members.get(self.known(node))
        if member is None or not member.is_running:
            return NodeState.DOWN
        return NodeState.PAUSED if member.is_paused else NodeState.UP

    def how_it_ended(self, node: NodeId) -> str | None:
        """Exit status and last words of a node that is down; None for one that is not, or that was
        never started."""
        member = self._members.get(self.known(node))
        return None if member is None or member.is_running else member.epitaph()

    def crashed_at(self, node: NodeId) -> str | None:
        """The crash point at which a node that is down died; None when it ended otherwise."""
        member = self._members.get(self.known(node))
        return None if member is None or member.is_running else member.crash_point

    def _spend_crash_point(self, node: NodeId) -> None:
        """The point that a node died of is none any more; before it starts again."""
        point = self.crashed_at(node)
        if point is not None:
            self._crash_points.get(node, {}).pop(point, None)

    def running(self, node: NodeId) -> M:
        """Its process or container. Raises RuntimeFailure when the node is down."""
        member = self._members.get(self.known(node))
        if member is None or not member.is_running:
            raise RuntimeFailure(f"{node} is down; start it with lab fault restart {node}")
        return member

    def log_path(self, node: NodeId) -> Path:
        """What the node wrote to stderr."""
        return self._folder / "logs" / f"{self.known(node)}.log"

    def events_path(self, node: NodeId) -> Path:
        """The node's timeline."""
        return self._folder / "events" / f"{self.known(node)}.events.jsonl"

    def _make_folders(self, *folders: Path) -> None:
        if self._closed:
            raise RuntimeFailure("this cluster has been closed; make another one")
        for folder in (self._folder, *folders):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    def _next_seed(self, node: NodeId) -> int:
        """A node that starts again must not draw the numbers it drew before."""
        self._starts[node] = start = self._starts.get(node, 0) + 1
        text = f"{self.spec.seed}/{node}/{start}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])

    def _common_config(self, node: NodeId) -> dict[str, Any]:
        """What the start message of a node says in every runtime; see nodes/host/program.py."""
        spec = next(spec for spec in self.spec.nodes if spec.id == node)
        return {
            "node": node,
            "session": self.session,
            "token": self._token,
            "lab": self.spec.lab,
            "core": spec.core,
            "protos": list(self.spec.protos),
            "peers": list(self.spec.peers_of(node)),
            "params": dict(self.spec.params),
            "seed": self._next_seed(node),
            "wiped": node in self._wiped,
            "crash_points": self._crash_points.get(node, {}),
        }

    # ------------------------------------------------------------------------------ life and death

    async def kill(self, node: NodeId) -> None:
        """No goodbye, also of a paused node. What was written, synced or not, survives."""
        async with self._locks[self.known(node)]:
            await self._kill(node)

    async def power_cut(self, node: NodeId) -> None:
        """Kill, and what the node had not synced is gone."""
        async with self._locks[self.known(node)]:
            await self._kill(node)
            await self._lose_unsynced(node)

    async def _kill(self, node: NodeId) -> None:
        await self.running(node).kill()

    async def wipe(self, node: NodeId) -> None:
        """Empties the disk of a node that is down. Raises RuntimeFailure when it is not down."""
        async with self._locks[self.known(node)]:
            if self.node_state(node) is not NodeState.DOWN:
                raise RuntimeFailure(f"{node} is running; kill it before its disk is wiped")
            await self._empty_disk(node)
            self._wiped.add(node)

    async def pause(self, node: NodeId) -> None:
        """The node stands still and does not know it."""
        async with self._locks[self.known(node)]:
            await self.running(node).pause()

    async def resume(self, node: NodeId) -> None:
        """A paused node goes on."""
        async with self._locks[self.known(node)]:
            await self.running(node).resume()

    # ----------------------------------------------------------------------- to links and to hosts

    async def links(self) -> list[dict[str, Any]]:
        """Every link as it is now."""
        return await self.network.links()

    async def set_links(self, wanted: Mapping[Link, LinkState]) -> None:
        """Every link as wanted, read back; those not named become clean."""
        await self.network.set_links(wanted)

    async def set_rpc_faults(self, node: NodeId, faults: tuple[RpcFault, ...], seed: int) -> None:
        """Replaces the RPC faults of the node, read back; or of `client`, which is here."""
        wanted = tuple(
            node_pb2.RpcFault(
                kind=fault.kind.upper(),
                peer=fault.peer or "",
                percent=fault.percent,
                hold_ms=fault.hold_ms,
            )
            for fault in faults
        )
        if node == CLIENT:
            self.client_faults.replace(wanted, seed, frozenset(self.nodes))
            return
        await self.control.set_rpc_faults(
            self.address(node), node, wanted, seed % 2**64, timeout_ms=CONTROL_MS_MAX
        )

    async def set_crash_points(self, node: NodeId, points: Mapping[str, int]) -> None:
        """Replaces the node's crash points, read back; a node that is down has them when it starts.
        Raises RuntimeFailure for a node that is paused."""
        state = self.node_state(node)
        if state is NodeState.PAUSED:
            raise RuntimeFailure(f"{node} is paused; lab fault resume {node} lets it go on")
        if state is NodeState.UP:
            wanted = tuple(
                node_pb2.CrashPoint(name=name, after=after) for name, after in points.items()
            )
            await self.control.set_crash_points(
                self.address(node), node, wanted, timeout_ms=CONTROL_MS_MAX
            )
        self._crash_points[node] = dict(points)

    async def set_clock(self, node: NodeId, *, offset_ms: int, rate: float) -> None:
        """Skews the node's wall clock, read back."""
        await self.control.set_clock(
            self.address(node), node, offset_ms=offset_ms, rate=rate, timeout_ms=CONTROL_MS_MAX
        )


async def at_once(work: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Awaits all. At the first failure the others are cancelled, and it is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
