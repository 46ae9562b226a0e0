"""A crash at one place of a node after the other, in simulation: an order for each, until one is
through without it. What a seed leaves out another one visits."""

from __future__ import annotations

import asyncio

from labs.kit.check import require
from labs.saga.scenarios.shop import Shop
from nodes.cluster.api import NodeState
from nodes.sim.cluster import SimCluster
from protos import saga_pb2 as pb

PLACES_MAX = 200  # that a node comes by while it has its part of an order
NEVER = 1_000_000
TOUCHED_LEAST = 3


async def crash_everywhere(shop: Shop, status: pb.Status, *, price: int, apart: int) -> None:
    """Orders at this price, one for each place of a node at which it dies; each must come to this
    status. The seed says which node, and, as the places lie so far `apart`, with which to begin."""
    cluster = shop.cluster
    assert isinstance(cluster, SimCluster)
    begin, number = divmod(cluster.spec.seed, len(cluster.nodes))
    node = cluster.nodes[number]
    orders: list[pb.Order] = []
    for place in range(begin % apart, PLACES_MAX, apart):
        order = shop.order(f"o{place}", quantity=1, price=price)
        orders.append(order)
        cluster.crash_after(node, place)
        crashed = asyncio.ensure_future(_revive(shop, node))
        await shop.place(order)
        saga = await shop.rest(order)
        if saga.status == pb.STUCK:  # A compensation that lost its service is an operator's.
            await shop.operate(order, pb.OperateRequest.RETRY)
        await shop.comes_to(status, order, f"{node}, which died, is back")
        through = not crashed.done() and cluster.node_state(node) is NodeState.UP
        cluster.crash_after(node, NEVER)
        if through:
            crashed.cancel()
            await asyncio.gather(crashed, return_exceptions=True)
        else:
            await crashed
        await shop.whole(order, status)
        if through:
            break
    require(len(orders) > TOUCHED_LEAST, f"{node} had nothing to do")
    await shop.books_show(orders if status == pb.COMPLETED else ())


async def _revive(shop: Shop, node: str) -> None:
    assert isinstance(shop.cluster, SimCluster)
    await shop.cluster.is_down(node)
    await shop.cluster.sleep(shop.setting("call_timeout_ms") // 2)
    await shop.cluster.start(node)
