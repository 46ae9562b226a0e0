"""What the compose runtime can do to its nodes and links: containers, volumes, Toxiproxy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from nodes.cluster.api import CLIENT, ClusterSpec, NodeState, RuntimeFailure
from nodes.cluster.compose_images import images_ready
from nodes.cluster.compose_project import (
    Project,
    check_spec,
    give_to_nodes,
    user,
)
from nodes.cluster.engine import (
    PROXY_SERVICE,
    SERVICE_LABEL,
    SESSION_LABEL,
    Engine,
    EngineGone,
    NoSuchThing,
)
from nodes.cluster.leftovers import owner_labels, remove_dead_sessions
from nodes.cluster.network import Network, links_between
from nodes.cluster.node_container import NodeContainer
from nodes.cluster.node_process import READY_S_MAX
from nodes.cluster.real_world import Progress, RealWorld, at_once
from nodes.cluster.reaper_process import ReaperProcess
from nodes.cluster.toxiproxy_container import ToxiproxyContainer
from nodes.core import NodeId
from nodes.host.container import CONFIG_FILE, DATA_FOLDER, EVENTS_FOLDER, NODE_PORT, link_port
from nodes.host.unsynced import side_file

STOP_S_MAX: Final = 2  # for a node to end in good order
PROXY_S_MAX: Final = 10.0
_LOOK_AGAIN_S: Final = 0.02


class ComposeWorld(RealWorld[NodeContainer]):
    """Implements World of nodes/cluster/api.py. Owned by a ComposeCluster, which says what its
    arguments mean."""

    def __init__(self, spec: ClusterSpec, folder: Path, *, events: bool) -> None:
        super().__init__(spec, folder, events=events)
        self._began_at_ms = time.time() * 1000
        self._labels = owner_labels(self.session, spec.lab)
        self._engine: Engine | None = None
        self._project: Project | None = None
        self._proxy: ToxiproxyContainer | None = None
        self._reaper: ReaperProcess | None = None

    # ------------------------------------------------------------------------------ life and death

    async def open(self, tell: Progress) -> None:
        """Returns once every node serves. Raises RuntimeFailure; nothing is left running then."""
        try:
            check_spec(self.spec)
            folders = ("logs", "events", "config")
            self._make_folders(*(self._folder / name for name in folders))
            await self._reach_engine(tell)
            await self._create(tell)
            await self._start_all(tell)
            tell("every node serves")
        except BaseException:
            with contextlib.suppress(RuntimeFailure):
                await self.close()
            raise

    async def _reach_engine(self, tell: Progress) -> None:
        self._engine = await asyncio.to_thread(Engine)
        if self._engine.is_rootless:
            raise RuntimeFailure(
                "a rootless Docker engine gives files to users that this lab cannot read as;"
                " use `--runtime local`"
            )
        try:
            for dead in await asyncio.to_thread(remove_dead_sessions, self._engine):
                tell(f"removed {dead.sentence()}")
        except EngineGone:
            raise
        except RuntimeFailure as failure:
            tell(f"warning: {failure}")  # what others left need not be in the way

    async def _create(self, tell: Progress) -> None:
        image = await images_ready(self.engine, tell)
        self._project = Project(
            self.spec, self.session, self._folder, image, self._labels, self.engine.host
        )
        for node in self.nodes:
            for folder in (self.project.config_folder(node), self.project.events_folder(node)):
                self._make_folders(folder)
                give_to_nodes(folder)
        self._reaper = ReaperProcess(self.session, self.engine.host)
        tell(f"making containers and networks for Toxiproxy and {len(self.nodes)} nodes")
        await self.project.create()
        for service, container in (await self._made_containers()).items():
            log = self._folder / "logs" / f"{service}.log"
            self._members[service] = NodeContainer(self.engine, service, container, log)

    async def _made_containers(self) -> dict[str, str]:
        """Ids by service."""
        selector = f"{SESSION_LABEL}={self.session}"
        made = await asyncio.to_thread(self.engine.containers, selector)
        return {one["Labels"][SERVICE_LABEL]: one["Id"] for one in made}

    async def _start_all(self, tell: Progress) -> None:
        proxy = ToxiproxyContainer(self._members.pop(PROXY_SERVICE))
        self._proxy = proxy
        tell(f"starting them through the Docker engine {self.engine.version}")
        # Compose 1 would make it a member of all its networks only on starting it.
        networks = [self.project.network(node) for node in self.nodes]
        await asyncio.to_thread(self.engine.join, proxy.container.id, networks)
        await proxy.container.start()
        await at_once(self._start_container(node) for node in self.nodes)
        network = Network(
            proxy,
            {node: self._upstream(node) for node in self.nodes},
            {
                link: f"0.0.0.0:{link_port(link.source, link.target)}"
                for link in links_between(self.nodes)
            },
        )
        self._network = network
        await self._until_proxy_answers(network)
        await at_once(self._make_ready(node) for node in self.nodes)

    async def _until_proxy_answers(self, network: Network) -> None:
        """Toxiproxy tells nobody when it listens."""
        deadline = time.monotonic() + PROXY_S_MAX
        while True:
            try:
                return await network.start()
            except RuntimeFailure:
                if not self.proxy.alive() or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_LOOK_AGAIN_S)

    async def close(self) -> None:
        """Removes containers, networks and volumes; returns when they are gone. No harm if called
        twice. Raises RuntimeFailure when something stays; the reaper then goes on trying."""
        self._closed = True
        try:
            if self._network is not None:
                await self._network.close()
            await self.channels.close()
            if self._engine is not None and self._project is not None:
                await asyncio.to_thread(
                    self._engine.remove_session, self.session, grace_s=STOP_S_MAX
                )
            if self._reaper is not None:
                await self._reaper.dismiss()
        except EngineGone as gone:
            raise RuntimeFailure(
                f"{gone}; what is left of the lab is removed when the engine is back, by itself"
                f" within a minute, later by `lab doctor --clean` or the next start"
            ) from None
        finally:
            if self._reaper is not None:
                self._reaper.let_go()
            containers = [*self._members.values()]
            if self._proxy is not None:
                containers.append(self._proxy.container)
            await asyncio.gather(*(one.close() for one in containers), return_exceptions=True)
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    # ------------------------------------------------------------------------------------- one node

    async def _start_container(self, node: NodeId) -> None:
        self._write_config(node)
        container = self._members[node]
        try:
            await container.start()
        except NoSuchThing:
            # Somebody removed it; its disk is still there.
            await self.project.create()
            container.id = (await self._made_containers())[node]
            await container.start()

    async def _make_ready(self, node: NodeId) -> None:
        await self._members[node].ready(READY_S_MAX)
        self._wiped.discard(node)

    def _write_config(self, node: NodeId) -> None:
        proxy_ip = self.proxy.container.ips[self.project.network(node)]
        events = str(EVENTS_FOLDER / self.events_path(node).name) if self._records else None
        config = self._common_config(node) | {
            "listen": f"0.0.0.0:{NODE_PORT}",
            "data": str(DATA_FOLDER),
            "events": events,
            "began_at_ms": self._began_at_ms,
            "links": {
                peer: f"{proxy_ip}:{link_port(node, peer)}" for peer in self.spec.peers_of(node)
            },
        }
        path = self.project.config_folder(node) / CONFIG_FILE.name
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(config, file)
        give_to_nodes(fresh)
        fresh.replace(path)

    def _upstream(self, node: NodeId) -> str:
        return f"{self._members[node].ip}:{NODE_PORT}"

    async def _on_disk(self, node: NodeId, *command: str) -> None:
        """Runs a command where the node's disk is /lab/data."""
        await asyncio.to_thread(
            self.engine.run_on_volume,
            self.project.image,
            self.project.volume(node),
            command,
            user(),
            self._labels,
        )

    # -------------------------------------------------------------------------------- what is there

    @property
    def engine(self) -> Engine:
        """The Docker engine. Raises RuntimeFailure before the start and after the end."""
        if self._engine is None:
            raise RuntimeFailure("the cluster is not running")
        return self._engine

    @property
    def project(self) -> Project:
        """This session's part of docker-compose.yml. Raises RuntimeFailure before the start."""
        if self._project is None:
            raise RuntimeFailure("the cluster has not started")
        return self._project

    @property
    def proxy(self) -> ToxiproxyContainer:
        """Toxiproxy. Raises RuntimeFailure before the start."""
        if self._proxy is None:
            raise RuntimeFailure("the cluster has not started")
        return self._proxy

    def events_path(self, node: NodeId) -> Path:
        """The node's timeline, in a folder that only its container shares."""
        return self._folder / "events" / self.known(node) / f"{node}.events.jsonl"

    def container_id(self, node: NodeId) -> str:
        """For `docker inspect`. Raises RuntimeFailure before the start."""
        return self._members[self._made(node)].id

    def process_ids(self) -> tuple[int, ...]:
        """None: the engine's processes are not this user's to signal."""
        return ()

    def _made(self, node: NodeId) -> NodeId:
        if self.known(node) not in self._members:
            raise RuntimeFailure("the cluster has not started")
        return node

    def address(self, node: NodeId) -> str:
        """Where the node's port is published. Raises RuntimeFailure when it is down."""
        return f"127.0.0.1:{self.running(node).ports[NODE_PORT]}"

    def client_address(self, node: NodeId) -> str:
        """Where Toxiproxy's port of the link `client->node` is published."""
        port = link_port(CLIENT, self.known(node))
        return f"127.0.0.1:{self.proxy.container.ports[port]}"

    async def links(self) -> list[dict[str, Any]]:
        """Every link as it is now. Raises RuntimeFailure also when the engine is gone: then the
        links may still be there, but no node can be started or ended."""
        trouble = self._first_trouble([self.proxy.container, *self._members.values()])
        if trouble is not None:
            raise RuntimeFailure(f"{trouble}; end the lab with `lab down`")
        return await super().links()

    @staticmethod
    def _first_trouble(containers: Iterable[NodeContainer]) -> str | None:
        return next((one.trouble for one in containers if one.trouble is not None), None)

    # ----------------------------------------------------------------------------------- its powers

    async def _kill(self, node: NodeId) -> None:
        container = self.running(node)
        address = self.address(node)
        await container.kill()
        await self.channels.drop(address)

    async def start(self, node: NodeId) -> None:
        """A node that is down serves again."""
        async with self._locks[self.known(node)]:
            if self._closed:
                raise RuntimeFailure("the cluster has been closed")
            if self.node_state(node) is not NodeState.DOWN:
                raise RuntimeFailure(f"{node} is running already")
            self._spend_crash_point(node)
            container = self._members[self._made(node)]
            former = self._upstream(node)
            await self._start_container(node)
            try:
                if self._upstream(node) != former:
                    await self.network.move(node, self._upstream(node))
                await self._make_ready(node)
            except BaseException:
                await container.kill()
                raise

    async def _lose_unsynced(self, node: NodeId) -> None:
        await self._on_disk(node, "rm", "-f", str(side_file(DATA_FOLDER, node)))

    async def _empty_disk(self, node: NodeId) -> None:
        await self._on_disk(node, "find", str(DATA_FOLDER), "-mindepth", "1", "-delete")
