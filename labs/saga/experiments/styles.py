"""One node that says what comes next, or services that hear of each other's events."""

from __future__ import annotations

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.acting import carried
from labs.kit.experiment.evidence import require_overlap
from labs.kit.lab import Setting
from labs.saga.experiments.tools import (
    SHIPPING,
    Customer,
    are,
    books_of,
    is_over,
    new_order,
    percent,
    require_answers,
    saga_experiment,
    seen,
    to_its_end,
)
from nodes.cluster import fault_kinds as kinds
from protos import saga_pb2 as pb

STYLES = (
    Variant("orchestrated", {"style": "orchestrated", "attempts_max": 30}),
    Variant("impatient", {"style": "orchestrated", "attempts_max": 3, "backoff_ms_max": 200}),
    Variant("choreographed", {"style": "choreographed"}),
)
_STYLE = {
    "orchestrated": "orchestrated, with patience",
    "impatient": "orchestrated, three attempts",
    "choreographed": "choreographed",
}
MARGIN_MS = 100  # in which a node has written down what it did
STEP_MESSAGES, STEPS = 2, 4  # a request and a response for each step of an order


async def lose_a_service(trial: Trial) -> None:
    """Orders one after the other; then the last service before the end is down, and orders come in
    all the same."""
    customer = Customer(trial)
    trial.phase("before")
    calm = trial.number_of("orders")
    await trial.sleep(MARGIN_MS * trial.slowness)
    for number in range(calm):
        began_ms = trial.now_ms()
        saga = await customer.insist(new_order(f"calm-{number}"), wait=True)
        trial.evidence.require(saga.status == pb.COMPLETED, "an order failed before the fault")
        trial.measure_variant("order_ms", trial.now_ms() - began_ms)
    await trial.sleep(MARGIN_MS * trial.slowness)
    trial.phase("during")
    await trial.inject(kinds.Kill((SHIPPING,)))
    names = [f"late-{number}" for number in range(calm)]
    answers = [await customer.place(new_order(name), wait=False) for name in names]
    trial.measure_variant("accepted", percent(sum(one is not None for one in answers), calm))
    await trial.sleep(trial.number_of("down_ms"))
    sagas = [await seen(trial, name) for name in names]
    trial.evidence.require(not any(map(is_over, sagas)), "an order ended without its shipment")
    trial.measure_variant("stuck", percent(sum(one.status == pb.STUCK for one in sagas), calm))
    trial.measure_variant("says_why", percent(sum(map(_says_where, sagas)), calm))
    await trial.heal()
    trial.phase("after")
    back_ms = trial.now_ms()
    ends = [(await to_its_end(trial, name)).status for name in names]
    trial.measure_variant("over_after_return_ms", trial.now_ms() - back_ms)
    trial.end_phase()
    trial.measure_variant("carried_out", percent(ends.count(pb.COMPLETED), calm))
    trial.measure_variant("undone", percent(ends.count(pb.COMPENSATED), calm))
    books = await books_of(trial)
    trial.measure_variant("half_done", sum(not books.whole(name) for name in names))
    require_overlap(trial, "during")
    require_answers(trial)


def _says_where(saga: pb.Saga) -> bool:
    """Whoever asks is told which step it hangs on."""
    return saga.step == pb.SHIP and (saga.attempts > 0 or bool(saga.reason))


def analyse_messages(trial: Trial) -> None:
    """What nodes sent each other before the fault."""
    before, nodes = trial.in_phase("before"), set(trial.cluster.nodes)
    until_ms = before.until_ms or before.from_ms
    sent = [
        one
        for one in carried(trial.events, before.from_ms, until_ms)
        if one.source in nodes and one.target in nodes
    ]
    orders = trial.number_of("orders")
    polls = sum(one.rpc == "Poll" for one in sent)
    trial.evidence.require(len(sent) > polls, "no message was sent before the fault")
    trial.measure_variant("messages_per_order", (len(sent) - polls) / orders)
    trial.measure_variant("polls_per_s", 1000 * polls / before.took_ms)


def _of_style(name: str) -> tuple[Measurement, ...]:
    words = _STYLE[name]
    return (
        Measurement(f"order_ms_{name}", "ms", f"from an order to its end: {words}"),
        Measurement(
            f"messages_per_order_{name}", "messages", f"that an order takes, without polls: {words}"
        ),
        Measurement(f"polls_per_s_{name}", "messages/s", f"to look for new events: {words}"),
        Measurement(f"accepted_{name}", "%", f"of orders, with shipping down: {words}", "mean"),
        Measurement(
            f"stuck_{name}", "%", f"of these need an operator, before it is back: {words}", "mean"
        ),
        Measurement(
            f"says_why_{name}",
            "%",
            f"of these for which the shop can say what they wait for: {words}",
            "mean",
        ),
        Measurement(f"carried_out_{name}", "%", f"of these in the end: {words}", "mean"),
        Measurement(f"undone_{name}", "%", f"of these in the end: {words}", "mean"),
        Measurement(
            f"over_after_return_ms_{name}", "ms", f"from the return until all are over: {words}"
        ),
        Measurement(f"half_done_{name}", "orders", f"in the end: {words}", "sum"),
    )


STYLES_COMPARED = saga_experiment(
    id="orchestration-vs-choreography",
    title="A conductor, or none",
    question="What does an order cost in messages and time when one node drives it and when "
    "services follow events, and what happens while a service is down?",
    trial=lose_a_service,
    analyse=analyse_messages,
    faults=("kill",),
    # No multiple of the time between two polls: what is looked for at the same moment as it is sent
    # is sent twice.
    params={"backoff_ms_max": 500, "call_timeout_ms": 350},
    settings=(
        Setting("orders", 10, "before the fault and during it", minimum=1, maximum=45),
        Setting("down_ms", 4000, "how long shipping is down", minimum=1000, maximum=600_000),
    ),
    short={"orders": 5},
    variants=STYLES,
    trials_sim=5,
    trials_real=2,
    measurements=tuple(one for variant in STYLES for one in _of_style(variant.name)),
    expectations=(
        Expectation(
            "two-messages-a-step",
            "orchestrated, an order takes a request and a response for each of its four steps",
            lambda m: m.value("messages_per_order_orchestrated") == STEP_MESSAGES * STEPS,
            ("messages_per_order_orchestrated",),
        ),
        Expectation(
            "no-fewer-messages",
            "choreographed, no fewer: each step's event goes to the log; and whoever looks for "
            "events polls all the time",
            lambda m: (
                m.value("messages_per_order_choreographed")
                >= m.value("messages_per_order_orchestrated")
                and m.value("polls_per_s_choreographed") > 0
                and m.value("polls_per_s_orchestrated") == 0
            ),
            (
                "messages_per_order_choreographed",
                "messages_per_order_orchestrated",
                "polls_per_s_choreographed",
            ),
        ),
        Expectation(
            "events-take-longer",
            "each event waits until it is looked for: an order takes longer than with calls",
            lambda m: m.value("order_ms_choreographed") > m.value("order_ms_orchestrated"),
            ("order_ms_choreographed", "order_ms_orchestrated"),
        ),
        Expectation(
            "events-wait",
            "in a choreography orders wait for a service that is down, for as long as it takes, "
            "and are carried out when it is back",
            lambda m: (
                m.value("carried_out_choreographed") == m.value("accepted_choreographed") == 100
            ),
            ("carried_out_choreographed", "accepted_choreographed"),
        ),
        Expectation(
            "nobody-knows",
            "an orchestrator says which step an order waits for; in a choreography nobody can",
            lambda m: (
                m.value("says_why_orchestrated") == 100 and m.value("says_why_choreographed") == 0
            ),
            ("says_why_orchestrated", "says_why_choreographed"),
        ),
        Expectation(
            "an-orchestrator-may-turn-back",
            "an orchestrator whose patience ends turns back; what may have been done cannot be "
            "undone while the service is down, so that an operator is called; and all is undone",
            lambda m: m.value("stuck_impatient") == m.value("undone_impatient") == 100,
            ("stuck_impatient", "undone_impatient"),
        ),
        *(
            Expectation(
                f"nothing-half-done-{name}",
                f"no order is half done in the end: {_STYLE[name]}",
                are(0, f"half_done_{name}"),
                (f"half_done_{name}",),
            )
            for name in _STYLE
        ),
    ),
)

EXPERIMENTS = (STYLES_COMPARED,)
