"""The course of the saga lab: its scenarios are its checks, and hold on every schedule."""

from __future__ import annotations

from typing import Any

import pytest

from labs.kit.grading.scenario import Scenario
from labs.saga.checks import COURSE
from labs.saga.scenarios import SCENARIOS
from tests.support.scenarios import holds_on_schedules
from tests.support.seeds import share_of_clusters


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
    check = COURSE.check(scenario.id)
    holds_on_schedules(scenario, share_of_clusters(100), lambda: COURSE.observers(check))
