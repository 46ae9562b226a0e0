"""The scenarios of the quorum lab, with the cluster that each needs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from labs.kit.grading.scenario import Scenario, named_after
from labs.quorum_store.lab import LAB
from labs.quorum_store.scenarios import (
    handoff,
    membership,
    placement,
    quorums,
    repair,
    versions,
)
from nodes.cluster.api import Cluster
from nodes.core import Param

C = TypeVar("C", bound=Cluster)

# Parts of the lab
RING, QUORUMS, VERSIONS, REPAIR, HANDOFF = 1, 2, 3, 4, 5

# Nothing is repaired in the background: what a write or a read does by itself is seen.
QUIET: Mapping[str, Param] = {"handoff_ms": 0, "anti_entropy_ms": 0, "read_repair": "off"}
LWW: Mapping[str, Param] = {**QUIET, "versions": "lww"}
ABD: Mapping[str, Param] = {**QUIET, "versions": "abd", "tombstone_grace_ms": 0}
# Room for delays within a call that a busy machine does not use up.
PATIENT: Mapping[str, Param] = {"replica_timeout_ms": 800, "request_timeout_ms": 2000}
COMPARING: Mapping[str, Param] = {**QUIET, "anti_entropy_ms": 300}
STRICT_CHANGES: Mapping[str, Param] = {**COMPARING, "handoff_ms": 200, "gossip_ms": 200}
HANDING: Mapping[str, Param] = {**QUIET, "quorum": "sloppy", "handoff_ms": 200}
SLOPPY: Mapping[str, Param] = {**QUIET, "quorum": "sloppy"}


def scenario(
    function: Callable[[C], Coroutine[Any, Any, None]],
    part: int,
    params: Mapping[str, Param],
    *,
    nodes: int = 5,
    real: bool = True,
) -> Scenario[C]:
    """A row of the table: the function's name is the id, its docstring's first sentence the
    title."""
    return Scenario(LAB, *named_after(function), part, nodes, function, params, real=real)


SCENARIOS: tuple[Scenario[Cluster], ...] = (
    scenario(placement.all_nodes_name_the_same_owners, RING, QUIET),
    scenario(placement.owners_and_nobody_else_keep_a_key, RING, QUIET),
    scenario(placement.next_nodes_on_the_ring_stand_in, RING, SLOPPY),
    scenario(placement.only_members_own_keys, RING, {**QUIET, "members": 4}),
    scenario(quorums.any_node_coordinates, QUORUMS, QUIET),
    scenario(quorums.acknowledged_writes_are_on_w_replicas, QUORUMS, {**QUIET, **PATIENT}),
    scenario(quorums.too_few_replicas_acknowledge_nothing, QUORUMS, QUIET),
    scenario(quorums.what_may_be_found_is_not_refused, QUORUMS, QUIET),
    scenario(quorums.reads_see_acknowledged_writes, QUORUMS, {**QUIET, "fan_out": "quorum"}),
    scenario(quorums.nobody_waits_for_the_slowest, QUORUMS, QUIET),
    scenario(quorums.every_replica_gets_a_write, QUORUMS, QUIET),
    scenario(quorums.acknowledged_writes_survive_crashes, QUORUMS, QUIET),
    scenario(versions.a_write_replaces_what_its_writer_saw, VERSIONS, QUIET),
    scenario(versions.writes_that_know_nothing_of_each_other_stay, VERSIONS, QUIET),
    scenario(versions.a_context_covers_only_what_was_shown, VERSIONS, QUIET),
    scenario(versions.no_two_writes_share_a_name, VERSIONS, QUIET),
    scenario(versions.replicas_agree_whatever_the_order, VERSIONS, QUIET),
    scenario(versions.concurrent_clients_lose_nothing, VERSIONS, QUIET),
    scenario(versions.the_last_writer_wins_everywhere, VERSIONS, LWW),
    scenario(versions.who_saw_a_value_can_replace_it, VERSIONS, LWW),
    scenario(
        versions.no_read_goes_back,
        VERSIONS,
        {**ABD, **PATIENT},
        real=False,  # what a proxy has delayed already arrives although the link is cut meanwhile
    ),
    scenario(versions.a_later_write_wins, VERSIONS, ABD),
    scenario(versions.registers_are_linearizable, VERSIONS, ABD),
    scenario(
        repair.reads_repair_what_they_find_behind, REPAIR, {**QUIET, "read_repair": "background"}
    ),
    scenario(repair.anti_entropy_finds_what_nobody_reads, REPAIR, COMPARING),
    scenario(repair.only_what_differs_travels, REPAIR, COMPARING),
    scenario(repair.deleted_stays_deleted, REPAIR, {**COMPARING, "tombstone_grace_ms": 4000}),
    scenario(repair.old_tombstones_are_dropped, REPAIR, {**COMPARING, "tombstone_grace_ms": 2000}),
    scenario(repair.a_lost_disk_is_not_an_empty_one, REPAIR, COMPARING),
    scenario(repair.a_lost_disk_is_filled_again, REPAIR, COMPARING),
    scenario(handoff.writes_go_on_without_their_owners, HANDOFF, SLOPPY),
    scenario(handoff.what_is_down_is_not_waited_for, HANDOFF, SLOPPY),
    scenario(handoff.stand_ins_answer_reads, HANDOFF, HANDING),
    scenario(handoff.hints_reach_their_homes, HANDOFF, HANDING),
    scenario(handoff.hints_are_kept_until_they_are_delivered, HANDOFF, HANDING),
    scenario(handoff.hints_that_grow_arrive_whole, HANDOFF, HANDING),
    scenario(handoff.handed_off_versions_stay, HANDOFF, HANDING),
    scenario(
        membership.who_joins_holds_its_keys_before_it_is_read,
        HANDOFF,
        {**STRICT_CHANGES, "members": 4},
    ),
    scenario(membership.who_leaves_hands_over_its_keys, HANDOFF, STRICT_CHANGES),
    scenario(membership.writes_count_in_both_rings, HANDOFF, {**STRICT_CHANGES, "members": 4}),
    scenario(
        membership.the_ring_changes_by_one_node_at_a_time,
        HANDOFF,
        {**STRICT_CHANGES, "members": 4},
        nodes=6,
    ),
    scenario(membership.changes_under_load_lose_nothing, HANDOFF, {**STRICT_CHANGES, "members": 4}),
)
