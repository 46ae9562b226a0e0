"""The course of the commit lab: its scenarios are its checks, and hold on every schedule."""

from __future__ import annotations

from typing import Any

import pytest

from labs.commit.checks import COURSE
from labs.commit.invariants import invariants
from labs.commit.scenarios import SCENARIOS
from labs.kit.grading.scenario import Scenario
from tests.support.scenarios import holds_on_schedules
from tests.support.seeds import share_of_clusters


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
    holds_on_schedules(scenario, share_of_clusters(100), invariants)
