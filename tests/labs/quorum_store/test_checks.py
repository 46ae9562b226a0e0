"""The course of the quorum lab: its scenarios are its checks, and what else is its own."""

from __future__ import annotations

import pytest

from labs.kit.grading.scenario import Scenario
from labs.quorum_store.checks import COURSE
from labs.quorum_store.invariants import invariants
from labs.quorum_store.scenarios import SCENARIOS
from nodes.cluster.api import Cluster
from tests.support.scenarios import holds_on_schedules
from tests.support.seeds import share_of_clusters


def test_seeds_are_within_bounds() -> None:
    """Enough schedules to mean something, few while one writes; fewer of what takes longest."""
    for check in COURSE.checks:
        assert 10 <= check.seeds <= 40, check.id
        assert 2 <= check.quick_seeds <= 5, check.id


def test_the_first_parts_ask_for_nothing_that_comes_later() -> None:
    """What must hold at every step speaks of versions and hints, and so is asked from part 3 on."""
    watched = {check.part for check in COURSE.checks if COURSE.observers(check)}
    assert watched == {3, 4, 5}


def test_a_check_runs_the_core_that_is_named() -> None:
    """The cluster of a check is the scenario's, with another implementation at every node."""
    check = COURSE.check("the-ring-changes-by-one-node-at-a-time")
    spec = COURSE.spec_of(check, "somewhere:Else", 7, True)
    assert {node.core for node in spec.nodes} == {"somewhere:Else"}
    assert (len(spec.nodes), spec.seed) == (6, 7)
    assert spec.params["members"] == 4


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_scenario_holds_on_every_schedule(scenario: Scenario[Cluster]) -> None:
    """The reference keeps the scenario's guarantee whatever the schedule, under all invariants."""
    holds_on_schedules(scenario, share_of_clusters(100), invariants)
