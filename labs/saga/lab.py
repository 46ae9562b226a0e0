"""The saga lab: an order as a chain of local transactions, each of which can be compensated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from labs.kit.host_settings import HOST_SETTINGS
from labs.kit.lab import (
    Column,
    Lab,
    RoleChange,
    Sentence,
    Setting,
    SettingsVerdict,
    SpanChange,
    Value,
    View,
    Views,
    shown,
)
from labs.saga.outcome_text import outcome_text
from labs.saga.status_text import saga_status

HOUR_MS = 3_600_000
ROLES = ("orchestrator", "stock", "payment", "shipping")
UNDER_WAY = ("running", "compensating")

SETTINGS = (
    Setting(
        "style",
        "orchestrated",
        "who says what comes next: one node with a log, or each service by the events it hears",
        choices=("orchestrated", "choreographed"),
    ),
    Setting(
        "idempotency",
        "on",
        "a step has a key, by which a service knows a repetition",
        choices=("on", "off"),
    ),
    Setting(
        "semantic_locks",
        "off",
        "an item that an order has reserved is not sold to another until that order is over",
        choices=("on", "off"),
    ),
    Setting(
        "updates",
        "commutative",
        "a compensation adds what was taken, or restores what was there before",
        choices=("commutative", "absolute"),
    ),
    Setting(
        "events",
        "outbox",
        "choreographed: an event is saved with its effect, or sent after it, or before it",
        choices=("outbox", "publish-after", "publish-before"),
    ),
    Setting(
        "inbox",
        "on",
        "choreographed: what was taken from the log is remembered with its effect",
        choices=("on", "off"),
    ),
    Setting("call_timeout_ms", 300, "how long a service may take", minimum=1, maximum=HOUR_MS),
    Setting("backoff_ms", 100, "wait before the first repetition", minimum=1, maximum=HOUR_MS),
    Setting("backoff_ms_max", 2000, "the longest such wait", minimum=1, maximum=HOUR_MS),
    Setting("attempts_max", 6, "of a step, before the saga turns back", minimum=1, maximum=1000),
    Setting("poll_ms", 100, "how often services look into the log", minimum=1, maximum=HOUR_MS),
    Setting("opening_stock", 100, "of each item, when the shop opens", maximum=1_000_000_000),
    Setting("opening_balance", 1000, "of each customer", maximum=1_000_000_000),
    Setting("opening_capacity", 1000, "places in the van", maximum=1_000_000_000),
    *HOST_SETTINGS,
)


def validate(settings: Mapping[str, Value], node_count: int) -> SettingsVerdict:
    """Settings that only make sense together."""
    errors, warnings = [], []
    shortest, longest = int(settings["backoff_ms"]), int(settings["backoff_ms_max"])
    choreographed = settings["style"] == "choreographed"
    if shortest > longest:
        errors.append(f"backoff_ms={shortest} is more than backoff_ms_max={longest}")
    if settings["idempotency"] == "off":
        warnings.append("idempotency=off: a step whose response is lost may be done twice")
    if settings["updates"] == "absolute" and settings["semantic_locks"] == "off":
        warnings.append(
            "updates=absolute without semantic_locks=on: a compensation undoes what other orders "
            "did meanwhile"
        )
    if choreographed and settings["events"] != "outbox":
        warnings.append(
            f"events={settings['events']}: a crash between an effect and its event "
            + ("loses the event" if settings["events"] == "publish-after" else "tells a lie")
        )
    if choreographed and settings["semantic_locks"] == "on":
        warnings.append(
            "semantic_locks=on in a choreography: nobody asks again, so an order that meets a lock "
            "is declined"
        )
    return SettingsVerdict(tuple(errors), tuple(warnings))


def lagging(then: Views, now: Views, node_ids: Sequence[str]) -> tuple[str, ...]:
    """Who drives a saga that was under way `then` and still is, and has not called for an operator;
    and who has not read the log as far as it went."""
    log = max((int(view.get("log", 0)) for view in then.values()), default=0)
    before = {order for view in then.values() for order in under_way(view)}

    def lags(node: str) -> bool:
        view = now.get(node)
        if view is None or any(order in before for order in under_way(view)):
            return True
        return int(view.get("offset", 0)) < log

    return tuple(node for node in node_ids if lags(node))


def under_way(view: View) -> list[str]:
    """Orders that a node still drives, or hears of."""
    sagas = view.get("sagas") or ()
    return [str(saga["order"]["id"]) for saga in sagas if saga.get("status") in UNDER_WAY]


# ----------------------------------------------------------------------------------------- columns


def has(view: View) -> str:
    """What the node is busy with, or what its service has left."""
    match view.get("role"):
        case "orchestrator":
            stuck = sum(saga.get("status") == "stuck" for saga in view.get("sagas") or ())
            return f"{len(under_way(view))} going" + (f", {stuck} stuck" if stuck else "")
        case "stock":
            return f"{_total(view, 'stock')} left"
        case "payment":
            return f"{_total(view, 'accounts')} left"
        case "shipping":
            return f"{view.get('capacity_left', 0)} left"
    return ""


def gave(view: View) -> str:
    """What has come to its end, or what orders have of the service."""
    match view.get("role"):
        case "orchestrator":
            return f"{int(view.get('completed', 0)) + int(view.get('compensated', 0))} over"
        case "stock":
            held = _total(view, "held")
            return f"{_total(view, 'sold')} sold" + (f", {held} held" if held else "")
        case "payment":
            return f"{view.get('taken', 0)} taken"
        case "shipping":
            return f"{view.get('booked', 0)} booked"
    return ""


def _total(view: View, field_name: str) -> int:
    return sum(map(int, (view.get(field_name) or {}).values()))


def read_so_far(view: View) -> str:
    """Events read; the log's keeper says how many there are."""
    length = f" of {view['log']}" if view.get("log") else ""
    return f"{view.get('offset', 0)}{length}"


# --------------------------------------------------------------------------------------- sentences

_DONE = {"reserve": "reserved", "charge": "charged", "ship": "booked", "confirm": "confirmed"}
_UNDONE = {"reserve": "released", "charge": "refunded", "ship": "cancelled"}
_WHAT = {
    "reserve": "the goods",
    "charge": "the price",
    "ship": "a place in the van",
    "confirm": "the sale",
}


def _did(note: Mapping[str, Any]) -> str:
    step = str(note.get("step"))
    words = _UNDONE if note.get("undone") else _DONE
    return f"{{node}} {words.get(step, step)} {_WHAT.get(step, '')} for order {{order}}"


def _step(note: Mapping[str, Any]) -> str:
    again = " again" if int(note.get("attempt", 1)) > 1 else ""
    what = "to undo {step}" if note.get("undone") else "to {step}"
    return f"{{node}} asks{again} {what} for order {{order}}"


def _repeated(note: Mapping[str, Any]) -> str:
    what = "undone {step}" if note.get("undone") else "done {step}"
    return f"{{node}} had {what} for order {{order}} before: nothing to do"


SENTENCES: dict[str, Sentence] = {
    "placed": "order {order} was placed",
    "step": _step,
    "did": _did,
    "repeated": _repeated,
    "declined": "{node} declined order {order}: {reason}",
    "failed": "{node} cannot serve order {order} now: {reason}",
    "turned_back": "order {order} turns back: {reason}",
    "told": "{node} tells of order {order}: {event}",
    "stuck": "order {order} is stuck and needs an operator: {reason}",
    "operated": "an operator lets order {order} go on: {action}",
    "ended": "order {order} is over: {status}",
}

CRASH_POINTS: dict[str, str] = {
    "before-effect-saved": "a service knows what a step comes to, and has not done it",
    "effect-saved": "the step is done and remembered, and nobody has been told",
    "before-saga-logged": "the orchestrator knows what comes next, and its log does not",
    "saga-logged": "the next step is logged, and nobody has been asked for it",
    "step-sent": "a service has been asked for a step",
    "before-event-sent": "choreographed: an event is about to be sent to the log",
    "event-sent": "choreographed: an event was sent, and the log has not said that it has it",
    "event-in-log": "choreographed: the log has an event, and has told nobody",
}


def role_in_note(note: Mapping[str, Any]) -> RoleChange | None:
    """A node has one role for good, by its place in the list."""
    if note.get("kind") != "started":
        return None
    number = str(note.get("node", ""))[1:]
    place = int(number) if number.isdecimal() else len(ROLES)
    return RoleChange(ROLES[min(place, len(ROLES)) - 1])


# Who has an order next when this was told of it, and for which step; whether it is undone there.
_NEXT: Mapping[str, tuple[str, str, bool]] = {
    "order_placed": ("n2", "reserve", False),
    "stock_reserved": ("n3", "charge", False),
    "payment_charged": ("n4", "ship", False),
    "shipment_booked": ("n2", "confirm", False),
    "shipment_declined": ("n3", "charge", True),
    "payment_declined": ("n2", "reserve", True),
    "payment_refunded": ("n2", "reserve", True),
}
_PLACES = {"reserve": "n2", "charge": "n3", "ship": "n4", "confirm": "n2"}


def spans_in_note(note: Mapping[str, Any]) -> Sequence[SpanChange]:
    """The step that an order is at, as a bar at the service whose turn it is."""
    kind, order = str(note.get("kind")), str(note.get("order", ""))
    if kind in ("ended", "stuck"):
        return (SpanChange(order),)
    if kind == "step":
        step = str(note.get("step"))
        return (_bar(order, _PLACES.get(step, ""), step, back=bool(note.get("undone"))),)
    if kind == "told" and str(note.get("event")) in _NEXT:
        node, step, back = _NEXT[str(note.get("event"))]
        # The event is in an outbox or the log: it outlives whoever told of it.
        return (replace(_bar(order, node, step, back=back), durable=True),)
    return ()


def _bar(order: str, node: str, step: str, *, back: bool) -> SpanChange:
    label = f"undo {step} {order}" if back else f"{step} {order}"
    return SpanChange(order, label, "undo" if back else "work", node)


LAB = Lab(
    id="saga",
    title="Sagas: done, or undone",
    summary="an order as a chain of local transactions, orchestrated or choreographed: outbox, "
    "inbox, idempotency keys, compensation",
    order=90,
    protos=("protos.saga_pb2",),
    core="nodes.cores.saga:OrderSaga",
    nodes_default=4,
    nodes_min=4,
    nodes_max=4,
    settings=SETTINGS,
    validate=validate,
    roles=ROLES,
    lagging=lagging,
    wait_unit_ms=lambda settings: max(
        int(settings[name]) for name in ("call_timeout_ms", "backoff_ms_max", "poll_ms")
    ),
    view_columns=(
        Column("has", has),
        Column("gave", gave),
        Column("again", shown("repetitions")),
        Column("outbox", shown("outbox")),
        Column("read", read_so_far),
    ),
    sentences=SENTENCES,
    quiet_kinds=frozenset({"step", "repeated", "told"}),
    role_in_note=role_in_note,
    spans_in_note=spans_in_note,
    crash_points=CRASH_POINTS,
    picture=saga_status,
    client="labs.saga.client:SagaClient",
    client_verbs=(
        "order-place",
        "order-status",
        "order-list",
        "order-retry",
        "order-skip",
        "order-compensate",
    ),
    outcome_text=outcome_text,
    readme="labs/saga/README.md",
)
