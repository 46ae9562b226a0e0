"""The Raft scenarios on real processes and on containers, once each."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.raft.scenarios import SCENARIOS, Scenario
from nodes.cluster.api import Cluster
from tests.support.runtimes import cluster_of, on_runtimes

# One of each kind of fault: processes, disks, links, calls, pauses, everything.
ON_CONTAINERS = (
    "lost-leader-is-replaced",
    "rolling-restarts-lose-nothing",
    "deposed-leaders-entries-vanish",
    "lost-responses-repeat-nothing",
    "paused-leader-serves-no-stale-reads",
    "crashed-follower-gets-snapshot",
)


@pytest.mark.parametrize(
    ("runtime", "scenario"), on_runtimes([s for s in SCENARIOS if s.real], ON_CONTAINERS)
)
async def test_scenario_holds_on_processes(
    runtime: str, scenario: Scenario[Cluster], tmp_path: Path
) -> None:
    """Real servers keep the scenario's guarantee, in either runtime."""
    spec = scenario.spec(1, simulated=False)
    async with cluster_of(runtime, spec, tmp_path, events=False) as cluster:
        await scenario.function(cluster)
