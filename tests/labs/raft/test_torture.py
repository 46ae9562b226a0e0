"""Random faults under load: nobody is lied to, nothing impossible happens, and it comes back."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from labs.raft.invariants import invariants
from labs.raft.torture import Torture, torture
from nodes.cluster.api import ClusterSpec
from nodes.core import Param
from nodes.sim.cluster import SimOptions, simulate
from tests.support.runtimes import cluster_of
from tests.support.seeds import is_full, share_of_clusters
from tests.support.sim_bench import raft_spec

SEEDS = share_of_clusters(1000)
SEEDS_PER_TEST = 25  # so that two workers share them evenly


def drawn_spec(seed: int) -> tuple[ClusterSpec, SimOptions]:
    """Cluster size, settings and disk speed are drawn as well: bugs hide in combinations."""
    rng = Random(f"{seed}:settings")
    params: dict[str, Param] = {
        "snapshot_threshold": rng.choice([0, 5, 20]),
        "snapshot_trailing_entries": rng.choice([0, 3]),
        "snapshot_chunk_bytes": rng.choice([50, 65_536]),
        "pre_vote": rng.choice(["on", "on", "off"]),
        "check_quorum": rng.choice(["on", "on", "off"]),
        "max_inflight": rng.choice([1, 4]),
        "max_entries_per_append": rng.choice([1, 256]),
    }
    options = SimOptions(sync_ms=rng.choice([(0, 0), (0.1, 5.0)]))
    return raft_spec(rng.choice([3, 5, 5]), seed=seed, **params), options


def run_seed(seed: int) -> Torture:
    """One simulated run with every invariant watching."""
    cluster_spec, options = drawn_spec(seed)
    return simulate(
        cluster_spec,
        lambda cluster: torture(cluster, seed, duration_ms=5000),
        options=options,
        observers=invariants(),
    )


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_random_faults_in_simulation(first: int) -> None:
    """Whatever fails, the invariants hold, clients are told the truth, and the cluster recovers."""
    runs = [run_seed(seed) for seed in range(first, first + SEEDS_PER_TEST)]
    assert all(run.acknowledged > 0 and run.reads > 0 for run in runs), "a run without traffic"
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
