"""The client of the commit lab: transfers, orders and balances.

A transaction has a name, and goes to one node: asked again there, under that name, it is the same
transaction. So what nobody answered is asked again until it is certain, or time is up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from labs.commit.bank import order, transfer
from labs.kit.errors import LabError
from labs.kit.operations import Operation, Outcome, ServedCluster
from labs.kit.text import span
from labs.kit.views import view_to_json
from nodes.cluster.api import Indeterminate, NodeState, Refused, RuntimeFailure
from nodes.core import NodeId
from nodes.cores.commit.ledger import opening_amounts
from protos import commit_pb2 as pb

PATIENCE_UNITS = 10
ASKED_AGAIN_MS = 100
DELTA_MAX = 10**15
BALANCES_MAX = 50


class CommitClient:
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
        timeout_ms = operation.timeout_ms or PATIENCE_UNITS * self._wait_unit_ms
        asking = _Asking(self._cluster, timeout_ms)
        match operation.verb:
            case "transfer" | "order-place":
                request = transaction_of(operation)
                return await self._transact(operation.node or self._first, request, asking)
            case "order-status":
                return await self._status(operation, asking)
            case "balance":
                return await self._balance(operation, asking)
        raise LabError(f"no such operation: {operation.verb}")

    @property
    def _first(self) -> NodeId:
        """Holds nothing, and so has nothing to do but to coordinate."""
        return self._cluster.nodes[0]

    async def _transact(
        self, node: NodeId, request: pb.TransactRequest, asking: _Asking
    ) -> Outcome:
        response, ok, error = await asking.insist(node, request)
        details: dict[str, Any] = {"transaction": request.transaction, "outcome": "unknown"}
        if isinstance(response, pb.TransactResponse):
            ok = response.outcome == pb.COMMITTED
            error = None if ok else f"aborted: {response.reason}"
            details["outcome"] = pb.Outcome.Name(response.outcome).lower()
            details["participants"] = [view_to_json(one) for one in response.ballots]
        elif ok is False:
            details["outcome"] = "refused"
        return Outcome(ok, None, node, asking.elapsed_ms(), error, details=details)

    async def _status(self, operation: Operation, asking: _Asking) -> Outcome:
        """Every node is asked what it knows."""
        nodes = (operation.node,) if operation.node else self._cluster.nodes
        known: dict[NodeId, Mapping[str, Any] | None] = {}
        for node in nodes:
            response, _, _ = await asking.once(node, pb.StatusRequest(transaction=operation.key))
            known[node] = view_to_json(response) if response is not None else None
        found = any(one and (_says(one) or one["attempts"]) for one in known.values())
        silent = [node for node, one in known.items() if one is None]
        error = None if found else f"no node that answers knows {operation.key}"
        if silent and not found:
            error = f"{error}; {', '.join(silent)} did not answer"
        details = {"transaction": operation.key, "nodes": known}
        answered = next((node for node in known if node not in silent), None)
        return Outcome(found, None, answered, asking.elapsed_ms(), error, details=details)

    async def _balance(self, operation: Operation, asking: _Asking) -> Outcome:
        """One amount; or, with *, what there is when the bank opens."""
        everything = list(opening_amounts(self._cluster.spec.params))
        resources = everything[:BALANCES_MAX] if operation.key == "*" else [operation.key]
        amounts, errors = [], []
        for resource in resources:
            node, response, error = await self._read(resource, operation.node, asking)
            if response is None:
                errors.append(error)
                continue
            found = {"resource": resource, "node": node, "amount": response.amount}
            amounts.append(found | {"locked_by": response.locked_by or None})
        problem = errors[0] if errors else None
        details = {"amounts": amounts, "left_out": max(0, len(everything) - BALANCES_MAX)}
        if operation.key != "*":
            details["left_out"] = 0
        return Outcome(not errors, None, node, asking.elapsed_ms(), problem, details=details)

    async def _read(
        self, resource: str, only: NodeId | None, asking: _Asking
    ) -> tuple[NodeId, pb.ReadResponse | None, str | None]:
        """Who does not hold it says who does."""
        request, node = pb.ReadRequest(resource=resource), only or self._first
        response, _, error = await asking.once(node, request)
        if asking.hint and only is None:
            node = asking.hint
            response, _, error = await asking.once(node, request)
        if isinstance(response, pb.ReadResponse) and response.found:
            return node, response, None
        return node, None, error or f"there is no {resource}"


class _Asking:
    """Asks nodes, until time is up."""

    def __init__(self, cluster: ServedCluster, timeout_ms: int) -> None:
        self._cluster = cluster
        self._began_ms = cluster.now_ms()
        self._timeout_ms = timeout_ms
        self.hint = ""  # where a node that refused would go instead

    def elapsed_ms(self) -> int:
        """Since it began."""
        return self._cluster.now_ms() - self._began_ms

    def left_ms(self) -> int:
        """Until time is up."""
        return self._timeout_ms - self.elapsed_ms()

    async def once(
        self, node: NodeId, request: Message
    ) -> tuple[Message | None, bool | None, str | None]:
        """The response; or, without one, whether it may have happened all the same, and why there
        is none."""
        self.hint = ""
        if self._cluster.node_state(node) is NodeState.DOWN:
            return None, False, f"{node} is down, nothing was sent to it"
        try:
            patience_ms = max(1, self.left_ms())
            return await self._cluster.call(node, request, timeout_ms=patience_ms), True, None
        except Refused as refused:
            self.hint = refused.hint or ""
            return None, False, f"{node} refused: {refused.reason}"
        except Indeterminate as unknown:
            return None, None, f"{node}: {unknown.reason}"
        except RuntimeFailure as failure:
            return None, False, str(failure)

    async def insist(
        self, node: NodeId, request: Message
    ) -> tuple[Message | None, bool | None, str | None]:
        """The same, asked again while nobody can say what became of it."""
        open_since: str | None = None  # the attempt of which nobody can say what became of it
        while True:
            response, ok, error = await self.once(node, request)
            if ok is None and open_since is None:
                open_since = error
            refused = ok is False and open_since is None
            if response is not None or refused:
                return response, ok, error
            if self.left_ms() <= ASKED_AGAIN_MS:
                again = "" if error == open_since else f"; asked again: {error}"
                return None, None, f"{open_since}{again} (gave up after {span(self._timeout_ms)})"
            await self._cluster.sleep(ASKED_AGAIN_MS)


def transaction_of(operation: Operation) -> pb.TransactRequest:
    """What an operation changes. Raises LabError for one that makes no sense."""
    if operation.verb == "transfer":
        source, target, amount = _fields(operation.value, source=str, target=str, amount=int)
        if source == target:
            raise LabError(f"a transfer from {source} to itself changes nothing")
        if not 0 < amount <= DELTA_MAX:
            raise LabError(f"an amount of {amount}: expected 1 to {DELTA_MAX}")
        changes = transfer(source, target, amount)
    else:
        item, customer, quantity, price = _fields(
            operation.value, item=str, customer=str, quantity=int, price=int
        )
        if not (0 < quantity <= DELTA_MAX and 0 <= price <= DELTA_MAX):
            raise LabError("an order has a quantity of 1 or more, and a price of 0 or more")
        changes = order(item, customer, quantity, price)
    return pb.TransactRequest(
        transaction=operation.key,
        changes=[pb.Change(resource=one, delta=delta) for one, delta in changes.items()],
    )


def _fields(value: bytes, **kinds: type) -> list[Any]:
    try:
        fields = json.loads(value)
        found = [fields[name] for name in kinds]
    except (ValueError, KeyError, TypeError):
        found = [None]
    if [type(one) for one in found] != list(kinds.values()):
        raise LabError(f"expected {', '.join(kinds)}")
    return found


def _says(known: Mapping[str, Any]) -> bool:
    """The node coordinates it, or did."""
    return bool(known.get("phase")) or known.get("outcome") != "undecided"
