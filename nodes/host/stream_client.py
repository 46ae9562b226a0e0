"""The caller's end of a stream that carries the calls of a link.

What a call meets is what it would meet on its own: a deadline; the loss of the connection, which
fails all that are under way at once; and after that a new connection with the channel's backoff,
begun by the next call.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from nodes.core import NodeId
from nodes.host.carriers import CallBroken, Carried, Done
from nodes.host.frames import FramesBroken, Incoming, Outgoing
from nodes.host.headers import LAMPORT_MAX, NODE, SESSION, CallHeader
from nodes.host.rpc import CARRY_PATH, CHANNEL_OPTIONS, RECEIVE_BYTES_MAX, Method
from protos import node_pb2

_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class _Call:
    """A call under way."""

    response_type: type[Message]
    done: Done
    deadline: asyncio.TimerHandle


class StreamCarrier:
    """A Carrier with one stream at a time. Make it on the running loop."""

    def __init__(self, address: str, node: NodeId, session: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._open = self._channel.stream_stream(
            CARRY_PATH,
            request_serializer=node_pb2.RequestFrames.SerializeToString,
            response_deserializer=node_pb2.ResponseFrames.FromString,
        )
        self._metadata = ((NODE, node), (SESSION, session))
        self._stream: _Stream | None = None

    def begin(
        self, method: Method, request: Message, header: CallHeader, timeout_ms: float, done: Done
    ) -> None:
        """As Carrier says."""
        self._begin(method, request, header, timeout_ms, done)

    def _begin(
        self, method: Method, request: Message, header: CallHeader, timeout_ms: float, done: Done
    ) -> tuple[_Stream, int] | None:
        payload = request.SerializeToString()
        if len(payload) > RECEIVE_BYTES_MAX:
            why = f"CLIENT: Sent message larger than max ({len(payload)} vs. {RECEIVE_BYTES_MAX})"
            broken = CallBroken(grpc.StatusCode.RESOURCE_EXHAUSTED, why)
            asyncio.get_running_loop().call_soon(done, broken)
            return None
        stream = self._stream
        if stream is None or stream.broken:
            stream = self._stream = _Stream(self._open(metadata=self._metadata))
        return stream, stream.begin(method, payload, header, timeout_ms, done)

    async def call(
        self, method: Method, request: Message, header: CallHeader, timeout_ms: float
    ) -> Carried:
        """As Carrier says."""
        ended: asyncio.Future[Carried | CallBroken] = asyncio.get_running_loop().create_future()
        begun = self._begin(
            method, request, header, timeout_ms, lambda outcome: _settle(ended, outcome)
        )
        try:
            outcome = await ended
        except asyncio.CancelledError:
            if begun is not None:
                stream, number = begun
                stream.abandon(number)
            raise
        if isinstance(outcome, CallBroken):
            raise CallBroken(outcome.code, outcome.details)
        return outcome

    async def close(self) -> None:
        """As Carrier says."""
        if self._stream is not None:
            await self._stream.close()
        await self._channel.close()


def _settle(ended: asyncio.Future[Carried | CallBroken], outcome: Carried | CallBroken) -> None:
    if not ended.done():
        ended.set_result(outcome)


class _Stream:
    """One stream, from its opening to its end."""

    def __init__(self, rpc: grpc.aio.StreamStreamCall[Any, Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._rpc = rpc
        self._calls: dict[int, _Call] = {}
        self._number = 0
        self._outgoing = Outgoing(node_pb2.RequestFrames, self._calls.__contains__)
        self._incoming: Incoming[node_pb2.ResponseFrame] = Incoming()
        self.broken = False
        self._tasks = [self._loop.create_task(work) for work in (self._read(), self._write())]

    def begin(
        self, method: Method, payload: bytes, header: CallHeader, timeout_ms: float, done: Done
    ) -> int:
        """Returns the number of the call on this stream."""
        self._number += 1
        number = self._number
        timeout_ms = max(0.0, timeout_ms)
        deadline = self._loop.call_later(timeout_ms / 1000, self._expire, number)
        self._calls[number] = _Call(method.response_type, done, deadline)
        self._outgoing.put(
            number,
            payload,
            method=method.path,
            # The node forgets the caller a little later than the caller gives up, never earlier.
            timeout_ms=int(timeout_ms) + 1,
            lamport=header.lamport,
            message=header.message,
        )
        return number

    def abandon(self, number: int) -> None:
        """Nobody waits for this call any more; the node is told."""
        call = self._calls.pop(number, None)
        if call is not None:
            call.deadline.cancel()
            self._outgoing.put(number, b"", abandoned=True)

    def _expire(self, number: int) -> None:
        call = self._calls.pop(number, None)
        if call is not None:
            call.done(CallBroken(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))

    async def _write(self) -> None:
        try:
            while True:
                await self._rpc.write(await self._outgoing.next())
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the reader learns the same, and tells

    async def _read(self) -> None:
        broken = CallBroken(grpc.StatusCode.UNAVAILABLE, "the node ended the stream")
        try:
            while True:
                batch = await self._rpc.read()
                if not isinstance(batch, node_pb2.ResponseFrames):
                    break  # the end of the stream
                for frame in batch.frames:
                    self._take(frame)
        except grpc.aio.AioRpcError as error:
            broken = CallBroken(error.code(), error.details() or "")
        except (FramesBroken, DecodeError) as error:
            broken = CallBroken(grpc.StatusCode.INTERNAL, str(error))
        self._break(broken)

    def _take(self, frame: node_pb2.ResponseFrame) -> None:
        if frame.abandoned:
            self._incoming.forget(frame.call)
            return
        arrived = self._incoming.take(frame)
        if arrived is None:
            return
        call = self._calls.pop(frame.call, None)
        if call is None:
            return  # its deadline has passed
        call.deadline.cancel()
        call.done(_outcome(call.response_type, arrived.frame, arrived.payload))

    def _break(self, why: CallBroken) -> None:
        """The stream is over, and with it every call on it."""
        self.broken = True
        calls = tuple(self._calls.values())
        self._calls.clear()
        for call in calls:
            call.deadline.cancel()
            call.done(why)
        self._tasks[1].cancel()
        self._rpc.cancel()

    async def close(self) -> None:
        """Abandons what is under way."""
        self.broken = True
        for call in self._calls.values():
            call.deadline.cancel()
        self._calls.clear()
        self._rpc.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _outcome(
    response_type: type[Message], frame: node_pb2.ResponseFrame, payload: bytes | None
) -> Carried | CallBroken:
    if frame.status:
        code = _CODES.get(frame.status, grpc.StatusCode.UNKNOWN)
        return CallBroken(code, frame.details)
    if payload is None:
        why = f"CLIENT: Received message larger than max ({RECEIVE_BYTES_MAX})"
        return CallBroken(grpc.StatusCode.RESOURCE_EXHAUSTED, why)
    try:
        response = response_type.FromString(payload)
    except DecodeError as error:
        return CallBroken(grpc.StatusCode.INTERNAL, f"the response is no message: {error}")
    return Carried(response, min(frame.lamport, LAMPORT_MAX), frame.message[:80])
