"""The scenarios of the saga lab, with the cluster that each needs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from labs.kit.grading.scenario import Scenario, named_after
from labs.saga.lab import LAB
from labs.saga.scenarios import choreography, keys, recovery, services, turning_back
from nodes.cluster.api import Cluster
from nodes.core import Param

C = TypeVar("C", bound=Cluster)

# Parts of the lab
STEPS, KEYS, LOG, BACK, EVENTS = 1, 2, 3, 4, 5

# Waits that a run on real processes has the time for.
BRISK: Mapping[str, Param] = {"backoff_ms_max": 400}
LOCKS: Mapping[str, Param] = {**BRISK, "semantic_locks": "on"}
VAN_FULL: Mapping[str, Param] = {**BRISK, "opening_capacity": 0}
# Gives up soon, so that it turns back without knowing.
IMPATIENT: Mapping[str, Param] = {**BRISK, "attempts_max": 2}
PATIENT: Mapping[str, Param] = {**BRISK, "attempts_max": 100}
RICH: Mapping[str, Param] = {"opening_stock": 1000, "opening_balance": 10_000}
BY_EVENTS: Mapping[str, Param] = {**BRISK, "style": "choreographed", "poll_ms": 50}
# The keys of steps do not help, so that it is the inbox that does.
INBOX: Mapping[str, Param] = {**BY_EVENTS, "idempotency": "off"}


def scenario(
    function: Callable[[C], Coroutine[Any, Any, None]],
    part: int,
    params: Mapping[str, Param] = BRISK,
    *,
    real: bool = True,
) -> Scenario[C]:
    """A row of the table: the function's name is the id, its docstring's first sentence the
    title."""
    return Scenario(LAB, *named_after(function), part, 4, function, params, real=real)


SCENARIOS: tuple[Scenario[Any], ...] = (
    scenario(services.what_is_taken_is_put_back, STEPS),
    scenario(services.what_is_not_there_is_declined, STEPS),
    scenario(services.what_was_done_survives_crashes, STEPS),
    scenario(services.a_compensation_may_come_first, STEPS),
    scenario(services.a_compensation_leaves_the_work_of_others, STEPS),
    scenario(services.nobody_touches_what_is_pending, STEPS, LOCKS),
    scenario(keys.a_repetition_has_no_effect, KEYS),
    scenario(keys.a_repetition_has_the_first_result, KEYS),
    scenario(keys.what_failed_may_be_tried_again, KEYS, LOCKS),
    scenario(keys.the_key_is_kept_with_the_effect, KEYS, PATIENT),
    scenario(keys.lost_answers_charge_nobody_twice, KEYS, PATIENT),
    scenario(keys.keys_tell_orders_and_directions_apart, KEYS),
    scenario(recovery.an_order_is_carried_out, LOG),
    scenario(recovery.orders_do_not_wait_for_each_other, LOG),
    scenario(recovery.an_order_that_was_taken_is_not_forgotten, LOG),
    scenario(recovery.what_is_over_stays_over, LOG),
    scenario(recovery.an_order_survives_its_orchestrator, LOG, PATIENT),
    scenario(recovery.wherever_a_node_crashes, LOG, {**PATIENT, **RICH}, real=False),
    scenario(turning_back.a_declined_order_is_undone, BACK, VAN_FULL),
    scenario(turning_back.no_is_not_asked_again, BACK),
    scenario(turning_back.who_is_away_for_a_moment_is_asked_again, BACK, PATIENT),
    scenario(turning_back.it_waits_longer_each_time, BACK, PATIENT),
    scenario(turning_back.what_may_have_been_done_is_undone, BACK, IMPATIENT),
    scenario(turning_back.behind_the_pivot_there_is_no_way_back, BACK, IMPATIENT),
    scenario(turning_back.a_compensation_is_not_given_up, BACK, {**IMPATIENT, **VAN_FULL}),
    scenario(turning_back.operators_act_on_what_is_stuck, BACK, IMPATIENT),
    scenario(
        turning_back.wherever_a_node_crashes_on_the_way_back,
        BACK,
        {**PATIENT, **RICH, "opening_capacity": 0},
        real=False,
    ),
    scenario(choreography.events_carry_an_order_to_its_end, EVENTS, BY_EVENTS),
    scenario(
        choreography.events_undo_what_was_declined, EVENTS, {**BY_EVENTS, "opening_capacity": 0}
    ),
    scenario(choreography.an_effect_and_its_event_are_one, EVENTS, INBOX),
    scenario(choreography.an_event_is_kept_until_the_log_has_it, EVENTS, BY_EVENTS),
    scenario(choreography.the_outbox_is_emptied, EVENTS, BY_EVENTS),
    scenario(choreography.what_comes_twice_is_taken_once, EVENTS, INBOX),
    scenario(choreography.nothing_is_missed_in_the_log, EVENTS, BY_EVENTS),
    scenario(
        choreography.wherever_a_node_crashes_in_a_choreography,
        EVENTS,
        {**INBOX, **RICH},
        real=False,
    ),
)
