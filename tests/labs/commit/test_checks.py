"""The course of the commit lab: its scenarios are its checks, and hold on every schedule."""

from __future__ import annotations

from typing import Any

import pytest

from labs.commit.advice import ADVICE
from labs.commit.checks import BY_ID, COURSE
from labs.commit.invariants import invariants
from labs.commit.scenarios import SCENARIOS
from labs.kit.grading.scenario import Scenario, sim_options
from nodes.sim.cluster import simulate
from tests.support.seeds import share_of_clusters


def test_every_scenario_is_a_check() -> None:
    """None is left out, and advice is given about nothing else."""
    assert [check.id for check in COURSE.checks] == [scenario.id for scenario in SCENARIOS]
    assert set(ADVICE) == set(BY_ID)
    assert len(BY_ID) == len(SCENARIOS)
    assert all(check.real == BY_ID[check.id].real for check in COURSE.checks)


def test_what_must_hold_is_watched_from_the_first_part_on() -> None:
    """AC1 to AC3 and the amounts are what the first part is about."""
    assert all(COURSE.observers(check) for check in COURSE.checks)


def test_a_check_runs_the_core_that_is_named() -> None:
    """The cluster of a check is the scenario's, with another implementation at every node."""
    check = COURSE.check("one-who-knows-brings-all-along")
    spec = COURSE.spec_of(check, "somewhere:Else", 7, True)
    assert {node.core for node in spec.nodes} == {"somewhere:Else"}
    assert (len(spec.nodes), spec.seed) == (4, 7)
    assert spec.params["protocol"] == "3pc"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_scenario_holds_on_every_schedule(scenario: Scenario[Any]) -> None:
    """The reference keeps the scenario's guarantee whatever the schedule, under all invariants."""
    for seed in range(share_of_clusters(100)):
        try:
            simulate(
                scenario.spec(seed, simulated=True),
                scenario.function,
                options=sim_options(seed),
                observers=invariants(),
            )
        except Exception as error:
            error.add_note(f"{scenario.id}, seed {seed}: {scenario.title}")
            raise
