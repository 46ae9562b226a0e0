"""Each step is one local transaction, and each has a compensation (Garcia-Molina and Salem 2)."""

from __future__ import annotations

from labs.kit.check import expect
from labs.saga.scenarios.shop import PAY, RES, VAN, Shop, said
from nodes.cluster.api import Cluster
from protos import saga_pb2 as pb


async def what_is_taken_is_put_back(cluster: Cluster) -> None:
    """A step takes just what the order says, and its compensation puts just that back, once."""
    shop = Shop(cluster)
    goods, money = await shop.on_sale(), await shop.balance()
    order = shop.order("o1", quantity=3, price=40)
    await shop.done(pb.RESERVE, order)
    await shop.done(pb.CHARGE, order)
    same(await shop.on_sale(), goods - 3, "goods on sale, once 3 are reserved")
    same(await shop.balance(), money - 40, "alice's money, once 40 are charged")
    for times, key in enumerate(("", "another key"), start=1):
        await shop.done(pb.CHARGE, order, undo=True, key=key)
        await shop.done(pb.RESERVE, order, undo=True, key=key)
        same(await shop.on_sale(), goods, f"goods on sale, when that was undone {times}x")
        same(await shop.balance(), money, f"alice's money, when that was undone {times}x")
    parts = await shop.parts(order)
    expect(
        (parts[RES], parts[PAY]) == ("released", "refunded"),
        "what was undone stays on record: released and refunded",
        f"{parts[RES] or 'nothing'} and {parts[PAY] or 'nothing'}",
    )


async def what_is_not_there_is_declined(cluster: Cluster) -> None:
    """Goods or money that are not there are not taken, and the last of them are."""
    shop = Shop(cluster)
    goods, money = await shop.on_sale(), await shop.balance()
    await shop.declined(pb.RESERVE, shop.order("o1", quantity=goods + 1), "one too many")
    await shop.declined(pb.RESERVE, shop.order("o2", item="cup"), "nobody sells cups")
    await shop.declined(pb.CHARGE, shop.order("o3", price=money + 1), "one too much")
    await shop.declined(pb.CHARGE, shop.order("o4", customer="mallory"), "no account")
    same(await shop.on_sale(), goods, "goods on sale, as nothing was taken")
    same(await shop.balance(), money, "alice's money, as nothing was taken")
    last = shop.order("o5", quantity=goods, price=money)
    await shop.done(pb.RESERVE, last)
    await shop.done(pb.CHARGE, last)
    same(await shop.on_sale(), 0, "goods on sale, after the last one")
    same(await shop.balance(), 0, "alice's money, after all of it")
    await shop.declined(pb.RESERVE, shop.order("o6", quantity=1), "there are none left")


async def what_was_done_survives_crashes(cluster: Cluster) -> None:
    """What a service has said that it did is on its disk, all of it; what it has not said is there
    as a whole, or not at all."""
    shop = Shop(cluster)
    goods, money = await shop.on_sale(), await shop.balance()
    first = shop.order("o1", quantity=3, price=40)
    await shop.done(pb.RESERVE, first)
    await shop.done(pb.CHARGE, first)
    await shop.blink(shop.stock, shop.payment)
    same(await shop.on_sale(), goods - 3, "goods on sale after a crash, 3 reserved before")
    same(await shop.balance(), money - 40, "alice's money after a crash, 40 charged before")
    for point in ("before-effect-saved", "effect-saved"):
        order = shop.order(f"at {point}", quantity=1, price=1)
        async with shop.dying_at(point, shop.stock):
            await shop.done(pb.RESERVE, order)
        async with shop.dying_at(point, shop.payment):
            await shop.done(pb.CHARGE, order)
    same(await shop.on_sale(), goods - 5, "goods on sale after 3 orders, for 3, 1 and 1")
    same(await shop.balance(), money - 42, "alice's money after 3 orders, for 40, 1 and 1")
    await shop.done(pb.RESERVE, first, undo=True)
    await shop.done(pb.CHARGE, first, undo=True)
    await shop.blink(shop.stock, shop.payment)
    same(await shop.on_sale(), goods - 2, "goods on sale after a crash, 3 given back before")
    same(await shop.balance(), money - 2, "alice's money after a crash, 40 refunded before")


async def a_compensation_may_come_first(cluster: Cluster) -> None:
    """A compensation that comes before its step does nothing, and the step is declined when it
    comes, also after a crash."""
    shop = Shop(cluster)
    goods, money = await shop.on_sale(), await shop.balance()
    order = shop.order("o1")
    for step in (pb.RESERVE, pb.CHARGE, pb.SHIP):
        await shop.done(step, order, undo=True)
    await shop.blink(shop.stock, shop.payment, shop.shipping)
    for step in (pb.RESERVE, pb.CHARGE, pb.SHIP):
        await shop.declined(step, order, "its compensation came before it")
    same(await shop.on_sale(), goods, "goods on sale, as the order came to nothing")
    same(await shop.balance(), money, "alice's money, as the order came to nothing")
    parts = await shop.parts(order)
    expect(
        {parts[RES], parts[PAY], parts[VAN]} == {"refused"},
        "that it must not be done is on record at each service, as refused",
        ", ".join(state or "nothing" for state in parts.values()),
    )
    other = shop.order("o2")
    for step in (pb.RESERVE, pb.CHARGE, pb.SHIP):
        await shop.done(step, other)


async def a_compensation_leaves_the_work_of_others(cluster: Cluster) -> None:
    """What other orders did meanwhile stays when one of them is undone."""
    shop = Shop(cluster)
    goods, money = await shop.on_sale(), await shop.balance()
    undone, stays = shop.order("o1", quantity=5, price=50), shop.order("o2", quantity=7, price=70)
    for order in (undone, stays):
        await shop.done(pb.RESERVE, order)
        await shop.done(pb.CHARGE, order)
    await shop.done(pb.RESERVE, undone, undo=True)
    await shop.done(pb.CHARGE, undone, undo=True)
    same(await shop.on_sale(), goods - 7, "goods on sale, as only o2 still has 7")
    same(await shop.balance(), money - 70, "alice's money, as only o2 still has 70")
    held = (await shop.view(shop.stock)).held["book"]
    same(held, 7, "goods reserved, for o2")


async def nobody_touches_what_is_pending(cluster: Cluster) -> None:
    """With semantic locks an item that an order has reserved is for others to wait for, until that
    order is over; other items are not."""
    shop = Shop(cluster)
    first, second = shop.order("o1"), shop.order("o2")
    other_item = shop.order("o3", item="lamp")
    await shop.done(pb.RESERVE, first)
    await waits(shop, second, "o1 has books reserved")
    await shop.done(pb.RESERVE, other_item)
    await shop.blink(shop.stock)
    await waits(shop, second, "o1 has books reserved, crash or not")
    await shop.done(pb.RESERVE, first, undo=True)
    await shop.done(pb.RESERVE, second)
    third = shop.order("o4")
    await waits(shop, third, "o2 has books reserved")
    await shop.done(pb.CONFIRM, second)
    await shop.done(pb.RESERVE, third)


# ------------------------------------------------------------------------------------------ helpers


def same(found: int, wanted: int, what: str) -> None:
    """Counts what a service has."""
    expect(found == wanted, f"{what}: {wanted}", f"{found}")


async def waits(shop: Shop, order: pb.Order, why: str) -> None:
    """The reservation fails this time, and not for good."""
    response = await shop.do(pb.RESERVE, order)
    expect(
        response.result == pb.DoResponse.FAILED,
        f"{order.id} fails for now, to be tried again: {why}",
        said(response),
    )
