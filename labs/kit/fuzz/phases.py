"""What the programs of all labs do alike: a phase under faults, and then the demand to recover."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from labs.kit.fuzz.target import Evidence, Load, NotLive
from labs.kit.registry import wait_unit_ms
from labs.kit.schedule import replay
from nodes.cluster.fault_kinds import Heal
from nodes.sim.cluster import SimCluster

T = TypeVar("T")


async def under_faults(cluster: SimCluster, load: Load, evidence: Evidence) -> None:
    """The safety phase: carries out the schedule while clients go on, and notes what acted."""
    skipped = await replay(cluster, load.schedule)
    idle = {id(one.step) for one in skipped}
    evidence.faults = sum(
        not isinstance(step.fault, Heal) and id(step) not in idle for step in load.schedule.steps
    )
    if cluster.now_ms() < load.duration_ms:
        await cluster.sleep(load.duration_ms - cluster.now_ms())
    evidence.acknowledged_under_faults = evidence.history.count("append", "ok")


async def live(what: str, waiting: Awaitable[T]) -> T:
    """The result, or NotLive when it did not come in time."""
    try:
        return await waiting
    except TimeoutError as error:
        raise NotLive(what, str(error)) from None


async def within(cluster: SimCluster, units: int, what: str, waiting: Awaitable[T]) -> T:
    """The same with a bound of so many of the longest wait of the lab."""
    bound_ms = units * wait_unit_ms(cluster.spec)
    try:
        return await asyncio.wait_for(waiting, bound_ms / 1000)
    except TimeoutError:
        raise NotLive(what, f"{what}: not within {bound_ms} ms") from None
