"""Starts ceiling programs and writes to their leader: through the embedded proxy or direct."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import grpc
import grpc.aio

from labs.kit.bench.contender import (
    ContenderFailed,
    Left,
    Load,
    PutFailed,
    Work,
    closed_loop,
    first_acknowledged,
)
from labs.kit.bench.processes import Program, end_all, rss_mib
from nodes.cluster.api import CLIENT, Link
from nodes.cluster.network import Network
from nodes.cluster.proxy_server import ProxyServer, start_proxy_server
from tests.benchmarks.ceiling import OPTIONS, PUT, PUTS, PingPong, pack

NODES = ("n1", "n2", "n3")
LISTENING_S_MAX = 20.0
PUT_S_MAX = 10.0


class Batches:
    """Writes on one stream: what waits while a message is under way is the next message."""

    def __init__(self, stream: PingPong) -> None:
        self._stream = stream
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def put(self, value: bytes) -> None:
        """Raises PutFailed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((value, done))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.ensure_future(self._send())
        await done

    async def _send(self) -> None:
        await asyncio.sleep(0)  # all clients whose writes were acknowledged together send again
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._stream.send(pack([value for value, _ in batch]))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(PutFailed(str(error)))
                continue
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Ends the stream."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self._stream.close()


class Ceiling:
    """A leader and two followers that never change."""

    elects = False

    def __init__(
        self, name: str, note: str, transport: Literal["unary", "stream"], *, proxied: bool
    ) -> None:
        self.name = name
        self.note = note
        self._transport = transport
        self._proxied = proxied
        self._programs: list[Program] = []
        self._proxy: ProxyServer | None = None
        self._network: Network | None = None
        self._channel: grpc.aio.Channel | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def start(self) -> float:
        """As Contender says."""
        self._folder = tempfile.TemporaryDirectory(prefix="faultlab-ceiling-")
        folder = Path(self._folder.name)
        make_folders(folder)
        began_s = time.monotonic()
        nodes = asyncio.gather(*(self._spawn(folder / node) for node in NODES))
        if self._proxied:
            self._proxy = await start_proxy_server(False)
        self._programs = await nodes
        heard = await asyncio.gather(*(one.hear(LISTENING_S_MAX) for one in self._programs))
        addresses = [str(json.loads(line)["listening"]) for line in heard]
        leader, *followers = await self._links(addresses)
        await self._programs[0].say(json.dumps(followers))
        self._channel = grpc.aio.insecure_channel(leader, options=OPTIONS)
        put = self._unary(self._channel)
        return (await first_acknowledged([lambda: put(b"x")]) - began_s) * 1000

    async def _spawn(self, folder: Path) -> Program:
        return await Program.spawn_module(
            "tests.benchmarks.ceiling", [str(folder), self._transport], folder / "log"
        )

    async def _links(self, addresses: list[str]) -> list[str]:
        """Where a client finds the leader, and the leader its followers."""
        if self._proxy is None:
            return addresses
        self._network = Network(self._proxy, dict(zip(NODES, addresses, strict=True)))
        await self._network.start()
        links = (Link(CLIENT, "n1"), Link("n1", "n2"), Link("n1", "n3"))
        return [self._network.link_address(link) for link in links]

    async def stop(self) -> None:
        """As Contender says."""
        if self._channel is not None:
            await self._channel.close()
        await end_all(self._programs)
        if self._network is not None:
            await self._network.close()
        if self._proxy is not None:
            await self._proxy.stop()
        if self._folder is not None:
            self._folder.cleanup()
        self._programs, self._channel, self._network = [], None, None
        self._proxy, self._folder = None, None

    async def load(self, work: Work) -> Load:
        """As Contender says."""
        channel, value = self._channel, b"x" * work.value_bytes
        if channel is None:
            raise ContenderFailed("the ceiling program has not started")
        if self._transport == "unary":
            send = self._unary(channel)
            return await closed_loop(lambda _: send(value), work)
        batches = Batches(PingPong(channel, PUTS))
        try:
            return await closed_loop(lambda _: batches.put(value), work)
        finally:
            await batches.close()

    def _unary(self, channel: grpc.aio.Channel) -> Callable[[bytes], Awaitable[None]]:
        call: Any = channel.unary_unary(PUT)

        async def put(value: bytes) -> None:
            try:
                await call(pack([value]), timeout=PUT_S_MAX)
            except grpc.aio.AioRpcError as error:
                raise PutFailed(error.details() or error.code().name) from error

        return put

    def memory_mib(self) -> Sequence[float]:
        """As Contender says."""
        sizes = [rss_mib(program.pid) for program in self._programs]
        return [size for size in sizes if size is not None]

    async def failover(self) -> float:
        """It has none."""
        raise ContenderFailed("the ceiling program's leader is fixed")


def make_folders(folder: Path) -> None:
    """One a node."""
    for node in NODES:
        (folder / node).mkdir()


def contenders(nodes: int) -> list[Ceiling]:
    """The ceiling as our cluster is measured, and with less in the way. Raises Left."""
    if nodes != len(NODES):
        raise Left(f"the ceiling program has {len(NODES)} nodes, and {nodes} were asked for")
    note = "fixed leader, group commit, SQLite FULL, raw bytes"
    return [
        Ceiling("ceiling", f"{note}; unary calls, proxied", "unary", proxied=True),
        Ceiling("ceiling direct", f"{note}; unary calls, no proxy", "unary", proxied=False),
        Ceiling("ceiling stream", f"{note}; streams, proxied", "stream", proxied=True),
    ]
