"""Sagas are not isolated: updates that are lost, goods that are refused although they come back,
and what it costs to lock them meanwhile."""

from __future__ import annotations

import asyncio

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_overlap
from labs.kit.lab import Setting
from labs.saga.experiments.tools import (
    ORCHESTRATOR,
    PAYMENT,
    STOCK,
    Customer,
    books_of,
    ended,
    new_order,
    percent,
    require_answers,
    saga_experiment,
    view_of,
)
from nodes.cluster import fault_kinds as kinds
from protos import saga_pb2 as pb

ALL = 20  # goods of each item
TOO_MUCH = 1_000_000  # money that nobody has
WAYS = (
    Variant("absolute", {"updates": "absolute", "semantic_locks": "off"}, invariants=False),
    Variant("commutative", {"updates": "commutative", "semantic_locks": "off"}),
    Variant("locks", {"updates": "absolute", "semantic_locks": "on"}),
)
_WAY = {
    "absolute": "a compensation restores what was there before",
    "commutative": "a compensation adds what was taken",
    "locks": "a compensation restores what was there before, under a semantic lock",
}


async def interleave(trial: Trial) -> None:
    """Two orders for the same goods at once, the first of which turns back, again and again; then
    many good ones for the same goods."""
    await _slow_payment(trial)
    trial.phase("during")
    rounds = trial.number_of("rounds")
    wrong = made = in_vain = 0
    for number in range(rounds):
        off = await _overwritten(trial, number)
        wrong, made = wrong + (off != 0), made + max(0, off)
        in_vain += await _refused_in_vain(trial, number)
    trial.measure_variant("updates_lost", percent(wrong, rounds))
    trial.measure_variant("goods_from_nothing", made)
    trial.measure_variant("refused_in_vain", percent(in_vain, rounds))
    await _hot_item(trial)
    trial.end_phase()
    await trial.heal()
    require_overlap(trial, "during")
    require_answers(trial)


async def _slow_payment(trial: Trial) -> None:
    delay_ms = round(trial.number_of("delay_ms") * trial.slowness)
    await trial.inject(kinds.Delay(ORCHESTRATOR, PAYMENT, delay_ms))


async def _overwritten(trial: Trial, number: int) -> int:
    """A customer without money reserves, another reserves and buys, the first one's goods go back.
    Returns how many books there are too many then."""
    before = (await books_of(trial)).goods_off["book"]
    one = new_order(f"poor-{number}", quantity=2, price=TOO_MUCH)
    other = new_order(f"rich-{number}", customer="bob", quantity=1, price=1)
    await _at_once(trial, one, other)
    return (await books_of(trial)).goods_off["book"] - before


async def _refused_in_vain(trial: Trial, number: int) -> bool:
    """A customer without money reserves all lamps that there are, another wants one. Returns
    whether that one was refused, although nobody bought the lamps."""
    on_sale = (await view_of(trial, STOCK)).stock["lamp"]
    one = new_order(f"greedy-{number}", item="lamp", quantity=on_sale, price=TOO_MUCH)
    other = new_order(f"modest-{number}", item="lamp", customer="bob", price=1)
    saga = await _at_once(trial, one, other)
    return saga.status == pb.COMPENSATED


async def _at_once(trial: Trial, one: pb.Order, other: pb.Order) -> pb.Saga:
    """The other order comes while the first one has its goods and no answer about the money.
    Returns how the other ended; the first one turns back."""
    await Customer(trial).insist(one)

    async def reserved() -> bool:
        view = await view_of(trial, STOCK)
        return view.reservations.get(one.id) == "pending"

    await trial.cluster.until(f"{one.id} has its goods", reserved, within_ms=10 * trial.timeout_ms)
    await Customer(trial).insist(other)
    first, second = await ended(trial, one.id), await ended(trial, other.id)
    trial.evidence.require(first.status == pb.COMPENSATED, f"{one.id} did not turn back")
    return second


async def _hot_item(trial: Trial) -> None:
    """So many orders for pens at once that can all be carried out."""
    count = trial.number_of("hot_orders")
    began_ms = trial.now_ms()

    async def buy(number: int) -> tuple[pb.Saga, float]:
        order = new_order(f"hot-{number}", item="pen", customer="carol", price=1)
        saga = await Customer(trial).insist(order, wait=True)
        return saga, trial.now_ms() - began_ms

    bought = await asyncio.gather(*map(buy, range(count)))
    done_ms = [took_ms for saga, took_ms in bought if saga.status == pb.COMPLETED]
    trial.measure_variant("hot_completed", percent(len(done_ms), count))
    trial.measure_variant("hot_order_ms", *done_ms)
    trial.measure_variant("hot_per_s", 1000 * len(done_ms) / (trial.now_ms() - began_ms))


def _of_way(name: str) -> tuple[Measurement, ...]:
    words = _WAY[name]
    return (
        Measurement(
            f"updates_lost_{name}",
            "%",
            f"of compensations overwrote what another order had done: {words}",
            "mean",
        ),
        Measurement(f"goods_from_nothing_{name}", "goods", f"sold and still there: {words}", "sum"),
        Measurement(
            f"refused_in_vain_{name}",
            "%",
            f"of orders were declined for goods that came back: {words}",
            "mean",
        ),
        Measurement(f"hot_completed_{name}", "%", f"of orders for one item: {words}", "mean"),
        Measurement(f"hot_order_ms_{name}", "ms", f"until such an order was over: {words}"),
        Measurement(f"hot_per_s_{name}", "orders/s", f"for one item: {words}"),
    )


ISOLATION_ANOMALIES = saga_experiment(
    id="isolation-anomalies",
    title="What other orders see",
    question="An order turns back while others want the same goods: what is lost, who is refused "
    "in vain, and what does a semantic lock cost?",
    trial=interleave,
    faults=("delay",),
    params={
        "opening_stock": ALL,
        "attempts_max": 200,
        "call_timeout_ms": 2000,
        "backoff_ms": 20,
        "backoff_ms_max": 100,
    },
    settings=(
        Setting("rounds", 5, "of two orders at once, of each kind", minimum=1, maximum=10),
        Setting("hot_orders", 8, "for one item at the same time", minimum=2, maximum=ALL),
        Setting("delay_ms", 60, "to the payment service, one way", minimum=10, maximum=500),
    ),
    short={"rounds": 3, "hot_orders": 5},
    variants=WAYS,
    trials_sim=5,
    trials_real=1,
    measurements=tuple(one for variant in WAYS for one in _of_way(variant.name)),
    expectations=(
        Expectation(
            "restoring-loses-updates",
            "a compensation that restores what was there before undoes what others did meanwhile: "
            "goods that were sold are on sale again, every time",
            lambda m: (
                m.value("updates_lost_absolute") == 100
                and m.value("goods_from_nothing_absolute") > 0
            ),
            ("updates_lost_absolute", "goods_from_nothing_absolute"),
        ),
        Expectation(
            "commutative-loses-none",
            "one that adds what was taken loses nothing, in whichever order they come",
            lambda m: m.value("updates_lost_commutative") == 0,
            ("updates_lost_commutative",),
        ),
        Expectation(
            "dirty-reads-remain",
            "without a semantic lock orders are declined for goods that come back, with either "
            "kind of compensation",
            lambda m: (
                m.value("refused_in_vain_absolute") == 100
                and m.value("refused_in_vain_commutative") == 100
            ),
            ("refused_in_vain_absolute", "refused_in_vain_commutative"),
        ),
        Expectation(
            "a-semantic-lock-helps",
            "with a semantic lock no update is lost and nobody is refused in vain",
            lambda m: m.value("updates_lost_locks") == m.value("refused_in_vain_locks") == 0,
            ("updates_lost_locks", "refused_in_vain_locks"),
        ),
        Expectation(
            "at-the-price-of-waiting",
            "its price: orders for the same item come one after the other",
            lambda m: (
                m.value("hot_order_ms_locks") > 2 * m.value("hot_order_ms_commutative")
                and m.value("hot_per_s_locks") < m.value("hot_per_s_commutative") / 2
            ),
            ("hot_order_ms_locks", "hot_order_ms_commutative"),
        ),
    ),
)

EXPERIMENTS = (ISOLATION_ANOMALIES,)
