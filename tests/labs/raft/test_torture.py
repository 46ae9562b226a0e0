"""Random faults under load: nobody is lied to, nothing impossible happens, and it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.raft.fuzz import draw
from labs.raft.invariants import invariants
from labs.raft.torture import Torture, torture
from nodes.sim.cluster import simulate
from tests.support.runtimes import cluster_of
from tests.support.seeds import is_full, share_of_clusters
from tests.support.sim_bench import raft_spec

SEEDS = share_of_clusters(1000)
SEEDS_PER_TEST = 10  # so that two workers share them evenly


def run_seed(seed: int) -> Torture:
    """One simulated run with every invariant watching."""
    drawn = draw(seed)
    return simulate(
        drawn.spec,
        lambda cluster: torture(cluster, seed, duration_ms=5000),
        options=drawn.options,
        observers=invariants(),
    )


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_random_faults_in_simulation(first: int) -> None:
    """Whatever fails, the invariants hold, clients are told the truth, and the cluster recovers."""
    runs = [run_seed(seed) for seed in range(first, first + SEEDS_PER_TEST)]
    idle = [run for run in runs if not run.acknowledged or not run.reads]
    assert len(idle) <= 1, "runs without traffic"  # One patient client may be cut off all along.
    assert sum(len(run.injections) for run in runs) > 5 * len(runs), "hardly any fault"
    assert sum(run.leader_changes for run in runs) > 0, "no fault ever cost a leader its place"


@pytest.mark.parametrize(
    ("runtime", "rounds"),
    [
        pytest.param("local", 20 if is_full() else 8, marks=pytest.mark.real),
        pytest.param("compose", 5, marks=pytest.mark.docker),
    ],
)
@pytest.mark.timeout(300)
async def test_rounds_on_real_processes(runtime: str, rounds: int, tmp_path: Path) -> None:
    """Nothing acknowledged is lost while nodes are killed, paused and parted at random."""
    kinds = ("kill", "pause", "resume", "restart", "partition", "isolate")
    async with cluster_of(runtime, raft_spec(5, seed=1), tmp_path / "lab") as cluster:
        runs = [
            await torture(
                cluster, seed, duration_ms=1500, kinds=kinds, keys=(f"a{seed}", f"b{seed}")
            )
            for seed in range(rounds)
        ]
    assert sum(run.acknowledged for run in runs) > 10 * rounds, "hardly any traffic"
    assert sum(len(run.injections) for run in runs) >= 2 * rounds, "hardly any fault"
    assert sum(run.leader_changes for run in runs) > 0, "no leader was ever lost"
