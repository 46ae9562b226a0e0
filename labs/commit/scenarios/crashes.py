"""A crash at every place of a transaction, one after the other, in simulation.

A schedule takes every STRIDE-th place, from its seed on, so that as many schedules take all.
"""

from __future__ import annotations

import asyncio

from labs.commit.bank import Transaction, amounts
from labs.commit.scenarios.desk import Desk, word
from labs.kit.check import expect, require
from labs.kit.crash_matrix import describe
from nodes.core import NodeId
from nodes.sim.cluster import SimCluster
from protos import commit_pb2 as pb

STRIDE = 5
NEVER = 1_000_000  # places


async def a_participant_may_crash_anywhere(cluster: SimCluster) -> None:
    """Wherever a participant crashes, all of the transaction happens or nothing of it, and the
    client was told nothing else."""
    desk = Desk(cluster)
    await crash_everywhere(desk, desk.participants[0])


async def a_coordinator_may_crash_anywhere(cluster: SimCluster) -> None:
    """Wherever the coordinator crashes, all of the transaction happens or nothing of it, and the
    client was told nothing else."""
    desk = Desk(cluster)
    await crash_everywhere(desk, desk.coordinator)


async def three_phases_survive_a_crash_anywhere(cluster: SimCluster) -> None:
    """Wherever a node crashes in three-phase commit, those that are left decide, and it decides
    alike when it is back."""
    desk = Desk(cluster)
    coordinates = cluster.spec.seed % 2 == 0
    victim = desk.coordinator if coordinates else desk.participants[0]
    await crash_everywhere(desk, victim, left_decide=True)


async def crash_everywhere(desk: Desk, victim: NodeId, *, left_decide: bool = False) -> None:
    """Transaction after transaction, and in each a crash of the victim, one place further on.

    `left_decide` demands that the others do not need it to decide.
    """
    cluster = desk.cluster
    assert isinstance(cluster, SimCluster)
    seed = cluster.spec.seed
    story = desk.round_trip(1)
    if seed // 2 % 2:  # One participant says no.
        *_, last = desk.participants
        story[desk.account(last)] = -desk.opening[desk.account(last)] * 2
    left = [node for node in desk.participants if node != victim]
    place, crashes = seed // 4 % STRIDE, 0
    before = await amounts(cluster)
    while True:
        cluster.crash_after(victim, place)
        one = await desk.done(desk.coordinator, story)
        try:
            # What comes after the client was told: acknowledgements, and that it is forgotten.
            await asyncio.wait_for(cluster.is_down(victim), desk.unit_ms / 1000)
        except TimeoutError:
            break
        crashes += 1
        where = f"before {describe(cluster.crashed_before(victim))}"
        if left_decide:
            await desk.until_free(f"{victim} crashed {where}", 6, *left)
        await desk.heal()
        await desk.rest(6)
        after = await amounts(cluster)
        expect_all_or_nothing(one, before, after, f"{victim} crashed {where}")
        before, place = after, place + STRIDE
    cluster.crash_after(victim, NEVER)
    require(crashes > 0, f"{victim} did not crash")
    await desk.balance(6)


def expect_all_or_nothing(
    one: Transaction, before: dict[str, int], after: dict[str, int], where: str
) -> None:
    """What has become of a transaction, by the amounts."""
    happened = {key: amount + one.changes.get(key, 0) for key, amount in before.items()}
    expect(
        after in (before, happened),
        f"all of a transaction happens or nothing of it; {where}",
        ", ".join(
            f"{key} went from {before[key]} to {after[key]}"
            for key in one.changes
            if after[key] != before[key]
        ),
    )
    wanted = pb.COMMITTED if after == happened else pb.ABORTED
    expect(
        one.outcome in (pb.UNDECIDED, wanted),
        f"the client is told what became of its transaction; {where}",
        f"it was told {word(one.outcome)}, and it is {word(wanted)}",
    )
