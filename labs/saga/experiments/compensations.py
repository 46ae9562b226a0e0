"""A compensation that does not come about: it is tried again, or it is an operator's."""

from __future__ import annotations

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.lab import Setting
from labs.saga.experiments.tools import (
    PAYMENT,
    SHIPPING,
    STOCK,
    Customer,
    are,
    books_of,
    died,
    ended,
    is_over,
    new_order,
    operator,
    require_answers,
    saga_experiment,
    seen,
    to_its_end,
)
from nodes.cluster import fault_kinds as kinds
from protos import saga_pb2 as pb

OUTAGES = (
    Variant("short_outage", {"attempts_max": 30}),
    Variant("retry", {"attempts_max": 3}),
    Variant("skip", {"attempts_max": 3}, short_real=False),
)
_OUTAGE = {
    "short_outage": "payment is back while it is still being asked",
    "retry": "an operator lets the order try again",
    "skip": "an operator gives the money back by other means",
}


async def lose_the_refund(trial: Trial) -> None:
    """The van is full, so that the money has to go back; and the payment service dies over it."""
    customer, order = Customer(trial), new_order("o1")
    trial.phase("during")
    await trial.inject(kinds.CrashAt((PAYMENT,), "before-effect-saved", after=1))
    placed_ms = trial.now_ms()
    await customer.insist(order)
    if not await died(trial, PAYMENT):
        trial.end_phase()
        return
    stuck_after_ms, early = await _watch(trial, order.id, placed_ms)
    books = await _stock_and_shipping(trial)
    trial.evidence.require(books == ("pending", ""), f"stock and shipping are at {books}")
    trial.measure_variant("stuck", 100 * (stuck_after_ms is not None))
    trial.measure_variant("reported_early", early)
    if stuck_after_ms is not None:
        trial.measure_variant("stuck_after_ms", stuck_after_ms)
    await trial.heal()
    trial.phase("after")
    back_ms = trial.now_ms()
    if trial.variant != "short_outage":
        back_ms = await _operate(trial, order.id)
    # The first retry may come before the connections are back.
    saga = await (to_its_end if trial.variant == "retry" else ended)(trial, order.id)
    trial.measure_variant("end_ms", trial.now_ms() - back_ms)
    trial.end_phase()
    final = await books_of(trial)
    trial.measure_variant("compensated", 100 * (saga.status == pb.COMPENSATED))
    trial.measure_variant("goods_back", 100 * (final.states(order.id)[0] == "released"))
    trial.measure_variant("money_back", 100 * (final.payment.taken == 0))
    trial.measure_variant("named_as_skipped", 100 * (list(saga.skipped) == [pb.CHARGE]))
    require_answers(trial)


async def _watch(trial: Trial, order: str, placed_ms: float) -> tuple[float | None, int]:
    """While payment is down: after how long the order was stuck, None if it never was; and how
    often it was said to be over."""
    died_ms, early = trial.now_ms(), 0
    stuck_after_ms: float | None = None
    longest_ms = trial.number_of("down_ms")
    if trial.variant != "short_outage":
        longest_ms = max(longest_ms, 20 * trial.timeout_ms)
    while (down_ms := trial.now_ms() - died_ms) < longest_ms:
        saga = await seen(trial, order)
        early += is_over(saga)
        if saga.status == pb.STUCK and stuck_after_ms is None:
            stuck_after_ms = trial.now_ms() - placed_ms
        if stuck_after_ms is not None and down_ms >= trial.number_of("down_ms"):
            break
        await trial.sleep(20)
    return stuck_after_ms, early


async def _stock_and_shipping(trial: Trial) -> tuple[str, str]:
    """What the two services that are up hold of the order: compensations go backwards, so that the
    goods wait for the money."""
    stock, shipping = [await trial.cluster.view(node) for node in (STOCK, SHIPPING)]
    assert isinstance(stock, pb.SagaView)
    assert isinstance(shipping, pb.SagaView)
    return stock.reservations.get("o1", ""), shipping.shipments.get("o1", "")


async def _operate(trial: Trial, order: str) -> float:
    """The service is back and nothing goes on by itself; then the operator acts, at this moment."""
    await trial.sleep(3 * trial.timeout_ms)
    saga = await seen(trial, order)
    trial.measure_variant("waits_for_operator", 100 * (saga.status == pb.STUCK))
    acted_ms = trial.now_ms()
    retry = trial.variant == "retry"
    await operator(trial, order, pb.OperateRequest.RETRY if retry else pb.OperateRequest.SKIP)
    return acted_ms


def _of_outage(name: str) -> tuple[Measurement, ...]:
    words = _OUTAGE[name]
    common = (
        Measurement(f"stuck_{name}", "%", f"of orders went to the dead letters: {words}", "mean"),
        Measurement(
            f"reported_early_{name}", "answers", f"that it is over, before it was: {words}", "sum"
        ),
        Measurement(f"end_ms_{name}", "ms", f"from then to the end of the order: {words}"),
        Measurement(f"compensated_{name}", "%", f"of orders ended compensated: {words}", "mean"),
        Measurement(f"goods_back_{name}", "%", f"of orders whose goods are back: {words}", "mean"),
        Measurement(f"money_back_{name}", "%", f"of orders whose money is back: {words}", "mean"),
        Measurement(
            f"named_as_skipped_{name}",
            "%",
            f"of orders whose log says what an operator has seen to: {words}",
            "mean",
        ),
    )
    if name == "short_outage":
        return common
    return (
        *common,
        Measurement(f"stuck_after_ms_{name}", "ms", f"until an operator is called: {words}"),
        Measurement(
            f"waits_for_operator_{name}",
            "%",
            f"of orders still wait when the service is back: {words}",
            "mean",
        ),
    )


COMPENSATION_FAILS = saga_experiment(
    id="compensation-fails",
    title="Money that cannot be given back",
    question="An order turns back, and the service that has to refund is down: what becomes of it?",
    trial=lose_the_refund,
    faults=("crash-at",),
    params={"opening_capacity": 0, "backoff_ms_max": 500},
    settings=(Setting("down_ms", 3000, "how long payment is down at least", maximum=600_000),),
    variants=OUTAGES,
    trials_sim=10,
    measurements=tuple(one for variant in OUTAGES for one in _of_outage(variant.name)),
    expectations=(
        Expectation(
            "back-by-itself",
            "as long as it is asked again, an order whose service is back ends by itself",
            lambda m: (
                m.value("compensated_short_outage") == 100 and m.value("stuck_short_outage") == 0
            ),
            ("compensated_short_outage", "stuck_short_outage"),
        ),
        Expectation(
            "stuck-is-shown",
            "when the attempts are used up the order is stuck and waits for an operator, even "
            "when the service is back",
            lambda m: m.value("stuck_retry") == 100 and m.value("waits_for_operator_retry") == 100,
            ("stuck_retry", "waits_for_operator_retry"),
        ),
        *(
            Expectation(
                f"never-silently-compensated-{name.replace('_', '-')}",
                f"no order is reported as compensated before it is: {_OUTAGE[name]}",
                are(0, f"reported_early_{name}"),
                (f"reported_early_{name}",),
            )
            for name in _OUTAGE
        ),
        Expectation(
            "a-retry-ends-it",
            "the operator's retry brings it to its end: money and goods are back",
            lambda m: (
                m.value("compensated_retry") == m.value("money_back_retry") == 100
                and m.value("goods_back_retry") == 100
            ),
            ("compensated_retry", "money_back_retry", "goods_back_retry"),
        ),
        Expectation(
            "a-skip-is-on-record",
            "the operator's skip goes on without the money, and the log says which step it was",
            lambda m: (
                m.value("compensated_skip") == m.value("named_as_skipped_skip") == 100
                and m.value("money_back_skip") == 0
            ),
            ("compensated_skip", "named_as_skipped_skip", "money_back_skip"),
        ),
    ),
)

EXPERIMENTS = (COMPENSATION_FAILS,)
