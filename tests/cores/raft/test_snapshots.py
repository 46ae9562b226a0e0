"""Log compaction: section 7, Figure 13, and thesis 5."""

from __future__ import annotations

from typing import Any

from nodes.core import (
    DURABLE,
    Append,
    Call,
    Discard,
    Respond,
    Save,
    Started,
    StoredLog,
    Truncate,
)
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb
from tests.support.raft_bench import (
    ELECTION_MAX_MS,
    ELECTION_MIN_MS,
    Bench,
    Effects,
    configuration,
    entries,
    put,
)

EAGER: dict[str, Any] = {"snapshot_threshold": 4, "snapshot_trailing_entries": 1}


def installed(effects: Effects) -> pb.InstallSnapshotResponse:
    return effects.response(pb.InstallSnapshotResponse)


def snapshot_data(value: bytes = b"snapshot") -> bytes:
    """A state machine that holds x."""
    state = kv.StateMachineState(values={"x": value})
    return pb.SnapshotData(state=state, digest=42).SerializeToString(deterministic=True)


def chunk(
    data: bytes,
    *,
    index: int = 5,
    offset: int = 0,
    size: int | None = None,
    term: int = 3,
    leader: str = "n2",
) -> pb.InstallSnapshotRequest:
    """A part of a snapshot up to `index`, of term 2."""
    end = len(data) if size is None else offset + size
    return pb.InstallSnapshotRequest(
        term=term,
        leader_id=leader,
        last_included_index=index,
        last_included_term=2,
        offset=offset,
        data=data[offset:end],
        done=end >= len(data),
        configuration=pb.Configuration(voters=["n1", "n2", "n3"]),
    )


def stale_read(bench: Bench, key: str = "x") -> bytes:
    request = kv.GetRequest(key=key, consistency=kv.STALE)
    return bench.ask(request, by="client").response(kv.GetResponse).value


# ------------------------------------------------------------------------------------------ taking


def test_each_server_compacts_by_itself() -> None:
    """Each server takes snapshots independently, covering just the committed entries (section
    7)."""
    bench = Bench(**EAGER)
    bench.append(*entries(1, 1, 1, 1, 1), commit=3)
    assert bench.view.snapshot_index == 0
    bench.append(prev=(5, 1), commit=4)
    assert bench.view.snapshot_index == 4


def test_a_snapshot_is_saved_before_the_log_it_stands_for_goes() -> None:
    """Once the snapshot is written, the log entries up to it may be deleted, not before (section
    7)."""
    effects = Bench(**EAGER).append(*entries(1, 1, 1, 1), commit=4)
    [save] = [effect for effect in effects.of(Save) if effect.slot == "snapshot"]
    assert effects.index(save) < effects.place(Discard)


def test_a_tail_is_kept_for_followers_that_lag_a_little() -> None:
    """Entries right before the snapshot are retained, so that a slow follower need not be sent all
    of it (thesis 5.1.2)."""
    effects = (bench := Bench(**EAGER)).append(*entries(1, 1, 1, 1), commit=4)
    assert effects.of(Discard) == [Discard("entries", 3)]
    assert (bench.view.first_log_index, bench.view.last_log_index) == (4, 4)


def test_a_snapshot_says_what_the_log_said() -> None:
    """Metadata: the index and term of the last entry that it replaces, and the latest configuration
    as of it (section 7)."""
    bench = Bench(size=4, **EAGER)
    change = configuration(3, 2, "n1", "n2", "n3")
    later = configuration(5, 2, "n1", "n2")
    log = [put(1, 1), put(2, 2), change, put(4, 2), later]
    effects = bench.append(*log, term=2, commit=4)
    [saved] = [effect.state for effect in effects.of(Save) if effect.slot == "snapshot"]
    assert isinstance(saved, pb.Snapshot)
    assert (saved.last_included_index, saved.last_included_term) == (4, 2)
    assert list(saved.configuration.voters) == ["n1", "n2", "n3"]


def test_a_restart_begins_with_the_snapshot() -> None:
    """State machine, commit_index and configuration come back from the snapshot; the log goes on
    behind it (section 7)."""
    bench = Bench(**EAGER)
    bench.append(*entries(1, 1, 1, 1), put(5, 1, "y"), commit=4)
    digest = bench.view.applied_digest
    bench.restart()
    view = bench.view
    assert (view.commit_index, view.last_applied, view.last_log_index) == (4, 4, 5)
    assert view.applied_digest == digest
    assert stale_read(bench) == b"1"


def test_sessions_are_part_of_the_snapshot() -> None:
    """A server restored from a snapshot recognises a retry as well as any other (thesis 6.3)."""
    bench = Bench(**EAGER)
    opened = pb.LogEntry(index=1, term=1, command=kv.Command(open_session=kv.OpenSessionRequest()))
    request = kv.AppendRequest(key="x", suffix=b"a", id=kv.RequestId(session=1, sequence=1))
    write = pb.LogEntry(index=2, term=1, command=kv.Command(append=request))
    bench.append(opened, write, put(3, 1, "y"), put(4, 1, "y"), commit=4)
    bench.restart()
    write.index = 5
    bench.append(write, prev=(4, 1), commit=5)
    assert stale_read(bench) == b"a"


def test_never_compacts_when_told_so() -> None:
    """A threshold of 0 keeps the whole log."""
    bench = Bench(snapshot_threshold=0)
    bench.append(*entries(*[1] * 2000), commit=2000)
    assert bench.view.first_log_index == 1


def test_a_crash_at_any_point_of_compaction_loses_nothing() -> None:
    """Whatever prefix of the step's writes is on disk, the server comes back with all that was
    acknowledged (section 7)."""
    before = Bench(**EAGER)
    before.append(*entries(1, 1, 1), commit=3)
    effects = before.append(put(4, 1), prev=(3, 1), commit=4)
    writes = [effect for effect in effects if isinstance(effect, DURABLE)]
    assert len(writes) == 3  # Append, Save, Discard
    for kept in range(1, len(writes) + 1):
        bench = Bench(**EAGER)
        bench.append(*entries(1, 1, 1), commit=3)
        for effect in writes[:kept]:
            bench.disk.write(effect)
        bench.disk.sync()
        bench.restart()
        assert bench.view.last_log_index == 4
        assert bench.view.last_log_term == 1


def test_a_leader_drops_only_what_its_own_disk_holds() -> None:
    """Its followers may commit an entry before its own write of it; the snapshot may stand for that
    entry, but the log on disk goes on where it ends."""
    bench = Bench(snapshot_threshold=2, snapshot_trailing_entries=0)
    bench.serve()
    bench.ask(kv.PutRequest(key="x", value=b"1"), by="client")
    for peer in ("n2", "n3"):
        late = Call(peer, pb.AppendEntriesRequest(term=1, prev_log_index=1, prev_log_term=1), 100)
        [call] = bench.accept(late).calls(pb.AppendEntriesRequest)
        effects = bench.accept(call)
    assert bench.view.snapshot_index == 2
    assert effects.of(Discard) == [Discard("entries", 1)]
    bench.fire("flush")
    bench.restart()
    assert (bench.view.last_log_index, stale_read(bench)) == (2, b"1")


# ---------------------------------------------------------------------------- receiving (Figure 13)


def test_an_old_leaders_snapshot_is_rejected() -> None:
    """Reply immediately if the term is behind ours (Figure 13, rule 1)."""
    bench = Bench()
    bench.append(term=4, leader="n3")
    response = installed(bench.ask(chunk(snapshot_data())))
    assert (response.term, response.installed, response.bytes_stored) == (4, False, 0)


def test_collects_chunks_at_their_offsets() -> None:
    """Data is written at the given offset, and the server replies and waits for more until done
    (Figure 13, rules 2 to 4)."""
    bench, data = Bench(), snapshot_data()
    response = installed(bench.ask(chunk(data, size=4)))
    assert (response.bytes_stored, response.installed) == (4, False)
    response = installed(bench.ask(chunk(data, offset=4)))
    assert (response.bytes_stored, response.installed) == (len(data), True)
    assert stale_read(bench) == b"snapshot"


def test_a_chunk_that_comes_twice_is_stored_once() -> None:
    """A retry of a chunk whose response was lost changes nothing."""
    bench, data = Bench(), snapshot_data()
    bench.ask(chunk(data, size=4))
    assert installed(bench.ask(chunk(data, size=4))).bytes_stored == 4
    assert installed(bench.ask(chunk(data, offset=4))).installed
    assert stale_read(bench) == b"snapshot"


def test_a_gap_in_the_chunks_is_not_filled_with_nothing() -> None:
    """A chunk that does not follow on is not taken, even the last one; the response says from where
    to go on."""
    bench, data = Bench(), snapshot_data()
    response = installed(bench.ask(chunk(data, offset=6)))
    assert (response.bytes_stored, response.installed) == (0, False)


def test_a_restart_in_the_middle_begins_again() -> None:
    """What was collected is volatile: after a restart the follower asks for the whole."""
    bench, data = Bench(), snapshot_data()
    bench.ask(chunk(data, size=4))
    bench.restart()
    assert installed(bench.ask(chunk(data, offset=4))).bytes_stored == 0


def test_a_newer_snapshot_replaces_a_partial_one() -> None:
    """A partial snapshot with another index is discarded (Figure 13, rule 5)."""
    bench = Bench()
    bench.ask(chunk(snapshot_data(b"old"), index=5, size=4))
    response = installed(bench.ask(chunk(snapshot_data(b"new"), index=7)))
    assert response.installed
    assert (bench.view.snapshot_index, stale_read(bench)) == (7, b"new")


def test_matching_entries_behind_the_snapshot_are_kept() -> None:
    """If an existing entry has the index and term of the snapshot's last one, what follows it is
    retained (Figure 13, rule 6)."""
    bench = Bench()
    bench.append(*entries(1, 1, 1, 2, 2, 2, 2), term=2)
    effects = bench.ask(chunk(snapshot_data()))
    assert installed(effects).installed
    assert not effects.of(Truncate)
    assert bench.view.last_log_index == 7
    assert (bench.view.commit_index, bench.view.last_applied) == (5, 5)


def test_a_conflicting_log_is_discarded() -> None:
    """Otherwise the entire log goes (Figure 13, rule 7)."""
    bench = Bench()
    bench.append(*entries(1, 1, 1, 1, 1, 1, 1), term=1)
    effects = bench.ask(chunk(snapshot_data()))
    assert effects.place(Truncate) < effects.place(Discard) < effects.place(Respond)
    assert (bench.view.first_log_index, bench.view.last_log_index) == (6, 5)
    bench.restart()
    assert (bench.view.first_log_index, bench.view.last_log_index) == (6, 5)


def test_a_shorter_log_is_replaced() -> None:
    """A snapshot that reaches behind the end of the log supersedes all of it (section 7)."""
    bench = Bench()
    bench.append(*entries(1, 1))
    bench.ask(chunk(snapshot_data()))
    assert (bench.view.first_log_index, bench.view.last_log_term) == (6, 2)
    response = bench.append(put(6, 3), term=3, prev=(5, 2)).response(pb.AppendEntriesResponse)
    assert response.success


def test_the_state_machine_is_reset_and_the_configuration_loaded() -> None:
    """Reset the state machine with the snapshot's contents, and load its cluster configuration
    (Figure 13, rule 8)."""
    bench = Bench(size=4)
    bench.append(put(1, 1, "gone"), commit=1)
    bench.ask(chunk(snapshot_data()))
    assert stale_read(bench, "gone") == b""
    assert list(bench.view.voters) == ["n1", "n2", "n3"]
    assert bench.view.applied_digest == 42


def test_a_snapshot_is_saved_before_it_is_acknowledged() -> None:
    """The leader counts an installed snapshot as replicated, so it must be durable first."""
    effects = Bench().ask(chunk(snapshot_data()))
    save = next(effect for effect in effects.of(Save) if effect.slot == "snapshot")
    assert effects.index(save) < effects.place(Respond)


def test_an_old_snapshot_changes_nothing() -> None:
    """A snapshot of a prefix that is committed here already is not needed: applied state never
    goes back (section 7)."""
    bench = Bench()
    bench.append(*entries(1, 1, 1, 2, 2, 2), term=2, commit=6)
    effects = bench.ask(chunk(snapshot_data()))
    assert installed(effects).installed
    assert bench.view.snapshot_index == 0
    assert stale_read(bench) == b"1"


def test_a_snapshot_keeps_followers_followers() -> None:
    """A chunk is a word of the leader: an election timer that ran on would interrupt a long
    transfer (5.2)."""
    bench = Bench()
    assert "election" in bench.ask(chunk(snapshot_data(), size=1)).timers()
    assert bench.view.leader_id == "n2"


def test_entries_before_the_snapshot_are_skipped() -> None:
    """AppendEntries that begin before the snapshot vouch for what it already holds."""
    bench = Bench()
    bench.ask(chunk(snapshot_data()))
    log = [put(4, 2), put(5, 2), put(6, 3)]
    effects = bench.append(*log, term=3, prev=(3, 2))
    assert effects.response(pb.AppendEntriesResponse).success
    assert [append.first_index for append in effects.of(Append)] == [6]


def test_a_crash_at_any_point_of_an_installation_keeps_what_was_acknowledged() -> None:
    """Whatever prefix of the writes is on disk, the server comes back either as before, or with the
    snapshot and a log that begins behind it."""
    data = snapshot_data()
    probe = Bench()
    probe.append(*entries(1, 1, 1, 1, 1, 1, 1))
    effects = probe.ask(chunk(data))
    writes = [effect for effect in effects if isinstance(effect, DURABLE)]
    for kept in range(len(writes) + 1):
        bench = Bench()
        bench.append(*entries(1, 1, 1, 1, 1, 1, 1))
        for effect in writes[:kept]:
            bench.disk.write(effect)
        bench.disk.sync()
        bench.restart()
        whole = bench.view.snapshot_index == 5
        assert (bench.view.first_log_index, bench.view.last_log_index) == (
            (6, 5) if whole else (1, 7)
        )
        assert bench.view.last_log_term == (2 if whole else 1)


def test_a_log_that_ends_before_the_snapshot_is_not_used() -> None:
    """A leader may snapshot what its followers committed before its own disk has it all; after a
    crash there, the log begins anew behind the snapshot."""
    bench = Bench()
    saved = pb.Snapshot(last_included_index=5, last_included_term=2, data=snapshot_data())
    bench.step(Started({"snapshot": saved}, {"entries": StoredLog(1, tuple(entries(1, 1, 1)))}))
    assert (bench.view.first_log_index, bench.view.last_log_index) == (6, 5)


# ------------------------------------------------------------------------------------------ sending


def _leader_with_snapshot(**params: Any) -> tuple[Bench, Call]:
    """A leader whose follower n3 lacks what the snapshot replaced, and its first chunk to n3."""
    bench = Bench(**(EAGER | params))
    bench.append(*entries(1, 1, 1, 1, 1, 1), commit=6)
    bench.wait(ELECTION_MAX_MS)
    calls = bench.lead().calls(pb.AppendEntriesRequest)
    call = next(call for call in calls if call.peer == "n3")
    rejected = pb.AppendEntriesResponse(term=2, conflict_index=1)
    effects = bench.respond(call, rejected)
    [sent] = effects.calls(pb.InstallSnapshotRequest)
    return bench, sent


def request_of(call: Call) -> pb.InstallSnapshotRequest:
    assert isinstance(call.request, pb.InstallSnapshotRequest)
    return call.request


def test_a_follower_too_far_behind_gets_the_snapshot() -> None:
    """When the leader has discarded the next entry that a follower needs, it sends its snapshot
    (section 7)."""
    _, call = _leader_with_snapshot()
    request = request_of(call)
    assert call.peer == "n3"
    assert (request.last_included_index, request.last_included_term) == (6, 1)
    assert (request.term, request.leader_id, request.done) == (2, "n1", True)
    assert list(request.configuration.voters) == ["n1", "n2", "n3"]


def test_sends_chunk_by_chunk() -> None:
    """Chunks are sent in order, one at a time (Figure 13)."""
    bench, call = _leader_with_snapshot(snapshot_chunk_bytes=5)
    data, offsets = b"", []
    while True:
        request = request_of(call)
        offsets.append(request.offset)
        data += request.data
        if request.done:
            break
        stored = pb.InstallSnapshotResponse(term=2, bytes_stored=len(data))
        [call] = bench.respond(call, stored).calls(pb.InstallSnapshotRequest)
    assert offsets == [*range(0, len(data), 5)]
    assert pb.SnapshotData.FromString(data).state.values["x"] == b"1"


def test_goes_on_from_where_the_follower_is() -> None:
    """A follower that restarted in the middle has nothing; the leader begins again."""
    bench, call = _leader_with_snapshot(snapshot_chunk_bytes=5)
    stored = pb.InstallSnapshotResponse(term=2, bytes_stored=5)
    [call] = bench.respond(call, stored).calls(pb.InstallSnapshotRequest)
    assert request_of(call).offset == 5
    forgot = pb.InstallSnapshotResponse(term=2, bytes_stored=0)
    [call] = bench.respond(call, forgot).calls(pb.InstallSnapshotRequest)
    assert request_of(call).offset == 0


def test_a_lost_chunk_is_sent_again() -> None:
    """With the next heartbeat, the same chunk."""
    bench, call = _leader_with_snapshot(snapshot_chunk_bytes=5)
    bench.fail(call)
    [again] = bench.fire("heartbeat").calls(pb.InstallSnapshotRequest)
    assert request_of(again).offset == request_of(call).offset


def test_heartbeats_go_on_while_a_snapshot_is_sent() -> None:
    """A slow transfer must not look like a dead leader (5.2)."""
    bench, _ = _leader_with_snapshot(snapshot_chunk_bytes=5)
    effects = bench.fire("heartbeat")
    assert effects.sent("n3", pb.AppendEntriesRequest) == pb.AppendEntriesRequest(
        term=2, leader_id="n1", leader_commit=bench.view.commit_index, round=bench.core.round
    )
    assert not effects.calls(pb.InstallSnapshotRequest)  # One chunk is on its way already.


def test_entries_follow_the_snapshot() -> None:
    """After the snapshot the leader goes on with the entries behind it (section 7)."""
    bench, call = _leader_with_snapshot()
    done = pb.InstallSnapshotResponse(term=2, bytes_stored=99, installed=True)
    effects = bench.respond(call, done)
    request = effects.sent("n3", pb.AppendEntriesRequest)
    assert (request.prev_log_index, request.prev_log_term) == (6, 1)
    assert [entry.index for entry in request.entries] == [7]


def test_an_installed_snapshot_counts_for_commitment() -> None:
    """It is as good as the entries it stands for (section 7)."""
    bench, call = _leader_with_snapshot()
    bench.respond(call, pb.InstallSnapshotResponse(term=2, installed=True))
    assert [follower.match_index for follower in bench.view.followers] == [0, 6]


def test_a_snapshot_response_is_word_of_a_follower() -> None:
    """A leader that only sends snapshots has not lost contact (thesis 6.2)."""
    bench, call = _leader_with_snapshot(snapshot_chunk_bytes=5)
    bench.wait(ELECTION_MAX_MS + 1)
    bench.respond(call, pb.InstallSnapshotResponse(term=2, bytes_stored=5))
    bench.fire("heartbeat")
    assert bench.view.role == pb.LEADER


def test_the_kept_tail_spares_a_snapshot() -> None:
    """A follower that lacks no more than the tail is sent entries (thesis 5.1.2)."""
    bench = Bench(snapshot_threshold=4, snapshot_trailing_entries=3)
    bench.append(*entries(1, 1, 1, 1), commit=4)
    bench.wait(ELECTION_MIN_MS * 2)
    call = bench.lead().calls(pb.AppendEntriesRequest)[0]
    behind = pb.AppendEntriesResponse(term=2, conflict_index=3)
    request = bench.respond(call, behind).sent("n2", pb.AppendEntriesRequest)
    assert [entry.index for entry in request.entries] == [3, 4, 5]
