"""The scenarios of the Raft lab, with the cluster that each needs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from labs.kit.grading.scenario import Scenario, named_after
from labs.raft.lab import LAB
from labs.raft.scenarios import (
    agreement,
    elections,
    membership,
    persistence,
    service,
    snapshots,
    traffic,
    unreliable,
)
from nodes.cluster.api import Cluster
from nodes.core import Param
from nodes.sim.cluster import SimCluster

C = TypeVar("C", bound=Cluster)

# Parts of the lab
ELECTION, REPLICATION, PERSISTENCE, SNAPSHOTS, SERVICE, MEMBERSHIP = 1, 2, 3, 4, 5, 6
# Half as many heartbeats as the lab has by default: they are most of what a simulated run costs.
SIM_SETTINGS: Mapping[str, Param] = {"heartbeat_ms": 150}
SMALL_SNAPSHOTS: Mapping[str, Param] = {
    "snapshot_threshold": 20,
    "snapshot_trailing_entries": 5,
    "snapshot_chunk_bytes": 700,
}


def scenario(
    function: Callable[[C], Coroutine[Any, Any, None]],
    part: int,
    nodes: int,
    *,
    real: bool = True,
    params: Mapping[str, Param] | None = None,
) -> Scenario[C]:
    """A row of the table: the function's name is the id, its docstring's first sentence the
    title."""
    return Scenario(
        LAB, *named_after(function), part, nodes, function, params or {}, SIM_SETTINGS, real
    )


SCENARIOS: tuple[Scenario[Cluster], ...] = (
    scenario(elections.one_leader_is_elected, ELECTION, 3),
    scenario(elections.lost_leader_is_replaced, ELECTION, 3),
    scenario(elections.clients_put_off_no_election, ELECTION, 3),
    scenario(elections.any_majority_elects, ELECTION, 7),
    scenario(
        elections.split_votes_are_settled,
        ELECTION,
        5,
        real=False,  # it lives from timeouts that are nearly equal, which a busy machine is not
        params={
            "election_timeout_ms_min": 290,
            "election_timeout_ms_max": 300,
            "pre_vote": "off",
        },
    ),
    scenario(elections.outdated_log_cannot_win, PERSISTENCE, 3),
    scenario(elections.longer_log_of_earlier_term_cannot_win, PERSISTENCE, 3),
    scenario(agreement.writes_commit_in_order, REPLICATION, 3),
    scenario(agreement.concurrent_writes_all_commit, REPLICATION, 3),
    scenario(agreement.lost_followers_stop_commits, REPLICATION, 3),
    scenario(agreement.lost_leaders_stop_commits, REPLICATION, 3),
    scenario(agreement.returning_follower_catches_up, REPLICATION, 3),
    scenario(agreement.minority_leader_commits_nothing, REPLICATION, 5),
    scenario(agreement.deposed_leaders_entries_vanish, REPLICATION, 3),
    scenario(agreement.acknowledgements_end_with_the_term, REPLICATION, 5),
    scenario(agreement.long_conflicts_are_repaired, REPLICATION, 5),
    scenario(persistence.restarts_lose_nothing, PERSISTENCE, 3),
    scenario(persistence.rolling_restarts_lose_nothing, PERSISTENCE, 5),
    scenario(persistence.votes_survive_crashes, PERSISTENCE, 3),
    scenario(persistence.acknowledged_entries_survive_crashes, PERSISTENCE, 3),
    scenario(
        persistence.old_terms_commit_with_own_term,
        PERSISTENCE,
        5,
        params={"max_entries_per_append": 1},
    ),
    scenario(persistence.crashing_leaders_lose_nothing, PERSISTENCE, 5),
    scenario(unreliable.lost_calls_delay_only, PERSISTENCE, 5),
    scenario(unreliable.late_and_doubled_calls_do_no_harm, PERSISTENCE, 3),
    scenario(unreliable.crashing_leaders_with_lost_calls_lose_nothing, PERSISTENCE, 5, real=False),
    scenario(unreliable.churn_loses_nothing, PERSISTENCE, 5),
    scenario(unreliable.churn_with_lost_calls_loses_nothing, PERSISTENCE, 5),
    scenario(snapshots.logs_stay_short, SNAPSHOTS, 3, params=SMALL_SNAPSHOTS),
    scenario(snapshots.lagging_follower_gets_snapshot, SNAPSHOTS, 3, params=SMALL_SNAPSHOTS),
    scenario(
        snapshots.lagging_follower_gets_snapshot_with_lost_calls,
        SNAPSHOTS,
        3,
        params=SMALL_SNAPSHOTS,
    ),
    scenario(snapshots.crashed_follower_gets_snapshot, SNAPSHOTS, 3, params=SMALL_SNAPSHOTS),
    scenario(
        snapshots.crashed_follower_gets_snapshot_with_lost_calls,
        SNAPSHOTS,
        3,
        params={
            **SMALL_SNAPSHOTS,
            "snapshot_chunk_bytes": 65_536,
        },  # in one piece, which may repeat
    ),
    scenario(
        elections.snapshot_counts_in_elections,
        SNAPSHOTS,
        3,
        params={"snapshot_threshold": 8, "snapshot_trailing_entries": 0},
    ),
    scenario(snapshots.all_restart_from_snapshots, SNAPSHOTS, 3, params=SMALL_SNAPSHOTS),
    scenario(snapshots.second_restart_loses_nothing, SNAPSHOTS, 3, params=SMALL_SNAPSHOTS),
    scenario(service.deposed_leader_serves_no_reads, SERVICE, 3),
    scenario(
        service.paused_leader_serves_no_stale_reads,
        SERVICE,
        3,
        params={"check_quorum": "off"},  # or it would step down before anyone can ask it
    ),
    scenario(service.waiting_clients_hear_the_end, SERVICE, 3),
    scenario(service.lost_responses_repeat_nothing, SERVICE, 3),
    scenario(service.retries_are_known_after_restarts, SERVICE, 3, params=SMALL_SNAPSHOTS),
    scenario(service.majority_goes_on_without_minority, SERVICE, 5),
    scenario(service.concurrent_clients_are_linearizable, SERVICE, 3),
    scenario(unreliable.shifting_partitions_lose_nothing, SERVICE, 5),
    scenario(
        unreliable.everything_at_once_loses_nothing,
        SERVICE,
        5,
        params={**SMALL_SNAPSHOTS, "snapshot_threshold": 8},
    ),
    scenario(membership.added_server_catches_up_first, MEMBERSHIP, 4, params={"members": 3}),
    scenario(membership.unreachable_server_is_not_added, MEMBERSHIP, 4, params={"members": 3}),
    scenario(
        membership.removed_server_disturbs_nobody,
        MEMBERSHIP,
        5,
        params={"pre_vote": "off"},  # or a server that cannot win would not even ask
    ),
    scenario(membership.leader_removes_itself, MEMBERSHIP, 4),
    scenario(
        membership.changes_come_one_at_a_time,
        MEMBERSHIP,
        5,
        params={"members": 3, "check_quorum": "off"},  # or the leader would give up too soon
    ),
    scenario(membership.leadership_is_handed_over, MEMBERSHIP, 3),
    scenario(membership.former_leader_serves_no_stale_reads, MEMBERSHIP, 3, real=False),
    scenario(membership.changes_survive_crashing_leaders, MEMBERSHIP, 5, params={"members": 3}),
)

# These count single calls or virtual milliseconds, and take the simulated cluster itself.
SIM_SCENARIOS: tuple[Scenario[SimCluster], ...] = (
    scenario(traffic.few_calls_are_needed, ELECTION, 3, real=False),
    scenario(traffic.each_entry_travels_once, REPLICATION, 3, real=False),
    scenario(traffic.concurrent_writes_share_calls, REPLICATION, 5, real=False),
    scenario(traffic.conflicts_cost_one_probe_a_term, REPLICATION, 3, real=False),
    scenario(traffic.writes_wait_for_no_heartbeat, SERVICE, 3, real=False),
)
