"""The same order as a saga and as a transaction with two-phase commit, under the same partition."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from labs.commit.bank import Transaction, ask, at_rest, order, resolve
from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_overlap
from labs.kit.lab import Setting
from labs.kit.workloads import Sample, now_ns
from labs.saga.experiments.tools import (
    ORCHESTRATOR,
    PAYMENT,
    SHIPPING,
    STOCK,
    Customer,
    ended,
    new_order,
    percent,
    require_answers,
    saga_experiment,
    view_of,
)
from nodes.cluster import fault_kinds as kinds
from protos import commit_pb2 as commit
from protos import saga_pb2 as pb

# Goods at n2, money at n3 and a place in the van at n4, in both labs.
ITEM, CUSTOMER, PRICE = "lamp", "bob", 1
OPENING = 1000

SYSTEMS = (
    Variant("saga", {"attempts_max": 200, "backoff_ms_max": 300, "opening_balance": OPENING}),
    Variant("two_pc", {"opening_amount": OPENING}, lab="commit"),
)
_SYSTEM = {"saga": "saga", "two_pc": "two-phase commit"}


class Shop(Protocol):
    """One of the two systems, as this experiment uses it."""

    async def buy(self, name: str, *, to_the_end: bool) -> bool:
        """Places an order; returns whether it was accepted, or carried out."""

    async def balance(self) -> tuple[int, bool]:
        """What its customer has, as anyone may read it, and whether it is locked."""

    async def quiet(self) -> None:
        """Waits until nothing is under way. Raises TimeoutError."""

    async def carried_out(self, names: list[str]) -> int:
        """How many of these orders were, once everything has come to rest."""


@dataclass(slots=True)
class SagaShop:
    """Accepted is logged; the rest follows."""

    trial: Trial

    async def buy(self, name: str, *, to_the_end: bool) -> bool:
        """See Shop.buy."""
        wanted = new_order(name, item=ITEM, customer=CUSTOMER, price=PRICE)
        saga = await Customer(self.trial).place(wanted, wait=to_the_end)
        if saga is None:
            return False
        return saga.status == pb.COMPLETED if to_the_end else saga.status != pb.UNKNOWN

    async def balance(self) -> tuple[int, bool]:
        """See Shop.balance."""
        return (await view_of(self.trial, PAYMENT)).accounts[CUSTOMER], False

    async def quiet(self) -> None:
        """See Shop.quiet. Whoever waited for the end of an order has seen all of it."""

    async def carried_out(self, names: list[str]) -> int:
        """See Shop.carried_out."""
        sagas = [await ended(self.trial, name) for name in names]
        return sum(saga.status == pb.COMPLETED for saga in sagas)


@dataclass(slots=True)
class CommitShop:
    """Accepted is committed, everywhere or nowhere."""

    trial: Trial
    transactions: dict[str, Transaction] = field(default_factory=dict)

    async def buy(self, name: str, *, to_the_end: bool) -> bool:
        """See Shop.buy."""
        trial = self.trial
        one = Transaction(name, ORCHESTRATOR, order(ITEM, CUSTOMER, 1, PRICE))
        self.transactions[name] = one
        sample = Sample("order", name, PRICE, now_ns(trial.cluster), node=ORCHESTRATOR)
        trial.scripted.append(sample)
        await ask(trial.cluster, one, 4 * trial.timeout_ms)
        sample.ended_ns, sample.result = now_ns(trial.cluster), one.outcome
        sample.outcome = "info" if one.outcome == commit.UNDECIDED else "ok"
        return one.outcome == commit.COMMITTED

    async def balance(self) -> tuple[int, bool]:
        """See Shop.balance."""
        resource = f"account/{CUSTOMER}"
        view = await self.trial.cluster.view(PAYMENT)
        assert isinstance(view, commit.CommitView), f"{PAYMENT} does not show itself"
        locked = any(lock.resource == resource and lock.holder for lock in view.locks)
        return view.amounts[resource], locked

    async def quiet(self) -> None:
        """See Shop.quiet. The customer is told of a commit before all participants are."""
        cluster, within_ms = self.trial.cluster, 30 * self.trial.timeout_ms
        await cluster.until("no lock is left", lambda: at_rest(cluster), within_ms=within_ms)

    async def carried_out(self, names: list[str]) -> int:
        """See Shop.carried_out."""
        trial, ours = self.trial, [self.transactions[name] for name in names]
        await asyncio.wait_for(
            resolve(trial.cluster, [one for one in ours if one.outcome == commit.UNDECIDED]),
            30 * trial.timeout_ms / 1000,
        )
        await self.quiet()
        return sum(one.outcome == commit.COMMITTED for one in ours)


async def cut_off_shipping(trial: Trial) -> None:
    """Orders one by one; then the shipping service is apart, orders come in at a fixed rate, and
    someone looks at the customer's account all the time."""
    shop: Shop = SagaShop(trial) if trial.variant == "saga" else CommitShop(trial)
    trial.phase("before")
    for number in range(trial.number_of("orders")):
        began_ms = trial.now_ms()
        done = await shop.buy(f"calm-{number}", to_the_end=True)
        if trial.evidence.require(done, "an order was not carried out before the fault"):
            trial.measure_variant("order_ms_before", trial.now_ms() - began_ms)
    await shop.quiet()
    before, _ = await shop.balance()
    trial.phase("during")
    await trial.inject(kinds.Partition(((ORCHESTRATOR, STOCK, PAYMENT), (SHIPPING,))))
    names, accepted = await _during(trial, shop, before)
    trial.measure_variant("accepted_during", percent(accepted, len(names)))
    await trial.heal()
    trial.phase("after")
    healed_ms = trial.now_ms()
    trial.measure_variant("carried_out", percent(await shop.carried_out(names), len(names)))
    trial.measure_variant("over_after_heal_ms", trial.now_ms() - healed_ms)
    done = await shop.buy("again", to_the_end=True)
    trial.evidence.require(done, "no order was carried out after the fault")
    trial.end_phase()
    require_overlap(trial, "during")
    require_answers(trial)


async def _during(trial: Trial, shop: Shop, before: int) -> tuple[list[str], int]:
    """The orders that came in, and how many of them were accepted."""
    began_ms, names = trial.now_ms(), list[str]()
    until_ms = began_ms + trial.number_of("during_ms")
    under_way: list[asyncio.Task[bool]] = []
    dirty = locked = reads = 0

    async def buy(name: str) -> bool:
        asked_ms = trial.now_ms()
        accepted = await shop.buy(name, to_the_end=False)
        trial.measure_variant("answer_ms_during", trial.now_ms() - asked_ms)
        return accepted

    while trial.now_ms() < until_ms:
        if trial.now_ms() >= began_ms + len(names) * trial.number_of("every_ms"):
            names.append(f"late-{len(names)}")
            under_way.append(asyncio.ensure_future(buy(names[-1])))
        await trial.sleep(trial.number_of("look_ms"))
        balance, is_locked = await shop.balance()
        # Without shipping no order can be carried out: whatever is missing has been taken for
        # orders of which nobody knows yet how they will end.
        dirty, locked, reads = dirty + (balance < before), locked + is_locked, reads + 1
    trial.evidence.require(reads >= 10, f"the account was read only {reads} times")
    trial.measure_variant("dirty_reads", percent(dirty, reads))
    trial.measure_variant("locked", percent(locked, reads))
    return names, sum(await asyncio.gather(*under_way))


def _of_system(name: str) -> tuple[Measurement, ...]:
    words = _SYSTEM[name]
    return (
        Measurement(f"order_ms_before_{name}", "ms", f"from an order to its end: {words}"),
        Measurement(
            f"answer_ms_during_{name}",
            "ms",
            f"until nine of ten customers had an answer: {words}",
            "p90",
        ),
        Measurement(
            f"accepted_during_{name}", "%", f"of orders during the partition: {words}", "mean"
        ),
        Measurement(f"carried_out_{name}", "%", f"of these orders in the end: {words}", "mean"),
        Measurement(
            f"over_after_heal_ms_{name}", "ms", f"from the heal until all are over: {words}"
        ),
        Measurement(
            f"dirty_reads_{name}",
            "%",
            f"of reads saw what orders did that were not over: {words}",
            "mean",
        ),
        Measurement(
            f"locked_{name}", "%", f"of the time nobody else could use the account: {words}", "mean"
        ),
    )


SAGA_VS_2PC = saga_experiment(
    id="saga-vs-2pc",
    title="A saga or a transaction",
    question="One of three services is cut off while orders come in: what becomes of them as sagas "
    "and with two-phase commit, and what does each give up?",
    trial=cut_off_shipping,
    faults=("partition",),
    settings=(
        Setting("orders", 10, "before the partition", minimum=1, maximum=40),
        Setting("during_ms", 4000, "how long shipping is cut off", minimum=1000, maximum=60_000),
        Setting("every_ms", 400, "an order comes in during the partition", minimum=50),
        Setting("look_ms", 20, "between two looks at the account", minimum=1),
    ),
    short={"orders": 5},
    variants=SYSTEMS,
    trials_sim=5,
    trials_real=2,
    measurements=tuple(one for variant in SYSTEMS for one in _of_system(variant.name)),
    expectations=(
        Expectation(
            "a-saga-takes-orders",
            "a saga accepts every order during the partition and carries it out when it is over",
            lambda m: m.value("accepted_during_saga") == m.value("carried_out_saga") == 100,
            ("accepted_during_saga", "carried_out_saga"),
        ),
        Expectation(
            "two-pc-takes-none",
            "with two-phase commit none is: a participant that cannot vote is a no",
            lambda m: m.value("accepted_during_two_pc") == m.value("carried_out_two_pc") == 0,
            ("accepted_during_two_pc", "carried_out_two_pc"),
        ),
        Expectation(
            "two-pc-keeps-locks",
            "and its participants keep locks until the coordinator gives up; a saga keeps none "
            "between its steps",
            lambda m: m.value("locked_two_pc") > 30 and m.value("locked_saga") == 0,
            ("locked_two_pc", "locked_saga"),
        ),
        Expectation(
            "a-saga-is-not-isolated",
            "what a saga gives up is isolation: others see money taken for orders that may yet be "
            "undone; with two-phase commit nobody does",
            lambda m: m.value("dirty_reads_saga") > 50 and m.value("dirty_reads_two_pc") == 0,
            ("dirty_reads_saga", "dirty_reads_two_pc"),
        ),
    ),
)

EXPERIMENTS = (SAGA_VS_2PC,)
