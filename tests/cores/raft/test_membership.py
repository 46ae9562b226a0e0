"""Membership changes (thesis 4.1 to 4.2.3 and 3.8), and leadership transfer (thesis 3.10)."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.core import Call, Caller, CancelTimer, Requested, Respond
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb
from tests.support.raft_bench import (
    ELECTION_MAX_MS,
    ELECTION_MIN_MS,
    Bench,
    Effects,
    configuration,
    noop,
    put,
)


def change(bench: Bench, **kind: str) -> Effects:
    """An operator's request, and the write that follows from it."""
    request = pb.ChangeMembershipRequest(**kind)
    return bench.client(request)


def changed(effects: Effects) -> pb.ChangeMembershipResponse:
    return effects.response(pb.ChangeMembershipResponse)


def voters(bench: Bench) -> list[str]:
    return list(bench.view.voters)


# ----------------------------------------------------------------------------- when it may begin


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ({"add": "n2"}, "n2 is already a voter"),
        ({"remove": "n4"}, "n4 is not a voter"),
        ({"add": "n9"}, "no server n9"),
    ],
)
def test_a_change_must_change_something(kind: dict[str, str], why: str) -> None:
    """What makes no sense is refused: definite, nothing happened."""
    bench = Bench(size=4, members=3)
    bench.serve()
    assert changed(change(bench, **kind)).refused.reason == why


def test_only_the_leader_changes_membership() -> None:
    """Changes go through the log, so through the leader (thesis 4.1); the refusal names it."""
    bench = Bench()
    bench.append(term=1, leader="n3")
    refused = changed(change(bench, remove="n2")).refused
    assert (refused.reason, refused.hint) == ("n1 is not the leader", "n3")


def test_one_change_at_a_time() -> None:
    """Only single-server changes, one after another: then any two majorities overlap (thesis
    4.1)."""
    bench = Bench(size=5)
    bench.serve()
    change(bench, remove="n5")
    assert "another change is under way" in changed(change(bench, remove="n4")).refused.reason


def test_a_leader_first_commits_an_entry_of_its_own_term() -> None:
    """The known bug of single-server changes: a leader that has not committed in its term may not
    begin one, or two leaders could use disjoint majorities (Ongaro, raft-dev, July 2015)."""
    bench = Bench()
    effects = bench.lead()
    refused = changed(change(bench, remove="n3")).refused
    assert "has not committed an entry of its term" in refused.reason
    bench.accept_all(effects, "n2")
    assert not changed_at_once(change(bench, remove="n3"))


def changed_at_once(effects: Effects) -> bool:
    return bool(effects.of(Respond))


def test_the_last_voter_stays() -> None:
    """A cluster of nobody could never decide anything again."""
    bench = Bench(size=2, members=1)
    bench.serve()
    assert changed(change(bench, remove="n1")).refused.reason == "n1 is the last voter"


# --------------------------------------------------------------------------------- configurations


def test_a_configuration_is_in_force_once_it_is_in_the_log() -> None:
    """Servers use the new configuration as soon as it is in their log, committed or not (thesis
    4.1)."""
    bench = Bench(size=4)
    bench.append(put(1, 1), configuration(2, 1, "n1", "n2", "n3"))
    assert voters(bench) == ["n1", "n2", "n3"]
    assert bench.view.commit_index == 0


def test_a_truncated_configuration_is_out_of_force() -> None:
    """A server must be able to fall back to the configuration before it (thesis 4.1)."""
    bench = Bench(size=4)
    bench.append(put(1, 1), configuration(2, 1, "n1", "n2", "n3"))
    bench.append(noop(2, 2), term=2, prev=(1, 1), leader="n3")
    assert voters(bench) == ["n1", "n2", "n3", "n4"]


def test_the_configuration_survives_a_restart() -> None:
    """It is in the log, and so it is durable."""
    bench = Bench(size=4)
    bench.append(configuration(1, 1, "n1", "n2", "n3"))
    bench.restart()
    assert voters(bench) == ["n1", "n2", "n3"]


def test_removal_counts_by_the_new_configuration() -> None:
    """The new configuration is committed by a majority of the new one (thesis 4.1)."""
    bench = Bench(size=4)
    bench.serve()
    effects = change(bench, remove="n4")
    assert voters(bench) == ["n1", "n2", "n3"]
    done = bench.accept_all(effects, "n2")
    assert list(changed(done).configuration.voters) == ["n1", "n2", "n3"]


def test_a_removed_server_learns_of_it() -> None:
    """The leader sends the removed server the entry that removes it, so that it campaigns no
    more."""
    bench = Bench(size=4)
    bench.serve()
    effects = change(bench, remove="n4")
    assert effects.sent("n4", pb.AppendEntriesRequest).entries[0].HasField("configuration")
    bench.accept_all(effects, "n2", "n3", "n4")
    assert [call.peer for call in bench.fire("heartbeat").calls()] == ["n2", "n3"]


def test_a_server_that_is_no_voter_does_not_campaign() -> None:
    """A server that is not in its own latest configuration starts no election (thesis 4.2.2)."""
    bench = Bench()
    bench.append(configuration(1, 1, "n2", "n3"))
    bench.wait(ELECTION_MAX_MS)
    assert not bench.fire("election").of(Call)


def test_a_server_that_is_no_voter_still_votes() -> None:
    """Servers take requests from candidates that are in no configuration of theirs: a new server's
    vote may be needed before it knows that it counts (thesis 4.1)."""
    bench = Bench(size=4, members=3, node="n4")
    request = pb.RequestVoteRequest(term=1, candidate_id="n1")
    assert bench.ask(request).response(pb.RequestVoteResponse).vote_granted


def test_votes_of_strangers_do_not_count() -> None:
    """Only votes of the candidate's own configuration count (thesis 4.1)."""
    bench = Bench(size=4, members=3)
    bench.campaign()
    stranger = Call("n4", pb.RequestVoteRequest(term=1), 100)
    bench.respond(stranger, pb.RequestVoteResponse(term=1, vote_granted=True))
    assert bench.view.role == pb.CANDIDATE


# ----------------------------------------------------------------- adding a server (thesis 4.2.1)


def _adding(**params: Any) -> tuple[Bench, Call]:
    """A leader of three that adds n4, and its first request to it."""
    bench = Bench(size=4, members=3, **params)
    bench.serve()
    [call] = change(bench, add="n4").calls(pb.AppendEntriesRequest)
    assert call.peer == "n4"
    return bench, call


def test_a_new_server_catches_up_before_it_counts() -> None:
    """A server is first sent the log as a non-voting member (thesis 4.2.1)."""
    bench, call = _adding()
    assert voters(bench) == ["n1", "n2", "n3"]
    rejected = pb.AppendEntriesResponse(term=1, conflict_index=1)
    [call] = bench.respond(call, rejected).calls()
    assert call.request.entries[0].index == 1  # type: ignore[attr-defined]  # an AppendEntries
    bench.accept(call)
    assert voters(bench) == ["n1", "n2", "n3", "n4"]


def test_a_catching_up_server_counts_for_nothing() -> None:
    """A non-voting member is not counted for commitment (thesis 4.2.1)."""
    bench, call = _adding()
    rejected = pb.AppendEntriesResponse(term=1, conflict_index=1)
    [to_newcomer] = bench.respond(call, rejected).calls()
    bench.put()
    bench.wait(ELECTION_MIN_MS)  # So that the round took too long to be the last one.
    bench.accept(to_newcomer)
    assert bench.view.commit_index == 1
    assert voters(bench) == ["n1", "n2", "n3"]


def test_catching_up_goes_in_rounds() -> None:
    """Each round sends what was appended during the one before; once a round is shorter than an
    election timeout, the server is added (thesis 4.2.1)."""
    bench, call = _adding()
    [call] = bench.respond(call, pb.AppendEntriesResponse(term=1, conflict_index=1)).calls()
    bench.put("a")
    bench.wait(ELECTION_MIN_MS)
    [call] = [c for c in bench.accept(call).calls() if c.peer == "n4"][:1]
    assert voters(bench) == ["n1", "n2", "n3"]
    bench.wait(ELECTION_MIN_MS - 1)
    bench.accept(call)
    assert voters(bench) == ["n1", "n2", "n3", "n4"]


def test_catching_up_ends_after_ten_rounds() -> None:
    """A fixed number of rounds; a server that is slow, but keeps up, is added all the same (thesis
    4.2.1)."""
    bench, call = _adding()
    [call] = bench.respond(call, pb.AppendEntriesResponse(term=1, conflict_index=1)).calls()
    for rounds in range(1, 11):
        assert voters(bench) == ["n1", "n2", "n3"], f"added in round {rounds}"
        effects = bench.put(f"k{rounds}")
        bench.wait(ELECTION_MIN_MS)
        effects += bench.accept(call)
        call = next(c for c in effects.calls() if c.peer == "n4")
    assert voters(bench) == ["n1", "n2", "n3", "n4"]


def test_a_server_that_never_catches_up_is_given_up() -> None:
    """The leader aborts the change when the new server is unavailable or too slow (thesis
    4.2.1)."""
    bench, _ = _adding()
    for _ in range(25):
        bench.wait(ELECTION_MIN_MS)
        effects = bench.fire("heartbeat")
        if effects.of(Respond):
            assert "did not catch up" in changed(effects).refused.reason
            break
        bench.accept_all(effects, "n2", "n3")
    else:
        pytest.fail("the change was never given up")
    assert voters(bench) == ["n1", "n2", "n3"]
    assert "another change" not in str(change(bench, remove="n3"))


def test_an_addition_is_answered_when_it_is_committed() -> None:
    """The operator hears of success once a majority of the new configuration has it."""
    bench, call = _adding()
    [call] = bench.respond(call, pb.AppendEntriesResponse(term=1, conflict_index=1)).calls()
    bench.accept(call)
    effects = bench.fire("flush")
    assert not bench.accept_all(effects, "n2").of(Respond)  # Two of four.
    done = bench.accept_all(effects, "n3")
    assert list(changed(done).configuration.voters) == ["n1", "n2", "n3", "n4"]


# --------------------------------------------------------------- removing the leader (thesis 4.2.2)


def test_a_leader_that_removes_itself_leads_on_until_it_is_committed() -> None:
    """It steps down once the configuration without it is committed, and does not count itself
    (thesis 4.2.2)."""
    bench = Bench()
    bench.serve()
    effects = change(bench, remove="n1")
    assert bench.view.role == pb.LEADER
    bench.accept_all(effects, "n2")  # One of two; our own log counts for nothing.
    assert bench.view.role == pb.LEADER
    done = bench.accept_all(effects, "n3")
    assert changed(done).HasField("configuration")
    assert bench.view.role == pb.FOLLOWER
    assert not bench.fire("election").of(Call)


# ----------------------------------------------------------------- a lost disk (thesis 3.8)


def _follower_lost_its_disk() -> tuple[Bench, Effects]:
    """A leader of three to which n3, up to date before, says that it lost everything."""
    bench = Bench()
    bench.serve()
    bench.accept_all(bench.put())
    [to_n2, to_n3] = bench.fire("heartbeat").calls()
    bench.accept(to_n2)
    lost = pb.AppendEntriesResponse(term=1, conflict_index=1, recovering=True)
    return bench, bench.respond(to_n3, lost)


def test_what_a_server_forgot_does_not_count() -> None:
    """The one case in which match_index goes back: what n3 acknowledged is gone."""
    bench, effects = _follower_lost_its_disk()
    assert [follower.match_index for follower in bench.view.followers] == [2, 0]
    assert effects.sent("n3", pb.AppendEntriesRequest).prev_log_index == 0


def test_a_server_that_lost_its_disk_is_removed_and_added_anew() -> None:
    """Once it has the log again it is removed, and when that is committed it is added as a new
    server (thesis 3.8)."""
    bench, effects = _follower_lost_its_disk()
    [call] = effects.calls()
    bench.respond(call, pb.AppendEntriesResponse(term=1, success=True, recovering=True))
    assert voters(bench) == ["n1", "n2"]
    effects = bench.fire("flush")
    removed = next(c for c in effects.calls() if c.peer == "n2")
    effects = bench.accept(removed)
    [to_newcomer] = [c for c in effects.calls() if c.peer == "n3"][:1]
    bench.respond(to_newcomer, pb.AppendEntriesResponse(term=1, success=True, recovering=True))
    assert voters(bench) == ["n1", "n2", "n3"]


def test_a_lost_disk_is_not_renewed_without_a_majority_of_the_others() -> None:
    """The others must be able to decide without it, or removing it would stop the cluster."""
    bench, effects = _follower_lost_its_disk()
    bench.wait(ELECTION_MIN_MS + 1)
    [call] = effects.calls()
    bench.respond(call, pb.AppendEntriesResponse(term=1, success=True, recovering=True))
    assert voters(bench) == ["n1", "n2", "n3"]


def test_a_server_that_is_added_anew_votes_again() -> None:
    """As a new member it owes nothing to what it promised before (thesis 3.8)."""
    bench = Bench()
    bench.restart(amnesia=True)
    out, back = configuration(1, 1, "n2", "n3"), configuration(2, 1, "n2", "n3", "n1")
    bench.append(out)
    assert bench.view.recovering
    effects = bench.append(back, prev=(1, 1))
    assert not effects.vote().recovering
    bench.wait(ELECTION_MAX_MS)
    assert bench.fire("election").of(Call)


def test_its_own_old_membership_does_not_make_a_server_new() -> None:
    """A server that lost its disk gets the old log again, with itself as a voter from the start;
    only an entry that adds it makes it new."""
    bench = Bench()
    bench.restart(amnesia=True)
    bench.append(noop(1, 1), put(2, 1))
    assert bench.view.recovering


# ---------------------------------------------------------------- leadership transfer (thesis 3.10)


def _transferring(target: str = "n3") -> tuple[Bench, Effects]:
    bench = Bench()
    bench.serve()
    return bench, bench.client(pb.TransferLeadershipRequest(target=target))


def transferred(effects: Effects) -> pb.TransferLeadershipResponse:
    return effects.response(pb.TransferLeadershipResponse)


def test_the_target_is_told_to_start_an_election() -> None:
    """Once the target has the whole log, the leader sends TimeoutNow (thesis 3.10)."""
    _, effects = _transferring()
    assert effects.sent("n3", pb.TimeoutNowRequest).term == 1


def test_the_target_first_gets_the_whole_log() -> None:
    """A target that lacks entries could not win (thesis 3.10)."""
    bench = Bench()
    bench.serve()
    behind = bench.put().calls()
    effects = bench.client(pb.TransferLeadershipRequest(target="n3"))
    assert not effects.calls(pb.TimeoutNowRequest)
    effects = bench.accept(next(call for call in behind if call.peer == "n3"))
    assert effects.sent("n3", pb.TimeoutNowRequest)


def test_the_most_current_follower_is_the_default() -> None:
    """Whoever holds most of the log takes over soonest."""
    bench = Bench()
    bench.serve()
    effects = bench.put()
    bench.accept_all(effects, "n3")
    assert bench.client(pb.TransferLeadershipRequest()).sent("n3", pb.TimeoutNowRequest)


def test_a_leader_that_hands_over_takes_no_writes() -> None:
    """The leader stops accepting client requests, else the target might never catch up (thesis
    3.10); the refusal names the target."""
    bench, _ = _transferring()
    refused = bench.put().response(kv.PutResponse).refused
    assert refused.hint == "n3"


def test_told_servers_campaign_at_once() -> None:
    """The target starts an election without waiting, and without PreVote; its request says that
    the leader wanted it (thesis 3.10, 4.2.3)."""
    bench = Bench()
    bench.append(noop(1, 1), term=1, leader="n2")
    effects = bench.ask(pb.TimeoutNowRequest(term=1, leader_id="n2"))
    request = effects.sent("n3", pb.RequestVoteRequest)
    assert (request.term, request.leadership_transfer) == (2, True)


def test_an_old_leaders_wish_is_no_order() -> None:
    """TimeoutNow of an earlier term changes nothing."""
    bench = Bench()
    bench.append(term=2, leader="n3")
    effects = bench.ask(pb.TimeoutNowRequest(term=1, leader_id="n2"))
    assert not effects.of(Call)
    assert effects.response(pb.TimeoutNowResponse).term == 2


def test_the_transfer_is_done_when_the_leader_steps_down() -> None:
    """The old leader learns of the new term and becomes a follower (thesis 3.10)."""
    bench, _ = _transferring()
    request = pb.RequestVoteRequest(
        term=2, candidate_id="n3", last_log_index=1, last_log_term=1, leadership_transfer=True
    )
    effects = bench.ask(request, by="n3")
    assert effects.response(pb.RequestVoteResponse).vote_granted
    assert transferred(effects).target == "n3"
    assert CancelTimer("transfer") in effects


def test_a_transfer_that_takes_too_long_is_given_up() -> None:
    """If it does not complete within about an election timeout, the leader resumes accepting
    requests (thesis 3.10)."""
    bench, effects = _transferring()
    assert effects.timers()["transfer"] == ELECTION_MAX_MS
    effects = bench.fire("transfer")
    assert "did not take over" in transferred(effects).outcome_unknown.reason
    assert bench.put().calls(pb.AppendEntriesRequest)


@pytest.mark.parametrize("target", ["n1", "n4", "n9"])
def test_the_target_must_be_another_voter(target: str) -> None:
    """Who cannot win cannot take over."""
    bench = Bench(size=4, members=3)
    bench.serve()
    effects = bench.client(pb.TransferLeadershipRequest(target=target))
    assert transferred(effects).refused.reason == f"{target} is not another voter"


def test_a_transfer_and_a_change_exclude_each_other() -> None:
    """Both end in somebody else's hands."""
    bench, _ = _transferring()
    assert "another change" in changed(change(bench, remove="n2")).refused.reason
    bench = Bench()
    bench.serve()
    change(bench, remove="n2")
    effects = bench.client(pb.TransferLeadershipRequest(target="n3"))
    assert "another change" in transferred(effects).refused.reason


def test_lost_leadership_leaves_a_change_unknown() -> None:
    """The entry may yet be committed by the next leader."""
    bench = Bench()
    bench.serve()
    change(bench, remove="n3")
    effects = bench.append(noop(3, 2), term=2, prev=(2, 1), leader="n2")
    assert changed(effects).HasField("outcome_unknown")


def test_a_bad_membership_request_is_refused() -> None:
    """Neither add nor remove: a peer's mistake, never an exception."""
    bench = Bench()
    bench.serve()
    effects = bench.step(Requested(Caller("client", 99), pb.ChangeMembershipRequest()))
    assert changed(effects).HasField("refused")
