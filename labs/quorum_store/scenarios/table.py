"""The scenarios of the quorum lab, with the cluster that each needs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from labs.kit.grading.scenario import Scenario, named_after
from labs.quorum_store.lab import LAB
from labs.quorum_store.scenarios import placement, quorums, versions
from nodes.cluster.api import Cluster
from nodes.core import Param

C = TypeVar("C", bound=Cluster)

# Parts of the lab
RING, QUORUMS, VERSIONS, REPAIR, HANDOFF = 1, 2, 3, 4, 5

# Nothing is repaired in the background: what a write or a read does by itself is seen.
QUIET: Mapping[str, Param] = {"handoff_ms": 0, "anti_entropy_ms": 0, "read_repair": "off"}
LWW: Mapping[str, Param] = {**QUIET, "versions": "lww"}
ABD: Mapping[str, Param] = {**QUIET, "versions": "abd", "tombstone_grace_ms": 0}
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
    scenario(quorums.acknowledged_writes_are_on_w_replicas, QUORUMS, QUIET),
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
    scenario(versions.no_read_goes_back, VERSIONS, ABD),
    scenario(versions.a_later_write_wins, VERSIONS, ABD),
    scenario(versions.registers_are_linearizable, VERSIONS, ABD),
)
