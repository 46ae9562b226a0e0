"""Every named crash point of the lab on real processes: the node dies there, three times over, and
each order is carried out once and as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from labs.saga.lab import LAB
from labs.saga.orders import bound_ms, place, settled
from nodes.cluster.api import Indeterminate, NodeState
from nodes.cluster.local import LocalCluster
from nodes.timeline import CRASHED, POINT
from protos import saga_pb2 as pb
from tests.support.saga_bench import order, saga_spec

REPEATS: Final = 3
DIES_MS: Final = 20_000
SERVICES: Final = ("n2", "n3", "n4")  # by turns
# The points that a node of this place passes while an order is carried out.
POINTS: Final = {
    "orchestrated": {
        "n1": ("before-saga-logged", "saga-logged", "step-sent"),
        "service": ("before-effect-saved", "effect-saved"),
    },
    "choreographed": {
        "n1": (
            *("before-effect-saved", "effect-saved"),
            *("before-event-sent", "event-in-log", "event-sent"),
        ),
        "service": ("before-effect-saved", "effect-saved", "before-event-sent", "event-sent"),
    },
}


def test_none_is_left_out() -> None:
    """Every point of the lab is died at below."""
    named = {point for nodes in POINTS.values() for points in nodes.values() for point in points}
    assert named == set(LAB.crash_points)


@pytest.mark.real
@pytest.mark.parametrize("style", list(POINTS))
async def test_every_named_point(style: str, tmp_path: Path) -> None:
    """Armed, an order placed, the node dead at that point, everyone back: the order is completed
    within the bound, and at the end goods, money and places add up."""
    spec, deaths, count = saga_spec(1, style=style), [], 0
    async with LocalCluster(spec, folder=tmp_path) as cluster:
        for repeat in range(REPEATS):
            for who, points in POINTS[style].items():
                for point in points:
                    node = SERVICES[repeat] if who == "service" else who
                    count += 1
                    await die_and_recover(cluster, node, point, order(f"o{count}", quantity=1))
                    deaths.append((node, point))
        views = {node: await cluster.view(node) for node in cluster.nodes}
        for node in cluster.nodes:
            lines = cluster.events_path(node).read_text().splitlines()
            died = [event[POINT] for event in map(json.loads, lines) if event["kind"] == CRASHED]
            assert died == [point for one, point in deaths if one == node]
    stock, payment, shipping = (views[node] for node in SERVICES)
    assert isinstance(stock, pb.SagaView)
    assert isinstance(payment, pb.SagaView)
    assert isinstance(shipping, pb.SagaView)
    assert (stock.stock["book"], dict(stock.sold)) == (100 - count, {"book": count})
    assert (payment.accounts["alice"], payment.taken) == (1000 - 10 * count, 10 * count)
    assert shipping.booked == count


async def die_and_recover(cluster: LocalCluster, node: str, point: str, one: pb.Order) -> None:
    """One order, during which the node dies at that point."""
    one.price = 10
    within_ms = DIES_MS + bound_ms(cluster.params)
    await cluster.faults.crash_at(point, node)
    request = pb.PlaceRequest(order=one)

    async def dead() -> bool:
        return cluster.node_state(node) is NodeState.DOWN

    try:
        await cluster.call("n1", request, timeout_ms=1000)
    except Indeterminate:
        assert node == "n1", "only who dies does not answer"
    await cluster.until(f"{node} dies at {point}", dead, within_ms=DIES_MS)
    await cluster.faults.heal()
    await place(cluster, one, within_ms=within_ms)
    saga = await settled(cluster, one.id, within_ms=within_ms)
    assert saga.status == pb.COMPLETED, f"{node} at {point}: {saga}"
