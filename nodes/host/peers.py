"""Calls to peers: a deadline for every call, faults on single calls, the timeline told of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias

import grpc

from nodes.core import Call, CallFailed, NodeId, Responded
from nodes.host.carriers import CallBroken, Carried, Carrier
from nodes.host.causality import Causality
from nodes.host.faults_rpc import Fate, RpcFaults
from nodes.host.headers import CallHeader
from nodes.host.rpc import Method, Methods

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
    """A Transport over carriers, one for each peer."""

    def __init__(
        self,
        node: NodeId,
        session: str,
        methods: Methods,
        carriers: Mapping[NodeId, Carrier],
        faults: RpcFaults,
        causality: Causality,
    ) -> None:
        self._node = node
        self._session = session
        self._methods = methods
        self._carriers = carriers
        self._faults = faults
        self._causality = causality
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._settled = asyncio.Event()

    def send(self, call: Call, deliver: Deliver) -> None:
        """As Transport says."""
        method = self._methods.get(type(call.request))
        if method is None:
            raise LookupError(f"{call.request.DESCRIPTOR.full_name} is no RPC's request")
        if call.peer not in self._carriers:
            raise LookupError(f"{call.peer!r} is no peer of this node")
        fate = self._faults.draw(call.peer)
        message = self._causality.next_message()
        lamport = self._causality.sent(message, call.peer, method.name, "request", fate.name)
        header = CallHeader(self._node, self._session, lamport, message)

        self._under_way += 1

        def finish(outcome: Outcome) -> None:
            self._under_way -= 1
            if not self._under_way:
                self._settled.set()
            if isinstance(outcome, CallFailed):
                self._causality.failed(message, call.peer, method.name, outcome.reason)
            deliver(outcome)

        if fate.name:
            self._start(self._befall(fate, call, method, header, finish))
        else:
            self._begin(call, method, header, call.timeout_ms, finish)

    def _begin(
        self, call: Call, method: Method, header: CallHeader, timeout_ms: float, finish: Deliver
    ) -> None:
        def done(outcome: Carried | CallBroken) -> None:
            if isinstance(outcome, CallBroken):
                finish(CallFailed(call, reason_of(outcome)))
                return
            message = outcome.message or f"{header.message}r"
            self._causality.received(message, call.peer, method.name, "response", outcome.lamport)
            finish(Responded(call, outcome.response))

        self._carriers[call.peer].begin(method, call.request, header, timeout_ms, done)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _befall(
        self, fate: Fate, call: Call, method: Method, header: CallHeader, finish: Deliver
    ) -> None:
        """The call, with what its fate does to it."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + call.timeout_ms / 1000
        if fate.lose_request or fate.hold_ms >= call.timeout_ms:
            await asyncio.sleep(call.timeout_ms / 1000)
            finish(CallFailed(call, DEADLINE))
            return
        if fate.hold_ms:
            await asyncio.sleep(fate.hold_ms / 1000)
        rest_ms = call.timeout_ms - fate.hold_ms
        ended: asyncio.Future[Outcome] = loop.create_future()
        self._begin(call, method, header, rest_ms, ended.set_result)
        if fate.duplicate:
            self._begin(call, method, header, rest_ms, lambda _: None)
        outcome = await ended
        if fate.lose_response:
            await asyncio.sleep(deadline_s - loop.time())
            outcome = CallFailed(call, DEADLINE)
        finish(outcome)

    async def settle(self) -> None:
        """Returns once every call under way has been answered, or has failed: what was answered has
        surely arrived."""
        while self._under_way:
            self._settled.clear()
            await self._settled.wait()

    async def close(self) -> None:
        """Abandons what is under way and closes the carriers."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for carrier in self._carriers.values():
            await carrier.close()


def reason_of(broken: CallBroken) -> str:
    """One or a few words for CallFailed."""
    known = _REASONS.get(broken.code)
    if known is not None:
        return known
    return f"{broken.code.name.lower().replace('_', ' ')}: {broken.details}"
