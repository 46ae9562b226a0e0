"""The client of the saga lab: orders go to the node that takes them, under an id of their own.

An order that was not answered is asked for again: under the same id it is the same order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from labs.kit.errors import LabError
from labs.kit.operations import Operation, Outcome, ServedCluster
from labs.kit.text import span
from labs.kit.views import view_to_json
from nodes.cluster.api import Indeterminate, NodeState, Refused, RuntimeFailure
from protos import saga_pb2 as pb

ACTIONS = {
    "order-retry": pb.OperateRequest.RETRY,
    "order-skip": pb.OperateRequest.SKIP,
    "order-compensate": pb.OperateRequest.COMPENSATE,
}
PATIENCE_UNITS = 10
ASKED_AGAIN_MS = 100


class SagaClient:
    """See labs.kit.operations.Client."""

    def __init__(
        self, cluster: ServedCluster, wait_unit_ms: int, leader: Callable[[], str | None]
    ) -> None:
        self._cluster = cluster
        self._wait_unit_ms = wait_unit_ms

    async def run(self, operation: Operation) -> Outcome:
        """See Client.run."""
        operation.check()
        operation.check_node(self._cluster.nodes)
        node = operation.node or self._cluster.nodes[0]
        request, began_ms = self._request(operation), self._cluster.now_ms()
        timeout_ms = operation.timeout_ms or PATIENCE_UNITS * self._wait_unit_ms
        ok: bool | None = False
        error = "no node was asked"
        while (left_ms := began_ms + timeout_ms - self._cluster.now_ms()) > 0:
            try:
                response = await self._cluster.call(node, request, timeout_ms=left_ms)
                return self._outcome(operation, node, response, began_ms)
            except Refused as refused:
                return self._ended(operation, node, False, f"{node}: {refused.reason}", began_ms)
            except Indeterminate as unknown:
                ok, error = None, f"{node}: {unknown.reason}"
            except RuntimeFailure as failure:
                error = str(failure)
            if self._cluster.node_state(node) is NodeState.DOWN:
                error = f"{node} is down"
                break
            await self._cluster.sleep(ASKED_AGAIN_MS)
        else:
            error = f"{error} (gave up after {span(timeout_ms)})"
        if operation.verb in ("order-status", "order-list"):
            ok = False  # to ask has no effect
        return self._ended(operation, node, ok, error, began_ms)

    def _request(self, operation: Operation) -> Message:
        match operation.verb:
            case "order-place":
                fields = _order_fields(operation.value)
                wait = bool(fields.pop("wait", True))
                order = pb.Order(id=operation.key, **fields)
                return pb.PlaceRequest(order=order, wait=wait)
            case "order-status":
                return pb.StatusRequest(order=operation.key)
            case "order-list":
                return pb.ListRequest()
        action = ACTIONS.get(operation.verb)
        if action is None:
            raise LabError(f"no such operation: {operation.verb}")
        return pb.OperateRequest(order=operation.key, action=action)

    # ------------------------------------------------------------------------------------ outcomes

    def _outcome(
        self, operation: Operation, node: str, response: Message, began_ms: int
    ) -> Outcome:
        if isinstance(response, pb.ListResponse):
            sagas = {"sagas": [view_to_json(one) for one in response.sagas]}
            return self._ended(operation, node, True, None, began_ms, sagas)
        assert isinstance(response, pb.PlaceResponse | pb.StatusResponse | pb.OperateResponse)
        saga = response.saga
        if saga.status == pb.UNKNOWN:
            missing = f"there is no order {operation.key}"
            return self._ended(operation, node, False, missing, began_ms)
        failed = saga.status in (pb.COMPENSATED, pb.STUCK)
        ok = operation.verb != "order-place" or not failed
        error = None if ok else f"order {operation.key} is {pb.Status.Name(saga.status).lower()}"
        return self._ended(operation, node, ok, error, began_ms, {"saga": view_to_json(saga)})

    def _ended(
        self,
        operation: Operation,
        node: str,
        ok: bool | None,
        error: str | None,
        began_ms: int,
        more: Mapping[str, Any] | None = None,
    ) -> Outcome:
        elapsed_ms = self._cluster.now_ms() - began_ms
        details = {"order": operation.key, **(more or {})}
        return Outcome(ok, None, node, elapsed_ms, error, details=details)


def _order_fields(value: bytes) -> dict[str, Any]:
    """Raises LabError for what is no order."""
    try:
        fields = json.loads(value)
        known = {"item": str, "customer": str, "quantity": int, "price": int, "wait": bool}
        typed = all(isinstance(fields[name], kind) for name, kind in known.items())
        if typed and 0 < fields["quantity"] < 2**32 and 0 <= fields["price"] < 2**63:
            return {name: fields[name] for name in known}
    except (ValueError, KeyError, TypeError):
        pass
    raise LabError("an order has an item, a customer, a quantity and a price")
