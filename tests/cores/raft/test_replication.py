"""Log replication: Figure 2, 5.3, 5.4.2, and from the thesis pipelining and the parallel disk write
(10.2.1)."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.core import Append, Call, CancelTimer, Respond, SetTimer, Truncate
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb
from tests.support.raft_bench import (
    ELECTION_MAX_MS,
    ELECTION_MIN_MS,
    Bench,
    Effects,
    entries,
    noop,
    put,
)


def log_terms(bench: Bench) -> list[int]:
    """The terms of all entries held."""
    return [entry.term for entry in bench.core.log.tail(1)]


def appended(effects: Effects) -> pb.AppendEntriesResponse:
    return effects.response(pb.AppendEntriesResponse)


# ------------------------------------------------------------- receiver of AppendEntries (Figure 2)


def test_accepts_what_follows_on() -> None:
    """A follower whose log matches at prev_log_index appends the new entries (5.3)."""
    bench = Bench()
    assert appended(bench.append(*entries(1, 1))).success
    assert appended(bench.append(put(3, 2), term=2, prev=(2, 1))).success
    assert log_terms(bench) == [1, 1, 2]


def test_entries_are_durable_before_success_is_told() -> None:
    """Entries are on stable storage before the follower responds (Figure 2)."""
    effects = Bench().append(*entries(1, 1))
    [append] = effects.of(Append)
    assert (append.first_index, len(append.entries)) == (1, 2)
    assert effects.place(Append) < effects.place(Respond)


def test_an_old_leader_is_rejected() -> None:
    """Reply false if the request's term is behind ours (Figure 2, receiver rule 1)."""
    bench = Bench()
    bench.append(term=3, leader="n3")
    effects = bench.append(put(1, 2), term=2, leader="n2")
    assert appended(effects) == pb.AppendEntriesResponse(term=3, success=False)
    assert log_terms(bench) == []
    assert "election" not in effects.timers()


def test_a_missing_previous_entry_is_rejected() -> None:
    """Reply false if the log has no entry at prev_log_index (Figure 2, receiver rule 2)."""
    bench = Bench()
    response = appended(bench.append(put(5, 1), prev=(4, 1)))
    assert not response.success
    assert log_terms(bench) == []


def test_a_previous_entry_of_another_term_is_rejected() -> None:
    """Reply false if the entry at prev_log_index has another term; nothing is removed yet
    (Figure 2, receiver rule 2)."""
    bench = Bench()
    bench.append(*entries(1, 1))
    response = appended(bench.append(put(3, 2), term=2, prev=(2, 2)))
    assert not response.success
    assert log_terms(bench) == [1, 1]


def test_a_conflict_removes_what_follows() -> None:
    """If an existing entry conflicts with a new one, it and all that follow it are deleted
    (Figure 2, receiver rule 3)."""
    bench = Bench()
    bench.append(*entries(1, 1, 1, 1))
    effects = bench.append(put(3, 2), term=2, prev=(2, 1))
    assert log_terms(bench) == [1, 1, 2]
    assert effects.of(Truncate) == [Truncate("entries", 3)]
    assert effects.place(Truncate) < effects.place(Append) < effects.place(Respond)
    bench.restart()
    assert log_terms(bench) == [1, 1, 2]


def test_an_old_request_removes_nothing() -> None:
    """Only a conflict truncates: a request that comes late, and describes a shorter log, must not
    remove what was acknowledged since (5.3)."""
    bench = Bench()
    bench.append(*entries(1, 1, 1, 1))
    effects = bench.append(put(1, 1))
    assert appended(effects).success
    assert log_terms(bench) == [1, 1, 1, 1]
    assert not effects.of(Truncate)
    assert not effects.of(Append)


def test_only_what_is_new_is_appended() -> None:
    """Entries not already in the log are appended, the others are left alone (Figure 2, receiver
    rule 4)."""
    bench = Bench()
    bench.append(*entries(1, 1))
    [append] = bench.append(*entries(1, 1, 1)).of(Append)
    assert (append.first_index, len(append.entries)) == (3, 1)


def test_a_heartbeat_writes_nothing() -> None:
    """A heartbeat costs no disk write (5.2)."""
    bench = Bench()
    bench.append(*entries(1))
    effects = bench.append(prev=(1, 1), commit=0)
    assert {type(effect) for effect in effects} == {Respond, SetTimer}


@pytest.mark.parametrize("commit", [0, 1, 2, 5])
def test_commit_follows_the_leader(commit: int) -> None:
    """If leader_commit is ahead of commit_index, set it to the smaller of leader_commit and the
    index of the last new entry (Figure 2, receiver rule 5)."""
    bench = Bench()
    bench.append(*entries(1, 1), commit=commit)
    assert bench.view.commit_index == min(commit, 2)
    assert bench.view.last_applied == min(commit, 2)


def test_commit_reaches_only_what_the_request_vouched_for() -> None:
    """Entries behind the last one of the request may yet conflict with the leader's, however far it
    has committed (Figure 2, receiver rule 5)."""
    bench = Bench()
    bench.append(*entries(1, 1, 1, 1))
    bench.append(term=2, prev=(2, 1), commit=4, leader="n3")
    assert bench.view.commit_index == 2


def test_commit_never_goes_back() -> None:
    """commit_index increases monotonically (Figure 2)."""
    bench = Bench()
    bench.append(*entries(1, 1, 1), commit=3)
    bench.append(prev=(3, 1), commit=1)
    assert bench.view.commit_index == 3


def test_a_heartbeat_keeps_followers_followers() -> None:
    """Whoever hears from the current leader waits another election timeout (5.2)."""
    bench = Bench()
    assert "election" in bench.append().timers()


def test_a_conflict_without_an_entry_names_the_logs_end() -> None:
    """A follower that has no entry there says where its log ends (end of 5.3)."""
    bench = Bench()
    bench.append(*entries(1, 1))
    response = appended(bench.append(prev=(9, 1)))
    assert (response.conflict_term, response.conflict_index) == (0, 3)


def test_a_conflict_names_the_first_entry_of_its_term() -> None:
    """The follower includes the term of the conflicting entry and the first index it stores for
    that term (end of 5.3)."""
    bench = Bench()
    bench.append(*entries(1, 2, 2, 2), term=2)
    response = appended(bench.append(term=3, prev=(4, 3), leader="n3"))
    assert (response.conflict_term, response.conflict_index) == (2, 2)


def test_applies_in_order_and_once() -> None:
    """Entries are applied in log order, each once (5.3)."""
    bench = Bench()
    suffixes = [
        pb.LogEntry(
            index=index,
            term=1,
            command=kv.Command(append=kv.AppendRequest(key="x", suffix=b"%d" % index)),
        )
        for index in (1, 2, 3)
    ]
    bench.append(*suffixes, commit=2)
    bench.append(*suffixes, commit=2)
    bench.append(prev=(3, 1), commit=3)
    bench.append(prev=(3, 1), commit=3)
    read = bench.ask(kv.GetRequest(key="x", consistency=kv.STALE)).response(kv.GetResponse)
    assert read.value == b"123"


def test_commit_index_is_volatile() -> None:
    """What is committed is learned again from a leader after a restart (Figure 2)."""
    bench = Bench()
    bench.append(*entries(1, 1), commit=2)
    bench.restart()
    assert (bench.view.commit_index, bench.view.last_log_index) == (0, 2)


# ------------------------------------------------------------------------------------- leader (5.3)


def test_a_leader_begins_with_a_no_op() -> None:
    """A leader commits a blank entry at the start of its term (section 8)."""
    bench = Bench()
    request = bench.lead().sent("n2", pb.AppendEntriesRequest)
    assert [entry.WhichOneof("content") for entry in request.entries] == ["no_op"]
    assert (request.entries[0].term, request.entries[0].index) == (1, 1)


def test_next_index_begins_behind_the_last_entry() -> None:
    """A new leader takes every follower's next_index for the one behind its own last entry, and
    match_index for 0 (Figure 2, volatile state on leaders)."""
    bench = Bench()
    bench.append(*entries(1, 1, 1))
    bench.wait(ELECTION_MAX_MS)
    request = bench.lead().sent("n2", pb.AppendEntriesRequest)
    assert (request.prev_log_index, request.prev_log_term) == (3, 1)
    assert [follower.match_index for follower in bench.view.followers] == [0, 0]


def test_a_write_goes_to_all_followers() -> None:
    """The leader appends the command to its log, then sends AppendEntries to every other server
    (5.3)."""
    bench = Bench()
    bench.serve()
    effects = bench.put("x", b"1")
    for peer in ("n2", "n3"):
        request = effects.sent(peer, pb.AppendEntriesRequest)
        assert (request.prev_log_index, request.prev_log_term) == (1, 1)
        assert request.entries[0].command.put.value == b"1"
    assert not effects.of(Respond)


def test_a_client_hears_when_its_write_is_applied() -> None:
    """The leader returns the result once the entry has been replicated to a majority and applied
    (5.3)."""
    bench = Bench(size=5)
    bench.serve()
    calls = bench.put().calls(pb.AppendEntriesRequest)
    assert not bench.accept(calls[0]).of(Respond)
    effects = bench.accept(calls[1])
    effects.response(kv.PutResponse)
    assert bench.view.commit_index == 2


def test_sends_before_it_saves() -> None:
    """The leader writes to its disk in parallel with replicating to the followers (thesis
    10.2.1)."""
    bench = Bench()
    bench.serve()
    effects = bench.put()
    assert effects.place(Call) < effects.place(Append)


def test_counts_itself_only_once_its_own_disk_has_the_entry() -> None:
    """Then it must not count itself before its own write is complete (thesis 10.2.1)."""
    bench = Bench()
    bench.serve()
    bench.ask(kv.PutRequest(key="x"), by="client")  # In the leader's memory; not flushed.
    assert bench.view.last_log_index == 2
    late = Call("n2", pb.AppendEntriesRequest(term=1, prev_log_index=1, prev_log_term=1), 100)
    [call] = bench.accept(late).calls(pb.AppendEntriesRequest)
    bench.accept(call)
    assert bench.view.commit_index == 1  # n2 and an unsynced leader: one of three.
    bench.fire("flush")
    assert bench.view.commit_index == 2


def test_a_majority_of_followers_commits_without_the_leaders_disk() -> None:
    """The leader may even commit an entry before it is on its own disk, if a majority of followers
    has it on theirs (thesis 10.2.1)."""
    bench = Bench()
    bench.serve()
    bench.ask(kv.PutRequest(key="x"), by="client")
    for peer in ("n2", "n3"):
        late = Call(peer, pb.AppendEntriesRequest(term=1, prev_log_index=1, prev_log_term=1), 100)
        [call] = bench.accept(late).calls(pb.AppendEntriesRequest)
        bench.accept(call)
    assert bench.view.commit_index == 2


def test_requests_that_wait_together_go_out_together() -> None:
    """Batching: several commands make one request a follower and one write (thesis 10.2.2)."""
    bench = Bench()
    bench.serve()
    for number in range(5):
        effects = bench.ask(kv.PutRequest(key=f"k{number}"), by="client")
        assert effects == [SetTimer("flush", 0)]
    effects = bench.fire("flush")
    assert len(effects.sent("n2", pb.AppendEntriesRequest).entries) == 5
    assert [len(append.entries) for append in effects.of(Append)] == [5]


def test_the_leader_never_overwrites_its_own_log() -> None:
    """A leader only appends (Leader Append-Only, Figure 3): a request of its own term from someone
    else is a lie, and changes nothing."""
    bench = Bench()
    bench.serve()
    bench.put()
    effects = bench.append(put(2, 1, value=b"other"), term=1, prev=(1, 1), leader="n3")
    assert not appended(effects).success
    assert bench.view.role == pb.LEADER
    assert not effects.of(Truncate)


def test_heartbeats_go_to_all() -> None:
    """The leader sends to all followers during idle periods, to prevent election timeouts (5.2)."""
    bench = Bench(size=5)
    bench.serve()
    effects = bench.fire("heartbeat")
    assert [call.peer for call in effects.calls()] == ["n2", "n3", "n4", "n5"]
    assert effects.timers() == {"heartbeat": bench.params["heartbeat_ms"]}


def test_tells_the_commit_index() -> None:
    """The leader includes the highest index it knows to be committed in later requests, heartbeats
    too (5.3)."""
    bench = Bench()
    bench.serve()
    assert bench.fire("heartbeat").sent("n2", pb.AppendEntriesRequest).leader_commit == 1


# -------------------------------------------------------------------- repairing a follower's log


def test_backs_up_to_where_the_logs_part() -> None:
    """After a rejection the leader decrements next_index and tries again, until the logs match
    (5.3)."""
    bench = Bench()
    bench.append(*entries(1, 1, 1), commit=0)
    bench.wait(ELECTION_MAX_MS)
    calls = bench.lead().calls(pb.AppendEntriesRequest)
    rejected = pb.AppendEntriesResponse(term=2, conflict_index=2)
    request = bench.respond(calls[0], rejected).sent("n2", pb.AppendEntriesRequest)
    assert (request.prev_log_index, request.prev_log_term) == (1, 1)
    assert [entry.index for entry in request.entries] == [2, 3, 4]


def test_skips_a_term_that_it_does_not_have() -> None:
    """If the leader has no entry of the conflicting term, it goes to the first index of it (end
    of 5.3)."""
    bench = _leader_with_log(1, 1, 4, 4)
    request = _rejected(bench, term=3, index=2)
    assert (request.prev_log_index, request.prev_log_term) == (1, 1)


def test_skips_to_the_end_of_a_term_that_it_has() -> None:
    """If the leader has entries of the conflicting term, it goes behind its last one of them."""
    bench = _leader_with_log(1, 3, 3, 4)
    request = _rejected(bench, term=3, index=2)
    assert (request.prev_log_index, request.prev_log_term) == (3, 3)


def test_never_goes_forward_on_a_rejection() -> None:
    """Whatever a follower says, next_index shrinks, so that the search ends (5.3)."""
    bench = _leader_with_log(1, 1)
    request = _rejected(bench, term=0, index=99)
    assert request.prev_log_index == 1


def test_an_old_rejection_is_ignored() -> None:
    """A rejection that was overtaken by a success says nothing any more: match_index never goes
    back (Figure 2), and the leader goes on sending ahead."""
    bench = Bench()
    bench.serve()
    call = bench.put().calls(pb.AppendEntriesRequest)[0]
    bench.accept(call)
    bench.respond(call, pb.AppendEntriesResponse(term=1, conflict_index=1))
    assert bench.view.followers[0].match_index == 2
    assert [bench.put(key).sent("n2", pb.AppendEntriesRequest).prev_log_index for key in "ab"] == [
        2,
        3,
    ]


def test_a_response_to_an_earlier_term_is_ignored() -> None:
    """What a follower said to us in a term that we led before says nothing about this one."""
    bench = Bench()
    bench.lead()
    late = Call("n2", pb.AppendEntriesRequest(term=1, entries=[noop(1, 1)]), 100)
    bench.append(noop(1, 2), term=2, leader="n3")
    bench.wait(ELECTION_MAX_MS)
    bench.lead()
    bench.respond(late, pb.AppendEntriesResponse(term=1, success=True))
    assert [follower.match_index for follower in bench.view.followers] == [0, 0]


def test_retries_for_ever() -> None:
    """If followers crash or packets are lost, the leader retries indefinitely, even after it has
    responded to the client (5.3)."""
    bench = Bench(check_quorum="off")
    bench.serve()
    calls = bench.put().calls(pb.AppendEntriesRequest)
    bench.accept(calls[0])
    lost = calls[1]
    for _ in range(5):
        bench.wait(ELECTION_MAX_MS)
        bench.fail(lost)
        effects = bench.fire("heartbeat")
        [lost] = [call for call in effects.calls() if call.peer == "n3"]
        request = effects.sent("n3", pb.AppendEntriesRequest)
        assert [entry.index for entry in request.entries] == [2]


# --------------------------------------------------------- probing and pipelining (thesis 10.2.1)


def test_probes_with_one_request_at_a_time() -> None:
    """While the leader does not know where the logs part, it sends one request at a time."""
    bench = Bench()
    bench.lead()
    assert not bench.put().calls()


def test_pipelines_to_a_follower_that_keeps_up() -> None:
    """Once it knows, it sends entries without waiting for responses to earlier ones, within a
    window (thesis 10.2.1)."""
    bench = Bench(size=2, max_inflight=3)
    bench.serve()
    sent = [bench.put(f"k{number}") for number in range(5)]
    prevs = [
        call.request.prev_log_index
        for effects in sent
        for call in effects.calls(pb.AppendEntriesRequest)
        if isinstance(call.request, pb.AppendEntriesRequest)
    ]
    assert prevs == [1, 2, 3]
    effects = bench.accept(sent[0].calls()[0])
    request = effects.sent("n2", pb.AppendEntriesRequest)
    assert [entry.index for entry in request.entries] == [5, 6]


def test_a_lost_request_falls_back_to_probing() -> None:
    """Without a response, the leader starts again from what is certain."""
    bench = Bench(size=2)
    bench.serve()
    first, second = (bench.put(key).calls()[0] for key in "ab")
    bench.fail(first)
    bench.fail(second)
    request = bench.fire("heartbeat").sent("n2", pb.AppendEntriesRequest)
    assert (request.prev_log_index, len(request.entries)) == (1, 2)


def test_a_lost_probe_is_sent_again() -> None:
    """Silence says nothing about where the logs part: a new leader does not begin anew with the
    whole log, or a snapshot, because a follower was down for a while."""
    bench = Bench()
    bench.append(*entries(1, 1, 1))
    bench.wait(ELECTION_MAX_MS)
    probe = bench.lead().calls(pb.AppendEntriesRequest)[0]
    bench.fail(probe)
    request = bench.fire("heartbeat").sent("n2", pb.AppendEntriesRequest)
    assert (request.prev_log_index, len(request.entries)) == (3, 1)


def test_pipelined_responses_may_come_in_any_order() -> None:
    """A later success vouches for all before it (log matching, 5.3)."""
    bench = Bench(size=2)
    bench.serve()
    first, second = (bench.put(key).calls()[0] for key in "ab")
    assert len(bench.accept(second).of(Respond)) == 2
    assert not bench.accept(first).of(Respond)
    assert bench.view.followers[0].match_index == 3


def test_what_overtook_the_entry_before_it_is_sent_again_at_once() -> None:
    """A request was rejected for lack of an entry that the follower holds by the time we hear of
    it. It must not wait for the next heartbeat, nor let what follows be rejected too."""
    bench = Bench(size=2)
    bench.serve()
    first, second = (bench.put(key).calls()[0] for key in "ab")
    bench.accept(first)
    effects = bench.respond(second, pb.AppendEntriesResponse(term=1, conflict_index=2))
    request = effects.sent("n2", pb.AppendEntriesRequest)
    assert [entry.index for entry in request.entries] == [3]


def test_never_asks_for_what_is_known_to_match() -> None:
    """A request that overtook another one is rejected; the leader does not go back behind what the
    follower acknowledged before (Figure 2)."""
    bench = Bench(size=2)
    bench.serve()
    _, second = (bench.put(key).calls()[0] for key in "ab")
    bench.respond(second, pb.AppendEntriesResponse(term=1, conflict_index=1))
    assert bench.view.followers[0].next_index == 2


@pytest.mark.parametrize(
    ("setting", "expected"), [({"max_entries_per_append": 2}, 2), ({"max_append_bytes": 1}, 1)]
)
def test_a_request_is_bounded(setting: dict[str, Any], expected: int) -> None:
    """However far a follower is behind, one request carries a bounded part of the log, and at least
    one entry."""
    bench = Bench(size=2, **setting)
    bench.serve()
    for number in range(5):
        bench.ask(kv.PutRequest(key=f"k{number}"), by="client")
    assert len(bench.fire("flush").sent("n2", pb.AppendEntriesRequest).entries) == expected


# ------------------------------------------------------------------------- the commit rule (5.4.2)


def test_an_earlier_terms_entry_is_not_committed_by_counting() -> None:
    """Raft never commits entries from previous terms by counting replicas (5.4.2, Figure 8)."""
    bench = Bench(size=5, max_entries_per_append=1)
    bench.append(*entries(1, 2), term=2)
    bench.wait(ELECTION_MAX_MS)
    calls = bench.lead().calls(pb.AppendEntriesRequest)
    for call in calls:
        rejected = pb.AppendEntriesResponse(term=3, conflict_index=2)
        [again] = bench.respond(call, rejected).calls(pb.AppendEntriesRequest)
        assert again.request.entries[0].term == 2  # type: ignore[attr-defined] # an AppendEntries
        bench.accept(again)
    assert [follower.match_index for follower in bench.view.followers] == [2, 2, 2, 2]
    assert bench.view.commit_index == 0


def test_an_entry_of_ours_commits_all_before_it() -> None:
    """Once an entry of the current term is committed by counting, all before it are committed
    too (5.4.2)."""
    bench = Bench()
    bench.append(*entries(1, 2), term=2)
    bench.wait(ELECTION_MAX_MS)
    effects = bench.lead()
    bench.accept_all(effects, "n2")
    assert (bench.view.commit_index, bench.view.last_applied) == (3, 3)


def test_half_is_no_majority() -> None:
    """An entry on two of four servers is not committed (5.3)."""
    bench = Bench(size=4)
    effects = bench.lead()
    bench.accept_all(effects, "n2")
    assert bench.view.commit_index == 0
    bench.accept_all(effects, "n3")
    assert bench.view.commit_index == 1


def test_not_ready_before_the_no_op_is_committed() -> None:
    """A new leader does not know what is committed before its first entry is (section 8)."""
    bench = Bench()
    effects = bench.lead()
    assert not bench.view.ready
    bench.accept_all(effects, "n2")
    assert bench.view.ready


# ---------------------------------------------------------------------------------- losing the lead


def test_saves_its_own_entries_when_it_loses_the_lead() -> None:
    """What a leader held in memory only is part of its log, and may be on followers already."""
    bench = Bench()
    bench.serve()
    bench.ask(kv.PutRequest(key="x"), by="client")
    effects = bench.ask(
        pb.RequestVoteRequest(
            term=2, candidate_id="n3", leadership_transfer=True, last_log_index=9, last_log_term=1
        ),
        by="n3",
    )
    assert [append.first_index for append in effects.of(Append)] == [2]
    bench.restart()
    assert bench.view.last_log_index == 2


def test_stops_its_heartbeat_when_it_loses_the_lead() -> None:
    """A follower has no followers."""
    bench = Bench()
    bench.serve()
    effects = bench.append(noop(2, 2), term=2, prev=(1, 1), leader="n3")
    assert CancelTimer("heartbeat") in effects
    assert not bench.fire("heartbeat")
    assert not bench.fire("flush")
    assert not bench.view.followers


def test_hears_its_leader_until_the_shortest_timeout() -> None:
    """Also a rejected request was a word from the current leader (5.2)."""
    bench = Bench()
    bench.append(prev=(9, 1), leader="n3")
    bench.wait(ELECTION_MIN_MS - 1)
    asked = bench.ask(pb.PreVoteRequest(term=2, candidate_id="n2"))
    assert not asked.response(pb.PreVoteResponse).vote_granted


def _leader_with_log(*terms: int) -> Bench:
    bench = Bench()
    bench.append(*entries(*terms), term=max(terms))
    bench.wait(ELECTION_MAX_MS)
    return bench


def _rejected(bench: Bench, *, term: int, index: int) -> pb.AppendEntriesRequest:
    """The leader's next request after a follower rejected its first one with this hint."""
    call = bench.lead().calls(pb.AppendEntriesRequest)[0]
    hint = pb.AppendEntriesResponse(term=bench.view.term, conflict_term=term, conflict_index=index)
    return bench.respond(call, hint).sent("n2", pb.AppendEntriesRequest)
