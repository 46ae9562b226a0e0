"""The orchestrator: a log of intents, forwards to the pivot, back before it (Garcia-Molina and
Salem 1987, 3 to 5; S1, S2, S4, S7, S8)."""

from __future__ import annotations

import pytest

from nodes.core import Call, Effect, Respond, Save
from protos import saga_pb2 as pb
from tests.support.saga_bench import Bench, call_in, do_in, kinds, order, responses, saves_in

DONE = pb.DoResponse(result=pb.DoResponse.DONE)
NO_MONEY = pb.DoResponse(result=pb.DoResponse.DECLINED, reason="no money")
RETRY, SKIP, COMPENSATE = (
    pb.OperateRequest.RETRY,
    pb.OperateRequest.SKIP,
    pb.OperateRequest.COMPENSATE,
)


def placed(bench: Bench, *, wait: bool = True) -> list[Effect]:
    return bench.ask(pb.PlaceRequest(order=order(), wait=wait))


def until(bench: Bench, step: pb.Step) -> list[Effect]:
    """An order of which all steps before this one are done."""
    effects = placed(bench)
    while do_in(effects).step != step:
        effects = bench.answer(effects, DONE)
    return effects


def asked(effects: list[Effect]) -> tuple[str, pb.Step, bool]:
    """Who is asked for which step, and whether it is to be undone."""
    request = do_in(effects)
    return call_in(effects).peer, request.step, request.compensation


def gives_up(bench: Bench, effects: list[Effect]) -> list[Effect]:
    """Nobody answers, until the patience is over."""
    for _ in range(int(bench.params["attempts_max"]) - 1):
        bench.unanswered(effects)
        effects = bench.fire("sagas", after_ms=2000)
    return bench.unanswered(effects)


def stuck_past_the_pivot(bench: Bench) -> None:
    gives_up(bench, until(bench, pb.CONFIRM))
    assert saga(bench).status == pb.STUCK


def saga(bench: Bench, id: str = "o1") -> pb.Saga:
    (response,) = responses(bench.ask(pb.StatusRequest(order=id)))
    assert isinstance(response, pb.StatusResponse)
    return response.saga


def operate(bench: Bench, action: pb.OperateRequest.Action) -> list[Effect]:
    return bench.ask(pb.OperateRequest(order="o1", action=action))


def reported(effects: list[Effect]) -> list[pb.Status]:
    return [one.saga.status for one in responses(effects) if isinstance(one, pb.PlaceResponse)]


def test_the_steps_come_one_after_the_other() -> None:
    """T1, T2, ..., Tn, each when the one before is done; then the saga is over, and only then is
    the client told (2, S1)."""
    bench = Bench("n1")
    effects, seen = placed(bench), []
    while not responses(effects):
        seen.append(asked(effects))
        effects = bench.answer(effects, DONE)
    assert seen == [
        ("n2", pb.RESERVE, False),
        ("n3", pb.CHARGE, False),
        ("n4", pb.SHIP, False),
        ("n2", pb.CONFIRM, False),
    ]
    assert kinds(effects) == [Save, Respond]
    assert reported(effects) == [pb.COMPLETED]


def test_the_intent_is_logged_before_the_call() -> None:
    """What a crash interrupts can be known and done again only if the log names it first (S8)."""
    bench = Bench("n1")
    effects = placed(bench)
    for step in (pb.RESERVE, pb.CHARGE, pb.SHIP, pb.CONFIRM):
        assert kinds(effects) == [Save, Call]
        (saved,) = saves_in(effects)
        record = saved["sagas/o1"]
        assert isinstance(record, pb.Saga)
        assert record.step == do_in(effects).step == step
        effects = bench.answer(effects, DONE)


@pytest.mark.parametrize(
    ("declined", "undone"),
    [(pb.RESERVE, []), (pb.CHARGE, [pb.RESERVE]), (pb.SHIP, [pb.CHARGE, pb.RESERVE])],
)
def test_compensations_go_backwards(declined: pb.Step, undone: list[pb.Step]) -> None:
    """T1, ..., Tj, Cj, ..., C1 (2): what was done is undone in reverse; what was declined is
    not (S2)."""
    bench = Bench("n1")
    effects, seen = bench.answer(until(bench, declined), NO_MONEY), []
    while not responses(effects):
        _, step, back = asked(effects)
        assert back
        seen.append(step)
        effects = bench.answer(effects, DONE)
    assert seen == undone
    assert reported(effects) == [pb.COMPENSATED]
    assert saga(bench).reason == "no money"


@pytest.mark.parametrize("step", [pb.RESERVE, pb.CHARGE, pb.SHIP])
def test_what_may_have_been_done_is_undone(step: pb.Step) -> None:
    """Nobody answers: the step may have been done, so it is undone as if it was (S4)."""
    bench = Bench("n1")
    effects = gives_up(bench, until(bench, step))
    assert asked(effects)[1:] == (step, True)


def test_the_same_step_has_the_same_key() -> None:
    """In every attempt, and after a crash; another one for its compensation."""
    bench = Bench("n1")
    first = until(bench, pb.CHARGE)
    bench.unanswered(first)
    again = bench.fire("sagas", after_ms=2000)
    after_crash = bench.restart()
    assert do_in(first).key == do_in(again).key == do_in(after_crash).key
    back = gives_up(bench, after_crash)
    assert do_in(back).key not in ("", do_in(first).key)


def test_waits_grow_up_to_a_bound() -> None:
    """Each wait is at most twice the one before, random, and never longer than the setting."""
    bench = Bench("n1", attempts_max=10)
    effects, waits = placed(bench), []
    for _ in range(9):
        (delay_ms,) = [
            effect.delay_ms for effect in bench.unanswered(effects) if hasattr(effect, "delay_ms")
        ]
        waits.append(delay_ms)
        effects = bench.fire("sagas", after_ms=delay_ms)
    for attempt, wait_ms in enumerate(waits):
        longest = min(2000, 100 * 2**attempt)
        assert longest // 2 <= wait_ms <= longest


@pytest.mark.parametrize("step", [pb.RESERVE, pb.CHARGE, pb.SHIP, pb.CONFIRM])
def test_a_crash_repeats_the_step_at_hand(step: pb.Step) -> None:
    """The log tells where the saga is: it goes on there, forwards (5)."""
    bench = Bench("n1")
    until(bench, step)
    assert asked(bench.restart())[1:] == (step, False)


def test_a_crash_does_not_stop_the_way_back() -> None:
    """Backward recovery goes on where it was, too."""
    bench = Bench("n1")
    bench.answer(until(bench, pb.SHIP), NO_MONEY)
    assert asked(bench.restart())[1:] == (pb.CHARGE, True)


def test_past_the_pivot_there_is_no_way_back() -> None:
    """What follows the pivot is tried until it succeeds; if it cannot be brought about, it is an
    operator's, and nobody is told that it is over (S7)."""
    bench = Bench("n1")
    effects = gives_up(bench, until(bench, pb.CONFIRM))
    assert reported(effects) == [pb.STUCK]
    assert saga(bench).stuck_because == "n2 did not answer"
    assert not bench.view.ended


def test_a_compensation_that_fails_is_never_silent() -> None:
    """It is tried again, and then shows as stuck, also after a crash: never as compensated (S7)."""
    bench = Bench("n1")
    effects = gives_up(bench, bench.answer(until(bench, pb.CHARGE), NO_MONEY))
    assert reported(effects) == [pb.STUCK]
    bench.restart()
    assert saga(bench).status == pb.STUCK
    assert (saga(bench).reason, saga(bench).stuck_because) == ("no money", "n2 did not answer")


def test_an_operator_lets_it_try_again() -> None:
    """The same step, with all its attempts."""
    bench = Bench("n1")
    stuck_past_the_pivot(bench)
    effects = operate(bench, RETRY)
    assert asked(effects)[1:] == (pb.CONFIRM, False)
    bench.answer(effects, DONE)
    assert saga(bench).status == pb.COMPLETED


def test_an_operator_sees_to_a_step() -> None:
    """It counts as done, and the log says by whom."""
    bench = Bench("n1")
    stuck_past_the_pivot(bench)
    operate(bench, SKIP)
    assert (saga(bench).status, list(saga(bench).skipped)) == (pb.COMPLETED, [pb.CONFIRM])


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (COMPENSATE, "it is past its pivot: it can only be brought to its end"),
        (pb.OperateRequest.NONE, "it takes an action: retry, skip or compensate"),
    ],
)
def test_what_an_operator_may_not_do(action: pb.OperateRequest.Action, reason: str) -> None:
    """It is refused with the reason, and the saga stays as it was."""
    bench = Bench("n1")
    stuck_past_the_pivot(bench)
    (response,) = responses(operate(bench, action))
    assert isinstance(response, pb.OperateResponse)
    assert response.refused.reason == reason
    assert saga(bench).status == pb.STUCK


def test_only_what_is_stuck_needs_an_operator() -> None:
    """A saga under way is left alone."""
    bench = Bench("n1")
    placed(bench)
    (response,) = responses(operate(bench, SKIP))
    assert isinstance(response, pb.OperateResponse)
    assert response.refused.reason == "it is not stuck"


def test_an_order_asked_for_again_is_the_same() -> None:
    """Under way, both clients hear of its end; afterwards it is told at once. Under the same id
    another order is refused."""
    bench = Bench("n1")
    effects = placed(bench)
    assert not [one for one in placed(bench) if isinstance(one, Call)]
    while not responses(effects):
        effects = bench.answer(effects, DONE)
    assert reported(effects) == [pb.COMPLETED] * 2
    assert reported(placed(bench)) == [pb.COMPLETED]
    (response,) = responses(bench.ask(pb.PlaceRequest(order=order(price=1))))
    assert isinstance(response, pb.PlaceResponse)
    assert "is another one" in response.refused.reason


def test_a_late_response_is_nothing() -> None:
    """A saga that has moved on does not go a second step for it."""
    bench = Bench("n1")
    first = placed(bench)
    bench.answer(first, DONE)
    assert not bench.answer(first, DONE)


def test_who_does_not_wait_is_told_at_once() -> None:
    """Accepted is not over."""
    assert reported(placed(Bench("n1"), wait=False)) == [pb.RUNNING]


@pytest.mark.parametrize("id", ["", "a/b"])
def test_an_order_needs_a_name(id: str) -> None:
    """Rows are kept under it."""
    (response,) = responses(Bench("n1").ask(pb.PlaceRequest(order=order(id))))
    assert isinstance(response, pb.PlaceResponse)
    assert response.refused.reason.startswith("an order needs an id")


def test_others_say_where_orders_are_taken() -> None:
    """With a hint."""
    (response,) = responses(placed(Bench("n3")))
    assert isinstance(response, pb.PlaceResponse)
    assert response.refused.hint == "n1"


def test_the_list_has_the_stuck_ones_first() -> None:
    """Then those under way, then those that are over."""
    bench = Bench("n1")
    over = bench.ask(pb.PlaceRequest(order=order("over")))
    bench.answer(over, NO_MONEY)
    stuck_past_the_pivot(bench)
    bench.ask(pb.PlaceRequest(order=order("going")))
    (response,) = responses(bench.ask(pb.ListRequest()))
    assert isinstance(response, pb.ListResponse)
    assert [one.order.id for one in response.sagas] == ["o1", "going", "over"]
