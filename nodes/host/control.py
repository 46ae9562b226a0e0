"""The control service of a node: looking at it, skewing its clock, hurting its calls, ending it.

Never proxied, so that watching does not depend on the network under test; every call needs the
session's token.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from nodes.core import NodeId
from nodes.host.clock import SkewedClock
from nodes.host.faults_rpc import RpcFaults
from nodes.host.headers import TOKEN, token_holds
from nodes.host.process import DurableStorage, Host
from nodes.host.recorder import Recorder
from nodes.host.rpc import Method
from nodes.host.text import printable
from protos import node_pb2


class Control:
    """Serves protos/node.proto's Control."""

    def __init__(
        self,
        *,
        session: str,
        token: str,
        host: Host,
        storage: DurableStorage,
        clock: SkewedClock,
        faults: RpcFaults,
        recorder: Recorder,
        stop: Callable[[], None],
    ) -> None:
        self._session = session
        self._token = token
        self._host = host
        self._storage = storage
        self._clock = clock
        self._faults = faults
        self._recorder = recorder
        self._stop = stop
        self._peers = frozenset[NodeId](host.core.env.peers)
        self._began_s = time.monotonic()
        self._answers: dict[type[Message], Callable[[Any], Message]] = {
            node_pb2.ViewRequest: self._view,
            node_pb2.SetClockRequest: self._set_clock,
            node_pb2.SetRpcFaultsRequest: self._set_rpc_faults,
            node_pb2.SetCrashPointsRequest: self._set_crash_points,
            node_pb2.StopRequest: self._end,
        }

    async def serve(
        self, method: Method, request: Message, context: grpc.aio.ServicerContext[Any, Any]
    ) -> Message:
        """UNAUTHENTICATED without the token, INVALID_ARGUMENT for values that make no sense."""
        if not token_holds(context.invocation_metadata(), self._token):
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                f"{method.name} needs the lab session's token in the metadata {TOKEN}",
            )
        try:
            return self._answers[type(request)](request)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, printable(str(error)))

    def _view(self, _: node_pb2.ViewRequest) -> node_pb2.ViewResponse:
        core = self._host.core
        try:
            view = core.view()
        except Exception as error:
            raise ValueError(f"{type(core).__name__}.view raised {error!r:.300}") from error
        return node_pb2.ViewResponse(
            node_id=core.env.node_id,
            session=self._session,
            view=node_pb2.StoredMessage(
                type=view.DESCRIPTOR.full_name, value=view.SerializeToString()
            ),
            host=self.host_view(),
        )

    def host_view(self) -> node_pb2.HostView:
        """How the process is doing."""
        return node_pb2.HostView(
            pid=os.getpid(),
            uptime_ms=int((time.monotonic() - self._began_s) * 1000),
            events_recorded=self._recorder.recorded,
            events_dropped=self._recorder.dropped,
            inbox_length=self._host.inbox_length,
            steps=self._host.steps,
            commits=self._host.commits,
            clock_offset_ms=self._clock.offset_ms,
            clock_rate=self._clock.rate,
            rpc_faults=self._faults.active,
            storage_bytes=self._storage.size_bytes(),
            unsynced_bytes=self._storage.unsynced_bytes,
            crash_points=self._host.crash_points.armed,
        )

    def _set_clock(self, request: node_pb2.SetClockRequest) -> node_pb2.SetClockResponse:
        self._clock.set(request.offset_ms, request.rate)
        return node_pb2.SetClockResponse(offset_ms=self._clock.offset_ms, rate=self._clock.rate)

    def _set_rpc_faults(
        self, request: node_pb2.SetRpcFaultsRequest
    ) -> node_pb2.SetRpcFaultsResponse:
        self._faults.replace(request.faults, request.seed, self._peers)
        return node_pb2.SetRpcFaultsResponse(faults=self._faults.active)

    def _set_crash_points(
        self, request: node_pb2.SetCrashPointsRequest
    ) -> node_pb2.SetCrashPointsResponse:
        self._host.crash_points.replace(request.points)
        return node_pb2.SetCrashPointsResponse(points=self._host.crash_points.armed)

    def _end(self, _: node_pb2.StopRequest) -> node_pb2.StopResponse:
        self._stop()
        return node_pb2.StopResponse()
