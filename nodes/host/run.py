"""Puts a node together from its parts, and takes it apart again."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping
from random import Random

from nodes.core import Core, Env, NodeId, Started
from nodes.host.carriers import Carrier, UnaryCarrier
from nodes.host.causality import Causality
from nodes.host.clock import SkewedClock
from nodes.host.config import ConfigError, HostConfig
from nodes.host.control import Control
from nodes.host.crash_points import CrashPoints, farewell, kill_this_process
from nodes.host.faults_rpc import RpcFaults
from nodes.host.limits import limit_this_process
from nodes.host.peers import Peers
from nodes.host.process import Host
from nodes.host.recorder import Recorder
from nodes.host.rpc import MessageTypes, Methods, check_binding, load_protos, methods_of
from nodes.host.server import NodeServer, ProtocolService
from nodes.host.storage import Storage
from nodes.host.stream_client import StreamCarrier
from nodes.host.transports import TransportKind, transport_of
from nodes.host.unsynced import UnsyncedStorage
from nodes.loading import is_file, load_core
from nodes.timeline import CRASHED, POINT, STARTED

SETTLE_S_MAX = 0.2  # for what was sent to leave, when the node dies at a crash point
LINGER_S = 0.05


class Node:
    """A node whose storage is read and whose port is bound, but which does not run yet.

    Make it on the running loop. Raises ConfigError, TypeError, StorageDamaged, StorageFailed or
    AddressInUse.
    """

    def __init__(self, config: HostConfig) -> None:
        self._config = config
        protos = load_protos(config.protos)
        self._methods: Methods = methods_of(protos)
        core_type = read_core(config)
        check_binding(core_type, self._methods)
        env = Env(config.node, config.peers, Random(config.seed), dict(config.params))
        self._core = core_type(env)
        self._transport = read_transport(config)
        self._storage = open_storage(config, MessageTypes(protos))
        self._server: NodeServer | None = None
        self._stop_asked = asyncio.Event()
        self._peers: Peers | None = None
        self._protocol: ProtocolService | None = None
        try:
            self._started: Started | None = self._storage.load()
            self._server = NodeServer(config.node)
            self.address = self._server.bind(config.listen)
            boot = int(time.monotonic() * 1000 - config.began_ms)
            self._recorder = Recorder(config.node, config.events, began_ms=config.began_ms)
        except BaseException:
            self._storage.close()
            raise
        self._causality = Causality(config.node, self._recorder, boot=boot)

    def ask_to_stop(self) -> None:
        """`run` returns soon. No harm if called twice."""
        self._stop_asked.set()

    async def run(self, links: Mapping[NodeId, str], on_ready: asyncio.Event) -> None:
        """Until asked to stop; sets `on_ready` when it serves.

        Raises CoreFailed or StorageFailed, and then nothing more of the node's is to be done: the
        process must end.
        """
        assert self._server is not None
        host, peers, control = self._assemble(links)
        protocol = self._protocol = ProtocolService(self._config.session, host, self._causality)
        running = asyncio.create_task(host.run(self._take_started()))
        await self._await(running, host.recovered)
        if not running.done():
            await self._server.serve(protocol, self._methods.values(), control)
            await self._server.set_serving()
            on_ready.set()
            await self._await(running, self._stop_asked)
        host.stop()
        await running
        await self._server.stop()
        await peers.close()

    def _assemble(self, links: Mapping[NodeId, str]) -> tuple[Host, Peers, Control]:
        config = self._config
        clock, faults = SkewedClock(), RpcFaults()
        carriers = {peer: self._carrier(address) for peer, address in links.items()}
        peers = self._peers = Peers(
            config.node, config.session, self._methods, carriers, faults, self._causality
        )
        host = Host(
            self._core,
            storage=self._storage,
            transport=peers,
            clock=clock,
            causality=self._causality,
            crash_points=CrashPoints(config.crash_points),
            die=self._die_at,
        )
        control = Control(
            session=config.session,
            token=config.token,
            host=host,
            storage=self._storage,
            clock=clock,
            faults=faults,
            recorder=self._recorder,
            stop=self.ask_to_stop,
        )
        return host, peers, control

    def _carrier(self, address: str) -> Carrier:
        if self._transport == "stream":
            return StreamCarrier(address, self._config.node, self._config.session)
        return UnaryCarrier(address)

    def _take_started(self) -> Started:
        """What was on disk; nobody keeps it, since a log may be large."""
        started, self._started = self._started, None
        assert started is not None
        entries = sum(len(log.entries) for log in started.logs.values())
        self._causality.happened(STARTED, {"entries": entries})
        return started

    async def _await(self, running: asyncio.Task[None], event: asyncio.Event) -> None:
        """The event, or the end of the host, whichever comes first."""
        waiting = asyncio.create_task(event.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    def crashed(self, why: str) -> None:
        """Tells the timeline that the node ends by its own fault."""
        self._causality.happened(CRASHED, {"reason": why})

    async def _die_at(self, point: str) -> None:
        """Sees off what was sent, and ends the process as SIGKILL does: nothing is closed."""
        assert self._peers is not None
        assert self._protocol is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S_MAX):
                await asyncio.gather(self._peers.settle(), self._protocol.settle())
        # The far end drops what it has received and not yet read when the connection breaks, and
        # nobody is told when it has read.
        await asyncio.sleep(LINGER_S)
        self._causality.happened(CRASHED, {POINT: point})
        self._recorder.close()
        print(farewell(self._config.node, point), file=sys.stderr, flush=True)
        kill_this_process()

    async def close(self) -> None:
        """Closes what the constructor opened."""
        if self._server is not None:
            await self._server.stop()
        self._recorder.close()
        self._storage.close()


def read_core(config: HostConfig) -> type[Core]:
    """By its name. Raises ConfigError when there is no such core. A process that loads a file of
    somebody's own is limited from then on."""
    if is_file(config.core):
        limit_this_process()
    try:
        return load_core(config.core)
    except LookupError as error:
        raise ConfigError(str(error)) from error


def read_transport(config: HostConfig) -> TransportKind:
    """By the setting `transport`. Raises ConfigError for another word than those there are."""
    try:
        return transport_of(config.params)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def open_storage(config: HostConfig, types: MessageTypes) -> Storage | UnsyncedStorage:
    """By the setting `fsync`: on, unless it says off. Raises ConfigError for another word."""
    fsync = config.params.get("fsync", "on")
    if fsync not in ("on", "off"):
        raise ConfigError(f"setting fsync is {fsync!r}, expected on or off")
    storage = Storage(
        config.data, node=config.node, lab=config.lab, types=types, wiped=config.wiped
    )
    if fsync == "on":
        return storage
    return UnsyncedStorage(storage, types)
