"""What the local runtime can do to its nodes and links: processes, signals, disks, proxies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from typing import Any, Final

from nodes.cluster.api import CLIENT, ClusterSpec, Link, RuntimeFailure
from nodes.cluster.forkserver import ForkServer, can_fork, modules_of, take_or_start
from nodes.cluster.network import Network, ProxyServer, start_proxy_server
from nodes.cluster.node_process import (
    LISTENING_S_MAX,
    READY_S_MAX,
    AddressTaken,
    NodeProcess,
)
from nodes.cluster.real_world import Progress, RealWorld, at_once
from nodes.core import NodeId
from nodes.host.unsynced import side_file

STOP_S_MAX: Final = 3.0


class LocalWorld(RealWorld[NodeProcess]):
    """Implements World of nodes/cluster/api.py. Owned by a LocalCluster, which says what its
    arguments mean."""

    def __init__(
        self, spec: ClusterSpec, folder: Path, *, proxy: bool | None, events: bool
    ) -> None:
        super().__init__(spec, folder, events=events)
        self._prefer_real_proxy = proxy
        self._proxy: ProxyServer | None = None
        self._fork_server: ForkServer | None = None

    # ------------------------------------------------------------------------------ life and death

    async def open(self, tell: Progress) -> None:
        """Returns once every node serves. Raises RuntimeFailure; nothing is left running then."""
        try:
            if can_fork():
                self._fork_server = take_or_start(modules_of(self.spec))
            parts = [self._folder / name for name in ("logs", "events", "nodes")]
            self._make_folders(*parts, *map(self.data_folder, self.nodes))
            tell(f"starting the proxy server and {len(self.nodes)} nodes")
            await at_once((self._start_proxy(), *(self._spawn(node) for node in self.nodes)))
            tell(f"connecting them through the {self.proxy.describe()}")
            addresses = {node: self._members[node].address for node in self.nodes}
            self._network = Network(self.proxy, addresses)
            await self._network.start()
            await at_once(self._make_ready(node) for node in self.nodes)
            tell("every node serves")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Ends nodes and proxy server; returns when they are gone. No harm if called twice."""
        self._closed = True
        stops = [process.stop(STOP_S_MAX) for process in self._members.values()]
        await asyncio.gather(*stops, return_exceptions=True)
        if self._network is not None:
            await self._network.close()
        if self._proxy is not None:
            await self._proxy.stop()
        if self._fork_server is not None:
            await self._fork_server.stop()
        await self.channels.close()

    async def _start_proxy(self) -> None:
        self._proxy = await start_proxy_server(self._prefer_real_proxy)

    async def _spawn(self, node: NodeId, listen: str = "127.0.0.1:0") -> NodeProcess:
        """Up to the point where the node listens."""
        server = await self._living_fork_server()
        process = await NodeProcess.spawn(node, self.log_path(node), server)
        self._members[node] = process
        parent = os.getpid() if server is None else server.pid
        await process.tell(self._config(node, listen) | {"parent": parent})
        process.address = await process.hear("listening", within_s=LISTENING_S_MAX)
        return process

    async def _make_ready(self, node: NodeId) -> None:
        process = self._members[node]
        links = {
            peer: self.network.link_address(Link(node, peer)) for peer in self.spec.peers_of(node)
        }
        await process.tell({"links": links})
        await process.hear("ready", within_s=READY_S_MAX)
        self._wiped.discard(node)

    def _config(self, node: NodeId, listen: str) -> dict[str, Any]:
        return self._common_config(node) | {
            "listen": listen,
            "data": str(self.data_folder(node)),
            "events": str(self.events_path(node)) if self._records else None,
            "began_ms": self._began_s * 1000,
        }

    async def _living_fork_server(self) -> ForkServer | None:
        former = self._fork_server
        if former is not None and not former.alive():
            self._fork_server = ForkServer(modules_of(self.spec))
            await former.stop()
        return self._fork_server

    # -------------------------------------------------------------------------------- what is there

    @property
    def proxy(self) -> ProxyServer:
        """The proxy server. Raises RuntimeFailure before the start."""
        if self._proxy is None:
            raise RuntimeFailure("the cluster has not started")
        return self._proxy

    def process_ids(self) -> tuple[int, ...]:
        """Of the nodes, their fork server and the proxy server, those that run."""
        pids = [process.pid for process in self._members.values() if process.is_running]
        if self._proxy is not None and self._proxy.alive():
            pids.append(self._proxy.pid)
        if self._fork_server is not None and self._fork_server.alive():
            pids.append(self._fork_server.pid)
        return tuple(pids)

    def address(self, node: NodeId) -> str:
        """Where the node itself listens. Raises RuntimeFailure when it is down."""
        return self.running(node).address

    def client_address(self, node: NodeId) -> str:
        """Where the link `client->node` begins."""
        return self.network.link_address(Link(CLIENT, node))

    def data_folder(self, node: NodeId) -> Path:
        """The node's disk."""
        return self._folder / "nodes" / node

    async def start(self, node: NodeId) -> None:
        """A node that is down serves again, on its old port if that is still free."""
        async with self._locks[self.known(node)]:
            if self._closed:
                raise RuntimeFailure("the cluster has been closed")
            former = self._members.get(node)
            if former is not None and former.is_running:
                raise RuntimeFailure(f"{node} is running already")
            self._spend_crash_point(node)
            if former is not None:
                await former.kill()  # one that ended by itself has still our end of its streams
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

    async def _lose_unsynced(self, node: NodeId) -> None:
        side_file(self.data_folder(node), node).unlink(missing_ok=True)

    async def _empty_disk(self, node: NodeId) -> None:
        shutil.rmtree(self.data_folder(node))
        self.data_folder(node).mkdir(mode=0o700)
