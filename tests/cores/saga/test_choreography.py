"""Choreography: effects and events by an outbox, and an inbox for a log that tells twice."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nodes.core import Append, Call, Effect, SaveAll
from protos import saga_pb2 as pb
from tests.support.saga_bench import Bench, kinds, order, responses, saves_in

Kind = pb.Event


def service(node: str = "n2", **params: str) -> Bench:
    return Bench(node, style="choreographed", **params)


def event(kind: Kind.Kind, of: pb.Order | None = None, *, id: str = "") -> pb.Event:
    one = of or order()
    return pb.Event(id=id or f"{one.id}:{Kind.Kind.Name(kind).lower()}", kind=kind, order=one)


def hears(bench: Bench, *events: pb.Event) -> list[Effect]:
    """The service polls the log and gets these."""
    polled = bench.fire("poll")
    (poll,) = [one for one in polled if isinstance(one, Call)]
    assert isinstance(poll.request, pb.PollRequest)
    assert poll.request.after == bench.view.offset
    return bench.answer(polled, pb.PollResponse(events=events))


def published(effects: list[Effect]) -> list[pb.Event]:
    """What is sent to the log."""
    calls = [one.request for one in effects if isinstance(one, Call)]
    return [request.event for request in calls if isinstance(request, pb.PublishRequest)]


PATHS = [
    ("n2", Kind.ORDER_PLACED, order(), Kind.STOCK_RESERVED),
    ("n2", Kind.ORDER_PLACED, order(quantity=101), Kind.STOCK_DECLINED),
    ("n3", Kind.STOCK_RESERVED, order(), Kind.PAYMENT_CHARGED),
    ("n3", Kind.STOCK_RESERVED, order(price=1001), Kind.PAYMENT_DECLINED),
    ("n4", Kind.PAYMENT_CHARGED, order(), Kind.SHIPMENT_BOOKED),
    ("n3", Kind.SHIPMENT_DECLINED, order(), Kind.PAYMENT_REFUNDED),
    ("n2", Kind.PAYMENT_DECLINED, order(), Kind.STOCK_RELEASED),
    ("n2", Kind.PAYMENT_REFUNDED, order(), Kind.STOCK_RELEASED),
]


@pytest.mark.parametrize(("node", "heard", "of", "told"), PATHS)
def test_a_service_reacts(node: str, heard: Kind.Kind, of: pb.Order, told: Kind.Kind) -> None:
    """At an event it does its step, or undoes it, and tells what came of it."""
    bench = service(node)
    assert [one.kind for one in published(hears(bench, event(heard, of)))] == [told]


def test_what_is_of_no_concern_is_only_read() -> None:
    """The offset moves, so that it is not read again."""
    bench = service("n4")
    effects = hears(bench, event(Kind.ORDER_PLACED))
    assert not published(effects)
    assert bench.view.offset == 1


def test_an_outbox_is_one_transaction_with_the_effect() -> None:
    """What was done, that it was asked for, and what is to be told of it are durable together, and
    only then is it told."""
    bench = service()
    effects = hears(bench, event(Kind.ORDER_PLACED))
    assert kinds(effects) == [SaveAll, Call]
    (saved,) = saves_in(effects)
    assert {name.partition("/")[0] for name in saved} == {
        "stock",
        "reservations",
        "requests",
        "offsets",
        "inbox",
        "outbox",
    }


def test_an_event_is_told_until_the_log_has_it() -> None:
    """Also after a crash; then it is out of the outbox."""
    bench = service()
    (told,) = published(hears(bench, event(Kind.ORDER_PLACED)))
    again = bench.fire("relay", after_ms=300)
    assert published(again) == [told]
    after_crash = bench.restart()
    assert published(after_crash) == [told]
    assert bench.view.outbox == 1
    bench.answer(after_crash, pb.PublishResponse(offset=2))
    assert bench.view.outbox == 0
    assert not [slot for slot in bench.slots if slot.startswith("outbox/")]
    assert not published(bench.restart())


def test_what_is_under_way_is_not_sent_again() -> None:
    """An event that was sent a moment ago may yet be acknowledged; later it is sent again."""
    bench = service()
    (first,) = published(hears(bench, event(Kind.ORDER_PLACED)))
    bench.now_ms += 250
    (second,) = published(hears(bench, event(Kind.ORDER_PLACED, order("o2"))))
    assert published(bench.fire("relay", after_ms=50)) == [first]
    assert published(bench.fire("relay", after_ms=300)) == [first, second]


@pytest.mark.parametrize("events", ["publish-after", "publish-before"])
def test_without_an_outbox_there_are_two_orders_to_do_it_in(events: str) -> None:
    """Between the two a crash loses the event, or tells of what never happened: dual writes."""
    bench = service(events=events)
    effects = hears(bench, event(Kind.ORDER_PLACED))
    expected = [SaveAll, Call]
    assert kinds(effects) == (expected if events == "publish-after" else expected[::-1])
    assert not published(bench.restart())


def test_an_inbox_takes_an_event_once() -> None:
    """The log has it twice, and the second time nothing is done or told."""
    bench = service("n3")
    heard = event(Kind.STOCK_RESERVED)
    hears(bench, heard)
    effects = hears(bench, heard)
    assert not published(effects)
    assert (bench.view.accounts["alice"], bench.view.offset) == (970, 2)


@pytest.mark.parametrize(("idempotency", "left"), [("on", 970), ("off", 940)])
def test_without_an_inbox_the_key_of_the_step_is_all(idempotency: str, left: int) -> None:
    """Neither inbox nor keys: charged twice."""
    bench = service("n3", inbox="off", idempotency=idempotency)
    hears(bench, event(Kind.STOCK_RESERVED))
    hears(bench, event(Kind.STOCK_RESERVED))
    assert bench.view.accounts["alice"] == left


def test_what_is_told_again_has_the_same_name() -> None:
    """So that whoever hears it knows: two events of one kind for one order are one."""
    bench = service("n3", inbox="off")
    first = published(hears(bench, event(Kind.STOCK_RESERVED)))
    bench.now_ms += 1000
    assert published(hears(bench, event(Kind.STOCK_RESERVED))) == first


def test_nobody_asks_again_at_a_lock() -> None:
    """What cannot be done now is declined: in a choreography nobody is there to try again."""
    bench = service(semantic_locks="on")
    hears(bench, event(Kind.ORDER_PLACED))
    (told,) = published(hears(bench, event(Kind.ORDER_PLACED, order("o2"))))
    assert (told.kind, told.reason) == (Kind.STOCK_DECLINED, "book is pending for o1")


def test_the_log_keeps_what_it_is_told_and_may_have_it_twice() -> None:
    """At least once: it is durable before the producer hears so."""
    bench = service("n1")
    told = event(Kind.STOCK_RESERVED)
    for offset in (1, 2):
        effects = bench.ask(pb.PublishRequest(event=told), by="n2")
        assert kinds(effects)[0] is Append
        assert responses(effects) == [pb.PublishResponse(offset=offset)]
    (polled,) = responses(bench.ask(pb.PollRequest(after=0, limit=50), by="n3"))
    assert polled == pb.PollResponse(events=[told, told])
    (rest,) = responses(bench.ask(pb.PollRequest(after=1, limit=50), by="n3"))
    assert rest == pb.PollResponse(events=[told])


def test_a_new_order_and_its_event_are_one_transaction() -> None:
    """Else an order is accepted of which nobody hears."""
    bench = service("n1")
    effects = bench.ask(pb.PlaceRequest(order=order()))
    first = saves_in(effects)[0]
    assert set(first) == {"sagas/o1", "outbox/o1:order_placed"}


@pytest.mark.parametrize(
    ("heard", "status"),
    [
        ([Kind.STOCK_DECLINED], pb.COMPENSATED),
        ([Kind.STOCK_RESERVED, Kind.PAYMENT_DECLINED], pb.COMPENSATING),
        ([Kind.STOCK_RESERVED, Kind.PAYMENT_DECLINED, Kind.STOCK_RELEASED], pb.COMPENSATED),
        ([Kind.STOCK_RESERVED, Kind.PAYMENT_CHARGED, Kind.SHIPMENT_BOOKED], pb.RUNNING),
        (
            [
                Kind.STOCK_RESERVED,
                Kind.PAYMENT_CHARGED,
                Kind.SHIPMENT_BOOKED,
                Kind.STOCK_CONFIRMED,
                Kind.PAYMENT_CHARGED,
            ],
            pb.COMPLETED,
        ),
    ],
)
def test_the_orders_service_follows(heard: list[Kind.Kind], status: pb.Status) -> None:
    """It knows how far an order is by what others tell, and does nothing about it."""
    bench = service("n1")
    bench.ask(pb.PlaceRequest(order=order()))
    for kind in heard:
        bench.ask(pb.PublishRequest(event=event(kind)), by="n2")
    effects = bench.fire("poll")
    assert not [one for one in effects if isinstance(one, Call)]
    (response,) = responses(bench.ask(pb.StatusRequest(order="o1")))
    assert isinstance(response, pb.StatusResponse)
    assert response.saga.status == status
    done = list(response.saga.done)
    assert all(one < other for one, other in pairwise(done))


def test_nobody_is_in_charge() -> None:
    """There is no one whom an operator could tell to try again."""
    bench = service("n1")
    bench.ask(pb.PlaceRequest(order=order()))
    (response,) = responses(
        bench.ask(pb.OperateRequest(order="o1", action=pb.OperateRequest.RETRY))
    )
    assert isinstance(response, pb.OperateResponse)
    assert response.refused.reason == "nobody is in charge of a choreographed saga"
