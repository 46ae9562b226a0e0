"""What cannot be carried out is undone; behind the pivot there is no way back."""

from __future__ import annotations

from labs.kit.check import expect, require
from labs.saga.scenarios.crashes import crash_everywhere
from labs.saga.scenarios.shop import ALL_DONE, PAY, RES, VAN, Shop, steps_of, told
from labs.saga.violation import word
from nodes.cluster.api import Cluster
from nodes.sim.cluster import SimCluster
from protos import saga_pb2 as pb


async def a_declined_order_is_undone(cluster: Cluster) -> None:
    """What was done before a step was declined is undone, the latest first, and the client is told
    why."""
    shop = Shop(cluster)
    too_many, too_much = shop.setting("opening_stock") + 1, shop.setting("opening_balance") + 1
    for order, done in (
        (shop.order("o1", quantity=too_many), ()),
        (shop.order("o2", price=too_much), (pb.RESERVE,)),
        (shop.order("o3"), (pb.RESERVE, pb.CHARGE)),  # for which there is no place in the van
    ):
        saga = await shop.ordered_and_over(pb.COMPENSATED, order, "one of its steps is declined")
        expect(bool(saga.reason), f"it is told why {order.id} was undone", "no reason")
        expect(
            tuple(saga.undone) == tuple(reversed(done)),
            f"of {order.id}, of which was done {steps_of(done)}, all is undone, the latest first",
            f"undone {steps_of(saga.undone)}",
        )
    await shop.books_show(())


async def no_is_not_asked_again(cluster: Cluster) -> None:
    """A step that was declined is declined for good: the order turns back at once."""
    shop = Shop(cluster)
    order = shop.order("o1", price=shop.setting("opening_balance") + 1)
    await shop.ordered_and_over(pb.COMPENSATED, order, "alice cannot pay for it")
    repetitions = (await shop.view(shop.payment)).repetitions
    expect(
        not repetitions,
        "what was declined is not asked for again",
        f"{shop.payment} was asked {repetitions + 1} times",
    )
    await shop.books_show(())


async def who_is_away_for_a_moment_is_asked_again(cluster: Cluster) -> None:
    """A service that does not answer for less than the orchestrator's patience costs time, and not
    the order."""
    shop = Shop(cluster)
    orders: list[pb.Order] = []
    for node in shop.services:
        order = shop.order(f"o{len(orders) + 1}", quantity=1, price=5)
        await cluster.faults.kill(node)
        await shop.place(order)
        await shop.wait(0.5)
        saga = await shop.now(order)
        require(saga.status == pb.RUNNING or saga.attempts > 0, f"{node} was not missed")
        await cluster.faults.restart(node)
        await shop.comes_to(pb.COMPLETED, order, f"{node} was away for a moment only")
        await shop.whole(order, pb.COMPLETED)
        orders.append(order)
    await shop.books_show(orders)


async def it_waits_longer_each_time(cluster: Cluster) -> None:
    """The time between two attempts doubles, up to the longest: who is down is not overrun when it
    comes back."""
    shop = Shop(cluster)
    order = shop.order("o1")
    await cluster.faults.kill(shop.payment)
    await shop.place(order)
    first_ms, longest_ms = shop.setting("backoff_ms"), shop.setting("backoff_ms_max")
    began_ms = cluster.now_ms()
    await shop.wait(5)
    saga, took_ms = await shop.now(order), cluster.now_ms() - began_ms
    # Each wait is at least half of its backoff, which doubles; and then they are all the longest.
    at_most, spent_ms, backoff_ms = 1, 0, first_ms
    while spent_ms <= took_ms:
        at_most, spent_ms = at_most + 1, spent_ms + backoff_ms // 2
        backoff_ms = min(longest_ms, 2 * backoff_ms)
    require(saga.attempts > 1, f"{order.id} was not tried again: {told(saga)}")
    expect(
        saga.attempts <= at_most,
        f"at most {at_most} attempts in {took_ms} ms, as each waits for longer",
        f"{saga.attempts} attempts",
    )
    await cluster.faults.restart(shop.payment)
    await shop.comes_to(pb.COMPLETED, order, f"{shop.payment} is back")


async def what_may_have_been_done_is_undone(cluster: Cluster) -> None:
    """A service that did the step, and died before it said so, is not taken for one that did not:
    the step is undone with those before."""
    shop = Shop(cluster)
    orders: list[pb.Order] = []
    for node in (shop.payment, shop.stock):
        order = shop.order(f"o{len(orders) + 1}", price=5)
        orders.append(order)
        await cluster.faults.crash_at("effect-saved", node)
        await shop.place(order)
        await shop.down(node)
        await turned_back(shop, order)
        await cluster.faults.restart(node)
        await retried_to_its_end(shop, order)
        saga = await shop.comes_to(pb.COMPENSATED, order, f"{node} was away for too long")
        await shop.whole(order, pb.COMPENSATED)
        require(bool(saga.undone), "nothing was undone")
    await shop.books_show(())


async def behind_the_pivot_there_is_no_way_back(cluster: Cluster) -> None:
    """Once the shipment is booked the order is brought to its end: what cannot be done is an
    operator's, who lets it try again, and nothing is undone."""
    shop = Shop(cluster)
    order = shop.order("o1")
    # The second local transaction at the stock service confirms the sale.
    await cluster.faults.crash_at("before-effect-saved", shop.stock, after=1)
    await shop.place(order)
    await shop.down(shop.stock)
    saga = await shop.comes_to(pb.STUCK, order, "its shipment is booked, and its goods are away")
    expect(not saga.undone, "nothing is undone after the shipment is booked", told(saga))
    refused = await shop.operate(order, pb.OperateRequest.COMPENSATE)
    expect(bool(refused), "an operator cannot undo an order whose shipment is booked", "no refusal")
    await cluster.faults.restart(shop.stock)
    await retried_to_its_end(shop, order)
    await shop.comes_to(pb.COMPLETED, order, "an operator let it try again")
    await shop.whole(order, pb.COMPLETED)
    await shop.books_show([order])


async def a_compensation_is_not_given_up(cluster: Cluster) -> None:
    """An order of which something could not be undone is stuck, and never reported as undone; when
    an operator lets it try again it is."""
    shop = Shop(cluster)
    order = shop.order("o1")  # for which there is no place in the van
    await cluster.faults.crash_at("before-effect-saved", shop.payment, after=1)
    await shop.place(order)
    await shop.down(shop.payment)
    saga = await shop.comes_to(pb.STUCK, order, "alice's money could not be given back")
    expect(
        pb.CHARGE not in saga.undone and pb.RESERVE not in saga.undone,
        "nothing is undone before what was done after it",
        told(saga),
    )
    await shop.blink(shop.orchestrator)
    saga = await shop.comes_to(pb.STUCK, order, "it was so before the crash")
    await cluster.faults.restart(shop.payment)
    await retried_to_its_end(shop, order)
    await shop.comes_to(pb.COMPENSATED, order, "an operator let it try again")
    await shop.whole(order, pb.COMPENSATED)
    await shop.books_show(())


async def operators_act_on_what_is_stuck(cluster: Cluster) -> None:
    """An operator may act on an order that is stuck, and on no other; a step that he has seen to is
    taken as done, and not asked for."""
    shop = Shop(cluster)
    fine, stuck = shop.order("o1"), shop.order("o2")
    await shop.ordered_and_over(pb.COMPLETED, fine, "there is enough of everything")
    for action in (pb.OperateRequest.RETRY, pb.OperateRequest.SKIP, pb.OperateRequest.COMPENSATE):
        refused = await shop.operate(fine, action)
        name = pb.OperateRequest.Action.Name(action).lower()
        expect(bool(refused), f"{name} is refused for o1, which is over", "no refusal")
    await shop.comes_to(pb.COMPLETED, fine, "no operator could touch it")
    await cluster.faults.crash_at("before-effect-saved", shop.stock, after=1)
    await shop.place(stuck)
    await shop.down(shop.stock)
    await shop.comes_to(pb.STUCK, stuck, "its goods are away")
    refused = await shop.operate(stuck, pb.OperateRequest.SKIP)
    expect(not refused, "an operator may say that he has seen to a step", refused)
    saga = await shop.comes_to(pb.COMPLETED, stuck, "an operator has seen to its last step")
    expect(
        list(saga.skipped) == [pb.CONFIRM],
        "it is on record that an operator has seen to confirm",
        f"on record is {steps_of(saga.skipped)}",
    )
    await cluster.faults.restart(shop.stock)
    await shop.wait(1)
    parts = await shop.parts(stuck)
    expect(
        parts == {**ALL_DONE, RES: "pending"},
        "a step that an operator has seen to is not asked for any more",
        f"the goods are {parts[RES]}, the money {parts[PAY]}, the place {parts[VAN]}",
    )


async def wherever_a_node_crashes_on_the_way_back(cluster: SimCluster) -> None:
    """A crash before any effect of any node while an order turns back: everything is undone,
    once."""
    shop = Shop(cluster)
    await crash_everywhere(shop, pb.COMPENSATED, price=5, apart=2)


# ------------------------------------------------------------------------------------------ helpers


async def turned_back(shop: Shop, order: pb.Order) -> None:
    """Waits until the orchestrator's patience with an order is over."""

    async def turned() -> bool:
        saga = await shop.now(order)
        return saga.status in (pb.COMPENSATING, pb.COMPENSATED, pb.STUCK)

    await shop.until(f"{order.id} turns back", turned)


async def retried_to_its_end(shop: Shop, order: pb.Order) -> None:
    """Lets an order that is stuck try again, until it is not any more."""

    async def over() -> bool:
        saga = await shop.rest(order)
        if saga.status != pb.STUCK:
            return True
        refused = await shop.operate(order, pb.OperateRequest.RETRY)
        expect(not refused, f"an order that is {word(saga.status)} may be tried again", refused)
        return False

    await shop.until(f"{order.id} comes to its end when tried again", over)
