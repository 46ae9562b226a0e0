"""A step that is asked for again is not done again: its key tells (Garcia-Molina and Salem 5)."""

from __future__ import annotations

import asyncio

from labs.kit.check import expect, require
from labs.saga.scenarios.services import same
from labs.saga.scenarios.shop import Shop, said
from nodes.cluster.api import Cluster
from protos import saga_pb2 as pb

STEPS = 4  # of an order


async def a_repetition_has_no_effect(cluster: Cluster) -> None:
    """A step that is asked for three times under its key is done once, and every answer is that of
    the first time, crash or not."""
    shop = Shop(cluster)
    goods, money = await shop.on_sale(), await shop.balance()
    order = shop.order("o1", quantity=3, price=40)
    for times in range(3):
        for step in (pb.RESERVE, pb.CHARGE, pb.SHIP):
            response = await shop.done(step, order)
            expect(
                response.repeated == bool(times),
                "a service says whether it had done a step before",
                f"asked {times + 1} times: {said(response)}",
            )
        same(await shop.on_sale(), goods - 3, f"goods on sale, asked {times + 1} times for 3")
        same(await shop.balance(), money - 40, f"alice's money, asked {times + 1} times")
        if times:
            await shop.blink(*shop.services)
    view = await shop.view(shop.shipping)
    same(view.capacity_left, shop.setting("opening_capacity") - 1, "places in the van")


async def a_repetition_has_the_first_result(cluster: Cluster) -> None:
    """What was declined stays declined under its key, also when there is enough by now; and what
    was done stays done, also when it has been undone since."""
    shop = Shop(cluster)
    goods = await shop.on_sale()
    greedy, late = shop.order("o1", quantity=goods), shop.order("o2", quantity=1)
    await shop.done(pb.RESERVE, greedy)
    await shop.declined(pb.RESERVE, late, "there are none left")
    await shop.done(pb.RESERVE, greedy, undo=True)
    await shop.declined(pb.RESERVE, late, "it was declined under this key")
    await shop.done(pb.RESERVE, greedy)
    same(await shop.on_sale(), goods, "goods on sale, as o1 was undone and o2 declined")
    await shop.blink(shop.stock)
    await shop.declined(pb.RESERVE, late, "it was declined under this key before the crash")


async def what_failed_may_be_tried_again(cluster: Cluster) -> None:
    """A failure is of this time only: the same request under the same key is done when what stood
    in its way is gone."""
    shop = Shop(cluster)
    first, second = shop.order("o1"), shop.order("o2")
    await shop.done(pb.RESERVE, first)
    for _ in range(2):
        response = await shop.do(pb.RESERVE, second)
        require(
            response.result == pb.DoResponse.FAILED,
            f"o2 was to meet a lock of o1, and was {said(response)}",
        )
    await shop.done(pb.CONFIRM, first)
    response = await shop.done(pb.RESERVE, second)
    expect(not response.repeated, "o2 has its goods for the first time now", said(response))
    view = await shop.view(shop.stock)
    same(view.held["book"], second.quantity, "goods reserved, for o2")


async def the_key_is_kept_with_the_effect(cluster: Cluster) -> None:
    """A service that dies before or after its local transaction has done the step and knows of it,
    or neither; asked again, it is done once."""
    shop = Shop(cluster)
    orders: list[pb.Order] = []
    for node, passes in ((shop.stock, 2), (shop.payment, 1), (shop.shipping, 1)):
        for point in ("before-effect-saved", "effect-saved"):
            for after in range(passes):
                order = shop.order(f"o{len(orders) + 1}", quantity=1, price=5)
                async with shop.dying_at(point, node, after=after):
                    await shop.place(order)
                    await shop.comes_to(pb.COMPLETED, order, f"{node} was away for a moment only")
                await shop.whole(order, pb.COMPLETED)
                orders.append(order)
    await shop.books_show(orders)


async def lost_answers_charge_nobody_twice(cluster: Cluster) -> None:
    """However many requests and answers are lost, each order is carried out once: the same step of
    the same order always has the same key."""
    shop = Shop(cluster)
    await cluster.faults.lose(30, *shop.cluster.nodes, which="responses")
    await cluster.faults.duplicate(30, *shop.cluster.nodes)
    orders = [shop.order(f"o{number}", quantity=1, price=5) for number in range(1, 7)]
    await asyncio.gather(*map(shop.place, orders))
    await shop.wait(3)
    await cluster.faults.heal()
    for order in orders:
        await shop.rest(order)
    asked = [(await shop.view(node)).messages for node in shop.services]
    require(sum(asked) > STEPS * len(orders), "no service was asked for anything twice")
    done = [order for order in orders if (await shop.rest(order)).status == pb.COMPLETED]
    require(bool(done), "no order was carried out")
    for order in done:
        await shop.whole(order, pb.COMPLETED)
    await shop.books_show(done)


async def keys_tell_orders_and_directions_apart(cluster: Cluster) -> None:
    """A step and its compensation, or the same step of two orders, are never taken for each
    other."""
    shop = Shop(cluster)
    poor = shop.order("o1", price=shop.setting("opening_balance") + 1)
    await shop.ordered_and_over(pb.COMPENSATED, poor, "alice cannot pay for it")
    orders = [shop.order("o2", quantity=1), shop.order("o3", customer="bob", price=7)]
    for order in orders:
        await shop.ordered_and_over(pb.COMPLETED, order, "there is enough of everything")
    await shop.books_show(orders)
