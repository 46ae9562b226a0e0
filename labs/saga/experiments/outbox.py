"""An effect and the event that tells of it are two things in two places: what a crash between them
does, with an outbox and without, and what an inbox is for."""

from __future__ import annotations

from dataclasses import dataclass

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.lab import Setting
from labs.saga.experiments.tools import (
    ORCHESTRATOR,
    PAYMENT,
    STOCK,
    Books,
    Customer,
    books_of,
    died,
    log_of,
    new_order,
    quiet,
    require_answers,
    saga_experiment,
)
from labs.saga.orders import settled
from nodes.cluster import fault_kinds as kinds
from nodes.cluster.api import Indeterminate, Refused
from nodes.core import NodeId
from protos import saga_pb2 as pb

POINTS = ("before-effect-saved", "effect-saved", "before-event-sent", "event-sent")
EVENTS = {PAYMENT: "payment_charged", STOCK: "stock_reserved"}
ARRIVES_MS = 100  # what was sent right before the crash
SPENDER, MOST_OF_IT = "dave", 600  # of the 1000 that everyone has
PRICE = 1

WRITES = (
    Variant("outbox", {"events": "outbox", "inbox": "on"}),
    Variant(
        "outbox_no_inbox",
        {"events": "outbox", "inbox": "off", "idempotency": "off"},
        invariants=False,
    ),
    Variant("publish_after", {"events": "publish-after"}, invariants=False),
    Variant("publish_before", {"events": "publish-before"}, invariants=False),
)
_WRITE = {
    "outbox": "outbox and inbox",
    "outbox_no_inbox": "outbox, and neither inbox nor keys",
    "publish_after": "the event is sent after the effect",
    "publish_before": "the event is sent before the effect",
}


@dataclass(slots=True)
class Told:
    """Of each order that a service died over: the service, whether its event was in the log when
    it was dead, and whether it found its effect when it came up."""

    order: str
    node: NodeId
    in_log: bool
    durable: bool


async def crash_between(trial: Trial) -> None:
    """One order for each service and point; and one whose customer spends the money elsewhere
    before the payment service hears of it again."""
    told = [
        await _die_once(trial, new_order(f"o{node}-{point}", price=PRICE), node, point)
        for node in list(EVENTS)[: trial.number_of("services")]
        for point in POINTS
    ]
    unpaid = new_order("spent", customer=SPENDER, price=MOST_OF_IT)
    await _die_once(trial, unpaid, PAYMENT, "event-sent", elsewhere=True)
    books, log = await books_of(trial), await log_of(trial)
    names = [event.id for event in log]
    trial.evidence.require(bool(names), "no event came into the log")
    lost = sum(
        _has_effect(books, one.order, one.node) and _event(one.order, one.node) not in names
        for one in told
    )
    trial.measure_variant("crashes", len(told))
    trial.measure_variant("events_lost", lost)
    trial.measure_variant("events_phantom", sum(one.in_log and not one.durable for one in told))
    trial.measure_variant("half_done", sum(not books.whole(one.order) for one in told))
    trial.measure_variant("in_log_again", len(names) - len(set(names)))
    # Goods and places are one for each order, and so is the price.
    off = (sum(books.goods_off.values()), books.money_off, books.places_off)
    trial.measure_variant("effects_twice", -sum(off))
    _, charge, shipment = books.states(unpaid.id)
    trial.measure_variant("shipped_unpaid", 100 * (shipment == "booked" and charge != "charged"))
    if trial.variant.startswith("outbox"):
        trial.evidence.require(len(names) > len(set(names)), "the log has no event twice")
    require_answers(trial)


async def _die_once(
    trial: Trial, order: pb.Order, node: NodeId, point: str, *, elsewhere: bool = False
) -> Told:
    trial.phase("during")
    await trial.inject(kinds.CrashAt((node,), point))
    await Customer(trial).insist(order)
    await died(trial, node)
    await trial.sleep(ARRIVES_MS * trial.slowness)
    in_log = _event(order.id, node) in [event.id for event in await log_of(trial)]
    # It comes up and cannot hear of the order again yet.
    await trial.inject(kinds.Cut(node, ORCHESTRATOR), kinds.Restart((node,)))
    durable = _has_effect(await books_of(trial), order.id, node)
    if elsewhere:
        await _spend_elsewhere(trial, order)
    await trial.heal()
    trial.end_phase()
    await _at_rest(trial, order.id)
    await quiet(trial)  # or the next crash is over an event of this order
    return Told(order.id, node, in_log, durable)


def _event(order: str, node: NodeId) -> str:
    """The name of the event that tells of the service's effect."""
    return f"{order}:{EVENTS[node]}"


def _has_effect(books: Books, order: str, node: NodeId) -> bool:
    """The service did its part, whatever became of it then."""
    goods, money, _ = books.states(order)
    return (goods if node == STOCK else money) not in ("", "refused")


async def _spend_elsewhere(trial: Trial, order: pb.Order) -> None:
    """Another shop takes the customer's money, if it is still there."""
    other = new_order("elsewhere", customer=order.customer, price=order.price)
    request = pb.DoRequest(step=pb.CHARGE, order=other, key="elsewhere:charge:do")
    try:
        await trial.cluster.call(PAYMENT, request, timeout_ms=4 * trial.timeout_ms)
    except (Refused, Indeterminate) as error:
        trial.evidence.require(False, f"the other shop was not served: {error.reason}")


async def _at_rest(trial: Trial, order: str) -> None:
    """Waits for the end of an order as long as it may take; of some there is none."""
    within_ms = round(trial.number_of("wait_ms") * trial.slowness)
    try:
        await settled(trial.cluster, order, within_ms=within_ms)
    except TimeoutError:
        return


def _of_write(name: str) -> tuple[Measurement, ...]:
    words = _WRITE[name]
    return (
        Measurement(f"crashes_{name}", "crashes", f"in a trial: {words}"),
        Measurement(f"events_lost_{name}", "events", f"of effects that happened: {words}", "sum"),
        Measurement(
            f"events_phantom_{name}", "events", f"of effects that had not happened: {words}", "sum"
        ),
        Measurement(f"half_done_{name}", "orders", f"and nobody goes on: {words}", "sum"),
        Measurement(f"in_log_again_{name}", "events", f"that the log had already: {words}", "sum"),
        Measurement(f"effects_twice_{name}", "effects", f"too many: {words}", "sum"),
        Measurement(
            f"shipped_unpaid_{name}",
            "%",
            f"of orders whose customer spent the money meanwhile: {words}",
            "mean",
        ),
    )


OUTBOX = saga_experiment(
    id="outbox-vs-dual-write",
    title="An effect and its event",
    question="A service dies between what it does and the event that tells of it: which events are "
    "lost, and which tell of something that never happened?",
    trial=crash_between,
    faults=("crash-at",),
    # See STYLES_COMPARED for the timeout.
    params={"style": "choreographed", "backoff_ms_max": 300, "call_timeout_ms": 350},
    settings=(
        Setting("services", 2, "that die over it: payment, and stock", minimum=1, maximum=2),
        Setting("wait_ms", 2500, "until an order is given up as half done", minimum=500),
    ),
    short={"services": 1},
    variants=WRITES,
    trials_sim=3,
    trials_real=1,
    measurements=tuple(one for variant in WRITES for one in _of_write(variant.name)),
    expectations=(
        Expectation(
            "an-outbox-loses-nothing",
            "with an outbox no event is lost and none is a phantom, wherever the service dies",
            lambda m: (
                not any(
                    m.value(f"{what}_outbox")
                    for what in ("events_lost", "events_phantom", "half_done")
                )
            ),
            ("events_lost_outbox", "events_phantom_outbox", "half_done_outbox"),
        ),
        Expectation(
            "an-inbox-makes-it-once",
            "the log has some events twice then, and with an inbox every effect happens once",
            lambda m: m.value("in_log_again_outbox") > 0 and m.value("effects_twice_outbox") == 0,
            ("in_log_again_outbox", "effects_twice_outbox"),
        ),
        Expectation(
            "without-inbox-twice",
            "with neither inbox nor keys what comes twice is done twice",
            lambda m: m.value("effects_twice_outbox_no_inbox") > 0,
            ("effects_twice_outbox_no_inbox",),
        ),
        Expectation(
            "published-after-lost",
            "sent after the effect, the event is lost when the service dies between the two: the "
            "order is half done and nobody goes on",
            lambda m: (
                m.value("events_lost_publish_after") > 0
                and m.value("events_phantom_publish_after") == 0
                and m.value("half_done_publish_after") == m.value("events_lost_publish_after")
            ),
            (
                "events_lost_publish_after",
                "events_phantom_publish_after",
                "half_done_publish_after",
            ),
        ),
        Expectation(
            "published-before-phantom",
            "sent before the effect, the event tells of something that has not happened: goods are "
            "shipped that nobody paid for",
            lambda m: (
                m.value("events_phantom_publish_before") > 0
                and m.value("events_lost_publish_before") == 0
                and m.value("shipped_unpaid_publish_before") == 100
            ),
            (
                "events_phantom_publish_before",
                "events_lost_publish_before",
                "shipped_unpaid_publish_before",
            ),
        ),
        Expectation(
            "paid-with-an-outbox",
            "with an outbox nothing is shipped that was not paid for",
            lambda m: m.value("shipped_unpaid_outbox") == 0,
            ("shipped_unpaid_outbox",),
        ),
    ),
)

EXPERIMENTS = (OUTBOX,)
