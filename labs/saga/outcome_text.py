"""What an operation on an order came to, in lines: its steps, why it turned back, what may be
done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labs.kit.outcome_text import OutcomeText, failure_text, served_by
from labs.kit.text import visible
from labs.saga.status_text import PIVOT, PLAN, state_of, track

_STATUS = {
    "running": "under way",
    "compensating": "turning back",
    "completed": "completed",
    "compensated": "not carried out: everything it did is undone",
    "stuck": "stuck: it needs an operator",
}


def outcome_text(verb: str, outcome: Mapping[str, Any]) -> OutcomeText:
    """See Lab.outcome_text."""
    if verb == "order-list" and outcome["ok"]:
        return OutcomeText(tuple(_list(outcome)), (f"({served_by(outcome)})",))
    saga = outcome.get("saga")
    if saga is None:
        order = visible(str(outcome.get("order", "")))
        hint = (f"ask for it again: lab order status {order}",)
        unknown = outcome["ok"] is None and order
        return OutcomeText(err=(failure_text(outcome), *(hint if unknown else ())))
    return OutcomeText(tuple(saga_lines(saga)), (f"({served_by(outcome)})",))


def saga_lines(saga: Mapping[str, Any]) -> Iterator[str]:
    """One order: how it is, each step, and what an operator may do."""
    order = saga["order"]
    status = str(saga["status"])
    yield f"{visible(str(order['id']))}: {_STATUS.get(status, status)}"
    what = f"{order['quantity']} {order['item']} for {order['price']}, paid by {order['customer']}"
    yield f"  {visible(what)}"
    for step in PLAN:
        yield f"  {step:8} {state_of(saga, step)}"
    if saga.get("reason"):
        yield f"  it turned back: {visible(str(saga['reason']))}"
    if status == "stuck":
        why = visible(str(saga["stuck_because"]))
        yield f"  it is stuck after {saga['attempts']} attempts: {why}"
        yield from _choices(saga)


def _choices(saga: Mapping[str, Any]) -> Iterator[str]:
    order, step = visible(str(saga["order"]["id"])), str(saga["step"])
    back = saga.get("before_stuck") == "compensating"
    what = f"{'the undoing of ' if back else ''}{step}"
    yield f"  lab order retry {order}: try {what} again"
    yield f"  lab order skip {order}: take {what} as done, you have seen to it"
    if PIVOT in saga.get("done", ()):
        yield "  it is past its pivot: there is no way back"


def _list(outcome: Mapping[str, Any]) -> Iterator[str]:
    sagas = outcome["sagas"]
    for saga in sagas:
        yield f"{visible(str(saga['order']['id'])):12}  {saga['status']:12}  {track(saga)}"
    if not sagas:
        yield "no orders yet"
