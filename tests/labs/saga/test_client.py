"""lab order on the saga lab: what is asked, what is told, and how it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labs.kit.errors import LabError
from labs.kit.operations import Operation, Outcome
from labs.kit.views import view_to_json
from labs.saga.client import SagaClient
from labs.saga.lab import LAB, lagging, validate
from labs.saga.outcome_text import outcome_text
from labs.saga.status_text import saga_status
from nodes.cluster.fault_kinds import Kill
from nodes.sim.cluster import SimCluster, simulate
from tests.support.saga_bench import saga_spec

ORDER: dict[str, Any] = {
    "item": "book",
    "customer": "alice",
    "quantity": 2,
    "price": 30,
    "wait": True,
}


def operation(verb: str, id: str = "o1", **more: Any) -> Operation:
    value = json.dumps(ORDER | more).encode() if verb == "order-place" else b""
    return Operation(verb, id, value)


async def run(cluster: SimCluster, *operations: Operation) -> list[Outcome]:
    client = SagaClient(cluster, LAB.wait_unit_ms(cluster.params), lambda: None)
    return [await client.run(one) for one in operations]


def outcomes(*operations: Operation) -> list[Outcome]:
    return simulate(saga_spec(), lambda cluster: run(cluster, *operations))


def lines(verb: str, outcome: Outcome) -> tuple[str, ...]:
    return outcome_text(verb, outcome.to_json()).out


def test_an_order_that_is_carried_out() -> None:
    """Each step, and that it is done."""
    (outcome,) = outcomes(operation("order-place"))
    assert outcome.ok
    assert lines("order-place", outcome) == (
        "o1: completed",
        "  2 book for 30, paid by alice",
        "  reserve  done",
        "  charge   done",
        "  ship     done",
        "  confirm  done",
    )


def test_an_order_that_is_not() -> None:
    """What was undone, and why; the answer is no."""
    (outcome,) = outcomes(operation("order-place", price=1001))
    assert outcome.ok is False
    assert outcome.error == "order o1 is compensated"
    assert lines("order-place", outcome)[0] == ("o1: not carried out: everything it did is undone")
    assert lines("order-place", outcome)[2:] == (
        "  reserve  undone",
        "  charge   -",
        "  ship     -",
        "  confirm  -",
        "  it turned back: alice has only 1000",
    )


def test_an_order_under_way() -> None:
    """Who does not wait is told that it is accepted."""
    outcome, later = outcomes(operation("order-place", wait=False), operation("order-status"))
    assert outcome.ok
    assert lines("order-place", outcome)[:3] == (
        "o1: under way",
        "  2 book for 30, paid by alice",
        "  reserve  doing",
    )
    assert later.ok


def test_asked_again_it_is_the_same_order() -> None:
    """Under the same id something else is refused."""
    first, again, other = outcomes(
        operation("order-place"), operation("order-place"), operation("order-place", price=31)
    )
    assert first.details["saga"] == again.details["saga"]
    assert other.ok is False
    assert other.error == "n1: order o1 is another one; take another id"


def test_the_list() -> None:
    """One line an order."""
    *_, listed = outcomes(
        operation("order-place"),
        operation("order-place", "o2", item="cup"),
        operation("order-list", "*"),
    )
    shown = lines("order-list", listed)
    assert [line.split()[:2] for line in shown] == [["o1", "completed"], ["o2", "compensated"]]
    (empty,) = outcomes(operation("order-list", "*"))
    assert lines("order-list", empty) == ("no orders yet",)


def test_an_order_that_there_is_not() -> None:
    """Says so."""
    status, retry = outcomes(operation("order-status"), operation("order-retry"))
    assert (status.ok, status.error) == (False, "there is no order o1")
    assert (retry.ok, retry.error) == (False, "n1: there is no order o1")


@pytest.mark.parametrize("bad", [{"quantity": 0}, {"quantity": "2"}, {"price": -1}, {"item": 5}])
def test_what_is_no_order(bad: dict[str, Any]) -> None:
    """Is refused before any node sees it."""
    with pytest.raises(LabError, match="an order has an item"):
        outcomes(operation("order-place", **bad))


def test_what_an_operator_reads_and_does() -> None:
    """The payment service stays away: the order is stuck, says what may be done, shows below the
    nodes, and goes on when it is told to."""

    async def stuck(cluster: SimCluster) -> tuple[list[Outcome], list[str]]:
        await cluster.faults.inject(Kill(("n3",)))
        found = await run(cluster, operation("order-place"))
        view = await cluster.view("n1")
        assert view is not None
        shown = saga_status({"n1": view_to_json(view)}, cluster.params)
        await cluster.faults.heal()
        found += await run(cluster, operation("order-retry"))
        await cluster.sleep(1000)
        found += await run(cluster, operation("order-status"), operation("order-skip"))
        return found, list(shown)

    (placed, retried, status, skipped), shown = simulate(saga_spec(), stuck)
    assert placed.ok is False
    assert lines("order-place", placed)[0] == "o1: stuck: it needs an operator"
    assert lines("order-place", placed)[-4:] == (
        "  it turned back: n3 did not answer",
        "  it is stuck after 6 attempts: n3 did not answer",
        "  lab order retry o1: try the undoing of charge again",
        "  lab order skip o1: take the undoing of charge as done, you have seen to it",
    )
    assert shown == [
        "1 order stuck: lab order retry|skip|compensate",
        "  o1  reserve:done  charge:undo stuck  ship:-  confirm:-",
    ]
    assert retried.ok
    assert lines("order-status", status)[0] == ("o1: not carried out: everything it did is undone")
    assert (skipped.ok, skipped.error) == (False, "n1: it is not stuck")


def test_who_lags() -> None:
    """The orchestrator while it drives what it drove before; a service that has not read the
    log."""
    going = {"order": {"id": "o1"}, "status": "running"}
    stuck = {"order": {"id": "o1"}, "status": "stuck"}
    then: dict[str, dict[str, Any]] = {"n1": {"sagas": [going], "log": 5, "offset": 5}}
    for saga, lags in ((going, ("n1", "n2")), (stuck, ("n2",))):
        now: dict[str, Any] = {"n1": {"sagas": [saga], "log": 7, "offset": 7}, "n2": {"offset": 4}}
        assert lagging(then, now, ("n1", "n2")) == lags


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("backoff_ms", 5000, "is more than backoff_ms_max"),
        ("idempotency", "off", "may be done twice"),
        ("updates", "absolute", "undoes what other orders did"),
    ],
)
def test_settings_that_do_not_go_together(setting: str, value: int | str, said: str) -> None:
    """An error refuses them; a warning tells what they cost."""
    verdict = validate(LAB.defaults() | {setting: value}, 4)
    assert any(said in text for text in (*verdict.errors, *verdict.warnings))
    assert validate(LAB.defaults(), 4).errors == validate(LAB.defaults(), 4).warnings == ()
