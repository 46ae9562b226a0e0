"""Orders placed and followed on any cluster: until they are over, or call for an operator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from google.protobuf.message import Message

from nodes.cluster.api import Cluster, Indeterminate, Refused
from nodes.core import NodeId, Param
from protos import saga_pb2 as pb

OVER = (pb.COMPLETED, pb.COMPENSATED)
LOOK_MS = 50
STEPS = 8  # four forwards and four back


def step_ms(params: Mapping[str, Param]) -> int:
    """The longest that one step takes once everyone is there: a call that is given up, and the wait
    before the next one."""
    wait_ms = max(int(params["backoff_ms_max"]), int(params["poll_ms"]))
    return int(params["call_timeout_ms"]) + wait_ms


def bound_ms(params: Mapping[str, Param]) -> int:
    """In which a saga is over, or stuck, once everyone is back: steps x (timeout + backoff)."""
    return STEPS * step_ms(params)


async def answer(cluster: Cluster, node: NodeId, request: Message) -> Message | None:
    """What a node answers; None when nobody can say, or nobody is there. Raises Refused when it
    declines."""
    try:
        return await cluster.call(node, request, timeout_ms=step_ms(cluster.params))
    except Indeterminate:
        return None
    except Refused as refused:
        if refused.response is None:
            return None  # It cannot be reached.
        raise


async def place(cluster: Cluster, order: pb.Order, *, within_ms: int) -> None:
    """Asks until the order is taken; it is the same one however often it is asked for."""
    request = pb.PlaceRequest(order=order)

    async def taken() -> bool | None:
        return await answer(cluster, cluster.nodes[0], request) is not None or None

    await cluster.until(f"{order.id} is taken", taken, within_ms=within_ms)


async def saga_of(cluster: Cluster, order: str) -> pb.Saga | None:
    """How far an order is; None: nobody says."""
    response = await answer(cluster, cluster.nodes[0], pb.StatusRequest(order=order))
    if response is None:
        return None
    assert isinstance(response, pb.StatusResponse)
    return response.saga


async def settled(cluster: Cluster, order: str, *, within_ms: int) -> pb.Saga:
    """The order when it is over, or stuck. Raises TimeoutError."""

    async def at_rest() -> pb.Saga | None:
        saga = await saga_of(cluster, order)
        if saga is not None and saga.status in (*OVER, pb.STUCK):
            return saga
        await cluster.sleep(LOOK_MS)
        return None

    return await cluster.until(f"{order} is over or stuck", at_rest, within_ms=within_ms)


async def operate(cluster: Cluster, order: str, action: pb.OperateRequest.Action) -> None:
    """What an operator does. Raises Refused and Indeterminate."""
    request = pb.OperateRequest(order=order, action=action)
    await cluster.call(cluster.nodes[0], request, timeout_ms=step_ms(cluster.params))


async def brought_to_an_end(
    cluster: Cluster, orders: Iterable[str], *, within_ms: int
) -> tuple[dict[str, pb.Saga], list[str]]:
    """All orders when they are over, those that were stuck by an operator who lets them try again;
    and which those were. Raises TimeoutError."""
    sagas = {order: await settled(cluster, order, within_ms=within_ms) for order in orders}
    stuck = [order for order, saga in sagas.items() if saga.status == pb.STUCK]
    until_ms = cluster.now_ms() + within_ms
    for order in stuck:
        while sagas[order].status == pb.STUCK:
            if cluster.now_ms() > until_ms:
                raise TimeoutError(f"{order} stays stuck: {sagas[order].stuck_because}")
            with contextlib.suppress(Refused, Indeterminate):
                await operate(cluster, order, pb.OperateRequest.RETRY)
            sagas[order] = await settled(cluster, order, within_ms=within_ms)
    return sagas, stuck
