"""Reads that write no log (thesis 6.4), and what clients are told: sections 5.3 and 8, thesis 6.2
and 6.3."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.core import Append, Call, Respond
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb
from tests.support.raft_bench import (
    ELECTION_MAX_MS,
    ELECTION_MIN_MS,
    Bench,
    Effects,
    entries,
    noop,
)

LEASE_MS = ELECTION_MIN_MS * 9 // 10


def get(bench: Bench, consistency: kv.Consistency = kv.DEFAULT, key: str = "x") -> Effects:
    return bench.client(kv.GetRequest(key=key, consistency=consistency))


def read(effects: Effects) -> kv.GetResponse:
    return effects.response(kv.GetResponse)


def is_served(effects: Effects) -> bool:
    return bool(effects.of(Respond)) and not read(effects).HasField("outcome_unknown")


def serving(size: int = 3, **params: Any) -> Bench:
    """A leader that holds x=1, committed."""
    bench = Bench(size=size, **params)
    bench.serve()
    bench.accept_all(bench.put())
    return bench


# ------------------------------------------------------------------------------ ReadIndex (6.4)


def test_a_read_waits_for_proof_of_leadership() -> None:
    """The leader exchanges a round of heartbeats with a majority before it answers (section 8)."""
    bench = serving()
    effects = get(bench)
    assert not effects.of(Respond)
    assert [call.peer for call in effects.calls(pb.AppendEntriesRequest)] == ["n2", "n3"]
    assert read(bench.accept(effects.calls()[0])).value == b"1"


def test_a_read_writes_no_log() -> None:
    """Read-only requests bypass the log (thesis 6.4)."""
    bench = serving()
    effects = get(bench)
    assert not effects.of(Append)
    assert bench.view.last_log_index == 2


def test_half_of_the_cluster_is_no_proof() -> None:
    """It takes a majority (thesis 6.4)."""
    bench = serving(size=5)
    calls = get(bench).calls()
    assert not bench.accept(calls[0]).of(Respond)
    assert is_served(bench.accept(calls[1]))


def test_a_round_from_before_the_read_is_no_proof() -> None:
    """Only a heartbeat sent after the read arrived proves that nobody else led by then (thesis
    6.4)."""
    bench = serving()
    earlier = bench.fire("heartbeat").calls()
    bench.ask(kv.GetRequest(key="x"), by="client")
    assert not bench.accept(earlier[0]).of(Respond)
    effects = bench.fire("flush")
    assert is_served(bench.accept(effects.calls()[0]))


def test_a_heartbeat_serves_the_reads_that_wait() -> None:
    """The next round proves it, whatever began it."""
    bench = serving()
    bench.ask(kv.GetRequest(key="x"), by="client")
    effects = bench.fire("heartbeat")
    assert not bench.fire("flush").calls()  # No second round is needed.
    assert is_served(bench.accept(effects.calls()[0]))


def test_one_round_serves_many_reads() -> None:
    """The cost of a round is shared by all reads that have accumulated (thesis 6.4)."""
    bench = serving()
    for _ in range(5):
        bench.ask(kv.GetRequest(key="x"), by="client")
    effects = bench.fire("flush")
    assert len(effects.calls()) == 2
    assert len(bench.accept(effects.calls()[0]).of(Respond)) == 5


def test_a_rejection_is_proof_as_well() -> None:
    """A follower whose log does not match still follows this leader in this term."""
    bench = serving()
    call = get(bench).calls()[0]
    rejected = pb.AppendEntriesResponse(term=1, conflict_index=1)
    assert is_served(bench.respond(call, rejected))


def test_a_new_leader_reads_nothing_before_its_no_op_is_committed() -> None:
    """Until then it does not know how far earlier leaders had committed (section 8)."""
    bench = Bench(size=5)
    bench.append(*entries(1), commit=0)
    bench.wait(ELECTION_MAX_MS)
    no_op = bench.lead()
    calls = get(bench).calls(pb.AppendEntriesRequest)
    for call in calls:
        assert not bench.respond(call, pb.AppendEntriesResponse(term=2)).of(Respond)
    bench.accept_all(no_op, "n2")
    effects = bench.accept_all(no_op, "n3")
    assert read(effects).value == b"1"


def test_a_read_sees_writes_that_were_committed_before_it() -> None:
    """The state machine must have advanced to the read index (thesis 6.4)."""
    bench = serving()
    bench.accept_all(bench.put("x", b"2"), "n2")
    effects = get(bench)
    assert read(bench.accept(effects.calls()[0])).value == b"2"


def test_followers_refuse_reads() -> None:
    """A follower names the leader that it knows (section 8)."""
    bench = Bench()
    bench.append(term=1, leader="n3")
    refused = read(get(bench)).refused
    assert (refused.reason, refused.hint) == ("n1 is not the leader", "n3")


def test_a_read_of_nothing_says_so() -> None:
    """A missing key is not an empty value."""
    bench = serving()
    effects = get(bench, key="nobody")
    response = read(bench.accept(effects.calls()[0]))
    assert (response.found, response.value) == (False, b"")


def test_a_cluster_of_one_reads_at_once() -> None:
    """It is its own majority."""
    bench = Bench(size=1)
    bench.fire("election")
    assert is_served(get(bench))


# ------------------------------------------------------------------------------- leases (6.4.1)


def leased(**params: Any) -> Bench:
    """A leader whose lease was just renewed."""
    bench = serving(reads="lease", **params)
    bench.accept_all(bench.fire("heartbeat"))
    return bench


def test_a_lease_reads_at_once() -> None:
    """For about an election timeout after a round of heartbeats, nobody else can have been elected
    (thesis 6.4.1)."""
    bench = leased()
    bench.wait(LEASE_MS - 1)
    assert read(get(bench)).value == b"1"


def test_a_lease_ends() -> None:
    """After it, the leader must ask again, as without leases."""
    bench = leased()
    bench.wait(LEASE_MS)
    effects = get(bench)
    assert not effects.of(Respond)
    assert is_served(bench.accept(effects.calls()[0]))


def test_a_lease_begins_when_the_round_did() -> None:
    """The followers' promise runs from when they heard, not from when their response came."""
    bench = leased()
    calls = bench.fire("heartbeat").calls()
    bench.wait(LEASE_MS)
    bench.accept(calls[0])
    assert not is_served(get(bench))


def test_a_lease_needs_a_majority() -> None:
    """One of five followers promises too little."""
    bench = serving(size=5, reads="lease")
    bench.wait(ELECTION_MIN_MS)
    calls = bench.fire("heartbeat").calls()
    bench.accept(calls[0])
    assert not is_served(get(bench))
    bench.accept(calls[1])
    assert is_served(get(bench))


def test_a_lease_on_the_monotonic_clock_survives_any_skew() -> None:
    """Intervals belong on a clock that never goes back."""
    for skew_ms in (-3_600_000, 3_600_000):
        bench = leased()
        bench.skew(skew_ms)
        assert is_served(get(bench))
        bench.wait(LEASE_MS)
        assert not is_served(get(bench))


def test_a_lease_on_the_wall_clock_lasts_as_long_as_the_clock_likes() -> None:
    """The anomaly that the setting is there to show: a wall clock that was set back prolongs the
    lease beyond what the followers promised (thesis 6.4.1)."""
    bench = leased(lease_clock="wall")
    bench.skew(-3_600_000)
    bench.wait(10 * ELECTION_MAX_MS)
    assert is_served(get(bench))


def test_a_leader_that_hands_over_has_no_lease() -> None:
    """It has asked a follower to break the promise that the lease rests on."""
    bench = leased()
    assert is_served(get(bench))
    bench.client(pb.TransferLeadershipRequest(target="n3"))
    assert not is_served(get(bench))
    bench.fire("transfer")  # It gives up, but what it asked for may still be on its way.
    assert not is_served(get(bench))


def test_without_check_quorum_there_is_no_lease() -> None:
    """Then followers vote for whoever asks, and promise nothing."""
    bench = leased(check_quorum="off")
    assert not is_served(get(bench))


def test_a_lease_does_not_pass_from_one_term_to_the_next() -> None:
    """A server that is elected anew has proved nothing yet."""
    bench = leased()
    bench.append(noop(3, 2), term=2, prev=(2, 1), leader="n2")
    effects = bench.lead()
    bench.accept_all(effects)
    assert bench.view.ready
    assert not is_served(get(bench))


def test_a_lease_reads_nothing_before_the_no_op_is_committed() -> None:
    """Who leads is proved; what earlier leaders had committed is not known yet (section 8)."""
    bench = Bench(reads="lease")
    bench.append(*entries(1), commit=0)
    bench.lead()
    for call in bench.fire("heartbeat").calls():
        bench.respond(call, pb.AppendEntriesResponse(term=2, conflict_index=1))
    assert not is_served(get(bench))


def test_a_read_may_ask_for_more_than_the_default() -> None:
    """Each request may name its consistency."""
    bench = leased()
    assert not is_served(get(bench, kv.LINEARIZABLE))
    assert is_served(get(bench, kv.STALE))


# ----------------------------------------------------------------------------------- stale reads


def test_a_stale_read_asks_nobody() -> None:
    """Any server answers from what it has applied, a follower that is far behind too."""
    bench = Bench(reads="stale")
    bench.append(*entries(1, 1), commit=0)
    response = read(get(bench))
    assert not response.found
    bench.append(prev=(2, 1), commit=1)
    assert read(get(bench)).value == b"1"


# ------------------------------------------------------------------------ writes, and who is told


def test_followers_refuse_writes() -> None:
    """If the contacted server is not the leader, it rejects the request and tells of the leader
    (section 8)."""
    bench = Bench()
    bench.append(term=1, leader="n3")
    refused = bench.put().response(kv.PutResponse).refused
    assert (refused.reason, refused.hint) == ("n1 is not the leader", "n3")
    assert bench.view.last_log_index == 0


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (kv.PutRequest(key="x"), kv.PutResponse),
        (kv.CompareAndSetRequest(key="x"), kv.CompareAndSetResponse),
        (kv.AppendRequest(key="x"), kv.AppendResponse),
        (kv.DeleteRequest(key="x"), kv.DeleteResponse),
        (kv.OpenSessionRequest(), kv.OpenSessionResponse),
    ],
)
def test_every_write_is_answered_in_its_own_kind(
    request_: kv.PutRequest, response: type[kv.PutResponse]
) -> None:
    """Committed, refused or unknown: the response has the type that the client waits for."""
    follower = Bench()
    assert follower.client(request_).response(response).HasField("refused")
    bench = Bench()
    bench.serve()
    done = bench.accept_all(bench.client(request_), "n2").response(response)
    assert not done.HasField("refused")
    assert not done.HasField("outcome_unknown")
    bench.client(request_)
    lost = bench.append(term=2, prev=(0, 0), leader="n3").response(response)
    assert lost.HasField("outcome_unknown")


def test_everyone_who_waits_is_told_when_leadership_is_lost() -> None:
    """Their entries may yet be committed by the next leader: to refuse would be a lie, and silence
    would keep them waiting (thesis 6.2)."""
    bench = serving()
    bench.put("a")
    bench.put("b")
    get(bench)
    assert bench.view.waiting_clients == 3
    effects = bench.append(noop(3, 2), term=2, prev=(2, 1), leader="n2")
    clients = [effect for effect in effects.of(Respond) if effect.caller.node == "client"]
    assert len(clients) == 3
    for effect in clients:
        assert getattr(effect.response, "outcome_unknown").reason  # noqa: B009  of several types
    assert bench.view.waiting_clients == 0


def test_those_who_lost_contact_tell_their_clients() -> None:
    """A leader that steps down for lack of a majority leaves nobody waiting (thesis 6.2)."""
    bench = serving()
    bench.put()
    bench.wait(ELECTION_MAX_MS + 1)
    effects = bench.fire("heartbeat")
    reason = effects.response(kv.PutResponse).outcome_unknown.reason
    assert reason == "n1 lost the lead: lost contact with a majority"


def test_nobody_is_told_twice() -> None:
    """The entry that one leader could not answer for may be committed by the same server in a later
    term; its client is not waiting any more."""
    bench = serving()
    bench.put("a")
    bench.ask(pb.RequestVoteRequest(term=2, candidate_id="n3", leadership_transfer=True), by="n3")
    bench.wait(ELECTION_MAX_MS)
    effects = bench.lead()
    assert not bench.accept_all(effects).of(Respond)
    assert bench.view.commit_index == 4


def test_a_retry_takes_effect_once() -> None:
    """A client numbers its requests; the state machine executes each once and gives the retry the
    first one's response (section 8)."""
    bench = serving()
    opened = bench.accept_all(bench.client(kv.OpenSessionRequest()), "n2")
    session = opened.response(kv.OpenSessionResponse).session
    request = kv.AppendRequest(key="log", suffix=b"a", id=kv.RequestId(session=session, sequence=1))
    lengths = [
        bench.accept_all(bench.client(request), "n2").response(kv.AppendResponse).length_bytes
        for _ in range(3)
    ]
    assert lengths == [1, 1, 1]


def test_a_session_that_is_unknown_leaves_the_outcome_unknown() -> None:
    """Nobody can say whether the request took effect before its session expired (thesis 6.3)."""
    bench = serving()
    request = kv.PutRequest(key="x", value=b"2", id=kv.RequestId(session=77, sequence=1))
    effects = bench.accept_all(bench.client(request), "n2")
    assert "77 has expired" in effects.response(kv.PutResponse).outcome_unknown.reason
    assert read(bench.accept(get(bench).calls()[0])).value == b"1"


def test_a_leader_that_cannot_commit_does_not_fill_its_memory() -> None:
    """Beyond a bound it refuses: definite, so that a client may go elsewhere."""
    bench = Bench(check_quorum="off")
    bench.serve()
    for _ in range(10_000):
        bench.ask(kv.PutRequest(key="x"), by="client")
    refused = bench.ask(kv.PutRequest(key="x"), by="client").response(kv.PutResponse).refused
    assert "wait to be committed" in refused.reason


def test_a_response_that_nobody_needs_is_harmless() -> None:
    """A late response to a read's round changes nothing."""
    bench = serving()
    calls = get(bench).calls()
    assert is_served(bench.accept(calls[0]))
    assert not bench.accept(calls[1]).of(Respond)
    stranger = Call("n9", pb.AppendEntriesRequest(term=1), 100)
    assert not bench.accept(stranger)
