"""A client of a running cluster: its requests over the links, and the control service beside them.

An outcome is definite or it is not, and the exception says which: Refused when the request surely
did not happen, Indeterminate when nobody can say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from nodes.cluster.api import CLIENT, Indeterminate, Refused, RuntimeFailure, definite
from nodes.core import NodeId, Param
from nodes.host.carriers import CallBroken, Carried, Carrier, UnaryCarrier
from nodes.host.faults_rpc import Fate, RpcFaults
from nodes.host.headers import TOKEN, CallHeader
from nodes.host.rpc import RECEIVE_BYTES_MAX, MessageTypes, Method, Methods, control_methods
from nodes.host.stream_client import StreamCarrier
from nodes.host.text import printable
from nodes.host.transports import TRANSPORT_DEFAULT, TransportKind, transport_of
from protos import node_pb2

_Response = TypeVar("_Response", bound=Message)

# gRPC says this only when no connection could be made, so that nothing was sent.
_NEVER_CONNECTED = "failed to connect to all addresses"
# The receiver's own words when a message exceeds its cap: the server's, before the core saw it.
_TOO_LARGE_FOR_SERVER = "SERVER: Received message larger"
_SURELY_NOT_SERVED = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,  # another session's node, or a wrong token
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


class Channels:
    """Carriers by address, made when first used. Use it on one loop only."""

    def __init__(self) -> None:
        self._unary: dict[str, UnaryCarrier] = {}
        self._streams: dict[str, StreamCarrier] = {}

    def unary(self, address: str) -> UnaryCarrier:
        """Calls that address one by one."""
        carrier = self._unary.get(address)
        if carrier is None:
            carrier = self._unary[address] = UnaryCarrier(address)
        return carrier

    def stream(self, address: str, session: str) -> Carrier:
        """Calls that address, as a client of this session, on one stream."""
        carrier = self._streams.get(address)
        if carrier is None:
            carrier = self._streams[address] = StreamCarrier(address, CLIENT, session)
        return carrier

    async def drop(self, address: str) -> None:
        """Nobody listens there any more."""
        for carriers in (self._unary, self._streams):
            carrier = carriers.pop(address, None)
            if carrier is not None:
                await carrier.close()

    async def close(self) -> None:
        """Closes all."""
        for address in {*self._unary, *self._streams}:
            await self.drop(address)


class RpcClient:
    """Sends clients' requests. `address_of` says where the link to a node begins, `transport` how
    they travel there; `faults` are drawn for each of them."""

    def __init__(
        self,
        session: str,
        methods: Methods,
        channels: Channels,
        address_of: Callable[[NodeId], str],
        transport: TransportKind = TRANSPORT_DEFAULT,
        faults: RpcFaults | None = None,
    ) -> None:
        self._session = session
        self._methods = methods
        self._channels = channels
        self._address_of = address_of
        self._transport = transport
        self._faults = faults or RpcFaults()
        self._calls = 0

    async def call(self, node: NodeId, request: Message, *, timeout_ms: int) -> Message:
        """The response. Raises Refused, Indeterminate, or TypeError for what is no request."""
        method = self._methods.get(type(request))
        if method is None:
            raise TypeError(f"{request.DESCRIPTOR.full_name} is no request of this lab")
        size_bytes = request.ByteSize()
        if size_bytes > RECEIVE_BYTES_MAX:
            raise Refused(
                f"the request has {size_bytes} bytes, and {node} takes {RECEIVE_BYTES_MAX} at most"
            )
        self._calls += 1
        # Clients have no Lamport clock of their own: 0 orders them before whatever comes of it.
        header = CallHeader(CLIENT, self._session, 0, f"{CLIENT}-{self._calls}")
        try:
            fate = self._faults.draw(node)
            carried = await befall(fate, self._carrier(node), method, request, header, timeout_ms)
        except CallBroken as broken:
            raise outcome_of(broken, node, timeout_ms) from broken
        return definite(carried.response)

    def _carrier(self, node: NodeId) -> Carrier:
        address = self._address_of(node)
        if self._transport == "stream":
            return self._channels.stream(address, self._session)
        return self._channels.unary(address)


async def befall(
    fate: Fate,
    carrier: Carrier,
    method: Method,
    request: Message,
    header: CallHeader,
    timeout_ms: float,
) -> Carried:
    """A client's call, with what its fate does to it. Raises CallBroken."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_ms / 1000
    too_late = CallBroken(grpc.StatusCode.DEADLINE_EXCEEDED, "")
    if fate.lose_request or fate.hold_ms >= timeout_ms:
        await asyncio.sleep(timeout_ms / 1000)
        raise too_late
    if fate.hold_ms:
        await asyncio.sleep(fate.hold_ms / 1000)
    rest_ms = timeout_ms - fate.hold_ms
    if fate.duplicate:
        carrier.begin(method, request, header, rest_ms, lambda _: None)
    carried = await carrier.call(method, request, header, rest_ms)
    if fate.lose_response:
        await asyncio.sleep(deadline_s - loop.time())
        raise too_late
    return carried


def client_transport(params: Mapping[str, Param]) -> TransportKind:
    """How clients' calls travel: as the nodes' do. Another word than those there are is for the
    nodes to refuse, in their own start."""
    try:
        return transport_of(params)
    except ValueError:
        return TRANSPORT_DEFAULT


def outcome_of(broken: CallBroken, node: NodeId, timeout_ms: int) -> Refused | Indeterminate:
    """What a failed call means for the one who made it."""
    code, details = broken.code, printable(broken.details)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Indeterminate(f"no response from {node} within {timeout_ms} ms")
    if code is grpc.StatusCode.UNAVAILABLE and details.startswith(_NEVER_CONNECTED):
        return Refused(f"{node} cannot be reached")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and details.startswith(_TOO_LARGE_FOR_SERVER):
        return Refused(f"the request is too large for {node}")
    if code in _SURELY_NOT_SERVED:
        return Refused(f"{node} refuses: {details}")
    return Indeterminate(f"call to {node} broke off: {code.name.lower()}: {details}")


class ControlClient:
    """Calls nodes' control services, directly: never through a proxy."""

    def __init__(self, token: str, channels: Channels, types: MessageTypes) -> None:
        self._metadata = ((TOKEN, token),)
        self._channels = channels
        self._types = types
        self._methods = control_methods()

    async def view(
        self, address: str, node: NodeId, *, timeout_ms: int
    ) -> tuple[Message, node_pb2.HostView] | None:
        """None when the node does not answer in time. Raises RuntimeFailure when it is a
        stranger's, or its view is none."""
        try:
            response = await self._call(
                address, node_pb2.ViewRequest(), node_pb2.ViewResponse, timeout_ms
            )
        except CallBroken as error:
            if error.code is grpc.StatusCode.INVALID_ARGUMENT:
                raise RuntimeFailure(f"{node}: {printable(error.details)}") from error
            return None
        if response.node_id != node:
            raise RuntimeFailure(f"{address} is {printable(response.node_id)!r}, not {node}")
        try:
            view = self._types.decode(response.view.type, response.view.value)
        except (LookupError, DecodeError) as error:
            raise RuntimeFailure(f"{node} has a view that is none: {error}") from error
        return view, response.host

    async def set_clock(
        self, address: str, node: NodeId, *, offset_ms: int, rate: float, timeout_ms: int
    ) -> None:
        """Raises RuntimeFailure unless the node reads back what was asked."""
        wanted = node_pb2.SetClockRequest(offset_ms=offset_ms, rate=rate)
        found = await self._act(address, node, wanted, node_pb2.SetClockResponse, timeout_ms)
        if (found.offset_ms, found.rate) != (wanted.offset_ms, wanted.rate):
            raise RuntimeFailure(
                f"{node} set its clock to {found.offset_ms} ms at rate {found.rate:g}, "
                f"asked for {offset_ms} ms at {rate:g}"
            )

    async def set_rpc_faults(
        self,
        address: str,
        node: NodeId,
        faults: tuple[node_pb2.RpcFault, ...],
        seed: int,
        *,
        timeout_ms: int,
    ) -> None:
        """Raises RuntimeFailure unless the node reads back what was asked."""
        request = node_pb2.SetRpcFaultsRequest(faults=faults, seed=seed)
        found = await self._act(address, node, request, node_pb2.SetRpcFaultsResponse, timeout_ms)
        if tuple(found.faults) != faults:
            raise RuntimeFailure(f"{node} did not take the RPC faults that were asked for")

    async def set_crash_points(
        self,
        address: str,
        node: NodeId,
        points: tuple[node_pb2.CrashPoint, ...],
        *,
        timeout_ms: int,
    ) -> None:
        """Raises RuntimeFailure unless the node reads back what was asked."""
        request = node_pb2.SetCrashPointsRequest(points=points)
        found = await self._act(address, node, request, node_pb2.SetCrashPointsResponse, timeout_ms)
        if {point.name for point in found.points} != {point.name for point in points}:
            raise RuntimeFailure(f"{node} did not take the crash points that were asked for")

    async def stop(self, address: str, node: NodeId, *, timeout_ms: int) -> None:
        """Raises RuntimeFailure when the node does not answer."""
        await self._act(address, node, node_pb2.StopRequest(), node_pb2.StopResponse, timeout_ms)

    async def _act(
        self,
        address: str,
        node: NodeId,
        request: Message,
        response_type: type[_Response],
        timeout_ms: int,
    ) -> _Response:
        try:
            return await self._call(address, request, response_type, timeout_ms)
        except CallBroken as error:
            raise RuntimeFailure(
                f"{node} did not do {type(request).DESCRIPTOR.name}: "
                f"{printable(error.details or error.code.name)}; "
                f"`lab status` shows how it is, `lab logs {node}` why"
            ) from error

    async def _call(
        self, address: str, request: Message, response_type: type[_Response], timeout_ms: int
    ) -> _Response:
        carried = await self._channels.unary(address).call_with(
            self._methods[type(request)], request, self._metadata, timeout_ms
        )
        assert isinstance(carried.response, response_type)
        return carried.response
