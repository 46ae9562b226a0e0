"""Two-phase commit: Gray (1978); Bernstein, Hadzilacos, Goodman, 7.3 and 7.4; presumed abort after
Mohan, Lindsay, Obermarck (1986)."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.core import Call, CrashPoint, Note, Respond, Save, SaveAll
from protos import commit_pb2 as pb
from tests.support.commit_bench import (
    NOTHING,
    RETRY_MS,
    THREE,
    Bench,
    State,
    prepare,
    saved,
    told,
)

ORDER: dict[str, Any] = {"alice": -10, "bob": 10}


# ------------------------------------------------------------------------------------ coordinator


def test_every_participant_is_asked_for_its_share() -> None:
    """The coordinator sends a vote request to all participants (7.4)."""
    effects = Bench().transact(alice=-10, bob=4, carol=6)
    assert {call.peer for call in effects.calls(pb.PrepareRequest)} == {"n2", "n3", "n4"}
    request = effects.sent("n3", pb.PrepareRequest)
    assert [(one.resource, one.delta) for one in request.changes] == [("account/bob", 4)]
    assert list(request.participants) == ["n2", "n3", "n4"]


def test_presumed_abort_writes_nothing_before_the_decision() -> None:
    """No record is forced before the votes are in, where abort is presumed (Mohan et al.)."""
    assert not Bench().transact(**ORDER).of(SaveAll)


def test_presuming_nothing_the_begin_is_written_before_anyone_is_asked() -> None:
    """The start-2PC record comes before the vote requests (7.4)."""
    effects = Bench(**NOTHING).transact(**ORDER)
    assert effects.place(SaveAll) < effects.place(Call)


def test_all_yes_commits_and_the_decision_is_durable_before_anyone_hears_of_it() -> None:
    """If all voted yes the coordinator decides Commit, by writing it into its log, and only then
    sends it (7.4); the client hears it after that as well."""
    bench = Bench()
    effects = bench.votes(bench.transact(**ORDER))
    assert told(effects) == [("n2", pb.COMMITTED), ("n3", pb.COMMITTED)]
    assert effects.response(pb.TransactResponse).outcome == pb.COMMITTED
    assert effects.place(SaveAll) < min(effects.place(Call), effects.place(Respond))


def test_unanimity_is_needed_and_no_majority() -> None:
    """As long as a vote is missing nothing is decided (7.4)."""
    bench = Bench()
    calls = bench.transact(alice=-10, bob=4, carol=6).calls(pb.PrepareRequest)
    for call in calls[:2]:
        effects = bench.respond(call, pb.PrepareResponse(yes=True))
        assert not effects.of(SaveAll)
        assert not effects.of(Call)


def test_a_single_no_aborts_and_those_that_may_have_voted_yes_hear_of_it() -> None:
    """The coordinator decides Abort, and tells all that voted yes, or may have (7.4)."""
    bench = Bench()
    one, two, three = bench.transact(alice=-10, bob=4, carol=6).calls(pb.PrepareRequest)
    bench.respond(one, pb.PrepareResponse(yes=True))
    effects = bench.respond(two, pb.PrepareResponse(yes=False, reason="not enough"))
    assert told(effects) == [(one.peer, pb.ABORTED), (three.peer, pb.ABORTED)]
    response = effects.response(pb.TransactResponse)
    assert (response.outcome, response.reason) == (pb.ABORTED, f"{two.peer}: not enough")
    kinds = {ballot.participant: ballot.kind for ballot in response.ballots}
    assert kinds == {
        one.peer: pb.Ballot.YES,
        two.peer: pb.Ballot.NO,
        three.peer: pb.Ballot.NONE,
    }


def test_silence_is_a_no_but_may_have_been_a_yes() -> None:
    """A timeout while it waits for votes lets the coordinator abort (7.4); who kept silent hears of
    it all the same."""
    bench = Bench()
    [call, *_] = bench.transact(**ORDER).calls(pb.PrepareRequest)
    effects = bench.fail(call)
    assert effects.response(pb.TransactResponse).outcome == pb.ABORTED
    assert call.peer in {one.peer for one in effects.calls(pb.DecideRequest)}


def test_a_late_vote_changes_nothing() -> None:
    """The decision is never reversed (AC2)."""
    bench = Bench()
    calls = bench.transact(**ORDER).calls(pb.PrepareRequest)
    bench.respond(calls[0], pb.PrepareResponse(yes=False, reason="no"))
    assert not bench.respond(calls[1], pb.PrepareResponse(yes=True)).of(SaveAll)


@pytest.mark.parametrize(("params", "writes", "waits"), [({}, 0, False), (NOTHING, 2, True)])
def test_an_abort_leaves_no_trace_where_it_is_presumed(
    params: dict[str, Any], writes: int, waits: bool
) -> None:
    """Presumed abort: no forced write and no acknowledgement for an abort (Mohan et al.)."""
    bench = Bench(**params)
    effects = bench.transact(**ORDER)
    bench.votes(effects, n2="not enough")
    assert bench.view.forced_writes == writes
    assert bool(bench.view.coordinated) == waits
    assert bool(bench.rows("decisions")) == waits


def test_a_commit_is_remembered_until_all_have_acknowledged() -> None:
    """The coordinator forgets when everyone has acknowledged (7.4): nobody will ask any more."""
    bench = Bench()
    effects = bench.votes(bench.transact(**ORDER))
    calls = effects.calls(pb.DecideRequest)
    bench.respond(calls[0], pb.DecideResponse())
    assert bench.rows("decisions")
    bench.respond(calls[1], pb.DecideResponse())
    assert not bench.rows("decisions")
    assert not bench.view.coordinated


def test_an_outcome_is_told_again_until_it_is_acknowledged() -> None:
    """Whoever has not acknowledged may not have heard."""
    bench = Bench()
    calls = bench.votes(bench.transact(**ORDER)).calls(pb.DecideRequest)
    bench.respond(calls[0], pb.DecideResponse())
    bench.wait(RETRY_MS)
    again = bench.fire("retry").calls(pb.DecideRequest)
    assert [call.peer for call in again] == [calls[1].peer]


def test_what_was_told_a_moment_ago_is_not_told_again() -> None:
    """Each outcome has its own time, and the timer comes back for the next one."""
    bench = Bench()
    first = bench.votes(bench.transact("t", alice=-10, bob=10)).calls(pb.DecideRequest)
    bench.wait(RETRY_MS // 3)
    second = bench.votes(bench.transact("u", dave=-10, carol=10)).calls(pb.DecideRequest)
    bench.wait(RETRY_MS - RETRY_MS // 3)
    effects = bench.fire("retry")
    again = effects.calls(pb.DecideRequest)
    assert [one.request for one in again] == [one.request for one in first]
    assert effects.timers()["retry"] == RETRY_MS // 3
    bench.wait(RETRY_MS // 3)
    again = bench.fire("retry").calls(pb.DecideRequest)
    assert [one.request for one in again] == [one.request for one in second]


def test_steady_work_does_not_put_off_what_is_told_again() -> None:
    """A new decision does not start the timer anew."""
    bench = Bench()
    first = bench.votes(bench.transact("t", **ORDER))
    second = bench.votes(bench.transact("u", **ORDER))
    assert "retry" in first.timers()
    assert "retry" not in second.timers()


def test_who_aborts_alone_waits_for_nobody() -> None:
    """Where everyone voted no there is nobody to tell, and nothing to remember."""
    bench = Bench(**NOTHING)
    bench.votes(bench.transact(alice=-10), n2="not enough")
    assert not bench.view.coordinated
    assert not bench.rows("decisions")


# ------------------------------------------------------------------------- after a crash (7.4, 7.5)


def test_a_coordinator_that_crashed_after_its_decision_tells_it_again() -> None:
    """A decision in the log holds."""
    bench = Bench()
    bench.votes(bench.transact(**ORDER))
    assert told(bench.restart()) == [("n2", pb.COMMITTED), ("n3", pb.COMMITTED)]


def test_a_coordinator_that_crashed_before_its_decision_aborts() -> None:
    """A start record without a decision: it aborts (7.5)."""
    bench = Bench(**NOTHING)
    bench.transact(**ORDER)
    assert told(bench.restart()) == [("n2", pb.ABORTED), ("n3", pb.ABORTED)]


def test_without_a_record_the_answer_is_that_nothing_is_known_which_means_abort() -> None:
    """Presumed abort: who finds no record of a transaction answers abort (Mohan et al.)."""
    bench = Bench()
    bench.transact(**ORDER)
    bench.restart()
    assert bench.inquiry("t#1") == State.UNKNOWN
    participant = Bench("n2")
    participant.prepare(alice=-10)
    [call] = participant.doubt().calls(pb.InquireRequest)
    participant.respond(call, pb.InquireResponse(state=State.UNKNOWN))
    assert participant.view.amounts["account/alice"] == 100
    assert not participant.view.locks


def test_its_own_vote_without_a_decision_is_an_abort() -> None:
    """A coordinator that is a participant as well finds its yes, and no decision: it aborts."""
    bench = Bench("n2")
    bench.transact(**ORDER)
    assert bench.rows("votes")
    bench.restart()
    bench.fire("doubt")
    assert not bench.rows("votes")
    assert not bench.view.locks


def test_who_lost_its_disk_says_nothing_ever_again() -> None:
    """Its promises are gone, and others build on them; another restart does not bring them back."""
    bench = Bench("n2")
    bench.prepare(alice=-10)
    bench.disk.wipe()
    bench.restart(amnesia=True)
    bench.restart()
    assert bench.view.lost_disk
    assert not bench.view.amounts
    assert bench.inquiry() is None
    assert not bench.prepare("u#1", alice=-10).response(pb.PrepareResponse).yes


# ------------------------------------------------------------------------------------ participant


def test_a_yes_is_durable_before_it_is_said() -> None:
    """A participant that votes yes writes so into its log before it sends its vote (7.4)."""
    effects = Bench("n2").prepare(alice=-10)
    assert effects.response(pb.PrepareResponse).yes
    assert effects.place(SaveAll) < effects.place(Respond)


@pytest.mark.parametrize(
    ("change", "reason"), [({"alice": -101}, "not enough left"), ({"bob": 1}, "there is no")]
)
def test_it_votes_no_on_what_cannot_be_done(change: dict[str, Any], reason: str) -> None:
    """A no needs no record, and the participant may forget at once (7.4)."""
    bench = Bench("n2")
    effects = bench.prepare("t#1", **change)
    response = effects.response(pb.PrepareResponse)
    assert not response.yes
    assert reason in response.reason
    assert not effects.of(SaveAll)
    assert not bench.view.locks


def test_between_yes_and_outcome_nothing_changes_and_the_locks_stay() -> None:
    """In doubt it may neither commit nor abort, and holds its locks (7.3)."""
    bench = Bench("n2")
    bench.prepare(alice=-10)
    for _ in range(20):
        bench.doubt()
    assert bench.view.amounts["account/alice"] == 100
    assert [one.transaction for one in bench.view.in_doubt] == ["t#1"]
    assert [one.holder for one in bench.view.locks] == ["t#1"]


def test_a_commit_is_carried_out_as_one_and_once() -> None:
    """Amounts, vote and outcome change in one write; told again, a decision changes nothing."""
    bench = Bench("n2")
    bench.prepare(alice=-10, dave=3)
    effects = bench.decide(pb.COMMITTED)
    [write] = saved(effects)
    assert set(write.split("+")) == {
        "ended/t#1",
        "votes/t#1",
        "amounts/account/alice",
        "amounts/account/dave",
    }
    assert effects.place(SaveAll) < effects.place(Respond)
    bench.decide(pb.COMMITTED)
    bench.restart()
    bench.decide(pb.COMMITTED)
    assert dict(bench.view.amounts)["account/alice"] == 90
    assert dict(bench.view.amounts)["account/dave"] == 103
    assert not bench.view.locks


def test_a_restart_in_doubt_takes_the_locks_back_and_asks() -> None:
    """A yes in the log without an outcome: the participant is in doubt, and must ask (7.5)."""
    bench = Bench("n2")
    bench.prepare(alice=-10)
    effects = bench.restart()
    assert [one.holder for one in bench.view.locks] == ["t#1"]
    assert effects.timers() == {"doubt": 0}
    [call] = bench.fire("doubt").calls(pb.InquireRequest)
    assert call.peer == "n1"


def test_who_was_told_to_abort_first_never_votes_yes() -> None:
    """A request to prepare that was overtaken by the abort finds it."""
    bench = Bench("n2")
    bench.decide(pb.ABORTED)
    assert not bench.prepare(alice=-10).response(pb.PrepareResponse).yes


def test_a_request_that_comes_twice_has_the_same_answer() -> None:
    """Messages may be duplicated."""
    bench = Bench("n2")
    assert bench.prepare(alice=-10).response(pb.PrepareResponse).yes
    again = bench.prepare(alice=-10)
    assert again.response(pb.PrepareResponse).yes
    assert not again.of(SaveAll)


# ------------------------------------------------------------------------------------------ locks


def test_the_younger_dies_and_the_older_waits() -> None:
    """Wait-die: a younger transaction that meets an older one is aborted; an older one waits, and
    votes once the lock is free."""
    bench = Bench("n2")
    bench.prepare("middle#1", age=5, alice=-1)
    assert not bench.prepare("young#1", age=9, alice=-1).response(pb.PrepareResponse).yes
    assert not bench.prepare("old#1", age=1, alice=-1).of(Respond)
    effects = bench.decide(pb.COMMITTED, "middle#1")
    assert effects.response(pb.PrepareResponse).yes
    assert [one.holder for one in bench.view.locks] == ["old#1"]


def test_a_lock_that_does_not_come_in_time_is_a_no() -> None:
    """A timeout takes what may be a deadlock for one."""
    bench = Bench("n2", deadlocks="timeout")
    bench.prepare("one#1", age=1, alice=-1)
    effects = bench.prepare("two#1", age=2, alice=-1)
    assert effects.timers() == {"locks": 400}
    bench.wait(400)
    response = bench.fire("locks").response(pb.PrepareResponse)
    assert (response.yes, response.reason) == (False, "no lock within 400 ms")


def test_who_is_told_to_abort_while_it_waits_stops_waiting() -> None:
    """Its coordinator has given up: it votes no, and is not granted the lock later."""
    bench = Bench("n2")
    bench.prepare("middle#1", age=5, alice=-1)
    bench.prepare("old#1", age=1, alice=-1)
    assert not bench.decide(pb.ABORTED, "old#1").response(pb.PrepareResponse).yes
    bench.decide(pb.COMMITTED, "middle#1")
    assert not bench.view.locks


# ------------------------------------------------------------------------------ termination (7.4)


def test_in_doubt_the_coordinator_is_asked_first() -> None:
    """It may just be waiting for votes; then nobody else is troubled."""
    bench = Bench("n2")
    bench.prepare(alice=-10)
    [call] = bench.doubt().calls(pb.InquireRequest)
    assert call.peer == "n1"
    assert not bench.respond(call, pb.InquireResponse(state=State.WORKING)).of(Call)


def test_cooperative_termination_asks_the_others() -> None:
    """When the coordinator is silent, any participant that knows the decision can tell it (7.4)."""
    bench = Bench("n2")
    bench.prepare(alice=-10)
    [call] = bench.doubt().calls(pb.InquireRequest)
    asked = bench.fail(call).calls(pb.InquireRequest)
    assert [one.peer for one in asked] == ["n3", "n4"]
    bench.respond(asked[0], pb.InquireResponse(state=State.PREPARED))
    assert bench.view.in_doubt
    bench.respond(asked[1], pb.InquireResponse(state=State.COMMITTED))
    assert bench.view.amounts["account/alice"] == 90


def test_without_cooperation_only_the_coordinator_is_asked() -> None:
    """The simple termination protocol: wait for the coordinator (7.4)."""
    bench = Bench("n2", termination="coordinator")
    bench.prepare(alice=-10)
    [call] = bench.doubt().calls(pb.InquireRequest)
    assert not bench.fail(call).of(Call)


def test_all_in_doubt_means_blocked() -> None:
    """If everyone who answers is in doubt as well, two-phase commit blocks (7.4)."""
    bench = Bench("n2")
    bench.prepare(alice=-10)
    for _ in range(10):
        [call] = bench.doubt().calls(pb.InquireRequest)
        for one in bench.fail(call).calls(pb.InquireRequest):
            bench.respond(one, pb.InquireResponse(state=State.PREPARED))
    assert bench.view.in_doubt
    assert bench.view.locks


def test_who_has_not_voted_promises_not_to_when_a_participant_asks() -> None:
    """A participant that has not voted can decide to abort unilaterally, and tell so (7.4)."""
    bench = Bench("n2")
    assert bench.inquiry(cooperative=False) == State.UNKNOWN
    assert bench.inquiry(cooperative=True) == State.ABORTED
    assert not bench.prepare(alice=-10).response(pb.PrepareResponse).yes
    bench.restart()
    assert bench.inquiry() == State.ABORTED


def test_steady_votes_do_not_put_off_a_doubt() -> None:
    """A new vote does not start the timer anew."""
    bench = Bench("n2")
    assert bench.prepare("t#1", alice=-1).timers() == {"doubt": 500}
    bench.wait(400)
    assert not bench.prepare("u#1", dave=-1).timers()
    bench.wait(100)
    [call] = bench.fire("doubt").calls()
    assert call.request == pb.InquireRequest(transaction="t#1")


# ---------------------------------------------------------------------------------------- clients


def test_asked_again_it_is_the_same_transaction() -> None:
    """While it is under way the second request waits for the same outcome; afterwards it has it."""
    bench = Bench()
    effects = bench.transact("t", **ORDER)
    assert not bench.transact("t", **ORDER).of(Call)
    assert len(bench.votes(effects).of(Respond)) == 2
    bench.restart()
    again = bench.transact("t", **ORDER)
    assert again.response(pb.TransactResponse).outcome == pb.COMMITTED
    assert not again.of(Call)


def test_an_attempt_has_a_name_of_its_own() -> None:
    """A message of an earlier attempt is not taken for one of this."""
    bench = Bench()
    first = bench.transact("t", **ORDER).sent("n2", pb.PrepareRequest).transaction
    bench.restart()
    second = bench.transact("t", **ORDER).sent("n2", pb.PrepareRequest).transaction
    assert first != second


@pytest.mark.parametrize("name", ["", "a#b"])
def test_a_name_that_cannot_be_told_apart_is_refused(name: str) -> None:
    """Attempts are told apart by what follows the #."""
    assert Bench().transact(name, **ORDER).response(pb.TransactResponse).HasField("refused")


def test_what_is_tried_anew_keeps_its_age() -> None:
    """So that wait-die lets it have its turn one day (Rosenkrantz, Stearns, Lewis)."""
    bench = Bench()
    effects = bench.transact("t", **ORDER)
    born_ms = effects.sent("n2", pb.PrepareRequest).priority.time_ms
    bench.wait(1000)
    [call, *_] = effects.calls(pb.PrepareRequest)
    ended = bench.respond(call, pb.PrepareResponse(reason="a lock")).response(pb.TransactResponse)
    assert ended.since_ms == born_ms
    request = pb.TransactRequest(transaction="u", since_ms=born_ms)
    request.changes.add(resource="account/alice", delta=-1)
    again = bench.ask(request, by="client").sent("n2", pb.PrepareRequest)
    assert again.priority.time_ms == born_ms


@pytest.mark.parametrize("params", [{}, NOTHING, THREE])
def test_every_forced_write_has_a_crash_point_before_and_behind(params: dict[str, Any]) -> None:
    """So that a node can be killed on either side of it."""
    bench = Bench("n2", **params)
    steps = [bench.transact(**ORDER)]
    steps.append(bench.votes(steps[0]))
    for call in steps[-1].calls(pb.PreCommitRequest):
        steps.append(bench.respond(call, pb.PreCommitResponse()))
    for step in steps:
        effects = [effect for effect in step if not isinstance(effect, Note)]
        for place, effect in enumerate(effects):
            if isinstance(effect, SaveAll | Save):
                assert isinstance(effects[place - 1], CrashPoint)
                assert isinstance(effects[place + 1], CrashPoint)
    assert sum(len(effects.of(SaveAll)) for effects in steps) >= 3


def test_a_prepare_of_another_coordinator_is_a_share_like_any() -> None:
    """Any node may coordinate, also one that holds resources."""
    bench = Bench("n2")
    assert bench.ask(prepare(by="n3", alice=-1), by="n3").response(pb.PrepareResponse).yes
