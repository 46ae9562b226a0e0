"""etcd as a peer: three members of the `etcd` on PATH (Debian: etcd-server), on free ports."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

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
from labs.kit.bench.processes import Program, end_all, free_addresses, listens, rss_mib
from labs.raft.bench import ELECTION_MS_MIN, HEARTBEAT_MS

PUT = "/etcdserverpb.KV/Put"
STATUS = "/etcdserverpb.Maintenance/Status"
OPTIONS = (
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
PUT_S_MAX = 10.0
ATTEMPT_S_MAX = 2.0
SERVES_S_MAX = 20.0


class Member:
    """One etcd process, with a channel to it."""

    def __init__(self, name: str, client: str, peer: str) -> None:
        self.name, self.client, self.peer = name, client, peer
        self.channel = grpc.aio.insecure_channel(client, options=OPTIONS)
        self.program: Program | None = None
        self._put: Any = self.channel.unary_unary(PUT)
        self._status: Any = self.channel.unary_unary(STATUS)

    async def put(self, key: str, value: bytes, timeout_s: float) -> None:
        """Raises PutFailed."""
        try:
            await self._put(put_request(key, value), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise PutFailed(error.details() or error.code().name) from error

    async def leads(self) -> bool:
        """Whether it is the leader, by its own word."""
        try:
            status = dict(fields_of(await self._status(b"", timeout=1)))
        except grpc.aio.AioRpcError:
            return False
        header = dict(fields_of(_message(status[1])))
        return status.get(4, 0) == header[2]  # the leader's id, and its own


class Etcd:
    """A cluster of `nodes` members with our cluster's timeouts."""

    name = "etcd"
    elects = True

    def __init__(self, path: str, nodes: int) -> None:
        self.note = (
            "durable (fsync), no proxy, Python gRPC client, unary calls; "
            f"heartbeat {HEARTBEAT_MS} ms, election {ELECTION_MS_MIN} ms"
        )
        self._path = path
        self._count = nodes
        self._members: list[Member] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._random = Random(0)

    async def start(self) -> float:
        """As Contender says."""
        self._folder = tempfile.TemporaryDirectory(prefix="faultlab-etcd-")
        ports = iter(free_addresses(2 * self._count))
        names = [f"m{number}" for number in range(1, self._count + 1)]
        self._members = [Member(name, next(ports), next(ports)) for name in names]
        await asyncio.gather(*(self._run(member) for member in self._members))
        began_s = min(program.executed_s for program in self._programs())

        async def attempt(member: Member) -> None:
            await listens(member.client)
            await member.put("first", b"x", ATTEMPT_S_MAX)

        first_s = await first_acknowledged(_each(attempt, self._members))
        return (first_s - began_s) * 1000

    async def _run(self, member: Member) -> None:
        assert self._folder is not None
        folder = Path(self._folder.name)
        cluster = ",".join(f"{one.name}=http://{one.peer}" for one in self._members)
        options = {
            "name": member.name,
            "data-dir": str(folder / member.name),
            "listen-client-urls": f"http://{member.client}",
            "advertise-client-urls": f"http://{member.client}",
            "listen-peer-urls": f"http://{member.peer}",
            "initial-advertise-peer-urls": f"http://{member.peer}",
            "initial-cluster": cluster,
            "heartbeat-interval": str(HEARTBEAT_MS),
            "election-timeout": str(ELECTION_MS_MIN),
            "logger": "zap",
            "log-level": "error",
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        member.program = await Program.spawn([self._path, *words], folder / f"{member.name}.log")

    def _programs(self) -> list[Program]:
        return [member.program for member in self._members if member.program is not None]

    async def stop(self) -> None:
        """As Contender says."""
        await asyncio.gather(*(member.channel.close() for member in self._members))
        await end_all(self._programs())
        if self._folder is not None:
            self._folder.cleanup()
        self._members, self._folder = [], None

    async def _leader(self) -> Member:
        deadline = time.monotonic() + SERVES_S_MAX
        while time.monotonic() < deadline:
            for member in self._members:
                if await member.leads():
                    return member
            await asyncio.sleep(0.01)  # etcd tells nobody when it has a leader
        raise ContenderFailed(f"etcd has no leader within {SERVES_S_MAX:g} s")

    async def load(self, work: Work) -> Load:
        """As Contender says."""
        leader, value = await self._leader(), b"x" * work.value_bytes

        async def put(number: int) -> None:
            nonlocal leader
            try:
                await leader.put(work.key(number), value, PUT_S_MAX)
            except PutFailed:
                leader = await self._leader()
                raise

        return await closed_loop(put, work)

    def memory_mib(self) -> Sequence[float]:
        """As Contender says."""
        sizes = [rss_mib(program.pid) for program in self._programs()]
        return [size for size in sizes if size is not None]

    async def failover(self) -> float:
        """As Contender says."""
        leader = await self._leader()
        assert leader.program is not None
        await asyncio.sleep(self._random.randint(200, 400) / 1000)  # any phase of the heartbeat
        survivors = [member for member in self._members if member is not leader]

        async def attempt(member: Member) -> None:
            await member.put("first", b"x", ATTEMPT_S_MAX)

        began_s = time.monotonic()
        await leader.program.kill()
        first_s = await first_acknowledged(_each(attempt, survivors))
        await self._run(leader)
        await first_acknowledged(_each(attempt, [leader]))
        return (first_s - began_s) * 1000


def _each(
    attempt: Callable[[Member], Awaitable[None]], members: Sequence[Member]
) -> list[Callable[[], Awaitable[None]]]:
    return [lambda member=member: attempt(member) for member in members]  # type: ignore[misc]  # a default binds the loop's variable


# ------------------------------------------------------------ what little of protobuf is needed


def put_request(key: str, value: bytes) -> bytes:
    """etcdserverpb.PutRequest."""
    return b"".join(
        bytes([number << 3 | 2]) + varint(len(part)) + part
        for number, part in ((1, key.encode()), (2, value))
    )


def varint(number: int) -> bytes:
    """As protobuf writes whole numbers."""
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(parts) + bytes([number])


def fields_of(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message's fields: whole numbers, and bytes."""
    place = 0

    def read() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = message[place]
            place += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while place < len(message):
        tag = read()
        if tag & 7 == 0:
            yield tag >> 3, read()
        elif tag & 7 == 2:
            size = read()
            yield tag >> 3, message[place : place + size]
            place += size
        else:
            raise ContenderFailed(f"etcd sent a field of wire type {tag & 7}")


def _message(field: int | bytes) -> bytes:
    if isinstance(field, int):
        raise ContenderFailed("etcd sent a number where a message should be")
    return field


def contenders(nodes: int) -> list[Etcd]:
    """As a benchmark finds its peers. Raises Left."""
    path = shutil.which("etcd")
    if path is None:
        raise Left("there is no etcd on PATH; on Debian and Ubuntu: apt install etcd-server")
    return [Etcd(path, nodes)]
