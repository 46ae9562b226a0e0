"""The one server of a node: its protocol, the control service, gRPC's health and reflection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from nodes.core import NodeId
from nodes.host.causality import Causality
from nodes.host.control import Control
from nodes.host.headers import LAMPORT, MESSAGE, read_header, refusal
from nodes.host.process import Host, Stopped
from nodes.host.rpc import SERVER_OPTIONS, Method, UnaryHandlers, control_methods
from nodes.host.stream_server import STOPS, StreamHandlers

CLIENT: NodeId = "client"
GRACE_S = 0.2  # for responses under way when the node stops


class AddressInUse(Exception):
    """One line: the address, and the way out."""


class ProtocolService:
    """Hands the requests of peers and clients to the host, and its responses back."""

    def __init__(self, session: str, host: Host, causality: Causality) -> None:
        self._session = session
        self._host = host
        self._causality = causality
        self._known = frozenset({*host.core.env.peers, CLIENT})
        self.streams = StreamHandlers(session, self._known, host, causality)
        self._unsent = 0  # responses that are on their way out
        self._settled = asyncio.Event()

    async def serve(
        self, method: Method, request: Message, context: grpc.aio.ServicerContext[Any, Any]
    ) -> Message:
        """Refuses calls of another session; UNAVAILABLE when the node stops meanwhile."""
        header = read_header(context.invocation_metadata())
        refused = refusal(header, self._session, self._known)
        if refused is not None:
            await context.abort(*refused)
        message = header.message or self._causality.next_message()
        self._causality.received(message, header.node, method.name, "request", header.lamport)
        caller, answered = self._host.submit(header.node, method, request, message)
        try:
            outcome = await answered
        except Stopped:
            await context.abort(grpc.StatusCode.UNAVAILABLE, STOPS)
        finally:
            self._host.abandon(caller)
        self._unsent += 1
        context.add_done_callback(self._sent)  # type: ignore[arg-type]  # any function will do
        context.set_trailing_metadata(((LAMPORT, str(outcome.lamport)), (MESSAGE, outcome.message)))
        return outcome.response

    def _sent(self, _: Any) -> None:
        self._unsent -= 1
        if not self._unsent:
            self._settled.set()

    async def settle(self) -> None:
        """Returns once every response that there is has been written."""
        await asyncio.sleep(0)  # what was answered just now gets to where it is counted
        while self._unsent:
            self._settled.clear()
            await self._settled.wait()
        await self.streams.settle()


class NodeServer:
    """Bind first, so that the address is known; serve later. Make it on the running loop."""

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        self._health = health.aio.HealthServicer()
        self._services: tuple[str, ...] = ()
        self._streams: StreamHandlers | None = None

    def bind(self, address: str) -> str:
        """Returns the address with its port. Raises AddressInUse."""
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise AddressInUse(
                f"{self._node}: cannot listen on {address}: the port is in use, or the address is "
                "not this machine's; choose another, or port 0 for any free one"
            ) from error
        return f"{address.rpartition(':')[0]}:{port}"

    async def serve(
        self, protocol: ProtocolService, methods: Iterable[Method], control: Control
    ) -> None:
        """From now on calls are answered."""
        methods = tuple(methods)
        controls = tuple(control_methods().values())
        names = {method.service for method in (*methods, *controls)}
        self._streams = protocol.streams
        self._streams.offer(methods)
        self._services = ("", *sorted(names))
        self._server.add_generic_rpc_handlers(
            (
                UnaryHandlers(methods, protocol.serve),
                self._streams,
                UnaryHandlers(controls, control.serve),
                LazyReflection(sorted(names)),
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.start()

    async def set_serving(self) -> None:
        """Health answers SERVING from now on, for the node and for each of its services."""
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def _set_health(self, status: int) -> None:
        for service in self._services:
            await self._health.set(service, status)

    async def stop(self) -> None:
        """Calls under way get a moment to end."""
        await self._health.enter_graceful_shutdown()
        if self._streams is not None:
            self._streams.stop()
        await asyncio.shield(self._server.stop(GRACE_S))


class LazyReflection(grpc.GenericRpcHandler):
    """gRPC server reflection, imported when somebody first asks: few nodes are ever asked."""

    _PREFIX = "/grpc.reflection."

    def __init__(self, services: Iterable[str]) -> None:
        self._services = tuple(services)
        self._handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]] | None = None

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """None for every other path."""
        if not handler_call_details.method.startswith(self._PREFIX):
            return None
        if self._handlers is None:
            self._handlers = self._load()
        return self._handlers.get(handler_call_details.method)

    def _load(self) -> Mapping[str, grpc.RpcMethodHandler[Any, Any]]:
        from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

        collector = _Collector()
        servicer = reflection.aio.ReflectionServicer((*self._services, reflection.SERVICE_NAME))
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, collector)
        return collector.handlers


class _Collector:
    """Stands in for a server, to get at the handlers that generated code registers."""

    def __init__(self) -> None:
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def add_generic_rpc_handlers(self, _: object) -> None:
        """The same handlers come by name."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """As a server has it."""
        self.handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}
