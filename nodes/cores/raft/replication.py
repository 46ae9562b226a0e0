"""Log replication (5.3), the commit rule (5.4.2), and applying what is committed.

The leader batches: requests that arrive together become one Append and one AppendEntries a
follower. It sends before it writes its own disk (thesis 10.2.1), and counts itself towards a
majority only once its own entries are durable.
"""

from __future__ import annotations

from google.protobuf.message import Message

from nodes.core import Call, Caller, Env, NodeId, exercise, handles, on_response, on_timer
from nodes.cores.raft.election import Election
from nodes.cores.raft.progress import Progress
from nodes.cores.raft.state import LOG
from nodes.parts.quorum import majority, reached_by_majority
from protos import raft_pb2 as pb


class Replication(Election):
    """Entries flow from the leader outwards only."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.max_entries_per_append = env.number("max_entries_per_append")
        self.max_append_bytes = env.number("max_append_bytes")
        self.max_inflight = env.number("max_inflight")
        # Volatile state on leaders
        self.followers: dict[NodeId, Progress] = {}
        self.saved_index = 0  # our own log is durable up to here
        self.term_start_index = 0  # of the no-op that began our term
        self.round = 0  # of the latest requests to all followers

    # ------------------------------------------------------------------------------------- leader

    def on_leadership_won(self) -> None:
        super().on_leadership_won()
        self.saved_index = self.log.last_index
        self.followers = {}
        self.track_followers()
        # Commits whatever earlier leaders left behind, which may not be counted by itself (5.4.2).
        self.term_start_index = self.propose(pb.LogEntry(no_op=pb.NoOp()))
        self.flush()
        self.set_timer("heartbeat", self.heartbeat_ms)

    def on_leadership_lost(self, reason: str) -> None:
        super().on_leadership_lost(reason)
        self.save_own_entries()
        self.followers = {}
        self.cancel_timer("heartbeat")

    def replication_targets(self) -> tuple[NodeId, ...]:
        """Whom the leader sends its log to."""
        return tuple(peer for peer in self.env.peers if peer in self.voters)

    def track_followers(self) -> None:
        """Begins to track new followers and forgets those that are none any more."""
        known, self.followers = self.followers, {}
        for peer in self.replication_targets():
            self.followers[peer] = known.get(peer) or Progress(
                next_index=self.log.last_index + 1, last_response_ms=self.now.mono_ms
            )

    def propose(self, entry: pb.LogEntry) -> int:
        """Adds an entry to the leader's log; it goes out, and to disk, with the next flush."""
        entry.term, entry.index = self.current_term, self.log.last_index + 1
        self.log.append([entry])
        self.set_timer("flush", 0)
        return entry.index

    @on_timer("flush")
    def flush(self) -> None:
        """Everything that waited goes out in one request a follower and one write."""
        if self.role != pb.LEADER:
            return
        proof_needed = self.leadership_in_doubt()
        if proof_needed:
            self.begin_round()
        for peer in self.followers:
            self.replicate(peer, even_if_empty=proof_needed)
        self.save_own_entries()
        self.advance_commit()
        if self.role == pb.LEADER:  # It may just have committed its own removal.
            self.round_acknowledged()

    @exercise(part=3, brief="append to LOG the entries behind saved_index, and move it (5.3)")
    def save_own_entries(self) -> None:
        """Makes the entries durable that the leader so far holds in memory only."""
        self.append(LOG, self.saved_index + 1, self.log.tail(self.saved_index + 1))
        self.saved_index = self.log.last_index

    @on_timer("heartbeat")
    def heartbeat(self) -> None:
        """Idle followers must hear that there is a leader (5.2)."""
        if self.role != pb.LEADER:
            return
        self.set_timer("heartbeat", self.heartbeat_ms)
        if self.check_quorum and self.silent_majority():
            self.become_follower(self.current_term, "", "lost contact with a majority")
            return
        self.begin_round()
        for peer in self.followers:
            self.replicate(peer, even_if_empty=True)
        self.heartbeat_sent()

    def silent_majority(self) -> bool:
        """Too few servers responded within an election timeout to lead any longer (thesis 6.2)."""
        earliest_ms = self.now.mono_ms - self.election_timeout_ms_max
        heard = [
            voter
            for voter in self.voters
            if voter == self.env.node_id or self.followers[voter].last_response_ms >= earliest_ms
        ]
        return len(heard) < majority(len(self.voters))

    def needs_snapshot(self, progress: Progress) -> bool:
        """Our log does not reach back to what the follower lacks, or a snapshot is on its way."""
        discarded = progress.next_index < self.log.first_index
        unknown = self.log.term_at(progress.next_index - 1) is None
        return discarded or unknown or progress.snapshot is not None

    @exercise(part=2, brief="send what the follower lacks, from next_index on (5.3)")
    def replicate(self, peer: NodeId, *, even_if_empty: bool = False) -> None:
        """Sends the follower what it lacks, as far as may be on its way at once.

        `progress.may_send` says whether entries may go out now, and `log.batch` which; the limits
        are settings. Without entries there is a request only with `even_if_empty`.
        """
        progress = self.followers[peer]
        prev_log_index = progress.next_index - 1
        entries: list[pb.LogEntry] = []
        if self.needs_snapshot(progress):
            self.send_snapshot(peer)
            prev_log_index = 0  # A bare heartbeat: says only who leads.
        elif progress.may_send(self.max_inflight):
            entries = self.log.batch(
                progress.next_index,
                entries_max=self.max_entries_per_append,
                bytes_max=self.max_append_bytes,
            )
        if not entries and not even_if_empty:
            return
        request = pb.AppendEntriesRequest(
            term=self.current_term,
            leader_id=self.env.node_id,
            prev_log_index=prev_log_index,
            prev_log_term=self.log.term_at(prev_log_index),
            entries=entries,
            leader_commit=self.commit_index,
            round=self.round,
        )
        self.call(peer, request, timeout_ms=self.election_timeout_ms_min)
        if entries:
            progress.sent(len(entries))

    @exercise(part=2, brief="take a follower's response: advance, or back up and try again (5.3)")
    @on_response(pb.AppendEntriesRequest, pb.AppendEntriesResponse)
    def appended(
        self, peer: NodeId, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> None:
        """A follower's response to AppendEntries. `heard_from` looks after terms, and `progress`
        keeps next_index and match_index; a follower that is recovering may hold less than it did.
        """
        progress = self.heard_from(peer, request.term, response.term, request.round)
        if progress is None:
            return
        if request.entries:
            progress.answered()
        progress.recovering = response.recovering
        if response.recovering and not response.success:
            progress.forgot_behind(response.conflict_index)
        if response.success:
            progress.succeeded(request.prev_log_index + len(request.entries))
            self.follower_advanced(peer)
            self.advance_commit()
        elif request.prev_log_index > progress.match_index:
            progress.back_up(self.next_index_after(request, response))
        elif request.prev_log_index + len(request.entries) > progress.match_index:
            progress.lost()  # It overtook the one before it, which has arrived by now.
        if self.role == pb.LEADER and peer in self.followers:
            self.replicate(peer)

    def heard_from(
        self, peer: NodeId, request_term: int, response_term: int, round: int
    ) -> Progress | None:
        """Takes note of a response; None if it is of no use any more."""
        if self.step_down_if_behind(response_term):
            return None
        progress = self.followers.get(peer)
        if self.role != pb.LEADER or request_term != self.current_term or progress is None:
            return None
        progress.last_response_ms = self.now.mono_ms
        progress.acknowledged_round = max(progress.acknowledged_round, round)
        self.round_acknowledged()
        return progress

    @exercise(part=2, brief="where to try next after a follower has declined (end of 5.3)")
    def next_index_after(
        self, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> int:
        """Fast backtracking: skip a whole term at a time (end of 5.3)."""
        next_index = response.conflict_index
        if response.conflict_term:
            ours = self.log.last_index_of_term(response.conflict_term)
            next_index = ours + 1 if ours is not None else response.conflict_index
        return max(1, min(next_index, request.prev_log_index))

    def on_call_failed(self, call: Call, reason: str) -> None:
        request, progress = call.request, self.followers.get(call.peer)
        if not isinstance(request, pb.AppendEntriesRequest) or progress is None:
            return
        if request.term == self.current_term and request.entries:
            progress.answered()
            progress.lost()  # Heartbeats go on, and try again.

    @exercise(part=2, brief="advance commit_index: a majority, and only your own term (5.3, 5.4.2)")
    def advance_commit(self) -> None:
        """An entry is committed once a majority holds it durably; one of an earlier term only
        together with one of ours (Figure 8)."""
        reached = [
            self.saved_index if voter == self.env.node_id else self.followers[voter].match_index
            for voter in self.voters
        ]
        index = reached_by_majority(reached)
        if index > self.commit_index and self.log.term_at(index) == self.current_term:
            self.commit_index = index
            self.apply_committed()

    # ----------------------------------------------------------------------------------- follower

    @exercise(part=2, brief="accept or decline a leader's entries, learn what is committed (5.3)")
    @handles(pb.AppendEntriesRequest)
    def append_entries(
        self, request: pb.AppendEntriesRequest, caller: Caller
    ) -> pb.AppendEntriesResponse:
        """Receiver of AppendEntries (Figure 2)."""
        if not self.follow(request.term, request.leader_id):
            return pb.AppendEntriesResponse(term=self.current_term, success=False)
        response = pb.AppendEntriesResponse(term=self.current_term, recovering=self.recovering)
        if not self.holds(request.prev_log_index, request.prev_log_term):
            self.explain_conflict(request.prev_log_index, response)
            return response
        self.store([entry for entry in request.entries if entry.index > self.log.snapshot_index])
        # Only what this request vouched for: entries behind it may yet conflict.
        last_new_index = request.prev_log_index + len(request.entries)
        commit_index = min(request.leader_commit, last_new_index)
        if commit_index > self.commit_index:
            self.commit_index = commit_index
            self.apply_committed()
        response.success = True
        return response

    def follow(self, term: int, leader: NodeId) -> bool:
        """Accepts `leader`, unless its term has passed."""
        if term < self.current_term or (term == self.current_term and self.role == pb.LEADER):
            return False
        if term > self.current_term or self.role != pb.FOLLOWER or self.leader_id != leader:
            self.become_follower(term, leader, f"{leader} leads term {term}")
        self.leader_heard_ms = self.now.mono_ms
        self.restart_election_timer()
        return True

    def holds(self, index: int, term: int) -> bool:
        """Our log matches the leader's up to `index` (log matching, 5.3)."""
        return index <= self.log.snapshot_index or self.log.term_at(index) == term

    def explain_conflict(self, index: int, response: pb.AppendEntriesResponse) -> None:
        """Tells the leader where to go on (end of 5.3)."""
        term = self.log.term_at(index)
        if term is None:
            response.conflict_index = self.log.last_index + 1
        else:
            response.conflict_term = term
            response.conflict_index = self.log.first_index_of_term_at(index)

    @exercise(part=2, brief="drop from the first conflict on, append what is new (5.3)")
    def store(self, entries: list[pb.LogEntry]) -> None:
        """Appends what is new. Only a conflict truncates: an old request that arrives late must not
        remove entries that were acknowledged since."""
        for position, entry in enumerate(entries):
            if self.log.term_at(entry.index) == entry.term:
                continue
            if entry.index <= self.log.last_index:
                assert entry.index > self.commit_index, "a committed entry never conflicts"
                count = self.log.last_index - entry.index + 1
                self.note("truncate", from_index=entry.index, count=count)
                self.truncate(LOG, entry.index)
                self.log.truncate(entry.index)
                self.log_truncated()
            new = entries[position:]
            self.append(LOG, entry.index, new)
            self.log.append(new)
            self.log_extended(new)
            return

    # ---------------------------------------------------------------------------------- all servers

    def apply_committed(self) -> None:
        """Applies entries in log order, each once (5.3)."""
        while self.last_applied < self.commit_index:
            entry = self.log.entry(self.last_applied + 1)
            self.last_applied = entry.index
            self.apply(entry)
        self.applied()

    def begin_round(self) -> None:
        """The requests sent from now on prove, when answered, that we lead now (thesis 6.4)."""
        self.round += 1

    def view(self) -> Message:
        view = super().view()
        assert isinstance(view, pb.RaftView)
        for peer, progress in self.followers.items():
            view.followers.add(
                node_id=peer, next_index=progress.next_index, match_index=progress.match_index
            )
        view.ready = self.role == pb.LEADER and self.commit_index >= self.term_start_index
        return view

    # ------------------------------------------------------------------------ hooks of later layers

    def send_snapshot(self, peer: NodeId) -> None:
        """The follower lacks entries that we have discarded."""

    def apply(self, entry: pb.LogEntry) -> None:
        """The entry is committed; its effect on the state machine happens now."""

    def applied(self) -> None:
        """last_applied has caught up with commit_index."""

    def log_extended(self, entries: list[pb.LogEntry]) -> None:
        """Entries of the leader were added to our log."""

    def log_truncated(self) -> None:
        """Entries were removed from the end of our log."""

    def follower_advanced(self, peer: NodeId) -> None:
        """A follower holds more of our log than before."""

    def round_acknowledged(self) -> None:
        """A majority may now have responded to the current term's leader."""

    def heartbeat_sent(self) -> None:
        """A heartbeat interval has passed on the leader."""

    def leadership_in_doubt(self) -> bool:
        """Someone waits for proof that we still lead."""
        return False
