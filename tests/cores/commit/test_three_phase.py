"""Three-phase commit and its termination protocol: Skeen (1981); Bernstein, Hadzilacos, Goodman,
7.5."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.core import Call, Respond, SaveAll
from protos import commit_pb2 as pb
from tests.support.commit_bench import THREE, Bench, State, told
from tests.support.raft_bench import Effects

PREPARED, PRECOMMITTED = State.PREPARED, State.PRECOMMITTED


def in_doubt(node: str = "n2") -> Bench:
    """A participant that has voted yes; n2, n3 and n4 take part, n1 coordinates."""
    bench = Bench(node, **THREE)
    account = {"n2": "alice", "n3": "bob", "n4": "carol"}[node]
    share: dict[str, Any] = {account: 10}
    bench.prepare(**share)
    return bench


def round_of(bench: Bench, **states: State.State | None) -> Effects:
    """A round of the termination protocol: everyone who is asked says this; None: silence."""
    after = Effects()
    for call in bench.doubt().calls(pb.InquireRequest):
        state = states.get(call.peer)
        if state is None:
            after += bench.fail(call)
        else:
            after += bench.respond(call, pb.InquireResponse(state=state))
    return after


# --------------------------------------------------------------------------------- three phases


def test_nobody_commits_before_everyone_knows_that_all_voted_yes() -> None:
    """Pre-commit comes between the votes and the commit, durable at the coordinator first."""
    bench = Bench(**THREE)
    effects = bench.votes(bench.transact(alice=-10, bob=10))
    assert [call.peer for call in effects.calls()] == ["n2", "n3"]
    assert all(isinstance(call.request, pb.PreCommitRequest) for call in effects.calls())
    assert effects.place(SaveAll) < effects.place(Call)
    assert not effects.of(Respond)
    one, two = effects.calls(pb.PreCommitRequest)
    assert not bench.respond(one, pb.PreCommitResponse()).calls(pb.DecideRequest)
    ended = bench.respond(two, pb.PreCommitResponse())
    assert ended.response(pb.TransactResponse).outcome == pb.COMMITTED
    assert len(ended.calls(pb.DecideRequest)) == 2


def test_who_does_not_acknowledge_the_middle_phase_is_taken_for_dead() -> None:
    """The coordinator ignores participants that failed, and commits (7.5)."""
    bench = Bench(**THREE)
    one, two = bench.votes(bench.transact(alice=-10, bob=10)).calls(pb.PreCommitRequest)
    bench.respond(one, pb.PreCommitResponse())
    assert bench.fail(two).response(pb.TransactResponse).outcome == pb.COMMITTED


def test_a_participant_notes_durably_that_all_voted_yes_before_it_says_so() -> None:
    """So that a restart finds it."""
    bench = in_doubt()
    effects = bench.ask(pb.PreCommitRequest(transaction="t#1"))
    assert effects.place(SaveAll) < effects.place(Respond)
    bench.restart()
    assert bench.view.in_doubt[0].precommitted


def test_who_has_aborted_refuses_the_middle_phase() -> None:
    """A coordinator that was only taken for dead hears that the others went on without it."""
    bench = in_doubt()
    bench.decide(pb.ABORTED)
    effects = bench.ask(pb.PreCommitRequest(transaction="t#1"))
    assert effects.response(pb.PreCommitResponse).refused
    coordinator = Bench(**THREE)
    [call, _] = coordinator.votes(coordinator.transact(alice=-10, bob=10)).calls()
    ended = coordinator.respond(call, pb.PreCommitResponse(refused=True))
    assert ended.response(pb.TransactResponse).outcome == pb.ABORTED


# ------------------------------------------------------------------------- termination protocol


def test_while_the_coordinator_works_everyone_waits() -> None:
    """It may just be waiting for votes."""
    bench = in_doubt()
    for _ in range(3):
        assert not round_of(bench, n1=State.WORKING, n3=PREPARED, n4=PREPARED)
    assert bench.view.in_doubt


@pytest.mark.parametrize(
    ("states", "committed"),
    [
        ({"n3": PREPARED, "n4": PREPARED}, False),
        ({"n3": PREPARED, "n4": PRECOMMITTED}, True),
        ({"n3": State.UNKNOWN, "n4": PREPARED}, False),
        ({"n3": State.WORKING, "n4": PREPARED}, False),
        ({"n3": State.ABORTED, "n4": PREPARED}, False),
        ({"n3": State.COMMITTED, "n4": PREPARED}, True),
        ({}, False),  # It is the only one that is left.
    ],
)
def test_those_that_are_left_decide(states: dict[str, State.State], committed: bool) -> None:
    """The termination rule (7.5): an outcome that anyone knows holds; else commit if anyone knows
    that all voted yes; else abort. Nobody waits for the coordinator."""
    bench = in_doubt()
    after = round_of(bench, **states) + (round_of(bench, **states) if bench.view.in_doubt else [])
    for call in Effects(after).calls(pb.PreCommitRequest):
        bench.respond(call, pb.PreCommitResponse())
    assert not bench.view.in_doubt
    assert bench.view.amounts["account/alice"] == (110 if committed else 100)


def test_before_they_commit_all_learn_that_all_voted_yes() -> None:
    """Those that are only prepared are brought along first (7.5): the leader may crash, too."""
    bench = in_doubt()
    bench.ask(pb.PreCommitRequest(transaction="t#1"))
    round_of(bench, n3=PREPARED, n4=PRECOMMITTED)
    effects = round_of(bench, n3=PREPARED, n4=PRECOMMITTED)
    [call] = effects.calls(pb.PreCommitRequest)
    assert call.peer == "n3"
    assert bench.view.in_doubt
    effects = bench.respond(call, pb.PreCommitResponse())
    assert told(effects) == [("n3", pb.COMMITTED), ("n4", pb.COMMITTED)]


def test_one_leads_and_the_others_wait() -> None:
    """Two leaders could see different states."""
    bench = in_doubt("n3")
    for _ in range(3):
        assert not round_of(bench, n2=PREPARED, n4=PREPARED)
    round_of(bench, n4=PREPARED)
    assert round_of(bench, n4=PREPARED).calls(pb.DecideRequest)


def test_who_just_fell_silent_may_have_said_something_that_is_still_under_way() -> None:
    """Nothing is decided in the first round in which somebody is missing."""
    bench = in_doubt()
    round_of(bench, n1=State.WORKING, n3=PREPARED, n4=PREPARED)
    assert not round_of(bench, n3=PREPARED, n4=PREPARED)
    assert bench.view.in_doubt
    assert round_of(bench, n3=PREPARED, n4=PREPARED).calls(pb.DecideRequest)


def test_who_crashed_has_no_say() -> None:
    """A participant that comes back may not decide alone: the others may have decided, and crashed
    since (7.5)."""
    bench = in_doubt()
    bench.restart()
    for _ in range(3):
        round_of(bench, n3=None, n4=None)
    assert bench.view.in_doubt
    round_of(bench, n3=State.ABORTED)
    assert not bench.view.in_doubt


def test_after_a_total_failure_all_must_be_back() -> None:
    """When everyone has crashed, and everyone is back, the first of them all decides (7.5)."""
    bench = in_doubt()
    bench.restart()

    def everyone() -> None:
        for call in bench.doubt().calls(pb.InquireRequest):
            bench.respond(call, pb.InquireResponse(state=PREPARED, recovered=True))

    everyone()
    assert bench.view.in_doubt
    everyone()
    assert not bench.view.in_doubt
    assert bench.view.amounts["account/alice"] == 100


def test_a_coordinator_that_comes_back_asks_and_decides_nothing() -> None:
    """The participants may have decided without it."""
    bench = Bench(**THREE)
    bench.votes(bench.transact(alice=-10, bob=10))
    assert not bench.restart().calls()
    effects = bench.fire("doubt")
    assert [call.peer for call in effects.calls(pb.InquireRequest)] == ["n2", "n3"]
    one, two = effects.calls(pb.InquireRequest)
    bench.respond(one, pb.InquireResponse(state=PRECOMMITTED))
    bench.respond(two, pb.InquireResponse(state=PREPARED))
    assert [one.phase for one in bench.view.coordinated] == ["recovering"]
    one, two = bench.doubt().calls(pb.InquireRequest)
    bench.respond(one, pb.InquireResponse(state=State.COMMITTED))
    effects = bench.respond(two, pb.InquireResponse(state=State.COMMITTED))
    assert told(effects) == [("n2", pb.COMMITTED), ("n3", pb.COMMITTED)]


def test_a_client_that_asks_again_meanwhile_gets_the_outcome_and_no_second_transaction() -> None:
    """The first attempt may yet be committed."""
    bench = Bench(**THREE)
    bench.votes(bench.transact("t", alice=-10, bob=10))
    bench.restart()
    assert not bench.transact("t", alice=-10, bob=10).calls(pb.PrepareRequest)
    for call in bench.fire("doubt").calls(pb.InquireRequest):
        effects = bench.respond(call, pb.InquireResponse(state=State.COMMITTED))
    assert effects.response(pb.TransactResponse).outcome == pb.COMMITTED
