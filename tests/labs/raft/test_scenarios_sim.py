"""Every Raft scenario, over many schedules in simulation, with the invariants after each step."""

from __future__ import annotations

from typing import Any

import pytest

from labs.raft.invariants import invariants
from labs.raft.scenarios import SCENARIOS, SIM_SCENARIOS, Scenario
from tests.support.scenarios import holds_on_schedules
from tests.support.seeds import share_of_clusters

ALL: tuple[Scenario[Any], ...] = (*SCENARIOS, *SIM_SCENARIOS)


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.id)
def test_scenario_holds_on_every_schedule(scenario: Scenario[Any]) -> None:
    """The reference Raft keeps the scenario's guarantee whatever the schedule."""
    holds_on_schedules(scenario, share_of_clusters(scenario.seeds), invariants)


def test_table_is_complete() -> None:
    """Ids differ, every scenario states its guarantee in one sentence, and each is tried often."""
    ids = [scenario.id for scenario in ALL]
    assert len(set(ids)) == len(ids)
    for scenario in ALL:
        assert len(scenario.title.split()) > 5, scenario.id
        assert "\n" not in scenario.title
        assert scenario.seeds >= 200
    assert any(scenario.real for scenario in SCENARIOS)
    assert {scenario.part for scenario in SCENARIOS} == {1, 2, 3, 4, 5, 6}
