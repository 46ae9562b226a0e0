"""The orchestrator's log: what it is about to do stands there before it does it."""

from __future__ import annotations

import asyncio

from labs.kit.check import expect
from labs.saga.scenarios.crashes import crash_everywhere
from labs.saga.scenarios.shop import Shop, steps_of, told
from nodes.cluster.api import Cluster
from nodes.sim.cluster import SimCluster
from protos import saga_pb2 as pb

PLAN = (pb.RESERVE, pb.CHARGE, pb.SHIP, pb.CONFIRM)


async def an_order_is_carried_out(cluster: Cluster) -> None:
    """Goods reserved, price charged, place booked, sale confirmed, in this order; only then the
    order is completed, and the same order placed again is the same."""
    shop = Shop(cluster)
    orders = [shop.order("o1"), shop.order("o2", item="lamp", customer="bob", price=50)]
    for order in orders:
        saga = await shop.ordered_and_over(pb.COMPLETED, order, "there is enough of everything")
        expect(
            tuple(saga.done) == PLAN and not saga.undone,
            f"{order.id} is completed when {steps_of(PLAN)} are done",
            told(saga),
        )
    for order in orders:
        await shop.ordered_and_over(pb.COMPLETED, order, "it was completed before")
    await shop.books_show(orders)


async def orders_do_not_wait_for_each_other(cluster: Cluster) -> None:
    """Many orders are under way at once, and each comes to its own end."""
    shop = Shop(cluster)
    too_much = shop.setting("opening_balance") + 1
    good = [shop.order(f"o{number}", quantity=1, price=5) for number in range(1, 7)]
    bad = [shop.order(f"x{number}", customer="bob", price=too_much) for number in range(1, 4)]
    await asyncio.gather(*(shop.place(order) for order in [*good, *bad]))
    for order in good:
        await shop.comes_to(pb.COMPLETED, order, "there is enough of everything")
        await shop.whole(order, pb.COMPLETED)
    for order in bad:
        await shop.comes_to(pb.COMPENSATED, order, "bob cannot pay for it")
        await shop.whole(order, pb.COMPENSATED)
    await shop.books_show(good)


async def an_order_that_was_taken_is_not_forgotten(cluster: Cluster) -> None:
    """Once a client was told that its order is taken, a crash of the orchestrator does not lose it,
    and it comes to its end by itself."""
    shop = Shop(cluster)
    orders: list[pb.Order] = []
    for number in range(1, 4):
        order = shop.order(f"o{number}", quantity=1, price=5)
        await shop.place(order)
        await shop.cut_power(shop.orchestrator)
        await shop.wait(0.2)
        await cluster.faults.restart(shop.orchestrator)
        saga = await shop.now(order)
        expect(
            saga.order == order,
            f"{order.id}, which was taken before the crash, is known after it",
            told(saga),
        )
        await shop.comes_to(pb.COMPLETED, order, "after the crash the orchestrator goes on")
        await shop.whole(order, pb.COMPLETED)
        orders.append(order)
    await shop.books_show(orders)


async def what_is_over_stays_over(cluster: Cluster) -> None:
    """That an order is over is told when it is on disk: after a crash it is the same, and no
    service is asked again."""
    shop = Shop(cluster)
    order = shop.order("o1")
    poor = shop.order("o2", price=shop.setting("opening_balance") + 1)
    ends = {"o1": pb.COMPLETED, "o2": pb.COMPENSATED}
    for one in (order, poor):
        await shop.ordered_and_over(ends[one.id], one, "that is how it must end")
    before = [(await shop.view(node)).messages for node in shop.services]
    await shop.blink(shop.orchestrator)
    await shop.wait(1)
    for one in (order, poor):
        await shop.comes_to(ends[one.id], one, "it was so before the crash")
    after = [(await shop.view(node)).messages for node in shop.services]
    expect(
        after == before,
        "no service is asked anything about orders that are over",
        f"{sum(after) - sum(before)} requests after the crash",
    )


async def an_order_survives_its_orchestrator(cluster: Cluster) -> None:
    """The orchestrator dies at each of its crash points, at each step; the order is carried out,
    once."""
    shop = Shop(cluster)
    orders: list[pb.Order] = []
    for point, passes in (("before-saga-logged", 5), ("saga-logged", 5), ("step-sent", 4)):
        for after in range(passes):
            order = shop.order(f"o{len(orders) + 1}", quantity=1, price=5)
            async with shop.dying_at(point, shop.orchestrator, after=after):
                await shop.place(order)
                await shop.comes_to(pb.COMPLETED, order, "the orchestrator was away for a moment")
            await shop.whole(order, pb.COMPLETED)
            orders.append(order)
    await shop.books_show(orders)


async def wherever_a_node_crashes(cluster: SimCluster) -> None:
    """A crash before any effect of any node, one after the other: each order is carried out,
    once."""
    shop = Shop(cluster)
    await crash_everywhere(shop, pb.COMPLETED, price=5, apart=2)
