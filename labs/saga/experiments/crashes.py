"""Crashes at every named point of an order (Garcia-Molina and Salem 1987, 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.lab import Setting
from labs.saga.experiments.tools import (
    ORCHESTRATOR,
    PAYMENT,
    SHIPPING,
    STOCK,
    Customer,
    are,
    books_of,
    died,
    ended,
    new_order,
    quiet,
    require_answers,
    saga_experiment,
    to_its_end,
)
from labs.saga.lab import CRASH_POINTS
from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId
from protos import saga_pb2 as pb

# ------------------------------------------------------------------------------------ crash-matrix

PRICE, TOO_MUCH = 5, 1_000_000
PATIENT, IMPATIENT = 30, 1  # attempts: more than a restart takes, and fewer


@dataclass(frozen=True, slots=True)
class Kind:
    """Orders of one kind, how they must end, and how often each node passes each point on the way:
    at every pass it dies once."""

    style: str
    price: int
    ends: tuple[pb.Status, ...]
    passes: dict[tuple[NodeId, str], int]
    attempts: int = PATIENT


def _passes(points: tuple[str, ...], counts: dict[NodeId, int]) -> dict[tuple[NodeId, str], int]:
    return {(node, point): count for node, count in counts.items() for point in points}


LOG = ("before-saga-logged", "saga-logged")
EFFECT = ("before-effect-saved", "effect-saved")
EVENT = ("before-event-sent", "event-sent")
DONE, UNDONE = (pb.COMPLETED,), (pb.COMPENSATED,)
ALL_STEPS = (
    _passes(LOG, {ORCHESTRATOR: 5})
    | _passes(("step-sent",), {ORCHESTRATOR: 4})
    | _passes(EFFECT, {STOCK: 2, PAYMENT: 1, SHIPPING: 1})
)
KINDS = {
    "orchestrated": Kind("orchestrated", PRICE, DONE, ALL_STEPS),
    # Declined by the payment service, so that the goods go back.
    "orchestrated_declined": Kind(
        "orchestrated",
        TOO_MUCH,
        UNDONE,
        _passes(LOG, {ORCHESTRATOR: 4})
        | _passes(("step-sent",), {ORCHESTRATOR: 3})
        | _passes(EFFECT, {STOCK: 2, PAYMENT: 1}),
    ),
    # A service that does not answer is given up at once: what it did is not known.
    "impatient": Kind(
        "orchestrated",
        PRICE,
        UNDONE,
        _passes(EFFECT, {PAYMENT: 1, SHIPPING: 1}),
        attempts=IMPATIENT,
    ),
    "choreographed": Kind(
        "choreographed",
        PRICE,
        DONE,
        _passes((*EFFECT, *EVENT), {ORCHESTRATOR: 1, STOCK: 2, PAYMENT: 1, SHIPPING: 1})
        | _passes(("event-in-log",), {ORCHESTRATOR: 5}),
    ),
    "choreographed_declined": Kind(
        "choreographed",
        TOO_MUCH,
        UNDONE,
        _passes((*EFFECT, *EVENT), {ORCHESTRATOR: 1, STOCK: 2, PAYMENT: 1})
        | _passes(("event-in-log",), {ORCHESTRATOR: 4}),
    ),
}
_KIND = {
    "orchestrated": "orchestrated, an order that can be carried out",
    "orchestrated_declined": "orchestrated, an order that payment declines",
    "impatient": "orchestrated, the service gone for longer than it is waited for",
    "choreographed": "choreographed, an order that can be carried out",
    "choreographed_declined": "choreographed, an order that payment declines",
}
MATRIX = tuple(
    Variant(name, {"style": kind.style, "attempts_max": kind.attempts})
    for name, kind in KINDS.items()
)


async def crash_everywhere(trial: Trial) -> None:
    """For each node, point and pass: one order, the node dead there, and then up again."""
    kind, count = KINDS[trial.variant], 0
    deepest = trial.number_of("passes") or max(kind.passes.values())
    for (node, point), passes in kind.passes.items():
        for after in range(min(passes, deepest)):
            count += 1
            await _die_once(trial, kind, f"o{count}", node, point, after)
    trial.measure_variant("crashes", count)
    books = await books_of(trial)
    trial.measure_variant("half_done", sum(not books.whole(f"o{one + 1}") for one in range(count)))
    trial.measure_variant("books_off", 0 if books.balanced else 1)


async def _die_once(
    trial: Trial, kind: Kind, name: str, node: NodeId, point: str, after: int
) -> None:
    customer, order = Customer(trial), new_order(name, price=kind.price)
    trial.phase("during")
    await trial.inject(kinds.CrashAt((node,), point, after))
    # Whoever dies right away does not answer; the same order is asked for again below.
    await customer.place(order, wait=False, timeout_ms=4 * trial.timeout_ms)
    if await died(trial, node):
        await trial.sleep(trial.number_of("down_ms"))
    await trial.heal()
    trial.phase("after")
    back_ms = trial.now_ms()
    await customer.insist(order)
    # Who is impatient may be stuck before the node is back.
    saga = await (to_its_end if kind.attempts == IMPATIENT else ended)(trial, name)
    took_ms = trial.now_ms() - back_ms
    trial.end_phase()
    await quiet(trial)  # or the next crash is over an event of this order
    as_expected = 100 * (saga.status in kind.ends)
    trial.measure_variant("as_expected", as_expected)
    trial.measure_variant("recovery_ms", took_ms)
    where = point.replace("-", "_")
    trial.measure(f"as_expected_at_{where}", as_expected)
    trial.measure(f"recovery_ms_at_{where}", took_ms)
    require_answers(trial)


def _of_kind(name: str) -> tuple[Measurement, ...]:
    words = _KIND[name]
    return (
        Measurement(f"crashes_{name}", "crashes", f"in a trial: {words}"),
        Measurement(f"as_expected_{name}", "%", f"of orders ended as they must: {words}", "mean"),
        Measurement(f"recovery_ms_{name}", "ms", f"from the restart to the end: {words}", "max"),
        Measurement(f"half_done_{name}", "orders", f"not whole in the end: {words}", "sum"),
        Measurement(f"books_off_{name}", "trials", f"whose books do not add up: {words}", "sum"),
    )


def _at_point(point: str) -> tuple[Measurement, ...]:
    name = point.replace("-", "_")
    return (
        Measurement(
            f"as_expected_at_{name}", "%", f"of orders end so: {CRASH_POINTS[point]}", "mean"
        ),
        Measurement(
            f"recovery_ms_at_{name}", "ms", f"until they end: {CRASH_POINTS[point]}", "max"
        ),
    )


CRASH_MATRIX = saga_experiment(
    id="crash-matrix",
    title="A crash at every point",
    question="The orchestrator or a service dies at any point of an order: how does the order end?",
    trial=crash_everywhere,
    faults=("crash-at",),
    params={"opening_stock": 1000, "opening_balance": 10_000},
    settings=(
        Setting("down_ms", 400, "how long the node is down", minimum=0, maximum=600_000),
        Setting("passes", 0, "of each point at most at which a node dies; 0: all"),
    ),
    short={"passes": 1},
    variants=MATRIX,
    trials_sim=2,
    trials_real=1,
    measurements=(
        *(one for name in KINDS for one in _of_kind(name)),
        *(one for point in CRASH_POINTS for one in _at_point(point)),
    ),
    expectations=(
        Expectation(
            "carried-out-all-the-same",
            "an order that can be carried out is, wherever a node dies and comes back in time",
            lambda m: all(
                m.value(f"as_expected_{style}") == 100
                for style in ("orchestrated", "choreographed")
            ),
            ("as_expected_orchestrated", "as_expected_choreographed"),
        ),
        *(
            Expectation(
                f"{name.replace('_', '-')}-is-undone",
                f"everything is undone, wherever a node dies: {_KIND[name]}",
                are(100, f"as_expected_{name}"),
                (f"as_expected_{name}",),
            )
            for name in ("orchestrated_declined", "impatient", "choreographed_declined")
        ),
        *(
            Expectation(
                f"{name.replace('_', '-')}-adds-up",
                f"no order is half done, no effect happens twice: {_KIND[name]}",
                are(0, f"half_done_{name}", f"books_off_{name}"),
                (f"half_done_{name}", f"books_off_{name}"),
            )
            for name in KINDS
        ),
    ),
)

EXPERIMENTS = (CRASH_MATRIX,)
