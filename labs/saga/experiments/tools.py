"""What the experiments of the saga lab have in common: customers, what the services hold, and how
often each of them did what."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labs.kit.experiment import Experiment, Figures, Trial
from labs.kit.violation import InvariantViolated
from labs.kit.workloads import Sample, now_ns
from labs.saga.invariants import invariants
from labs.saga.orders import OVER, bound_ms, brought_to_an_end, operate, saga_of, settled
from nodes.cluster.api import Indeterminate, NodeState, Refused
from nodes.core import NodeId
from nodes.timeline import TimelineEvent
from protos import saga_pb2 as pb

ORCHESTRATOR, STOCK, PAYMENT, SHIPPING = "n1", "n2", "n3", "n4"
DEATH_UNITS = 20  # of patience, until a node has come to its crash point
LOOK_MS = 5

Effect = tuple[str, str, bool]  # the order, the step, and whether it was undone


def saga_experiment(**fields: Any) -> Experiment:
    """An experiment of this lab: in simulation the invariants watch every step."""
    made = {"nodes": 4, "observers": invariants, "violations": (InvariantViolated,), **fields}
    return Experiment(**made)


def new_order(
    id: str,
    *,
    item: str = "book",
    customer: str = "alice",
    quantity: int = 1,
    price: int = 5,
) -> pb.Order:
    """A book for alice, unless said otherwise."""
    return pb.Order(id=id, item=item, customer=customer, quantity=quantity, price=price)


# --------------------------------------------------------------------------------------- clients


class Customer:
    """Places one order after the other; what it asks for is the traffic of the trial."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    async def place(
        self, order: pb.Order, *, wait: bool, timeout_ms: int | None = None
    ) -> pb.Saga | None:
        """Asks once for an order, and for its end with `wait`; None when there was no answer."""
        trial = self.trial
        sample = Sample("order", order.id, order.price, now_ns(trial.cluster), node=ORCHESTRATOR)
        trial.scripted.append(sample)
        patience_ms = round(bound_ms(trial.cluster.params) * trial.slowness)
        request = pb.PlaceRequest(order=order, wait=wait)
        try:
            response = await trial.cluster.call(
                ORCHESTRATOR, request, timeout_ms=timeout_ms or patience_ms
            )
        except Refused:
            sample.outcome = "fail"
            response = None
        except Indeterminate:
            response = None
        else:
            sample.outcome = "ok"
        sample.ended_ns = now_ns(trial.cluster)
        if response is None:
            return None
        assert isinstance(response, pb.PlaceResponse)
        sample.result = response.saga.status
        return response.saga

    async def insist(self, order: pb.Order, *, wait: bool = False) -> pb.Saga:
        """Asks again until there is an answer. Raises TimeoutError."""

        async def answered() -> pb.Saga | None:
            return await self.place(order, wait=wait)

        return await self.trial.cluster.until(
            f"{order.id} is answered", answered, within_ms=patience_of(self.trial)
        )


async def share_out(trial: Trial, orders: Iterable[pb.Order], *, clients: int) -> list[pb.Saga]:
    """So many customers share the orders and wait for the end of each; every saga as it ended."""
    left, ended = iter(orders), []

    async def work(customer: Customer) -> None:
        for order in left:
            ended.append(await customer.insist(order, wait=True))

    await asyncio.gather(*(work(Customer(trial)) for _ in range(clients)))
    return ended


def patience_of(trial: Trial) -> int:
    """In which an order must have ended, with a node down for a while: twice the bound."""
    return round(2 * bound_ms(trial.cluster.params) * trial.slowness) + 4 * trial.timeout_ms


async def ended(trial: Trial, order: str) -> pb.Saga:
    """The saga when it is over or stuck. Raises TimeoutError."""
    return await settled(trial.cluster, order, within_ms=patience_of(trial))


async def to_its_end(trial: Trial, order: str) -> pb.Saga:
    """The saga when it is over; while it is stuck an operator lets it try again. Raises
    TimeoutError."""
    sagas, _ = await brought_to_an_end(trial.cluster, [order], within_ms=patience_of(trial))
    return sagas[order]


async def seen(trial: Trial, order: str) -> pb.Saga:
    """How far an order is now; the run counts only when somebody says."""
    saga = await saga_of(trial.cluster, order)
    trial.evidence.require(saga is not None, f"nobody says how {order} is")
    return saga if saga is not None else pb.Saga()


async def operator(trial: Trial, order: str, action: pb.OperateRequest.Action) -> None:
    """What an operator does; the run counts only when it was done."""
    try:
        await operate(trial.cluster, order, action)
    except (Refused, Indeterminate) as error:
        trial.evidence.require(False, f"the operator was not heard: {error.reason}")


async def died(trial: Trial, node: NodeId) -> bool:
    """Waits for the death of a node at its crash point; a run in which it survives is no proof."""
    if trial.faults_disabled:
        return False

    async def down() -> bool:
        await trial.cluster.sleep(LOOK_MS)
        return trial.cluster.node_state(node) is NodeState.DOWN

    try:
        await trial.cluster.until(f"{node} dies", down, within_ms=DEATH_UNITS * trial.timeout_ms)
    except TimeoutError:
        return trial.evidence.require(False, f"{node} never came to its crash point")
    return True


# ---------------------------------------------------------------------------- what services hold


async def view_of(trial: Trial, node: NodeId) -> pb.SagaView:
    """What a node shows; waits for one that is just coming up. Raises TimeoutError."""

    async def shown() -> pb.SagaView | None:
        view = await trial.cluster.view(node)
        return view if isinstance(view, pb.SagaView) else None

    within_ms = 10 * trial.timeout_ms
    return await trial.cluster.until(f"{node} shows itself", shown, within_ms=within_ms)


@dataclass(frozen=True, slots=True)
class Books:
    """What the services hold, beside what there was when the shop opened."""

    stock: pb.SagaView
    payment: pb.SagaView
    shipping: pb.SagaView
    opening: Mapping[str, int]

    @property
    def goods_off(self) -> dict[str, int]:
        """By item, how many there are too many: on sale, reserved and sold, less the opening."""
        view, opening = self.stock, self.opening["stock"]
        return {
            item: on_sale + view.held.get(item, 0) + view.sold.get(item, 0) - opening
            for item, on_sale in view.stock.items()
        }

    @property
    def money_off(self) -> int:
        """How much there is too much: in accounts and in charges, less the opening."""
        view = self.payment
        opening = self.opening["balance"] * len(view.accounts)
        return sum(view.accounts.values()) + view.taken - opening

    @property
    def places_off(self) -> int:
        """How many places in the van are too many."""
        view = self.shipping
        return view.capacity_left + view.booked - self.opening["capacity"]

    @property
    def balanced(self) -> bool:
        """Everything adds up."""
        return not (any(self.goods_off.values()) or self.money_off or self.places_off)

    def states(self, order: str) -> tuple[str, str, str]:
        """Of an order: what became of its goods, its money and its place in the van."""
        return (
            self.stock.reservations.get(order, ""),
            self.payment.charges.get(order, ""),
            self.shipping.shipments.get(order, ""),
        )

    def whole(self, order: str) -> bool:
        """All of it was done, or none of it is left."""
        states = self.states(order)
        done = states == ("confirmed", "charged", "booked")
        return done or not {"pending", "confirmed", "charged", "booked"} & set(states)


async def books_of(trial: Trial) -> Books:
    """What all services hold now. Raises TimeoutError."""
    params = trial.cluster.params
    opening = {name: int(params[f"opening_{name}"]) for name in ("stock", "balance", "capacity")}
    stock, payment, shipping = [await view_of(trial, node) for node in (STOCK, PAYMENT, SHIPPING)]
    return Books(stock, payment, shipping, opening)


async def log_of(trial: Trial) -> list[pb.Event]:
    """Every event that the log has; the run counts only when it could be read."""
    request = pb.PollRequest(after=0, limit=100_000)
    try:
        response = await trial.cluster.call(ORCHESTRATOR, request, timeout_ms=4 * trial.timeout_ms)
    except (Refused, Indeterminate) as error:
        trial.evidence.require(False, f"the log could not be read: {error.reason}")
        return []
    assert isinstance(response, pb.PollResponse)
    return list(response.events)


async def quiet(trial: Trial) -> None:
    """Waits until everyone has read the whole log and no outbox holds anything: nothing more will
    come of earlier orders. Raises TimeoutError."""

    async def nothing_left() -> bool:
        views = [await view_of(trial, node) for node in trial.cluster.nodes]
        length = max(view.log for view in views)
        return all(view.offset == length and not view.outbox for view in views)

    within_ms = 20 * trial.timeout_ms
    await trial.cluster.until("nothing is left to read", nothing_left, within_ms=within_ms)


# ---------------------------------------------------------------------------- what services did


def effects_in(events: Iterable[TimelineEvent]) -> Counter[Effect]:
    """How often the services did each step and each compensation, by what they told. What a node
    did right before it died is not told: for runs without crashes."""
    return Counter(
        (str(event.fields["order"]), str(event.fields["step"]), bool(event.fields["undone"]))
        for event in events
        if event.kind == "did"
    )


def done_again(effects: Counter[Effect], step: str) -> int:
    """How often this step was done for an order that had had it."""
    return sum(
        count - 1 for (_, one, undone), count in effects.items() if one == step and not undone
    )


def is_over(saga: pb.Saga) -> bool:
    """It was carried out, or undone."""
    return saga.status in OVER


def are(value: float, *names: str) -> Callable[[Figures], bool]:
    """For expectations: each of these measurements has that value."""
    return lambda figures: all(figures.value(name) == value for name in names)


def percent(part: int, whole: int) -> float:
    """Of the whole, in percent; 0 of nothing."""
    return 100 * part / whole if whole else 0.0


def require_answers(trial: Trial) -> None:
    """Orders were placed, and somebody answered."""
    samples = trial.operations()
    trial.evidence.require(bool(samples), "no order was placed")
    trial.evidence.require(any(sample.ok for sample in samples), "no order was answered")
