"""The scenarios of the commit lab on real processes and on containers, once each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labs.commit.scenarios import SCENARIOS
from labs.kit.grading.scenario import Scenario
from tests.support.runtimes import cluster_of, on_runtimes

# One of each kind of fault: crashes, power cuts, cuts and delays, and one with three phases.
ON_CONTAINERS = (
    "what-clients-were-told-outlives-everything",
    "what-was-decided-is-told-after-a-crash",
    "who-has-not-voted-lets-all-abort",
    "one-who-knows-brings-all-along",
)


@pytest.mark.parametrize(
    ("runtime", "scenario"), on_runtimes([s for s in SCENARIOS if s.real], ON_CONTAINERS)
)
async def test_scenario_holds_on_processes(
    runtime: str, scenario: Scenario[Any], tmp_path: Path
) -> None:
    """Real nodes keep the scenario's guarantee, in either runtime."""
    spec = scenario.spec(1, simulated=False)
    async with cluster_of(runtime, spec, tmp_path, events=False) as cluster:
        await scenario.function(cluster)
