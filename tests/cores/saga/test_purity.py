"""The core changes nothing but itself, and the same seed gives the same run."""

from __future__ import annotations

import pytest

from labs.saga.orders import bound_ms, brought_to_an_end, place
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from protos import saga_pb2 as pb
from tests.support.saga_bench import order, saga_spec


async def shop(cluster: SimCluster) -> tuple[list[pb.Status], str]:
    """Three orders at a time, of which two are carried out, and a crash."""
    within_ms = bound_ms(cluster.params)
    orders = [order("o1"), order("o2", price=1001), order("o3", item="pen")]
    for one in orders:
        await place(cluster, one, within_ms=within_ms)
    cluster.crash_now("n3")
    await cluster.sleep(200)
    await cluster.start("n3")
    sagas, _ = await brought_to_an_end(cluster, [one.id for one in orders], within_ms=within_ms)
    return [saga.status for saga in sagas.values()], cluster.digest


@pytest.mark.parametrize("style", ["orchestrated", "choreographed"])
def test_steps_are_pure_and_runs_repeat(style: str) -> None:
    """Each step taken twice comes to the same, and a second run is the first one again."""
    runs = [
        simulate(saga_spec(3, style=style), shop, options=SimOptions(purity=True)) for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0][0] == [pb.COMPLETED, pb.COMPENSATED, pb.COMPLETED]
