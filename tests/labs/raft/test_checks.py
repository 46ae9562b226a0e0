"""The Raft course: what is graded, what it is worth, and what a learner is told about it."""

from __future__ import annotations

from labs.raft.checks import BY_ID, CHEAP, COURSE, DEAR
from labs.raft.scenarios import SIM_SCENARIOS
from labs.raft.scenarios.table import PERSISTENCE
from nodes.core import Save
from nodes.cores.raft import Raft
from nodes.sim.cluster import simulate


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


class SavesTogether(Raft):
    """Writes its vote in one go with something else, which is as durable."""

    def persist_vote(self) -> None:
        super().persist_vote()
        single = self._effects.pop()
        assert isinstance(single, Save)
        self.save_all({single.slot: single.state, "diary": single.state})


def test_a_vote_may_be_saved_together_with_other_slots() -> None:
    """Those who watch what is durable before it is said count what is saved as one, too."""
    check = COURSE.check("votes-survive-crashes")
    assert check.part >= PERSISTENCE
    for seed in range(5):
        spec = COURSE.spec_of(check, COURSE.reference, seed, True)
        cores = dict.fromkeys(spec.node_ids, SavesTogether)
        simulate(spec, check.function, cores=cores, observers=COURSE.observers(check))
