"""The Raft course: what is graded, what it is worth, and what a learner is told about it."""

from __future__ import annotations

from labs.raft.checks import BY_ID, CHEAP, COURSE, DEAR
from labs.raft.scenarios import SIM_SCENARIOS


def test_single_calls_are_counted_in_simulation_only() -> None:
    """On real processes other calls come between."""
    assert not any(COURSE.check(scenario.id).real for scenario in SIM_SCENARIOS)


def test_seeds_are_within_bounds() -> None:
    """Enough schedules to mean something, few while one writes, and no more than a minute of
    them."""
    for check in COURSE.checks:
        assert 20 <= check.seeds <= 200, check.id
        assert 2 <= check.quick_seeds <= 5, check.id
    assert set(BY_ID) > CHEAP | DEAR


def test_a_check_runs_the_core_that_is_named() -> None:
    """The cluster of a check is the scenario's, with another implementation at every node."""
    check = COURSE.check("split-votes-are-settled")
    spec = COURSE.spec_of(check, "somewhere:Else", 7, True)
    assert {node.core for node in spec.nodes} == {"somewhere:Else"}
    assert (len(spec.nodes), spec.seed) == (check.nodes, 7)
    assert spec.params["election_timeout_ms_min"] == 290
