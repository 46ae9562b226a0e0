"""The course of the quorum lab: its scenarios are its checks, and what else is its own."""

from __future__ import annotations

import pytest

from labs.kit.grading.scenario import Scenario, sim_options
from labs.quorum_store.advice import ADVICE
from labs.quorum_store.checks import BY_ID, COURSE, DEAR
from labs.quorum_store.invariants import invariants
from labs.quorum_store.scenarios import SCENARIOS
from nodes.cluster.api import Cluster
from nodes.sim.cluster import simulate
from tests.support.seeds import share_of_clusters


def test_every_scenario_is_a_check() -> None:
    """None is left out, and advice is given about nothing else."""
    assert [check.id for check in COURSE.checks] == [scenario.id for scenario in SCENARIOS]
    assert set(ADVICE) == set(BY_ID)
    assert len(BY_ID) == len(SCENARIOS)
    assert all(check.real == BY_ID[check.id].real for check in COURSE.checks)


def test_seeds_are_within_bounds() -> None:
    """Enough schedules to mean something, few while one writes; fewer of what takes longest."""
    for check in COURSE.checks:
        assert 10 <= check.seeds <= 40, check.id
        assert 2 <= check.quick_seeds <= 5, check.id
    assert set(BY_ID) > DEAR


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
