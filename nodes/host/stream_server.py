"""The served end of streams that carry calls: each is bounded in what it can make the node hold.

A stream that has too much under way is not read until some of it is done: the caller waits, the
node's memory does not grow, and other streams go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from nodes.core import Caller, NodeId
from nodes.host.causality import Causality
from nodes.host.frames import Arrived, FramesBroken, Incoming, Outgoing
from nodes.host.headers import LAMPORT_MAX, read_header, refusal
from nodes.host.process import Answered, Host, Stopped
from nodes.host.rpc import CARRY_PATH, RECEIVE_BYTES_MAX, Method
from nodes.host.text import printable
from protos import node_pb2

CALLS_MAX = 1000  # under way on one stream
HELD_BYTES_MAX = 4 * RECEIVE_BYTES_MAX  # requests under way on one stream, and unsent responses
STOPS = "the node stops"

_Context = grpc.aio.ServicerContext[Any, Any]


class StreamHandlers(grpc.GenericRpcHandler):
    """Serves Transport.Carry of protos/node.proto."""

    def __init__(
        self, session: str, known: frozenset[NodeId], host: Host, causality: Causality
    ) -> None:
        self._session = session
        self._known = known
        self._host = host
        self._causality = causality
        self._methods: Mapping[str, Method] = {}
        self._streams: set[_ServedStream] = set()
        self._stopping = False
        self._handler = grpc.stream_stream_rpc_method_handler(
            self._carry,
            request_deserializer=node_pb2.RequestFrames.FromString,
            response_serializer=node_pb2.ResponseFrames.SerializeToString,
        )

    def offer(self, methods: Iterable[Method]) -> None:
        """What can be called on a stream."""
        self._methods = {method.path: method for method in methods}

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """None for every other path."""
        return self._handler if handler_call_details.method == CARRY_PATH else None

    async def _carry(self, _: object, context: _Context) -> None:
        header = read_header(context.invocation_metadata())
        refused = refusal(header, self._session, self._known)
        if refused is None and self._stopping:
            refused = grpc.StatusCode.UNAVAILABLE, STOPS
        if refused is not None:
            await context.abort(*refused)
        stream = _ServedStream(context, header.node, self._methods, self._host, self._causality)
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)

    async def settle(self) -> None:
        """Returns once what was answered is written."""
        for stream in tuple(self._streams):
            await stream.settle()

    def stop(self) -> None:
        """Streams end once what was answered is written."""
        self._stopping = True
        for stream in self._streams:
            stream.stop()


class _Waiting:
    """A call under way: what the host tells when it has a response. A Waiter."""

    __slots__ = ("caller", "deadline", "number", "size_bytes", "stream")

    def __init__(self, stream: _ServedStream, number: int, size_bytes: int) -> None:
        self.stream = stream
        self.number = number
        self.size_bytes = size_bytes
        self.caller: Caller | None = None
        self.deadline: asyncio.TimerHandle | None = None

    def done(self) -> bool:
        """Whether the caller is gone."""
        return not self.stream.waits(self.number)

    def set_result(self, answered: Answered, /) -> None:
        """The response, on its way."""
        self.stream.respond(self, answered)

    def set_exception(self, _: Stopped, /) -> None:
        """There will be none."""
        self.stream.fail(self.number, grpc.StatusCode.UNAVAILABLE, STOPS)
        self.stream.release(self)


class _ServedStream:
    """One stream, until either end has enough of it."""

    def __init__(
        self,
        context: _Context,
        node: NodeId,
        methods: Mapping[str, Method],
        host: Host,
        causality: Causality,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = context
        self._node = node
        self._methods = methods
        self._host = host
        self._causality = causality
        self._calls: dict[int, _Waiting] = {}
        self._held_bytes = 0  # of requests under way
        # A response is written also when its deadline has passed meanwhile: the caller ignores it.
        self._outgoing = Outgoing(node_pb2.ResponseFrames, lambda _: True)
        self._incoming: Incoming[node_pb2.RequestFrame] = Incoming()
        self._changed = asyncio.Event()  # less is held, or more is written
        self._writing = False
        self._stopping = False
        self._reader = self._loop.create_task(self._read())
        self._writer = self._loop.create_task(self._write())

    # ------------------------------------------------------------------------------ from the node

    def waits(self, number: int) -> bool:
        """Whether somebody waits for the response to this call."""
        return number in self._calls

    def respond(self, waiting: _Waiting, answered: Answered) -> None:
        """Puts the response where the writer finds it."""
        payload = answered.response.SerializeToString()
        self.release(waiting)
        if len(payload) > RECEIVE_BYTES_MAX:
            why = f"SERVER: Sent message larger than max ({len(payload)} vs. {RECEIVE_BYTES_MAX})"
            self.fail(waiting.number, grpc.StatusCode.RESOURCE_EXHAUSTED, why)
            return
        self._outgoing.put(
            waiting.number, payload, lamport=answered.lamport, message=answered.message
        )

    def fail(self, number: int, code: grpc.StatusCode, details: str) -> None:
        """Tells the caller why there is no response."""
        self._outgoing.put(number, b"", status=code.value[0], details=details)

    def release(self, waiting: _Waiting) -> None:
        """Nobody waits for this call any more."""
        if self._calls.pop(waiting.number, None) is None:
            return
        self._held_bytes -= waiting.size_bytes
        if waiting.deadline is not None:
            waiting.deadline.cancel()
        self._changed.set()

    def stop(self) -> None:
        """No more is read; what is answered is written."""
        self._stopping = True
        self._reader.cancel()

    # ---------------------------------------------------------------------------------- the stream

    async def run(self) -> None:
        """Until the caller is gone, breaks the rules, or the node stops."""
        tasks = {self._reader, self._writer}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            broken = self._broken()
            if broken is None:
                await self._drain()
        finally:
            for task in tasks:
                task.cancel()
            for waiting in tuple(self._calls.values()):
                self._abandon(waiting.number)
            await asyncio.gather(*tasks, return_exceptions=True)
        if broken is not None:
            await self._context.abort(grpc.StatusCode.INVALID_ARGUMENT, broken)
        if self._stopping:
            await self._context.abort(grpc.StatusCode.UNAVAILABLE, STOPS)

    def _broken(self) -> str | None:
        """Which rule the caller broke."""
        if not self._reader.done() or self._reader.cancelled():
            return None
        error = self._reader.exception()
        if error is None:
            return None
        if isinstance(error, FramesBroken):
            return printable(str(error))
        raise error

    async def settle(self) -> None:
        """Returns once all that was answered is written, or the caller is gone."""
        while not self._writer.done() and not self._is_written:
            self._changed.clear()
            await self._changed.wait()

    @property
    def _is_written(self) -> bool:
        return not self._writing and self._outgoing.count == 0

    async def _drain(self) -> None:
        """Until all is written, and all is answered unless the node stops."""
        while not self._writer.done():
            if self._is_written and (self._stopping or not self._calls):
                return
            self._changed.clear()
            await self._changed.wait()

    async def _write(self) -> None:
        try:
            while True:
                batch = await self._outgoing.next()
                self._writing = True
                await self._context.write(batch)
                self._writing = False
                self._changed.set()
        except grpc.aio.BaseError:
            return  # the caller is gone
        finally:
            self._changed.set()

    async def _read(self) -> None:
        """Raises FramesBroken."""
        while True:
            try:
                batch = await self._context.read()
            except DecodeError as error:
                raise FramesBroken(f"what came is no frame: {error}") from error
            except grpc.aio.BaseError:
                return  # the caller is gone
            if batch is grpc.aio.EOF:
                return
            for frame in batch.frames:
                while self._is_full():
                    self._changed.clear()
                    await self._changed.wait()
                self._take(frame)

    def _is_full(self) -> bool:
        return (
            len(self._calls) + self._outgoing.count >= CALLS_MAX
            or self._held_bytes + self._outgoing.waiting_bytes >= HELD_BYTES_MAX
        )

    # ------------------------------------------------------------------------------------ requests

    def _take(self, frame: node_pb2.RequestFrame) -> None:
        if frame.abandoned:
            self._incoming.forget(frame.call)
            self._abandon(frame.call)
            return
        arrived = self._incoming.take(frame)
        if arrived is not None:
            self._accept(arrived)

    def _accept(self, arrived: Arrived[node_pb2.RequestFrame]) -> None:
        frame, payload, size_bytes = arrived
        method = self._methods.get(frame.method)
        if frame.call in self._calls:
            raise FramesBroken(f"call {frame.call} is under way already")
        if method is None:
            self.fail(frame.call, grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            return
        if payload is None:
            why = f"SERVER: Received message larger than max ({size_bytes} vs. {RECEIVE_BYTES_MAX})"
            self.fail(frame.call, grpc.StatusCode.RESOURCE_EXHAUSTED, why)
            return
        try:
            request = method.request_type.FromString(payload)
        except DecodeError:
            self.fail(frame.call, grpc.StatusCode.INTERNAL, "the request is no message")
            return
        message = frame.message[:80] or self._causality.next_message()
        lamport = min(frame.lamport, LAMPORT_MAX)
        self._causality.received(message, self._node, method.name, "request", lamport)
        waiting = _Waiting(self, frame.call, size_bytes)
        self._calls[frame.call] = waiting
        self._held_bytes += size_bytes
        if frame.timeout_ms:
            waiting.deadline = self._loop.call_later(
                frame.timeout_ms / 1000, self._abandon, frame.call
            )
        waiting.caller = self._host.accept(self._node, method, request, message, waiting)

    def _abandon(self, number: int) -> None:
        """The caller of this call waits no longer."""
        waiting = self._calls.get(number)
        if waiting is None:
            return
        self.release(waiting)
        if waiting.caller is not None:
            self._host.abandon(waiting.caller)
