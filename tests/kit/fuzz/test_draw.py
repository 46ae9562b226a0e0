"""Drawn schedules make sense by themselves: the state of the nodes follows from the faults."""

from __future__ import annotations

from random import Random

from labs.kit.chaos import DRAWS, Swarm, draw_schedule
from labs.kit.schedule import Schedule, replay
from nodes.cluster.fault_kinds import Heal
from nodes.sim.cluster import SimCluster, simulate
from tests.support.sim_bench import ping_spec

NODES = ("n1", "n2", "n3")


def drawn(seed: int, kinds: tuple[str, ...] = tuple(DRAWS)) -> Schedule:
    """20 seconds of it."""
    swarm = Swarm(Random(f"{seed}:chaos"), NODES, 600, kinds=kinds)
    return draw_schedule(swarm, from_ms=1200, until_ms=20_000)


def test_every_drawn_fault_acts() -> None:
    """None is refused in simulation: no node is killed twice, none is resumed that runs."""
    for seed in range(30):
        schedule = drawn(seed)

        async def program(cluster: SimCluster, schedule: Schedule = schedule) -> None:
            assert await replay(cluster, schedule) == ()

        simulate(ping_spec(3), program)


def test_the_rarest_draws_make_sense_as_well() -> None:
    """A number drawn as 0 where that may happen, one in ten thousand, is still a fault."""

    class Zeroes(Random):
        def randint(self, a: int, b: int) -> int:
            return min(max(a, 0), b)

    for draw in DRAWS.values():
        draw(Zeroes(1), NODES).check(NODES)


def test_seeds_differ_in_kinds_and_in_pace() -> None:
    """Swarm testing: subsets, not everything at once."""
    schedules = [drawn(seed) for seed in range(200)]
    subsets = {frozenset(step.fault.kind for step in one.steps) for one in schedules}
    assert len(subsets) > 100
    assert {kind for subset in subsets for kind in subset} == {*DRAWS, "heal"}
    counts = sorted(len(one.steps) for one in schedules)
    assert counts[20] * 5 < counts[-20]


def test_times_are_within_bounds_and_subsets_are_obeyed() -> None:
    """Quiet at the beginning; only what may be drawn."""
    for seed in range(50):
        for step in drawn(seed, ("kill", "pause")).steps:
            assert 1200 < step.at_ms < 20_000
            assert step.fault.kind in {"kill", "pause", "restart", "heal"}
    assert drawn(3) == drawn(3)
    assert any(isinstance(step.fault, Heal) for step in drawn(3).steps)
