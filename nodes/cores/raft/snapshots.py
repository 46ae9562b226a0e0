"""Log compaction and InstallSnapshot in chunks (section 7; thesis 5)."""

from __future__ import annotations

from nodes.core import (
    Call,
    Caller,
    Env,
    NodeId,
    Started,
    StoredLog,
    exercise,
    handles,
    on_response,
)
from nodes.cores.raft.replication import Replication
from nodes.cores.raft.state import LOG
from protos import raft_pb2 as pb

SNAPSHOT = "snapshot"


class Snapshots(Replication):
    """A snapshot stands for the log up to its last included entry."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.snapshot_threshold = env.number("snapshot_threshold")
        self.snapshot_trailing_entries = env.number("snapshot_trailing_entries")
        self.snapshot_chunk_bytes = env.number("snapshot_chunk_bytes")
        self.snapshot = pb.Snapshot()
        # On a follower: what has arrived of a snapshot that is being sent
        self.incoming = pb.Snapshot()

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        snapshot = started.slots.get(SNAPSHOT, pb.Snapshot())
        assert isinstance(snapshot, pb.Snapshot)
        self.snapshot = snapshot
        self.log.snapshot_index = snapshot.last_included_index
        self.log.snapshot_term = snapshot.last_included_term
        if snapshot.last_included_index:
            self.restore_state_machine(snapshot.data)
        self.commit_index = self.last_applied = snapshot.last_included_index
        self.restore_log(started.logs.get(LOG, StoredLog()))
        self.drop_what_snapshot_replaces()
        self.log_truncated()  # The configuration is that of the log we have now.

    @exercise(part=3, brief="take back the entries that were durable, and where they begin")
    def restore_log(self, stored: StoredLog) -> None:
        """The log is empty yet; what lies before the first entry on disk has been discarded."""
        self.log.base_index = stored.first_index - 1
        entries = [entry for entry in stored.entries if isinstance(entry, pb.LogEntry)]
        self.log.append(entries)

    # ------------------------------------------------------------------------------------- taking

    def applied(self) -> None:
        super().applied()
        grown = self.last_applied - self.log.snapshot_index
        if self.snapshot_threshold and grown >= self.snapshot_threshold:
            self.take_snapshot()

    @exercise(part=4, brief="save the state machine as a snapshot, then drop the log it stands for")
    def take_snapshot(self) -> None:
        """Each server compacts by itself, and only what is committed (section 7)."""
        index = self.last_applied
        term = self.log.term_at(index)
        assert term is not None, "what was just applied is still in the log"
        self.snapshot = pb.Snapshot(
            last_included_index=index,
            last_included_term=term,
            configuration=pb.Configuration(voters=self.configuration_at(index)),
            data=self.dump_state_machine(),
        )
        self.save(SNAPSHOT, self.snapshot)
        self.note("snapshot", index=index)
        self.log.snapshot_index, self.log.snapshot_term = index, term
        # A follower that lags a little is spared the whole snapshot.
        through = max(self.log.base_index, index - self.snapshot_trailing_entries)
        through = min(through, self.saved_index) if self.role == pb.LEADER else through
        if through > self.log.base_index:
            self.discard(LOG, through)
            self.log.discard(through)

    # ------------------------------------------------------------------------------------ sending

    @exercise(part=4, brief="send the next chunk of the snapshot to a follower (section 7)")
    def send_snapshot(self, peer: NodeId) -> None:
        """One chunk at a time, so that a slow link still carries heartbeats in between."""
        progress = self.followers[peer]
        if progress.snapshot_inflight:
            return
        if progress.snapshot is None:
            progress.snapshot, progress.snapshot_offset = self.snapshot, 0
        snapshot, offset = progress.snapshot, progress.snapshot_offset
        chunk = snapshot.data[offset : offset + self.snapshot_chunk_bytes]
        request = pb.InstallSnapshotRequest(
            term=self.current_term,
            leader_id=self.env.node_id,
            last_included_index=snapshot.last_included_index,
            last_included_term=snapshot.last_included_term,
            configuration=snapshot.configuration,
            offset=offset,
            data=chunk,
            done=offset + len(chunk) == len(snapshot.data),
            round=self.round,
        )
        self.call(peer, request, timeout_ms=self.election_timeout_ms_max)
        progress.snapshot_inflight = True

    @exercise(part=4, brief="take the response to a chunk: send the next, or go on with the log")
    @on_response(pb.InstallSnapshotRequest, pb.InstallSnapshotResponse)
    def snapshot_stored(
        self, peer: NodeId, request: pb.InstallSnapshotRequest, response: pb.InstallSnapshotResponse
    ) -> None:
        """A follower says how many bytes it has, and whether the snapshot is installed there."""
        progress = self.heard_from(peer, request.term, response.term, request.round)
        if progress is None or progress.snapshot is None:
            return
        progress.snapshot_inflight = False
        progress.snapshot_offset = response.bytes_stored
        if response.installed:
            progress.snapshot = None
            progress.succeeded(request.last_included_index)
            self.follower_advanced(peer)
            self.advance_commit()
        if self.role == pb.LEADER and peer in self.followers:
            self.replicate(peer)

    def on_call_failed(self, call: Call, reason: str) -> None:
        super().on_call_failed(call, reason)
        progress = self.followers.get(call.peer)
        if isinstance(call.request, pb.InstallSnapshotRequest) and progress is not None:
            progress.snapshot_inflight = False  # Sent again with the next heartbeat.

    # ---------------------------------------------------------------------------------- receiving

    @exercise(part=4, brief="collect chunks, install the snapshot when it is whole (section 7)")
    @handles(pb.InstallSnapshotRequest)
    def install_snapshot(
        self, request: pb.InstallSnapshotRequest, caller: Caller
    ) -> pb.InstallSnapshotResponse:
        """Receiver of InstallSnapshot (Figure 13)."""
        if not self.follow(request.term, request.leader_id):
            return pb.InstallSnapshotResponse(term=self.current_term)
        response = pb.InstallSnapshotResponse(term=self.current_term)
        if request.last_included_index > self.commit_index:
            self.collect(request)
            response.bytes_stored = len(self.incoming.data)
            if request.done and request.offset + len(request.data) == response.bytes_stored:
                self.install(self.incoming, request.leader_id)
                self.incoming = pb.Snapshot()
        response.installed = request.last_included_index <= self.commit_index
        return response

    def collect(self, request: pb.InstallSnapshotRequest) -> None:
        """Adds a chunk if it is the next one of the snapshot that is being collected."""
        wanted = (request.last_included_index, request.last_included_term)
        if wanted != (self.incoming.last_included_index, self.incoming.last_included_term):
            self.incoming = pb.Snapshot(
                last_included_index=request.last_included_index,
                last_included_term=request.last_included_term,
                configuration=request.configuration,
            )
        if request.offset == len(self.incoming.data):
            self.incoming.data += request.data

    @exercise(part=4, brief="replace state and log; keep entries behind a snapshot that matches")
    def install(self, snapshot: pb.Snapshot, leader: NodeId) -> None:
        """The snapshot replaces state and log; entries behind it that match stay."""
        # Saved before the log is touched: what was acknowledged must be on disk at every moment.
        self.snapshot = snapshot
        self.save(SNAPSHOT, snapshot)
        self.note("installed_snapshot", index=snapshot.last_included_index, leader=leader)
        matches = self.log.term_at(snapshot.last_included_index) == snapshot.last_included_term
        self.log.snapshot_index = snapshot.last_included_index
        self.log.snapshot_term = snapshot.last_included_term
        if not matches:
            self.drop_log()
        self.restore_state_machine(snapshot.data)
        self.commit_index = self.last_applied = snapshot.last_included_index
        self.log_truncated()

    def drop_what_snapshot_replaces(self) -> None:
        """A crash may have come between saving a snapshot, in `install`, and dropping what it
        replaces: a log that does not match is not ours."""
        index, log = self.log.snapshot_index, self.log
        held = log.base_index < index <= log.last_index
        if index > log.last_index or (held and log.entry(index).term != log.snapshot_term):
            self.drop_log()

    def drop_log(self) -> None:
        """The log begins anew behind the snapshot."""
        if self.log.last_index > self.log.base_index:
            self.truncate(LOG, self.log.first_index)
            self.log.truncate(self.log.first_index)
        self.discard(LOG, self.log.snapshot_index)
        self.log.discard(self.log.snapshot_index)

    # ------------------------------------------------------------------------ hooks of later layers

    def configuration_at(self, index: int) -> tuple[NodeId, ...]:
        """The voters as of the entry at `index`."""
        raise NotImplementedError

    def dump_state_machine(self) -> bytes:
        """The state machine as of last_applied."""
        raise NotImplementedError

    def restore_state_machine(self, data: bytes) -> None:
        """Replaces the state machine."""
        raise NotImplementedError
