"""The Raft scenarios on real processes, once each."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.raft.scenarios import SCENARIOS, Scenario
from nodes.cluster.api import Cluster
from nodes.cluster.local import LocalCluster


@pytest.mark.real
@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if s.real], ids=lambda scenario: scenario.id
)
async def test_scenario_holds_on_processes(scenario: Scenario[Cluster], tmp_path: Path) -> None:
    """Real servers keep the scenario's guarantee."""
    spec = scenario.spec(1, simulated=False)
    async with LocalCluster(spec, folder=tmp_path, events=False) as cluster:
        await scenario.function(cluster)
