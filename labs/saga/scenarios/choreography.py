"""Nobody is in charge: effects and their events are one, and what comes twice is taken once."""

from __future__ import annotations

import asyncio

from labs.kit.check import expect, require
from labs.saga.orders import answer
from labs.saga.scenarios.crashes import crash_everywhere
from labs.saga.scenarios.shop import Shop, steps_of, told
from nodes.cluster.api import Cluster
from nodes.sim.cluster import SimCluster
from protos import saga_pb2 as pb

PLAN = (pb.RESERVE, pb.CHARGE, pb.SHIP, pb.CONFIRM)
ALL_EVENTS = 100_000


async def events_carry_an_order_to_its_end(cluster: Cluster) -> None:
    """Each service does its part when it hears of the one before, and the orders' service hears
    when it is over."""
    shop = Shop(cluster)
    orders = [shop.order("o1"), shop.order("o2", item="lamp", customer="bob", price=50)]
    for order in orders:
        saga = await shop.ordered_and_over(pb.COMPLETED, order, "there is enough of everything")
        expect(
            sorted(saga.done) == sorted(PLAN),
            f"of {order.id} it is heard that all was done: {steps_of(PLAN)}",
            told(saga),
        )
    await shop.books_show(orders)


async def events_undo_what_was_declined(cluster: Cluster) -> None:
    """When one service declines, those before hear of it and undo their part; the order is over
    when the first of them has, and it is told why."""
    shop = Shop(cluster)
    too_many, too_much = shop.setting("opening_stock") + 1, shop.setting("opening_balance") + 1
    for order, undone in (
        (shop.order("o1", quantity=too_many), ()),
        (shop.order("o2", price=too_much), (pb.RESERVE,)),
        (shop.order("o3"), (pb.CHARGE, pb.RESERVE)),  # for which there is no place in the van
    ):
        saga = await shop.ordered_and_over(pb.COMPENSATED, order, "one of its steps is declined")
        expect(bool(saga.reason), f"it is told why {order.id} was undone", "no reason")
        expect(
            tuple(saga.undone) == undone,
            f"of {order.id} it is heard that {steps_of(undone)} was undone",
            f"{steps_of(saga.undone)}",
        )
    await shop.books_show(())


async def an_effect_and_its_event_are_one(cluster: Cluster) -> None:
    """A service that dies between its effect and the sending of its event has done both when it is
    back, or neither: no order stays half done, and no event tells of what did not happen."""
    shop = Shop(cluster)
    orders: list[pb.Order] = []
    for point, node in (
        ("before-effect-saved", shop.stock),
        ("effect-saved", shop.payment),
        ("effect-saved", shop.orchestrator),
        ("before-event-sent", shop.stock),
        ("before-event-sent", shop.shipping),
        ("event-sent", shop.payment),
        ("event-sent", shop.orchestrator),
    ):
        order = shop.order(f"o{len(orders) + 1}", quantity=1, price=5)
        async with shop.dying_at(point, node):
            await shop.place(order)
            await shop.comes_to(pb.COMPLETED, order, f"{node} was away for a moment only")
        await shop.whole(order, pb.COMPLETED)
        orders.append(order)
    await shop.books_show(orders)


async def an_event_is_kept_until_the_log_has_it(cluster: Cluster) -> None:
    """While the log cannot be reached an event stays in the outbox, crash or not; what gets lost on
    the way is sent again; and then the outbox is empty."""
    shop = Shop(cluster)
    order = shop.order("o1")
    await cluster.faults.crash_at("before-event-sent", shop.payment)
    await shop.place(order)
    await shop.down(shop.payment)
    await cluster.faults.kill(shop.orchestrator)
    await cluster.faults.restart(shop.payment)
    for _ in range(2):
        await shop.wait(1)
        view = await shop.view(shop.payment)
        expect(
            view.charges.get(order.id) == "charged" and view.outbox == 1,
            f"{shop.payment} keeps the event of its charge while the log is away",
            f"{view.outbox} events in its outbox, and the charge is "
            f"{view.charges.get(order.id) or 'missing'}",
        )
        await shop.blink(shop.payment)
    await cluster.faults.restart(shop.orchestrator)
    orders = [order, *(shop.order(f"o{number}", quantity=1, price=5) for number in range(2, 6))]
    await shop.comes_to(pb.COMPLETED, order, "the log is back")
    await cluster.faults.lose(50, *shop.services, peer=shop.orchestrator, which="requests")
    for order in orders:
        await shop.place(order)
    await shop.wait(3)
    await cluster.faults.heal()
    for order in orders:
        await shop.comes_to(pb.COMPLETED, order, "what got lost on the way is sent again")
    await outboxes_empty(shop)
    await shop.books_show(orders)


async def the_outbox_is_emptied(cluster: Cluster) -> None:
    """An event that the log has is removed from the outbox, for good: the log does not grow when
    nobody orders."""
    shop = Shop(cluster)
    orders = [shop.order(f"o{number}", quantity=1, price=5) for number in range(1, 4)]
    for order in orders:
        await shop.ordered_and_over(pb.COMPLETED, order, "there is enough of everything")
    await outboxes_empty(shop)
    before = await log_length(shop)
    await shop.blink(*shop.services)
    await shop.wait(2)
    after = await log_length(shop)
    expect(after == before, f"the log stays at {before} events, as nothing happens", f"{after}")


async def what_comes_twice_is_taken_once(cluster: Cluster) -> None:
    """An event that the log has twice has its effect once, also when a crash lies between: the
    inbox knows it."""
    shop = Shop(cluster)
    order = shop.order("o1", quantity=3, price=40)
    await shop.ordered_and_over(pb.COMPLETED, order, "there is enough of everything")
    for times in range(2):
        for event in await log_events(shop):
            await publish(shop, event)
        await all_read(shop)
        await shop.whole(order, pb.COMPLETED)
        await shop.books_show([order])
        if not times:
            await shop.blink(*shop.services)
    other = shop.order("o2", quantity=1, price=5)
    await shop.ordered_and_over(pb.COMPLETED, other, "other events are taken all the same")
    await shop.books_show([order, other])


async def nothing_is_missed_in_the_log(cluster: Cluster) -> None:
    """Services that were down read on from where they were: every event is taken, in order."""
    shop = Shop(cluster)
    orders: list[pb.Order] = []
    for number, node in enumerate(shop.services, start=1):
        order = shop.order(f"o{number}", quantity=1, price=5)
        await cluster.faults.kill(node)
        await shop.place(order)
        await shop.wait(1)
        await cluster.faults.restart(node)
        await shop.comes_to(pb.COMPLETED, order, f"{node} reads what it has missed")
        orders.append(order)
    await all_read(shop)
    await shop.books_show(orders)


async def wherever_a_node_crashes_in_a_choreography(cluster: SimCluster) -> None:
    """A crash before any effect of any node: each order is carried out, once, by events alone."""
    shop = Shop(cluster)
    await crash_everywhere(shop, pb.COMPLETED, price=5, apart=5)


# ------------------------------------------------------------------------------------------ helpers


async def log_events(shop: Shop) -> list[pb.Event]:
    """All that the log has."""
    request = pb.PollRequest(after=0, limit=ALL_EVENTS)

    async def answered() -> list[pb.Event] | None:
        response = await answer(shop.cluster, shop.orchestrator, request)
        if response is None:
            return None
        assert isinstance(response, pb.PollResponse)
        return list(response.events)

    return await shop.until("the log can be read", answered)


async def publish(shop: Shop, event: pb.Event) -> None:
    """Puts an event into the log once more, as a producer that was not acknowledged does."""
    before = await log_length(shop)

    async def is_there() -> bool:
        request = pb.PublishRequest(event=event)
        return await answer(shop.cluster, shop.orchestrator, request) is not None

    await shop.until(f"the log takes {event.id}", is_there)
    require(await log_length(shop) > before, "the log did not take an event again")


async def log_length(shop: Shop) -> int:
    """How many events the log has."""
    return (await shop.view(shop.orchestrator)).log


async def all_read(shop: Shop) -> None:
    """Waits until every node has read the log to its end."""

    async def read() -> bool:
        views = [await shop.view(node) for node in shop.cluster.nodes]
        return all(view.offset == views[0].log for view in views)

    await shop.until("every service has read the whole log", read)


async def outboxes_empty(shop: Shop) -> None:
    """Waits until every event has gone where it belongs."""

    async def empty() -> bool:
        views = await asyncio.gather(*(shop.view(node) for node in shop.cluster.nodes))
        return not any(view.outbox for view in views)

    await shop.until("no event is left in an outbox", empty)
