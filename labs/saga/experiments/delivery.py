"""Requests that come twice, and responses that are lost: what is done twice without keys."""

from __future__ import annotations

from collections.abc import Iterator

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.lab import Setting
from labs.saga.experiments.tools import (
    ORCHESTRATOR,
    books_of,
    done_again,
    effects_in,
    new_order,
    percent,
    require_answers,
    saga_experiment,
    share_out,
)
from nodes.cluster import fault_kinds as kinds
from protos import saga_pb2 as pb

PRICE = 5
CLIENTS = 4
CUSTOMERS = ("alice", "bob", "carol", "dave")
ITEMS = ("book", "lamp", "pen")

KEYS = (
    Variant("with_keys", {"idempotency": "on"}),
    # Effects that happen twice are what the invariants forbid.
    Variant("without_keys", {"idempotency": "off"}, invariants=False),
)
_KEYS = {"with_keys": "with idempotency keys", "without_keys": "without"}


async def order_on_a_bad_network(trial: Trial) -> None:
    """Customers order, while the orchestrator's requests come twice and its responses get lost."""
    percents = trial.number_of("percent")
    trial.phase("during")
    await trial.inject(
        kinds.Lose(percents, nodes=(ORCHESTRATOR,), which="responses"),
        kinds.Duplicate(percents, nodes=(ORCHESTRATOR,)),
    )
    count = trial.number_of("orders")
    sagas = await share_out(trial, _orders(count), clients=CLIENTS)
    await trial.heal()
    trial.end_phase()
    trial.evidence.require(len(sagas) == count, f"only {len(sagas)} of {count} orders came to rest")
    completed = sum(saga.status == pb.COMPLETED for saga in sagas)
    trial.measure_variant("completed", percent(completed, count))
    books = await books_of(trial)
    trial.notes["completed"] = completed
    trial.measure_variant("goods_missing", -sum(books.goods_off.values()))
    trial.measure_variant("money_missing", -books.money_off)
    trial.measure_variant("places_missing", -books.places_off)
    require_answers(trial)


def _orders(count: int) -> Iterator[pb.Order]:
    for number in range(count):
        yield new_order(
            f"o{number + 1}",
            item=ITEMS[number % len(ITEMS)],
            customer=CUSTOMERS[number % len(CUSTOMERS)],
            price=PRICE,
        )


def analyse_repetitions(trial: Trial) -> None:
    """Which steps were done twice, by what the services told."""
    effects = effects_in(trial.events)
    for step in ("reserve", "charge", "ship"):
        trial.measure_variant(f"{step}s_twice", done_again(effects, step))
    # Where nobody knows a repetition it is an effect like the first.
    again = sum(event.kind == "repeated" for event in trial.events)
    again += sum(effects.values()) - len(effects)
    trial.measure_variant("requests_again", again)
    trial.evidence.require(again > 0, "no request came a second time")


def _of_keys(name: str) -> tuple[Measurement, ...]:
    words = _KEYS[name]
    return (
        Measurement(f"completed_{name}", "%", f"of orders were carried out: {words}", "mean"),
        Measurement(
            f"requests_again_{name}", "requests", f"for a step that had been done: {words}", "sum"
        ),
        *(
            Measurement(f"{step}s_twice_{name}", "effects", f"too many: {words}", "sum")
            for step in ("reserve", "charge", "ship")
        ),
        Measurement(f"goods_missing_{name}", "goods", f"that no order has: {words}", "sum"),
        Measurement(f"money_missing_{name}", "money", f"that no order cost: {words}", "sum"),
        Measurement(f"places_missing_{name}", "places", f"that no order has: {words}", "sum"),
    )


DUPLICATES = saga_experiment(
    id="duplicate-and-lost-replies",
    title="Asked twice",
    question="Requests come twice and responses get lost, so that steps are asked for again: who "
    "pays twice?",
    trial=order_on_a_bad_network,
    analyse=analyse_repetitions,
    faults=("lose", "duplicate"),
    params={
        "opening_stock": 10_000,
        "opening_balance": 100_000,
        "opening_capacity": 10_000,
        "attempts_max": 30,
        "backoff_ms": 20,
        "backoff_ms_max": 100,
        "call_timeout_ms": 100,
    },
    params_real={"call_timeout_ms": 300},
    settings=(
        Setting("orders", 60, "that are placed", minimum=1, maximum=100),
        Setting("percent", 20, "of responses are lost, and of requests come twice", minimum=1),
    ),
    short={"orders": 30},
    variants=KEYS,
    trials_sim=3,
    trials_real=1,
    measurements=tuple(one for variant in KEYS for one in _of_keys(variant.name)),
    expectations=(
        Expectation(
            "keys-make-it-once",
            "with idempotency keys no step is done twice, however often it is asked for",
            lambda m: (
                not any(
                    m.value(f"{what}_with_keys")
                    for what in (
                        *("reserves_twice", "charges_twice", "ships_twice"),
                        *("goods_missing", "money_missing", "places_missing"),
                    )
                )
            ),
            ("charges_twice_with_keys", "money_missing_with_keys", "requests_again_with_keys"),
        ),
        Expectation(
            "without-keys-charged-twice",
            "without keys customers are charged twice, and the money missing is what those charges "
            "took",
            lambda m: (
                m.value("charges_twice_without_keys") > 0
                and m.value("money_missing_without_keys")
                == PRICE * m.value("charges_twice_without_keys")
            ),
            ("charges_twice_without_keys", "money_missing_without_keys"),
        ),
        Expectation(
            "nobody-notices",
            "either way every order is carried out, as far as its customer is told",
            lambda m: m.value("completed_with_keys") == m.value("completed_without_keys") == 100,
            ("completed_with_keys", "completed_without_keys"),
        ),
    ),
)

EXPERIMENTS = (DUPLICATES,)
