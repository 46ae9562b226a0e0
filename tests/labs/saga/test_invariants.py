"""Each watcher says no to what it is there for. What needs whole runs is in test_fuzz and
test_crash_matrix."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from labs.kit.violation import InvariantViolated
from labs.saga.invariants import Books, Sagas
from nodes.core import Call, Caller, Effect, Requested, Respond, Save, SaveAll, Started
from nodes.sim.cluster import SimCluster, simulate
from protos import saga_pb2 as pb
from tests.support.saga_bench import order, saga_spec

PLAN = [pb.RESERVE, pb.CHARGE, pb.SHIP, pb.CONFIRM]
ASKED = Requested(Caller("client", 1), pb.StatusRequest(order="o1"))


def saga(status: pb.Status, *done: pb.Step, undone: tuple[pb.Step, ...] = ()) -> pb.Saga:
    return pb.Saga(order=order(), status=status, done=done, undone=undone)


def logged(record: pb.Saga) -> Save:
    return Save("sagas/o1", record)


def together(**rows: Message) -> SaveAll:
    return SaveAll(tuple(Save(name.replace("__", "/"), row) for name, row in rows.items()))


def said(watcher: Sagas | Books, *effects: Effect, found: dict[str, Message] | None = None) -> str:
    """The invariant that these effects of a step violate; empty: none."""

    async def program(cluster: SimCluster) -> str:
        try:
            if found is not None:
                watcher(cluster, "n2", Started(found), ())
            watcher(cluster, "n1", ASKED, effects)
        except InvariantViolated as violated:
            return violated.invariant
        return ""

    return simulate(saga_spec(), program)


@pytest.mark.parametrize(
    ("invariant", "records"),
    [
        ("", [saga(pb.RUNNING, pb.RESERVE), saga(pb.COMPLETED, *PLAN)]),
        ("completed is all steps done (S1)", [saga(pb.COMPLETED, pb.RESERVE)]),
        ("compensated is all that was done undone (S1)", [saga(pb.COMPENSATED, pb.RESERVE)]),
        (
            "an order that is over stays so (S1)",
            [saga(pb.COMPLETED, *PLAN), saga(pb.RUNNING, *PLAN)],
        ),
        (
            "compensations go backwards (S2)",
            [saga(pb.COMPENSATED, pb.RESERVE, pb.CHARGE, undone=(pb.RESERVE, pb.CHARGE))],
        ),
        (
            "",
            [saga(pb.COMPENSATED, pb.RESERVE, pb.CHARGE, undone=(pb.CHARGE, pb.RESERVE))],
        ),
    ],
    ids=["completed", "half", "left", "reopened", "forwards", "backwards"],
)
def test_what_the_log_says(invariant: str, records: list[pb.Saga]) -> None:
    """S1 and S2, of one record after the other."""
    assert said(Sagas(), *map(logged, records)) == invariant


def test_an_intent_that_is_not_logged() -> None:
    """Or only afterwards (S8)."""
    at_hand = pb.Saga(order=order(), status=pb.RUNNING, step=pb.RESERVE)
    call = Call("n2", pb.DoRequest(step=pb.RESERVE, order=order()), 300)
    assert said(Sagas(), logged(at_hand), call) == ""
    assert said(Sagas(), call, logged(at_hand)) == "the intent is logged before the call (S8)"


def test_what_may_have_been_done() -> None:
    """A step that was asked for, and not heard of, is not left as it is (S4)."""
    at_hand = pb.Saga(order=order(), status=pb.RUNNING, step=pb.RESERVE)
    call = Call("n2", pb.DoRequest(step=pb.RESERVE, order=order()), 300)
    for undone, invariant in (
        ((), "what may have been done is undone (S4)"),
        ((pb.RESERVE,), ""),
    ):
        over = saga(pb.COMPENSATED, undone=undone)
        assert said(Sagas(), logged(at_hand), call, logged(over)) == invariant


def test_an_end_that_is_told_too_early() -> None:
    """Only what is logged is reported as over."""
    over = saga(pb.COMPLETED, *PLAN)
    told = Respond(Caller("client", 1), pb.PlaceResponse(saga=over))
    assert said(Sagas(), logged(over), told) == ""
    assert said(Sagas(), told, logged(over)) == ("only what is logged is reported as over (S1)")


@pytest.mark.parametrize(
    ("states", "invariant"),
    [
        ("released", "a compensation without its step does nothing, and is remembered (S5)"),
        ("refused pending", "what comes after its compensation is refused (S6)"),
        ("pending pending", "each effect happens at most once for an order (S3)"),
        ("pending released released", "each effect happens at most once for an order (S3)"),
    ],
)
def test_a_part_of_an_order_goes_one_way(states: str, invariant: str) -> None:
    """Forwards, then perhaps back, and no further."""
    effects = [
        together(reservations__o1=pb.Reservation(item="book", quantity=2, state=state))
        for state in states.split()
    ]
    assert said(Books(), *effects) == invariant


def test_goods_that_do_not_add_up() -> None:
    """After a transaction, and on a disk that a node finds."""
    stock = pb.Stock(quantity=98, open=True)
    held = pb.Reservation(item="book", quantity=2, state="pending")
    assert said(Books(), together(stock__book=stock, reservations__o1=held)) == ""
    assert said(Books(), together(stock__book=stock)) == "goods add up"
    assert said(Books(), found={"stock/book": stock}) == "goods add up"
