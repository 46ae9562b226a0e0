"""What carries the calls of one link: each as a gRPC call of its own, or all on one stream.

Which of the two is the setting `transport` (transports.py). Cores, faults on single calls, and the
timeline are above, and see no difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import Message

from nodes.host.headers import CallHeader, read_header
from nodes.host.rpc import CHANNEL_OPTIONS, Method, stub_of

Metadata: TypeAlias = tuple[tuple[str, str], ...]


class Carried(NamedTuple):
    """A response, and what came with it."""

    response: Message
    lamport: int
    message: str


class CallBroken(Exception):
    """A call ended without a response: gRPC's status code, and its details."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


Done: TypeAlias = Callable[[Carried | CallBroken], None]


class Carrier(Protocol):
    """Carries calls over one link."""

    def begin(
        self, method: Method, request: Message, header: CallHeader, timeout_ms: float, done: Done
    ) -> None:
        """Starts a call; `done` gets its outcome, once, and not before this has returned. After
        `close` it gets none."""

    async def call(
        self, method: Method, request: Message, header: CallHeader, timeout_ms: float
    ) -> Carried:
        """Raises CallBroken."""

    async def close(self) -> None:
        """Abandons what is under way."""


class UnaryCarrier:
    """Each call is a gRPC call. Make it on the running loop, to which its channel binds."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stubs: dict[str, grpc.aio.UnaryUnaryMultiCallable[Message, Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self, method: Method, request: Message, header: CallHeader, timeout_ms: float, done: Done
    ) -> None:
        """As Carrier says."""
        work = self._run(method, request, header, timeout_ms, done)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(
        self, method: Method, request: Message, header: CallHeader, timeout_ms: float, done: Done
    ) -> None:
        outcome: Carried | CallBroken
        try:
            outcome = await self.call(method, request, header, timeout_ms)
        except CallBroken as broken:
            outcome = broken
        done(outcome)

    async def call(
        self, method: Method, request: Message, header: CallHeader, timeout_ms: float
    ) -> Carried:
        """As Carrier says."""
        return await self.call_with(method, request, header.to_metadata(), timeout_ms)

    async def call_with(
        self, method: Method, request: Message, metadata: Metadata, timeout_ms: float
    ) -> Carried:
        """The same with any metadata, for calls that are no protocol's. Raises CallBroken."""
        stub = self._stubs.get(method.path)
        if stub is None:
            stub = self._stubs[method.path] = stub_of(self._channel, method)
        rpc = stub(request, timeout=max(0.0, timeout_ms) / 1000, metadata=metadata)
        try:
            response = await rpc
            trailer = read_header(await rpc.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            raise CallBroken(error.code(), error.details() or "") from None
        return Carried(response, trailer.lamport, trailer.message)

    async def close(self) -> None:
        """As Carrier says."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channel.close()
