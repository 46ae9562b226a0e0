"""The scenarios of the saga lab on real processes and on containers, once each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labs.kit.grading.scenario import Scenario
from labs.saga.scenarios import SCENARIOS
from tests.support.runtimes import cluster_of, on_runtimes

# One of each kind of fault: power cuts, crash points, lost answers, and one without a conductor.
ON_CONTAINERS = (
    "what-was-done-survives-crashes",
    "lost-answers-charge-nobody-twice",
    "behind-the-pivot-there-is-no-way-back",
    "an-event-is-kept-until-the-log-has-it",
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
