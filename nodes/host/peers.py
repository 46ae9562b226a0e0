"""Calls to peers: one channel a link, a deadline for every call, faults on single calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import Message

from nodes.core import Call, CallFailed, NodeId, Responded
from nodes.host.causality import Causality
from nodes.host.faults_rpc import Fate, RpcFaults
from nodes.host.headers import CallHeader, read_header
from nodes.host.rpc import CHANNEL_OPTIONS, Method, Methods, stub_of

DEADLINE = "deadline"
_REASONS: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: DEADLINE,
    grpc.StatusCode.UNAVAILABLE: "unavailable",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "too large",
    grpc.StatusCode.CANCELLED: "cancelled",
}

Outcome: TypeAlias = Responded | CallFailed
Deliver: TypeAlias = Callable[[Outcome], None]


class Transport(Protocol):
    """What a host sends calls through."""

    def send(self, call: Call, deliver: Deliver) -> None:
        """Begins the call; `deliver` gets its outcome, once. Raises LookupError for a peer that
        there is not, or a request that is no RPC."""


class Peers:
    """A Transport over gRPC. Make it on the running loop: channels bind to it."""

    def __init__(
        self,
        node: NodeId,
        session: str,
        methods: Methods,
        links: Mapping[NodeId, str],
        faults: RpcFaults,
        causality: Causality,
    ) -> None:
        self._node = node
        self._session = session
        self._methods = methods
        self._faults = faults
        self._causality = causality
        self._channels = {
            peer: grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
            for peer, address in links.items()
        }
        self._stubs: dict[
            tuple[NodeId, str], grpc.aio.UnaryUnaryMultiCallable[Message, Message]
        ] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, call: Call, deliver: Deliver) -> None:
        """As Transport says."""
        method = self._methods.get(type(call.request))
        if method is None:
            raise LookupError(f"{call.request.DESCRIPTOR.full_name} is no RPC's request")
        if call.peer not in self._channels:
            raise LookupError(f"{call.peer!r} is no peer of this node")
        fate = self._faults.draw(call.peer)
        message = self._causality.next_message()
        lamport = self._causality.sent(message, call.peer, method.name, "request", fate.name)
        header = CallHeader(self._node, self._session, lamport, message)
        attempt = self._attempt(call, method, header)
        if fate.name:
            attempt = self._befall(fate, call, method, header, attempt)
        self._start(self._finish(call, method, message, attempt, deliver))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(
        self,
        call: Call,
        method: Method,
        message: str,
        attempt: Coroutine[Any, Any, Outcome],
        deliver: Deliver,
    ) -> None:
        outcome = await attempt
        if isinstance(outcome, CallFailed):
            self._causality.failed(message, call.peer, method.name, outcome.reason)
        deliver(outcome)

    async def _attempt(
        self, call: Call, method: Method, header: CallHeader, spent_ms: float = 0
    ) -> Outcome:
        rpc = self._stub(call.peer, method)(
            call.request,
            timeout=max(0.0, call.timeout_ms - spent_ms) / 1000,
            metadata=header.to_metadata(),
        )
        try:
            response = await rpc
            trailer = read_header(await rpc.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            return CallFailed(call, reason_of(error))
        self._causality.received(
            trailer.message or f"{header.message}r",
            call.peer,
            method.name,
            "response",
            trailer.lamport,
        )
        return Responded(call, response)

    async def _befall(
        self,
        fate: Fate,
        call: Call,
        method: Method,
        header: CallHeader,
        attempt: Coroutine[Any, Any, Outcome],
    ) -> Outcome:
        """The call, with what its fate does to it. `attempt` is the untouched call."""
        if fate.hold_ms or fate.lose_request:
            attempt.close()
        if fate.lose_request:
            await asyncio.sleep(call.timeout_ms / 1000)
            return CallFailed(call, DEADLINE)
        deadline_s = asyncio.get_running_loop().time() + call.timeout_ms / 1000
        if fate.hold_ms:
            if fate.hold_ms >= call.timeout_ms:
                await asyncio.sleep(call.timeout_ms / 1000)
                return CallFailed(call, DEADLINE)
            await asyncio.sleep(fate.hold_ms / 1000)
            attempt = self._attempt(call, method, header, spent_ms=fate.hold_ms)
        if fate.duplicate:
            self._start(self._discard(self._attempt(call, method, header, fate.hold_ms)))
        outcome = await attempt
        if fate.lose_response:
            await asyncio.sleep(deadline_s - asyncio.get_running_loop().time())
            return CallFailed(call, DEADLINE)
        return outcome

    async def _discard(self, attempt: Coroutine[Any, Any, Outcome]) -> None:
        await attempt

    def _stub(
        self, peer: NodeId, method: Method
    ) -> grpc.aio.UnaryUnaryMultiCallable[Message, Message]:
        key = (peer, method.path)
        stub = self._stubs.get(key)
        if stub is None:
            stub = self._stubs[key] = stub_of(self._channels[peer], method)
        return stub

    async def close(self) -> None:
        """Cancels what is under way and closes the channels."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self._channels.values():
            await channel.close()


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """One or a few words for CallFailed."""
    code = error.code()
    known = _REASONS.get(code)
    if known is not None:
        return known
    return f"{code.name.lower().replace('_', ' ')}: {error.details()}"
