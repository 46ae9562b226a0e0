"""The scenarios of the commit lab, with the cluster that each needs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from labs.commit.lab import LAB
from labs.commit.scenarios import crashes, doubt, locks, recovery, three_phases, votes
from labs.kit.grading.scenario import Scenario, named_after
from nodes.cluster.api import Cluster
from nodes.core import Param
from nodes.sim.cluster import SimCluster

C = TypeVar("C", bound=Cluster)

# Parts of the lab
VOTES, LOCKS, RECOVERY, DOUBT, THREE_PHASES = 1, 2, 3, 4, 5
NODES = 4  # one that holds nothing, and three participants

# Only the coordinator ends a doubt: what it tells is seen.
ALONE: Mapping[str, Param] = {"termination": "coordinator"}
NOTHING: Mapping[str, Param] = {**ALONE, "presume": "nothing"}
PATIENT: Mapping[str, Param] = {"vote_timeout_ms": 3000, "doubt_timeout_ms": 300}
TIMEOUT: Mapping[str, Param] = {
    "deadlocks": "timeout",
    "lock_timeout_ms": 400,
    "vote_timeout_ms": 3000,
}
THREE: Mapping[str, Param] = {"protocol": "3pc"}


def scenario(
    function: Callable[[C], Coroutine[Any, Any, None]],
    part: int,
    params: Mapping[str, Param] | None = None,
    *,
    real: bool = True,
) -> Scenario[C]:
    """A row of the table: the function's name is the id, its docstring's first sentence the
    title."""
    return Scenario(LAB, *named_after(function), part, NODES, function, params or {}, real=real)


SCENARIOS: tuple[Scenario[Cluster] | Scenario[SimCluster], ...] = (
    scenario(votes.what_nobody_objects_to_commits, VOTES),
    scenario(votes.a_single_no_aborts_everywhere, VOTES),
    scenario(votes.silence_is_no_yes, VOTES),
    scenario(votes.nobody_commits_before_the_last_vote, VOTES),
    scenario(votes.a_yes_outlives_a_crash, VOTES),
    scenario(votes.what_clients_were_told_outlives_everything, VOTES),
    scenario(votes.what_is_decided_happens_once, VOTES),
    scenario(crashes.a_participant_may_crash_anywhere, VOTES, real=False),
    scenario(locks.nothing_is_spent_twice, LOCKS),
    scenario(locks.locks_stay_until_the_outcome_is_known, LOCKS, PATIENT),
    scenario(locks.reads_see_what_is_committed, LOCKS),
    scenario(locks.the_younger_dies_and_the_older_waits, LOCKS),
    scenario(locks.whoever_waited_gets_its_turn, LOCKS, TIMEOUT),
    scenario(locks.a_deadlock_does_not_last, LOCKS, TIMEOUT),
    scenario(recovery.what_was_decided_is_told_after_a_crash, RECOVERY, ALONE),
    scenario(recovery.what_was_not_decided_is_aborted, RECOVERY, NOTHING),
    scenario(recovery.a_presumed_abort_is_not_written_down, RECOVERY, ALONE),
    scenario(recovery.without_presumption_aborts_are_acknowledged, RECOVERY, NOTHING),
    scenario(recovery.a_commit_is_remembered_until_all_know, RECOVERY, ALONE),
    scenario(crashes.a_coordinator_may_crash_anywhere, RECOVERY, real=False),
    scenario(doubt.who_is_in_doubt_asks, DOUBT, ALONE),
    scenario(doubt.somebody_who_knows_is_enough, DOUBT),
    scenario(doubt.who_has_not_voted_lets_all_abort, DOUBT, PATIENT),
    scenario(doubt.those_in_doubt_wait_if_nobody_knows, DOUBT),
    scenario(doubt.who_still_counts_votes_says_so, DOUBT, PATIENT),
    scenario(three_phases.everyone_knows_before_anyone_commits, THREE_PHASES, THREE),
    scenario(three_phases.those_left_abort_what_nobody_could_commit, THREE_PHASES, THREE),
    scenario(three_phases.one_who_knows_brings_all_along, THREE_PHASES, THREE),
    scenario(three_phases.the_dead_hold_up_nobody, THREE_PHASES, THREE),
    scenario(crashes.three_phases_survive_a_crash_anywhere, THREE_PHASES, THREE, real=False),
)
