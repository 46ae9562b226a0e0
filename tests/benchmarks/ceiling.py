"""The ceiling: what a replicated log of three Python processes can reach here, and no more.

A fixed leader, group commit, raw bytes. It batches what waits, appends with fsync (SQLite FULL)
while it sends to its followers, who fsync, too, and answers at a majority. No election, no repair
of logs, no state machine: so a real Raft must be slower.

A node runs as `python -m tests.benchmarks.ceiling PARENT_PID FOLDER unary|stream`. It prints where
it listens; a line on stdin with its followers' addresses makes it the leader.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from nodes.lifeline import tie_to_parent

OPTIONS: Final = (("grpc.so_reuseport", 0), ("grpc.enable_retries", 0))
PUT, APPEND, PUTS, APPENDS = (f"/ceiling/{name}" for name in ("Put", "Append", "Puts", "Appends"))
Send = Callable[[bytes], Awaitable[Any]]


class Disk:
    """A log on SQLite that syncs every commit."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "log.db", isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE log (position INTEGER PRIMARY KEY, value BLOB NOT NULL)"
        )

    def append(self, values: list[bytes]) -> None:
        """Durable when it returns."""
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO log (value) VALUES (?)", [(v,) for v in values])
        self._database.execute("COMMIT")


def pack(values: list[bytes]) -> bytes:
    """Values of one size as a message."""
    return len(values).to_bytes(4) + b"".join(values)


def unpack(message: bytes) -> list[bytes]:
    """The values of a message."""
    size = (len(message) - 4) // int.from_bytes(message[:4])
    return [message[place : place + size] for place in range(4, len(message), size)]


class Node:
    """Leader or follower, as it is asked."""

    def __init__(self, folder: Path) -> None:
        self._disk = Disk(folder)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()

    async def put(self, message: bytes, _context: object) -> bytes:
        """Returns when a majority has the values on disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, done))
        self._wake.set()
        await done
        return b""

    async def append(self, message: bytes, _context: object) -> bytes:
        """As a follower."""
        self._disk.append(unpack(message))
        return b""

    async def lead(self, followers: list[Send]) -> None:
        """Group commit for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            values = [value for message, _ in batch for value in unpack(message)]
            sent = [asyncio.ensure_future(send(pack(values))) for send in followers]
            await asyncio.sleep(0)  # what is sent travels while the disk works
            self._disk.append(values)
            first, _ = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
            for acknowledged in first:
                acknowledged.result()  # raises when the follower did not take it
            for _, done in batch:  # with the leader itself, one of two is a majority of three
                if not done.done():
                    done.set_result(None)


def stream_of(serve: Callable[[bytes, object], Awaitable[bytes]]) -> Any:
    """The same, many times on one stream."""

    async def serve_all(requests: AsyncIterator[bytes], context: object) -> AsyncIterator[bytes]:
        async for request in requests:
            yield await serve(request, context)

    return grpc.stream_stream_rpc_method_handler(serve_all)


class Handlers(grpc.GenericRpcHandler):
    """Every way of calling a node."""

    def __init__(self, node: Node) -> None:
        self._handlers = {
            PUT: grpc.unary_unary_rpc_method_handler(node.put),
            APPEND: grpc.unary_unary_rpc_method_handler(node.append),
            PUTS: stream_of(node.put),
            APPENDS: stream_of(node.append),
        }

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """As gRPC asks."""
        return self._handlers.get(details.method)


class PingPong:
    """A stream on which every request waits for the response of the one before."""

    def __init__(self, channel: grpc.aio.Channel, path: str) -> None:
        self._stream: Any = channel.stream_stream(path)()
        self._turn = asyncio.Lock()

    async def send(self, request: bytes) -> bytes:
        """The response."""
        async with self._turn:
            await self._stream.write(request)
            response: bytes = await self._stream.read()
            return response

    def close(self) -> None:
        """Ends it."""
        self._stream.cancel()


def sender(channel: grpc.aio.Channel, transport: str) -> Send:
    """Hands batches to a follower."""
    if transport == "stream":
        return PingPong(channel, APPENDS).send
    call: Any = channel.unary_unary(APPEND)
    return lambda message: call(message)


async def main(folder: Path, transport: str) -> None:
    """Serves until it is killed."""
    node, server = Node(folder), grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((Handlers(node),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"listening": f"127.0.0.1:{port}"}), flush=True)
    loop = asyncio.get_running_loop()
    line = await loop.run_in_executor(None, sys.stdin.readline)
    channels = [grpc.aio.insecure_channel(at, options=OPTIONS) for at in json.loads(line or "[]")]
    await node.lead([sender(channel, transport) for channel in channels])


def contenders(nodes: int) -> list[Any]:
    """As a benchmark finds its peers."""
    from tests.benchmarks.ceiling_client import contenders as made

    return made(nodes)


if __name__ == "__main__":
    tie_to_parent(int(sys.argv[1]))
    asyncio.run(main(Path(sys.argv[2]), sys.argv[3]))
