"""What the local runtime can do to its nodes and links: processes, signals, disks, proxies."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from nodes.cluster.api import ClusterSpec, Link, LinkState, NodeState, RpcFault, RuntimeFailure
from nodes.cluster.network import Network, ProxyServer, start_proxy_server
from nodes.cluster.node_process import (
    LISTENING_S_MAX,
    READY_S_MAX,
    AddressTaken,
    NodeProcess,
)
from nodes.cluster.rpc_client import Channels, ControlClient
from nodes.core import NodeId
from nodes.host.rpc import MessageTypes, load_protos
from nodes.host.unsynced import side_file
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
        "skew",
        "lose",
        "duplicate",
        "reorder",
    }
)
CONTROL_MS_MAX: Final = 3_000
STOP_S_MAX: Final = 3.0

Progress = Callable[[str], None]


class LocalWorld:
    """Implements World of nodes/cluster/api.py. Owned by a LocalCluster, which says what its
    arguments mean."""

    supports: Final = SUPPORTED

    def __init__(
        self, spec: ClusterSpec, folder: Path, *, proxy: bool | None, events: bool
    ) -> None:
        self.spec = spec
        self.session = secrets.token_hex(8)
        self.channels = Channels()
        token = secrets.token_urlsafe(32)
        self.control = ControlClient(token, self.channels, MessageTypes(load_protos(spec.protos)))
        self._token = token
        self._folder = folder.resolve()
        self._prefer_real_proxy = proxy
        self._records = events
        self._began_s = time.monotonic()
        self._processes: dict[NodeId, NodeProcess] = {}
        self._starts: dict[NodeId, int] = {}
        self._wiped: set[NodeId] = set()
        self._locks = {node: asyncio.Lock() for node in spec.node_ids}
        self._proxy: ProxyServer | None = None
        self._network: Network | None = None
        self._closed = False

    # ------------------------------------------------------------------------------ life and death

    async def open(self, tell: Progress) -> None:
        """Returns once every node serves. Raises RuntimeFailure; nothing is left running then."""
        try:
            self._make_folders()
            tell(f"starting the proxy server and {len(self.nodes)} nodes")
            await _all((self._start_proxy(), *(self._spawn(node) for node in self.nodes)))
            tell(f"connecting them through the {self.proxy.describe()}")
            addresses = {node: self._processes[node].address for node in self.nodes}
            self._network = Network(self.proxy, addresses)
            await self._network.start()
            await _all(self._make_ready(node) for node in self.nodes)
            tell("every node serves")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Ends nodes and proxy server; returns when they are gone. No harm if called twice."""
        self._closed = True
        stops = [process.stop(STOP_S_MAX) for process in self._processes.values()]
        await asyncio.gather(*stops, return_exceptions=True)
        if self._network is not None:
            await self._network.close()
        if self._proxy is not None:
            await self._proxy.stop()
        await self.channels.close()

    def _make_folders(self) -> None:
        if self._closed:
            raise RuntimeFailure("this cluster has been closed; make another one")
        parts = [self._folder / name for name in ("logs", "events", "nodes")]
        for folder in (self._folder, *parts, *map(self.data_folder, self.nodes)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    async def _start_proxy(self) -> None:
        self._proxy = await start_proxy_server(self._prefer_real_proxy)

    async def _spawn(self, node: NodeId, listen: str = "127.0.0.1:0") -> NodeProcess:
        """Up to the point where the node listens."""
        self._starts[node] = self._starts.get(node, 0) + 1
        process = await NodeProcess.spawn(node, self.log_path(node))
        self._processes[node] = process
        await process.tell(self._config(node, listen))
        process.address = await process.hear("listening", within_s=LISTENING_S_MAX)
        return process

    async def _make_ready(self, node: NodeId) -> None:
        process = self._processes[node]
        links = {
            peer: self.network.link_address(Link(node, peer)) for peer in self.spec.peers_of(node)
        }
        await process.tell({"links": links})
        await process.hear("ready", within_s=READY_S_MAX)
        self._wiped.discard(node)

    def _config(self, node: NodeId, listen: str) -> dict[str, Any]:
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
            "seed": _node_seed(self.spec.seed, node, self._starts[node]),
            "listen": listen,
            "data": str(self.data_folder(node)),
            "events": str(self.events_path(node)) if self._records else None,
            "began_ms": self._began_s * 1000,
            "parent": os.getpid(),
            "wiped": node in self._wiped,
        }

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

    @property
    def proxy(self) -> ProxyServer:
        """The proxy server. Raises RuntimeFailure before the start."""
        if self._proxy is None:
            raise RuntimeFailure("the cluster has not started")
        return self._proxy

    def now_ms(self) -> int:
        """Monotonic, since the cluster was made."""
        return int((time.monotonic() - self._began_s) * 1000)

    def node_state(self, node: NodeId) -> NodeState:
        """DOWN also for one that ended by itself; see `how_it_ended`."""
        process = self._processes.get(self.known(node))
        if process is None or not process.alive:
            return NodeState.DOWN
        return NodeState.PAUSED if process.is_paused else NodeState.UP

    def how_it_ended(self, node: NodeId) -> str | None:
        """Exit status and last words of a node that is down; None for one that is not, or that was
        never started."""
        process = self._processes.get(self.known(node))
        return None if process is None or process.alive else process.epitaph()

    def process_ids(self) -> tuple[int, ...]:
        """Of the nodes and the proxy server, those that run."""
        pids = [process.pid for process in self._processes.values() if process.alive]
        if self._proxy is not None and self._proxy.alive():
            pids.append(self._proxy.pid)
        return tuple(pids)

    def running(self, node: NodeId) -> NodeProcess:
        """Raises RuntimeFailure when the node is down."""
        process = self._processes.get(self.known(node))
        if process is None or not process.alive:
            raise RuntimeFailure(f"{node} is down; start it with lab fault restart {node}")
        return process

    def known(self, node: NodeId) -> NodeId:
        """The same. Raises RuntimeFailure when there is no such node."""
        if node not in self._locks:
            raise RuntimeFailure(f"there is no node {node!r}; there are {', '.join(self.nodes)}")
        return node

    def data_folder(self, node: NodeId) -> Path:
        """The node's disk."""
        return self._folder / "nodes" / node

    def log_path(self, node: NodeId) -> Path:
        """What the node wrote to stderr."""
        return self._folder / "logs" / f"{self.known(node)}.log"

    def events_path(self, node: NodeId) -> Path:
        """The node's timeline."""
        return self._folder / "events" / f"{self.known(node)}.events.jsonl"

    # ----------------------------------------------------------------------- to links and to hosts

    async def set_links(self, wanted: Mapping[Link, LinkState]) -> None:
        """Every link as wanted, read back; those not named become clean."""
        await self.network.set_links(wanted)

    async def set_rpc_faults(self, node: NodeId, faults: tuple[RpcFault, ...], seed: int) -> None:
        """Replaces the node's RPC faults, read back."""
        wanted = tuple(
            node_pb2.RpcFault(
                kind=fault.kind.upper(),
                peer=fault.peer or "",
                percent=fault.percent,
                hold_ms=fault.hold_ms,
            )
            for fault in faults
        )
        address = self.running(node).address
        await self.control.set_rpc_faults(
            address, node, wanted, seed % 2**64, timeout_ms=CONTROL_MS_MAX
        )

    async def set_clock(self, node: NodeId, *, offset_ms: int, rate: float) -> None:
        """Skews the node's wall clock, read back."""
        address = self.running(node).address
        await self.control.set_clock(
            address, node, offset_ms=offset_ms, rate=rate, timeout_ms=CONTROL_MS_MAX
        )

    async def kill(self, node: NodeId) -> None:
        """SIGKILL, also of a paused node."""
        async with self._locks[self.known(node)]:
            await self.running(node).kill()

    async def power_cut(self, node: NodeId) -> None:
        """Kill, and what the node had not synced is gone."""
        async with self._locks[self.known(node)]:
            await self.running(node).kill()
            side_file(self.data_folder(node), node).unlink(missing_ok=True)

    async def start(self, node: NodeId) -> None:
        """A node that is down serves again, on its old port if that is still free."""
        async with self._locks[self.known(node)]:
            if self._closed:
                raise RuntimeFailure("the cluster has been closed")
            former = self._processes.get(node)
            if former is not None and former.alive:
                raise RuntimeFailure(f"{node} is running already")
            process = await self._spawn_again(node, former)
            try:
                await self._make_ready(node)
            except BaseException:
                await process.kill()
                raise

    async def _spawn_again(self, node: NodeId, former: NodeProcess | None) -> NodeProcess:
        old = former.address if former is not None else ""
        if old:
            with contextlib.suppress(AddressTaken):
                return await self._spawn(node, old)
        process = await self._spawn(node)
        await self.channels.drop(old)
        await self.network.move(node, process.address)
        return process

    async def wipe(self, node: NodeId) -> None:
        """Empties the disk of a node that is down. Raises RuntimeFailure when it is not down."""
        async with self._locks[self.known(node)]:
            if self.node_state(node) is not NodeState.DOWN:
                raise RuntimeFailure(f"{node} is running; kill it before its disk is wiped")
            shutil.rmtree(self.data_folder(node))
            self.data_folder(node).mkdir(mode=0o700)
            self._wiped.add(node)

    async def pause(self, node: NodeId) -> None:
        """SIGSTOP."""
        async with self._locks[self.known(node)]:
            await self.running(node).pause()

    async def resume(self, node: NodeId) -> None:
        """SIGCONT."""
        async with self._locks[self.known(node)]:
            await self.running(node).resume()


def _node_seed(seed: int, node: NodeId, start: int) -> int:
    """A node that starts again must not draw the numbers it drew before."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{node}/{start}".encode()).digest()[:8])


async def _all(work: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Awaits all. At the first failure the others are cancelled, and it is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
