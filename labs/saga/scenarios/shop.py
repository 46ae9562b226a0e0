"""What a scenario does with a shop: it places orders, asks single services, and goes through their
books.

What each service shall have is worked out here, from the orders alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from labs.kit.check import Failed, expect, require
from labs.kit.registry import wait_unit_ms
from labs.saga.orders import answer, bound_ms, operate, place, saga_of, settled
from labs.saga.violation import word
from nodes.cluster.api import Cluster, Indeterminate, NodeState, Refused
from nodes.core import NodeId
from protos import saga_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")
RES, PAY, VAN = "reservation", "charge", "shipment"
ALL_DONE = {RES: "confirmed", PAY: "charged", VAN: "booked"}
NOTHING_LEFT = ("", "released", "refunded", "cancelled", "refused")
LOOK_MS = 5


class Shop:
    """A cluster of the shop. Waits are in units of its longest timeout."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.orchestrator, self.stock, self.payment, self.shipping = cluster.nodes
        self.services = (self.stock, self.payment, self.shipping)
        self.unit_ms = wait_unit_ms(cluster.spec)
        self.within_ms = bound_ms(cluster.params)
        self.ordered: dict[str, pb.Order] = {}

    def setting(self, name: str) -> int:
        """A setting that is a number."""
        value = self.cluster.params[name]
        assert isinstance(value, int)
        return value

    def order(
        self,
        id: str,
        *,
        item: str = "book",
        customer: str = "alice",
        quantity: int = 2,
        price: int = 30,
    ) -> pb.Order:
        """Two books for alice, unless said otherwise."""
        order = pb.Order(id=id, item=item, customer=customer, quantity=quantity, price=price)
        self.ordered[id] = order
        return order

    # -------------------------------------------------------------------------------- one service

    def server_of(self, step: pb.Step) -> NodeId:
        """The node whose service does this step."""
        places = {
            pb.RESERVE: self.stock,
            pb.CHARGE: self.payment,
            pb.SHIP: self.shipping,
            pb.CONFIRM: self.stock,
        }
        return places[step]

    async def do(
        self, step: pb.Step, order: pb.Order, *, undo: bool = False, key: str = ""
    ) -> pb.DoResponse:
        """Asks the service for a step, or for its compensation; under a key of its own unless one
        is given. It must answer."""
        direction = "undo" if undo else "do"
        key = key or f"{order.id}:{named(step)}:{direction}"
        request = pb.DoRequest(step=step, compensation=undo, order=order, key=key)
        node = self.server_of(step)

        async def answered() -> pb.DoResponse | None:
            response = await answer(self.cluster, node, request)
            if response is None:
                await self.cluster.sleep(LOOK_MS)
                return None
            assert isinstance(response, pb.DoResponse)
            return response

        return await self.until(f"{node} answers", answered)

    async def done(
        self, step: pb.Step, order: pb.Order, *, undo: bool = False, key: str = ""
    ) -> pb.DoResponse:
        """The same; it must be done."""
        response = await self.do(step, order, undo=undo, key=key)
        what = f"to undo {named(step)}" if undo else named(step)
        expect(
            response.result == pb.DoResponse.DONE,
            f"{self.server_of(step)} does {what} for {order.id}, as nothing speaks against it",
            said(response),
        )
        return response

    async def declined(self, step: pb.Step, order: pb.Order, why: str, *, key: str = "") -> None:
        """Asks for a step; it must be declined."""
        response = await self.do(step, order, key=key)
        expect(
            response.result == pb.DoResponse.DECLINED,
            f"{self.server_of(step)} declines to {named(step)} for {order.id}: {why}",
            said(response),
        )

    async def view(self, node: NodeId) -> pb.SagaView:
        """What a node shows of itself, when it is up."""

        async def shown() -> pb.SagaView | None:
            view = await self.cluster.view(node)
            return view if isinstance(view, pb.SagaView) else None

        return await self.until(f"{node} shows itself", shown)

    async def on_sale(self, item: str = "book") -> int:
        """How many there are to be sold."""
        return (await self.view(self.stock)).stock[item]

    async def balance(self, customer: str = "alice") -> int:
        """What a customer has."""
        return (await self.view(self.payment)).accounts[customer]

    # ------------------------------------------------------------------------------------- orders

    async def place(self, order: pb.Order) -> None:
        """Asks until the order is taken."""
        await place(self.cluster, order, within_ms=self.within_ms)

    async def rest(self, order: pb.Order) -> pb.Saga:
        """The order when it is over or stuck."""
        return await settled(self.cluster, order.id, within_ms=self.within_ms)

    async def comes_to(self, status: pb.Status, order: pb.Order, why: str) -> pb.Saga:
        """The order when it is over or stuck; it must have come to this."""
        saga = await self.rest(order)
        expect(saga.status == status, f"{order.id} is {word(status)}: {why}", told(saga))
        return saga

    async def ordered_and_over(self, status: pb.Status, order: pb.Order, why: str) -> pb.Saga:
        """Places an order, which must come to this, also at the services."""
        await self.place(order)
        saga = await self.comes_to(status, order, why)
        await self.whole(order, status)
        return saga

    async def now(self, order: pb.Order) -> pb.Saga:
        """How far an order is. The orchestrator must answer."""

        async def answered() -> pb.Saga | None:
            return await saga_of(self.cluster, order.id)

        return await self.until(f"{self.orchestrator} says how {order.id} is", answered)

    async def operate(self, order: pb.Order, action: pb.OperateRequest.Action) -> str:
        """What an operator asks for; empty, or why it was refused."""
        try:
            await operate(self.cluster, order.id, action)
        except Refused as refused:
            return refused.reason
        except Indeterminate as unknown:
            raise Failed("the orchestrator answers its operator", unknown.reason) from None
        return ""

    # -------------------------------------------------------------------------------------- books

    async def parts(self, order: pb.Order) -> dict[str, str]:
        """What has become of its goods, its money and its place in the van."""
        stock, payment, shipping = [await self.view(node) for node in self.services]
        return {
            RES: stock.reservations.get(order.id, ""),
            PAY: payment.charges.get(order.id, ""),
            VAN: shipping.shipments.get(order.id, ""),
        }

    async def whole(self, order: pb.Order, status: pb.Status) -> None:
        """An order that is over is so everywhere: all of it, or nothing."""
        parts = await self.parts(order)
        if status == pb.COMPLETED:
            holds, expected = parts == ALL_DONE, "confirmed, charged and booked"
        else:
            holds = set(parts.values()) <= set(NOTHING_LEFT)
            expected = "neither reserved nor charged nor booked"
        expect(
            holds,
            f"{order.id}, which is {word(status)}, is {expected}",
            ", ".join(f"{part}: {state or 'none'}" for part, state in parts.items()),
        )

    async def books_show(self, completed: Collection[pb.Order]) -> None:
        """Goods, money and places are what they were when the shop opened, less these orders."""
        stock, payment, shipping = [await self.view(node) for node in self.services]
        goods = {item: self.setting("opening_stock") for item in stock.stock}
        money = {name: self.setting("opening_balance") for name in payment.accounts}
        for order in completed:
            goods[order.item] -= order.quantity
            money[order.customer] -= order.price
        places = self.setting("opening_capacity") - len(completed)
        what = f"as {len(completed)} of {len(self.ordered)} orders were carried out, once each"
        expect(dict(stock.stock) == goods, f"on sale is {shown(goods)}, {what}", shown(stock.stock))
        expect(
            dict(payment.accounts) == money,
            f"customers have {shown(money)}, {what}",
            shown(payment.accounts),
        )
        expect(
            shipping.capacity_left == places,
            f"{places} places are free, {what}",
            f"{shipping.capacity_left}",
        )

    # -------------------------------------------------------------------------------------- world

    async def wait(self, units: float) -> None:
        """Lets so much time pass."""
        await self.cluster.sleep(int(units * self.unit_ms))

    async def until(
        self, what: str, holds: Callable[[], Awaitable[T | None]], *, units: float = 20
    ) -> T:
        """The first result that is neither None nor False. Raises TimeoutError."""
        return await self.cluster.until(what, holds, within_ms=int(units * self.unit_ms))

    async def cut_power(self, *nodes: NodeId) -> None:
        """Nodes end, and what was not synced is gone."""
        await self.cluster.faults.power_cut(*nodes)
        for node in nodes:
            require(self.cluster.node_state(node) is NodeState.DOWN, f"{node} is not down")

    async def blink(self, *nodes: NodeId) -> None:
        """Power cut, and back."""
        await self.cut_power(*nodes)
        await self.cluster.faults.restart(*nodes)

    async def down(self, node: NodeId) -> None:
        """Waits until a node has died, which somebody has seen to."""

        async def is_down() -> bool:
            await self.cluster.sleep(LOOK_MS)
            return self.cluster.node_state(node) is NodeState.DOWN

        try:
            await self.until(f"{node} dies", is_down)
        except TimeoutError:
            require(False, f"{node} never came to its crash point")

    @asynccontextmanager
    async def dying_at(self, point: str, node: NodeId, *, after: int = 0) -> AsyncIterator[None]:
        """The node dies at this point while the body runs, and is started again a moment later."""
        await self.cluster.faults.crash_at(point, node, after=after)

        async def revive() -> None:
            await self.down(node)
            await self.cluster.sleep(self.setting("call_timeout_ms") // 2)
            await self.cluster.faults.restart(node)

        reviving = asyncio.ensure_future(revive())
        try:
            yield
            await reviving
        finally:
            reviving.cancel()
            await asyncio.gather(reviving, return_exceptions=True)


def named(step: pb.Step) -> str:
    """As people say it."""
    return pb.Step.Name(step).lower()


def said(response: pb.DoResponse) -> str:
    """What a service answered, for messages."""
    reason = f", {response.reason}" if response.reason else ""
    again = ", as before" if response.repeated else ""
    return pb.DoResponse.Result.Name(response.result).lower() + reason + again


def told(saga: pb.Saga) -> str:
    """How far a saga is, for messages."""
    if saga.status == pb.UNKNOWN:
        return "nobody knows of it"
    steps = f"done {steps_of(saga.done)}, undone {steps_of(saga.undone)}"
    why = saga.stuck_because or saga.reason
    return f"{word(saga.status)}, {steps}" + (f" ({why})" if why else "")


def steps_of(steps: Collection[pb.Step]) -> str:
    """Steps in order, for messages."""
    return ", ".join(map(named, steps)) or "nothing"


def shown(counts: object) -> str:
    """Counts by name, for messages."""
    assert hasattr(counts, "items")
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
