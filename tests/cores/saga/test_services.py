"""Services: each step a local transaction, compensations, and requests that are known by their key
(Garcia-Molina and Salem 1987, 2; S3, S5, S6)."""

from __future__ import annotations

import pytest

from nodes.core import Respond, SaveAll, Started
from protos import saga_pb2 as pb
from tests.support.saga_bench import Bench, done_in, kinds, order, saves_in

PLACES = {pb.RESERVE: "n2", pb.CHARGE: "n3", pb.SHIP: "n4"}
TABLES = {pb.RESERVE: "reservations", pb.CHARGE: "charges", pb.SHIP: "shipments"}
STEPS = list(PLACES)
DONE, DECLINED, FAILED = pb.DoResponse.DONE, pb.DoResponse.DECLINED, pb.DoResponse.FAILED


def do(step: pb.Step, *, back: bool = False, of: pb.Order | None = None) -> pb.DoRequest:
    """A step as the orchestrator asks for it."""
    one = of or order()
    key = f"{one.id}:{step}:{'undo' if back else 'do'}"
    return pb.DoRequest(step=step, compensation=back, order=one, key=key)


def keyless(request: pb.DoRequest) -> pb.DoRequest:
    request.key = ""
    return request


def holdings(bench: Bench) -> tuple[dict[str, int], dict[str, int], int]:
    view = bench.view
    return dict(view.stock), dict(view.accounts), view.capacity_left


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_one_local_transaction(step: pb.Step) -> None:
    """Its effect, its record and the memory of its key are saved as one, and only then is it
    answered."""
    effects = Bench(PLACES[step]).ask(do(step))
    assert done_in(effects).result == DONE
    assert kinds(effects) == [SaveAll, Respond]
    (saved,) = saves_in(effects)
    assert f"{TABLES[step]}/o1" in saved
    assert any(slot.startswith("requests/") for slot in saved)
    assert len(saved) == 3


@pytest.mark.parametrize("step", STEPS)
def test_a_compensation_gives_back_what_the_step_took(step: pb.Step) -> None:
    """The compensating transaction undoes, from a semantic point of view, what the step did; it
    does not return the database to the state before, for the record stays (1)."""
    bench = Bench(PLACES[step])
    before = holdings(bench)
    bench.ask(do(step))
    assert holdings(bench) != before
    assert done_in(bench.ask(do(step, back=True))).result == DONE
    assert holdings(bench) == before
    assert bench.slots[f"{TABLES[step]}/o1"].ByteSize() > 0


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_repetition_has_no_effect(step: pb.Step, back: bool) -> None:
    """The same key again, also after a crash: the same response, and nothing is done (S3)."""
    bench = Bench(PLACES[step])
    if back:
        bench.ask(do(step))
    first = done_in(bench.ask(do(step, back=back)))
    then = holdings(bench)
    again = bench.ask(do(step, back=back))
    bench.restart()
    after_crash = bench.ask(do(step, back=back))
    for effects in (again, after_crash):
        assert not saves_in(effects)
        assert (done_in(effects).result, done_in(effects).repeated) == (first.result, True)
    assert holdings(bench) == then


@pytest.mark.parametrize("step", [pb.RESERVE, pb.CHARGE, pb.SHIP])
def test_without_keys_a_repetition_is_done_again(step: pb.Step) -> None:
    """What idempotency keys are for: the same request twice takes twice."""
    bench = Bench(PLACES[step], idempotency="off")
    before = holdings(bench)
    bench.ask(keyless(do(step)))
    once = holdings(bench)
    bench.ask(keyless(do(step)))
    assert holdings(bench) not in (before, once)


def test_a_refusal_is_remembered() -> None:
    """A late repetition of a step that was declined must not find the goods there after all: the
    order has turned back and will not undo it (S6)."""
    bench = Bench("n2", opening_stock=3)
    bench.ask(do(pb.RESERVE, of=order("other", quantity=2)))
    assert done_in(bench.ask(do(pb.RESERVE))).result == DECLINED
    bench.ask(do(pb.RESERVE, back=True, of=order("other", quantity=2)))
    assert bench.view.stock["book"] == 3
    assert done_in(bench.ask(do(pb.RESERVE))).result == DECLINED
    assert bench.view.stock["book"] == 3


@pytest.mark.parametrize("step", STEPS)
def test_a_compensation_without_its_step_does_nothing(step: pb.Step) -> None:
    """The orchestrator does not know whether the step was done: nothing is given back that was not
    taken (S5)."""
    bench = Bench(PLACES[step])
    before = holdings(bench)
    assert done_in(bench.ask(do(step, back=True))).result == DONE
    assert holdings(bench) == before


@pytest.mark.parametrize("step", STEPS)
def test_a_step_behind_its_compensation_is_refused(step: pb.Step) -> None:
    """A request that was long under way comes when all is undone, also after a crash: nobody would
    undo it again (S6)."""
    bench = Bench(PLACES[step])
    before = holdings(bench)
    bench.ask(do(step, back=True))
    bench.restart()
    response = done_in(bench.ask(do(step)))
    assert (response.result, response.reason) == (DECLINED, "its compensation came first")
    assert holdings(bench) == before


@pytest.mark.parametrize(
    ("step", "of", "reason"),
    [
        (pb.RESERVE, order(quantity=101), "only 100 of book in stock"),
        (pb.RESERVE, order(item="cup"), "there is no cup"),
        (pb.CHARGE, order(price=1001), "alice has only 1000"),
        (pb.CHARGE, order(customer="mallory"), "mallory has no account"),
    ],
)
def test_what_cannot_be_done_is_declined(step: pb.Step, of: pb.Order, reason: str) -> None:
    """With a reason that a customer understands, and no effect."""
    bench = Bench(PLACES[step])
    before = holdings(bench)
    response = done_in(bench.ask(do(step, of=of)))
    assert (response.result, response.reason) == (DECLINED, reason)
    assert holdings(bench) == before


def test_the_van_has_so_many_places() -> None:
    """One a shipment."""
    bench = Bench("n4", opening_capacity=1)
    assert done_in(bench.ask(do(pb.SHIP))).result == DONE
    assert done_in(bench.ask(do(pb.SHIP, of=order("o2")))).reason == "the van is full"


def test_a_sale_needs_a_reservation() -> None:
    """Nothing is sold that was not taken out of stock for this order."""
    bench = Bench("n2")
    assert done_in(bench.ask(do(pb.CONFIRM, of=order("o2")))).result == DECLINED
    bench.ask(do(pb.RESERVE))
    assert dict(bench.view.held) == {"book": 2}
    assert done_in(bench.ask(do(pb.CONFIRM))).result == DONE
    assert (dict(bench.view.held), dict(bench.view.sold)) == ({}, {"book": 2})


def test_a_semantic_lock_keeps_others_away() -> None:
    """An item that another order has reserved and not paid yet is not touched; afterwards it is.
    That is no refusal for good, so it is not remembered."""
    bench = Bench("n2", semantic_locks="on")
    bench.ask(do(pb.RESERVE))
    second = do(pb.RESERVE, of=order("o2"))
    blocked = done_in(bench.ask(second))
    assert (blocked.result, blocked.reason) == (FAILED, "book is pending for o1")
    assert done_in(bench.ask(do(pb.RESERVE, of=order("o3", item="pen")))).result == DONE
    bench.ask(do(pb.CONFIRM))
    assert done_in(bench.ask(second)).result == DONE


@pytest.mark.parametrize(("updates", "left"), [("commutative", 97), ("absolute", 100)])
def test_absolute_compensations_undo_what_others_did(updates: str, left: int) -> None:
    """Other transactions see what a saga did so far and build on it (2): to put back what was there
    before loses their part, to give back what was taken does not."""
    bench = Bench("n2", updates=updates)
    bench.ask(do(pb.RESERVE))
    bench.ask(do(pb.RESERVE, of=order("o2", quantity=3)))
    bench.ask(do(pb.RESERVE, back=True))
    assert bench.view.stock["book"] == left


def test_a_shop_opens_once() -> None:
    """After a crash there is what was there before, and not what was there at first."""
    bench = Bench("n2")
    bench.ask(do(pb.RESERVE))
    bench.restart()
    assert dict(bench.view.stock) == {"book": 98, "lamp": 100, "pen": 100}


def test_who_lost_the_disk_does_nothing() -> None:
    """Nobody knows what was sold: no step is done, also after one more crash; and none is declined
    for good."""
    bench = Bench("n2")
    bench.slots.clear()
    bench.core = bench.make()
    bench.step(Started(amnesia=True))
    for _ in range(2):
        response = done_in(bench.ask(do(pb.RESERVE)))
        assert (response.result, response.reason) == (FAILED, "n2 lost its disk")
        bench.restart()
