"""Leader election: Figure 2, 5.1, 5.2, 5.4.1, and from the thesis PreVote (9.6) and stickiness
(4.2.3)."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.core import Call, CancelTimer, Respond, Save, Started
from protos import raft_pb2 as pb
from tests.support.raft_bench import (
    ELECTION_MAX_MS,
    ELECTION_MIN_MS,
    Bench,
    entries,
    noop,
    put,
)

PLAIN: dict[str, Any] = {"pre_vote": "off", "check_quorum": "off"}


def vote_request(
    term: int, *, candidate: str = "n2", last: tuple[int, int] = (0, 0), transfer: bool = False
) -> pb.RequestVoteRequest:
    """`last` is the index and the term of the candidate's last entry."""
    return pb.RequestVoteRequest(
        term=term,
        candidate_id=candidate,
        last_log_index=last[0],
        last_log_term=last[1],
        leadership_transfer=transfer,
    )


def granted(bench: Bench, request: pb.RequestVoteRequest) -> bool:
    effects = bench.ask(request, by=request.candidate_id)
    return effects.response(pb.RequestVoteResponse).vote_granted


# ------------------------------------------------------------------------------------ terms (5.1)


def test_starts_as_follower() -> None:
    """When servers start up, they begin as followers, of nobody and in term 0 (5.2)."""
    view = Bench().view
    assert (view.role, view.term, view.leader_id, view.voted_for) == (pb.FOLLOWER, 0, "", "")


def test_starts_with_an_election_timer_and_silence() -> None:
    """A server that starts waits for a leader before it does anything else (5.2)."""
    effects = Bench().restart()
    assert set(effects.timers()) == {"election"}
    assert not effects.of(Call)


@pytest.mark.parametrize("role", ["follower", "pre_candidate", "candidate", "leader"])
def test_a_higher_term_in_a_request_makes_a_follower(role: str) -> None:
    """A server that sees a larger term than its own, in whatever role, updates its term and becomes
    a follower (5.1)."""
    bench = _bench_in(role)
    term = bench.view.term + 5
    effects = bench.append(term=term, leader="n3")
    assert (bench.view.role, bench.view.term, bench.view.leader_id) == (pb.FOLLOWER, term, "n3")
    assert effects.vote() == pb.Vote(current_term=term)


@pytest.mark.parametrize(
    "response",
    [
        pb.PreVoteResponse(term=9),
        pb.RequestVoteResponse(term=9),
        pb.AppendEntriesResponse(term=9),
        pb.InstallSnapshotResponse(term=9),
        pb.TimeoutNowResponse(term=9),
    ],
)
def test_a_higher_term_in_any_response_makes_a_follower(
    response: pb.RequestVoteResponse,
) -> None:
    """A larger term in any response makes a follower, even of a leader (5.1)."""
    bench = Bench()
    bench.lead()
    request = type(response).DESCRIPTOR.name.replace("Response", "Request")
    effects = bench.respond(Call("n2", getattr(pb, request)(term=bench.view.term), 100), response)
    assert (bench.view.role, bench.view.term, bench.view.voted_for) == (pb.FOLLOWER, 9, "")
    assert effects.vote().current_term == 9


@pytest.mark.parametrize(
    "request_",
    [
        pb.RequestVoteRequest(term=1, candidate_id="n2", last_log_index=9, last_log_term=9),
        pb.AppendEntriesRequest(term=1, leader_id="n2"),
        pb.InstallSnapshotRequest(term=1, leader_id="n2", last_included_index=9, done=True),
        pb.PreVoteRequest(term=1, candidate_id="n2", last_log_index=9, last_log_term=9),
    ],
)
def test_an_old_term_is_rejected(request_: pb.AppendEntriesRequest) -> None:
    """A request with a stale term number is rejected, and the response carries the current one
    (5.1)."""
    bench = Bench()
    bench.append(term=4)
    bench.wait(ELECTION_MAX_MS)
    before = bench.view
    effects = bench.ask(request_)
    [response] = effects.of(Respond)
    assert getattr(response.response, "term") == 4  # noqa: B009  the field of four message types
    for claim in ("success", "vote_granted", "installed"):
        assert not getattr(response.response, claim, False)
    assert bench.view == before
    assert not effects.of(Save)


# ------------------------------------------------------------------------------- candidates (5.2)


def test_a_follower_that_hears_nobody_campaigns() -> None:
    """A follower that receives no communication over an election timeout increments its term, votes
    for itself and asks all the others (5.2)."""
    bench = Bench(size=5, **PLAIN)
    effects = bench.fire("election")
    assert (bench.view.role, bench.view.term, bench.view.voted_for) == (pb.CANDIDATE, 1, "n1")
    assert [call.peer for call in effects.calls(pb.RequestVoteRequest)] == ["n2", "n3", "n4", "n5"]


def test_a_candidate_saves_its_vote_before_it_asks() -> None:
    """Term and vote are on stable storage before the server speaks of them (Figure 2)."""
    effects = Bench(**PLAIN).fire("election")
    assert effects.vote() == pb.Vote(current_term=1, voted_for="n1")
    assert effects.place(Save) < effects.place(Call)


def test_election_timeouts_are_random() -> None:
    """Each server draws its timeout anew from a fixed interval at each election (5.2)."""
    bench = Bench(**PLAIN)
    delays = [bench.fire("election").timers()["election"] for _ in range(200)]
    assert all(ELECTION_MIN_MS <= delay <= ELECTION_MAX_MS for delay in delays)
    assert len(set(delays)) > 50


def test_a_candidate_with_a_majority_leads() -> None:
    """A candidate wins when a majority of the full cluster voted for it in the same term (5.2)."""
    bench = Bench(size=5)
    asked = bench.campaign().calls(pb.RequestVoteRequest)
    yes = pb.RequestVoteResponse(term=1, vote_granted=True)
    bench.respond(asked[0], yes)
    assert bench.view.role == pb.CANDIDATE
    bench.respond(asked[1], yes)
    assert bench.view.role == pb.LEADER


def test_a_vote_counts_once() -> None:
    """The same server's vote, told twice, is one vote (5.2)."""
    bench = Bench(size=5)
    call = bench.campaign().calls(pb.RequestVoteRequest)[0]
    for _ in range(3):
        bench.respond(call, pb.RequestVoteResponse(term=1, vote_granted=True))
    assert bench.view.role == pb.CANDIDATE


def test_a_refusal_is_no_vote() -> None:
    """Only votes that were granted count (5.2)."""
    bench = Bench()
    for call in bench.campaign().calls(pb.RequestVoteRequest):
        bench.respond(call, pb.RequestVoteResponse(term=1, vote_granted=False))
    assert bench.view.role == pb.CANDIDATE


def test_a_vote_of_an_earlier_election_is_no_vote() -> None:
    """A vote that arrives after the candidate has begun a new election says nothing about the new
    term (5.2)."""
    bench = Bench(**PLAIN)
    [late, _] = bench.fire("election").calls()
    bench.fire("election")
    bench.respond(late, pb.RequestVoteResponse(term=1, vote_granted=True))
    assert (bench.view.role, bench.view.term) == (pb.CANDIDATE, 2)


def test_a_split_vote_ends_in_a_new_election() -> None:
    """If a candidate neither wins nor loses, it times out and starts over in a new term (5.2)."""
    bench = Bench(**PLAIN)
    bench.fire("election")
    effects = bench.fire("election")
    assert (bench.view.role, bench.view.term) == (pb.CANDIDATE, 2)
    assert effects.sent("n2", pb.RequestVoteRequest).term == 2
    assert "election" in effects.timers()


def test_a_candidate_follows_a_leader_of_its_term() -> None:
    """A candidate that hears from a leader whose term is at least its own recognises it and returns
    to follower (5.2)."""
    bench = Bench()
    bench.campaign()
    bench.append(term=1, leader="n3")
    assert (bench.view.role, bench.view.leader_id) == (pb.FOLLOWER, "n3")


def test_a_candidate_ignores_a_leader_of_an_earlier_term() -> None:
    """If the term in the request is smaller than the candidate's, it is rejected and the candidate
    stays one (5.2)."""
    bench = Bench(**PLAIN)
    bench.fire("election")
    bench.fire("election")
    response = bench.append(term=1, leader="n3").response(pb.AppendEntriesResponse)
    assert (response.success, response.term) == (False, 2)
    assert bench.view.role == pb.CANDIDATE


def test_a_new_leader_speaks_at_once() -> None:
    """Upon election a leader sends to each server, to establish its authority and prevent new
    elections (Figure 2)."""
    bench = Bench(size=5)
    effects = bench.lead()
    assert {call.peer for call in effects.calls(pb.AppendEntriesRequest)} == {
        "n2",
        "n3",
        "n4",
        "n5",
    }
    assert CancelTimer("election") in effects


def test_a_leader_does_not_campaign() -> None:
    """A leader has no election timer; one that fires all the same changes nothing (5.2)."""
    bench = Bench()
    bench.lead()
    term = bench.view.term
    assert not bench.fire("election").of(Call)
    assert (bench.view.role, bench.view.term) == (pb.LEADER, term)


def test_a_cluster_of_one_elects_itself() -> None:
    """A majority of one is one (5.2)."""
    bench = Bench(size=1)
    bench.fire("election")
    assert bench.view.role == pb.LEADER
    assert bench.view.ready


# ----------------------------------------------------------------------------------- voters (5.2)


def test_one_vote_a_term() -> None:
    """Each server votes for at most one candidate in a term, first come, first served (5.2)."""
    bench = Bench()
    assert granted(bench, vote_request(1, candidate="n2"))
    assert not granted(bench, vote_request(1, candidate="n3"))
    assert granted(bench, vote_request(2, candidate="n3"))


def test_the_same_candidate_may_ask_again() -> None:
    """A vote may be told twice: the first response may have been lost (Figure 2)."""
    bench = Bench()
    assert granted(bench, vote_request(1))
    assert granted(bench, vote_request(1))


def test_a_vote_is_saved_before_it_is_told() -> None:
    """The vote is on stable storage before the candidate hears of it (Figure 2)."""
    effects = Bench().ask(vote_request(1))
    assert effects.vote() == pb.Vote(current_term=1, voted_for="n2")
    last_save = max(place for place, effect in enumerate(effects) if isinstance(effect, Save))
    assert last_save < effects.place(Respond)


def test_a_vote_survives_a_restart() -> None:
    """A server that forgot its vote could vote twice in one term (5.2)."""
    bench = Bench()
    assert granted(bench, vote_request(3))
    bench.restart()
    assert (bench.view.term, bench.view.voted_for) == (3, "n2")
    assert not granted(bench, vote_request(3, candidate="n3"))


def test_a_restarted_server_keeps_its_last_leaders_lease() -> None:
    """It may have heard a leader just before it went down, and that leader's lease counts on it: so
    it votes for nobody within the minimum election timeout (thesis 6.4.1)."""
    bench = Bench()
    bench.append(put(1, 1), term=1)
    bench.restart()
    bench.wait(ELECTION_MIN_MS - 1)
    assert not granted(bench, vote_request(2, last=(1, 1)))
    bench.wait(1)
    assert granted(bench, vote_request(2, last=(1, 1)))


def test_a_new_server_may_vote_at_once() -> None:
    """Who never was in a term has promised nothing."""
    bench = Bench()
    bench.restart()
    assert granted(bench, vote_request(1))


def test_a_granted_vote_restarts_the_election_timer() -> None:
    """Who has granted a vote waits a whole timeout before it campaigns itself (Figure 2)."""
    bench = Bench()
    assert "election" in bench.ask(vote_request(1)).timers()


def test_a_refused_vote_does_not_restart_the_election_timer() -> None:
    """Else a server that cannot win could keep one that could from campaigning (Figure 2)."""
    bench = Bench()
    bench.ask(vote_request(1))
    assert "election" not in bench.ask(vote_request(1, candidate="n3")).timers()
    assert "election" not in bench.ask(vote_request(0, candidate="n3")).timers()


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((1, 1), (3, 1), True),  # same term, longer
        ((1, 1), (2, 1), True),  # equal
        ((1, 1), (1, 1), False),  # same term, shorter
        ((1, 1), (1, 2), True),  # later term, shorter
        ((1, 2), (9, 1), False),  # earlier term, longer
        ((), (0, 0), True),
        ((1,), (0, 0), False),
    ],
)
def test_only_a_log_as_good_as_ours_gets_the_vote(
    ours: tuple[int, ...], theirs: tuple[int, int], expected: bool
) -> None:
    """Of two logs, the one with the later last term is more up-to-date; with equal last terms, the
    longer one; a voter denies its vote to a log behind its own (5.4.1)."""
    bench = Bench()
    bench.append(*entries(*ours), term=2)
    bench.wait(ELECTION_MIN_MS)
    assert granted(bench, vote_request(3, candidate="n3", last=theirs)) is expected


def test_a_candidate_tells_how_far_its_log_goes() -> None:
    """RequestVote carries the index and the term of the candidate's last entry (5.4.1)."""
    bench = Bench()
    bench.append(*entries(1, 1, 2), term=2)
    bench.wait(ELECTION_MAX_MS)
    request = bench.campaign().sent("n2", pb.RequestVoteRequest)
    assert (request.last_log_index, request.last_log_term) == (3, 2)


def test_a_refusal_still_teaches_the_term() -> None:
    """A voter that refuses for the log's sake still moves to the candidate's term (5.1)."""
    bench = Bench()
    bench.append(put(1, 1), term=1)
    bench.wait(ELECTION_MIN_MS)
    assert not granted(bench, vote_request(7, candidate="n3"))
    assert (bench.view.term, bench.view.voted_for) == (7, "")
    bench.restart()
    assert bench.view.term == 7


# ---------------------------------------------------------------------------- PreVote (thesis 9.6)


def test_pre_vote_comes_first() -> None:
    """A server asks whether it could win before it raises its term (thesis 9.6)."""
    bench = Bench()
    effects = bench.fire("election")
    assert (bench.view.role, bench.view.term) == (pb.PRE_CANDIDATE, 0)
    assert effects.sent("n2", pb.PreVoteRequest).term == 1
    assert not effects.calls(pb.RequestVoteRequest)
    assert not effects.of(Save)


def test_campaigns_once_a_majority_would_vote() -> None:
    """The term is raised only after a majority said that it would vote (thesis 9.6)."""
    bench = Bench(size=5)
    asked = bench.fire("election").calls(pb.PreVoteRequest)
    bench.respond(asked[0], pb.PreVoteResponse(vote_granted=True))
    bench.respond(asked[1], pb.PreVoteResponse(vote_granted=False))
    assert bench.view.role == pb.PRE_CANDIDATE
    effects = bench.respond(asked[2], pb.PreVoteResponse(vote_granted=True))
    assert (bench.view.role, bench.view.term) == (pb.CANDIDATE, 1)
    assert effects.place(Save) < effects.place(Call)


def test_pre_vote_changes_nothing_at_the_voter() -> None:
    """To say that one would vote is no vote: no term, vote or timer changes (thesis 9.6)."""
    bench = Bench()
    before = bench.view
    effects = bench.ask(pb.PreVoteRequest(term=5, candidate_id="n2"))
    assert effects.response(pb.PreVoteResponse) == pb.PreVoteResponse(term=0, vote_granted=True)
    assert bench.view == before
    assert len(effects) == 1


def test_pre_vote_may_be_granted_to_many() -> None:
    """Since it promises nothing, it may be granted to several servers at once (thesis 9.6)."""
    bench = Bench()
    for peer in ("n2", "n3"):
        effects = bench.ask(pb.PreVoteRequest(term=1, candidate_id=peer), by=peer)
        assert effects.response(pb.PreVoteResponse).vote_granted


def test_pre_vote_needs_a_current_log() -> None:
    """Nobody would vote for a log behind its own (thesis 9.6)."""
    bench = Bench()
    bench.append(put(1, 1), term=1)
    bench.wait(ELECTION_MIN_MS)
    response = bench.ask(pb.PreVoteRequest(term=2, candidate_id="n3")).response(pb.PreVoteResponse)
    assert not response.vote_granted


def test_pre_vote_is_refused_while_a_leader_is_heard() -> None:
    """A server that was cut off and comes back cannot disrupt a leader that works (thesis 9.6)."""
    bench = Bench()
    bench.append(term=1, leader="n2")
    request = pb.PreVoteRequest(term=9, candidate_id="n3")
    bench.wait(ELECTION_MIN_MS - 1)
    assert not bench.ask(request).response(pb.PreVoteResponse).vote_granted
    bench.wait(1)
    assert bench.ask(request).response(pb.PreVoteResponse).vote_granted
    assert bench.view.term == 1


def test_a_leader_grants_no_pre_vote() -> None:
    """A leader hears itself (thesis 9.6)."""
    bench = Bench()
    bench.lead()
    request = pb.PreVoteRequest(term=9, candidate_id="n3", last_log_index=9, last_log_term=9)
    assert not bench.ask(request).response(pb.PreVoteResponse).vote_granted


def test_a_pre_candidate_that_is_behind_catches_up() -> None:
    """The response to a PreVote carries the voter's term, so that a candidate left behind learns of
    it (thesis 9.6)."""
    bench = Bench()
    call = bench.fire("election").calls()[0]
    bench.respond(call, pb.PreVoteResponse(term=6))
    assert (bench.view.role, bench.view.term) == (pb.FOLLOWER, 6)


def test_late_pre_votes_start_nothing() -> None:
    """A promise of votes for an earlier term does not start a campaign in a later one."""
    bench = Bench()
    asked = bench.fire("election").calls()
    bench.append(term=1, leader="n3")
    assert not bench.respond(asked[0], pb.PreVoteResponse(vote_granted=True))
    bench.wait(ELECTION_MAX_MS)
    bench.fire("election")
    assert not bench.respond(asked[0], pb.PreVoteResponse(vote_granted=True))
    assert bench.view.role == pb.PRE_CANDIDATE


def test_a_pre_candidate_follows_the_leader_it_hears() -> None:
    """A server that only asked around is still in the leader's term, and follows it."""
    bench = Bench()
    bench.append(term=1, leader="n2")
    bench.wait(ELECTION_MAX_MS)
    bench.fire("election")
    bench.append(term=1, leader="n2")
    assert (bench.view.role, bench.view.term, bench.view.leader_id) == (pb.FOLLOWER, 1, "n2")


# ----------------------------------------------------------------------- stickiness (thesis 4.2.3)


def test_a_vote_is_refused_while_a_leader_is_heard() -> None:
    """A server that heard from a current leader within the minimum election timeout neither grants
    its vote nor updates its term (thesis 4.2.3)."""
    bench = Bench()
    bench.append(term=1, leader="n2")
    bench.wait(ELECTION_MIN_MS - 1)
    assert not granted(bench, vote_request(9, candidate="n3"))
    assert bench.view.term == 1
    bench.wait(1)
    assert granted(bench, vote_request(9, candidate="n3"))


def test_a_leader_is_not_deposed_by_a_request_for_votes() -> None:
    """A removed server that campaigns on cannot depose the leader (thesis 4.2.3)."""
    bench = Bench()
    bench.lead()
    assert not granted(bench, vote_request(9, candidate="n3", last=(9, 9)))
    assert (bench.view.role, bench.view.term) == (pb.LEADER, 1)


def test_without_check_quorum_nobody_sticks() -> None:
    """A leader that is not sure to step down when it is cut off must not be protected either."""
    bench = Bench(check_quorum="off")
    bench.append(term=1, leader="n2")
    assert granted(bench, vote_request(2, candidate="n3"))


def test_a_transfer_overrides_stickiness() -> None:
    """A candidate that the leader itself asked to take over may be voted for at once
    (thesis 4.2.3)."""
    bench = Bench()
    bench.append(term=1, leader="n2")
    assert granted(bench, vote_request(2, candidate="n3", transfer=True))


def test_a_leader_without_a_majority_steps_down() -> None:
    """A leader steps down when an election timeout passes without a successful round to a majority
    of its cluster (thesis 6.2)."""
    bench = Bench(size=5)
    effects = bench.lead()
    bench.wait(ELECTION_MAX_MS)
    bench.accept_all(effects, "n2")
    bench.fire("heartbeat")
    assert bench.view.role == pb.LEADER
    bench.wait(1)
    effects = bench.fire("heartbeat")
    assert (bench.view.role, bench.view.leader_id, bench.view.term) == (pb.FOLLOWER, "", 1)
    assert "election" in effects.timers()
    assert not effects.of(Call)


def test_a_leader_that_hears_a_majority_stays() -> None:
    """Two of five are a majority together with the leader (thesis 6.2)."""
    bench = Bench(size=5)
    effects = bench.lead()
    bench.wait(ELECTION_MAX_MS + 1)
    bench.accept_all(effects, "n2", "n4")
    bench.fire("heartbeat")
    assert bench.view.role == pb.LEADER


def test_without_check_quorum_a_lonely_leader_stays() -> None:
    """The setting is what makes the difference."""
    bench = Bench(check_quorum="off")
    bench.lead()
    bench.wait(10 * ELECTION_MAX_MS)
    bench.fire("heartbeat")
    assert bench.view.role == pb.LEADER


# ------------------------------------------------------------------ a lost disk (thesis 3.8)


def test_a_server_that_lost_its_disk_does_not_vote() -> None:
    """A server without its disk may have voted already in this term, so it must not vote again
    (thesis 3.8)."""
    bench = Bench()
    bench.restart(amnesia=True)
    assert not granted(bench, vote_request(1, candidate="n3", last=(9, 9)))
    request = pb.PreVoteRequest(term=9, candidate_id="n3", last_log_index=9, last_log_term=9)
    assert not bench.ask(request).response(pb.PreVoteResponse).vote_granted


def test_a_server_that_lost_its_disk_does_not_campaign() -> None:
    """Nor may it vote for itself (thesis 3.8)."""
    bench = Bench()
    bench.restart(amnesia=True)
    assert not bench.fire("election").of(Call)
    assert bench.view.role == pb.FOLLOWER


def test_a_lost_disk_is_remembered() -> None:
    """That promises were lost is itself durable: a second restart changes nothing."""
    bench = Bench()
    effects = bench.restart(amnesia=True)
    assert effects.vote().recovering
    bench.restart()
    assert bench.view.recovering


def _bench_in(role: str) -> Bench:
    bench = Bench()
    match role:
        case "pre_candidate":
            bench.fire("election")
        case "candidate":
            bench.campaign()
        case "leader":
            bench.lead()
    assert bench.view.role == pb.Role.Value(role.upper())
    return bench


def test_leadership_and_its_loss_are_told_to_the_timeline() -> None:
    """What a role change says is what the live view shows."""
    bench = Bench()
    assert "leader" in bench.lead().notes()
    assert bench.append(noop(1, 2), term=2, leader="n3").notes()[:2] == ["stepped_down", "follower"]


def test_started_takes_no_promises_from_nowhere() -> None:
    """A first start, with an empty disk, is not a recovery."""
    assert Started().amnesia is False
    assert not Bench().view.recovering
