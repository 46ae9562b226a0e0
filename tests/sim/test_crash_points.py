"""Crash points in simulation: a node dies exactly there, with what came before done."""

from __future__ import annotations

import pytest

from nodes.cluster.api import Indeterminate, NodeState
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from nodes.timeline import CRASHED, POINT
from tests.support import ping_pb2 as pb
from tests.support.sim_bench import ping_spec

SLOW_DISK = SimOptions(sync_ms=(5.0, 5.0), record=True)
MOVE = pb.TransferRequest(source="a", target="b", amount=30)
AFTER_ONE = {"accounts/a": -30, "accounts/b": 30}


async def move(cluster: SimCluster) -> bool:
    """Whether the client was told."""
    try:
        await cluster.call("n1", MOVE, timeout_ms=100)
    except Indeterminate:
        return False
    return True


def balances(cluster: SimCluster) -> dict[str, int]:
    """What is on the disk."""
    slots = cluster.disk("n1").load(amnesia=False).slots
    return {name: one.balance for name, one in slots.items() if isinstance(one, pb.Account)}


@pytest.mark.parametrize("options", [SimOptions(), SLOW_DISK])
@pytest.mark.parametrize(
    ("point", "saved", "told"),
    [
        ("transfer-decided", {}, False),
        ("transfer-saved", AFTER_ONE, False),
        ("transfer-answered", AFTER_ONE, True),
    ],
)
def test_a_node_dies_exactly_there(
    point: str, saved: dict[str, int], told: bool, options: SimOptions
) -> None:
    """What was ordered before is durable whatever the seed, what was sent has left, and nothing
    behind it is done."""

    async def program(cluster: SimCluster) -> None:
        await cluster.faults.crash_at(point, "n1")
        assert await move(cluster) is told
        assert cluster.node_state("n1") is NodeState.DOWN
        assert cluster.crashed_at("n1") == point
        assert balances(cluster) == saved
        assert cluster.crash_points_passed("n1")[point] == 1
        await cluster.faults.restart("n1")
        assert cluster.crashed_at("n1") is None
        assert await move(cluster)
        if options.record:
            deaths = [event for event in cluster.timeline if event.kind == CRASHED]
            assert [event.fields[POINT] for event in deaths] == [point]

    for seed in range(5):
        simulate(ping_spec(seed=seed), program, options=options)


def test_passes_are_let_go_first() -> None:
    """And are counted, armed or not."""

    async def program(cluster: SimCluster) -> None:
        assert await move(cluster)
        await cluster.faults.crash_at("transfer-saved", "n1", after=2)
        assert [await move(cluster) for _ in range(3)] == [True, True, False]
        assert cluster.crash_points_passed("n1") == {
            "transfer-decided": 4,
            "transfer-saved": 4,
            "transfer-answered": 3,
        }
        assert balances(cluster) == {"accounts/a": -120, "accounts/b": 120}

    simulate(ping_spec(), program)


def test_a_point_outlives_a_restart_and_a_heal_disarms() -> None:
    """A node that was killed for another reason dies of it later; a healed one does not."""

    async def program(cluster: SimCluster) -> None:
        await cluster.faults.crash_at("transfer-decided", "n1")
        await cluster.faults.restart("n1")
        assert not await move(cluster)
        await cluster.faults.heal()
        assert await move(cluster)
        await cluster.faults.crash_at("transfer-decided", "n1")
        await cluster.faults.heal()
        assert await move(cluster)

    simulate(ping_spec(), program)
