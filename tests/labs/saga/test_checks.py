"""The course of the saga lab: its scenarios are its checks, and hold on every schedule."""

from __future__ import annotations

from typing import Any

import pytest

from labs.kit.grading.scenario import Scenario, sim_options
from labs.saga.advice import ADVICE
from labs.saga.checks import BY_ID, COURSE, DEAR
from labs.saga.scenarios import SCENARIOS
from nodes.sim.cluster import simulate
from tests.support.seeds import share_of_clusters


def test_every_scenario_is_a_check() -> None:
    """None is left out, and advice is given about nothing else."""
    assert [check.id for check in COURSE.checks] == [scenario.id for scenario in SCENARIOS]
    assert set(ADVICE) == set(BY_ID)
    assert len(BY_ID) == len(SCENARIOS)
    assert all(check.real == BY_ID[check.id].real for check in COURSE.checks)
    assert set(BY_ID) > DEAR


def test_a_crash_matrix_visits_every_node() -> None:
    """A grade has a seed for each node and each place where it may begin."""
    matrices = [check for check in COURSE.checks if not check.real]
    assert len(matrices) == 3
    assert all(check.seeds >= 2 * check.nodes for check in matrices)


def test_the_first_parts_ask_for_nothing_that_comes_later() -> None:
    """What must hold at every step speaks of the log, and so is asked from part 3 on."""
    watched = {check.part for check in COURSE.checks if COURSE.observers(check)}
    assert watched == {3, 4, 5}


def test_a_check_runs_the_core_that_is_named() -> None:
    """The cluster of a check is the scenario's, with another implementation at every node."""
    check = COURSE.check("what-comes-twice-is-taken-once")
    spec = COURSE.spec_of(check, "somewhere:Else", 7, True)
    assert {node.core for node in spec.nodes} == {"somewhere:Else"}
    assert (len(spec.nodes), spec.seed) == (4, 7)
    assert spec.params["style"] == "choreographed"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_scenario_holds_on_every_schedule(scenario: Scenario[Any]) -> None:
    """The reference keeps the scenario's guarantee whatever the schedule."""
    for seed in range(share_of_clusters(100)):
        try:
            simulate(
                scenario.spec(seed, simulated=True),
                scenario.function,
                options=sim_options(seed),
                observers=COURSE.observers(COURSE.check(scenario.id)),
            )
        except Exception as error:
            error.add_note(f"{scenario.id}, seed {seed}: {scenario.title}")
            raise
