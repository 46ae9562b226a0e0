"""The scenarios of the quorum lab on real processes and on containers, once each."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.kit.grading.scenario import Scenario
from labs.quorum_store.scenarios import SCENARIOS
from nodes.cluster.api import Cluster
from tests.support.runtimes import cluster_of, on_runtimes

# One of each kind of fault: crashes, power cuts, partitions, pauses, wiped disks.
ON_CONTAINERS = (
    "acknowledged-writes-survive-crashes",
    "concurrent-clients-lose-nothing",
    "a-lost-disk-is-filled-again",
    "what-is-down-is-not-waited-for",
)


@pytest.mark.parametrize(
    ("runtime", "scenario"), on_runtimes([s for s in SCENARIOS if s.real], ON_CONTAINERS)
)
async def test_scenario_holds_on_processes(
    runtime: str, scenario: Scenario[Cluster], tmp_path: Path
) -> None:
    """Real nodes keep the scenario's guarantee, in either runtime."""
    spec = scenario.spec(1, simulated=False)
    async with cluster_of(runtime, spec, tmp_path, events=False) as cluster:
        await scenario.function(cluster)
