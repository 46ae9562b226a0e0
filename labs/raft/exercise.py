"""Your Raft: the methods that you write. Everything else is given.

Work part by part; labs/raft/README.md leads through the course.

    lab check raft --mine --part 1 --watch   judges part 1 again whenever you save
    lab hint raft                            the next hint for the first check that fails
    lab check raft --mine                    the whole grade
    lab reset raft [--part P]                a fresh file, with the parts before P filled in

Replace each `raise NotWritten(...)` by your code. Methods of later parts are taken from the
reference while they are blank, so part 1 can pass before part 2 is begun.

Handlers say what they want through self, and it happens in this order (nodes/core.py):

    self.save(slot, message)                  durable before all that follows, as what a log is told
    self.append(log, first_index, entries)
    self.truncate(log, from_index)            drops the entries from there on
    self.discard(log, through_index)          drops the entries up to and including that one
    self.call(peer, request, timeout_ms=...)  the response comes to the method @on_response
    self.respond(caller, response)            a handler may also return its response
    self.set_timer(name, delay_ms)            fires the method @on_timer(name)
    self.cancel_timer(name)
    self.note(kind, name=value)               a line in the timeline, for people

    self.now.mono_ms                          the only clock; self.env.rng is the only chance
    self.env.node_id, self.env.peers          this node, and all others

Your code must depend on nothing else: no time, random, files or threads, or it could not be
replayed. What the names of this lab mean stands with each part.
"""

from __future__ import annotations

from nodes.core import Caller, NodeId, NotWritten, StoredLog, handles, on_response, on_timer
from nodes.cores.raft import Raft
from nodes.cores.raft.membership import CATCH_UP_ROUNDS, Change
from nodes.cores.raft.reads import WaitingRead
from nodes.cores.raft.service import MAX_UNCOMMITTED_ENTRIES, Response
from nodes.cores.raft.snapshots import SNAPSHOT
from nodes.cores.raft.state import LOG, VOTE
from nodes.parts.quorum import VoteTally, reached_by_majority
from nodes.parts.sessions import Expired
from nodes.parts.state_machine import outcome_unknown, write_of
from protos import kv_pb2 as kv
from protos import node_pb2 as node
from protos import raft_pb2 as pb


class MyRaft(Raft):
    """Your Raft. What is not here is as in nodes.cores.raft."""

    # ---------------------------------------------------------------------- part 1: Leader election
    # One server leads, everyone follows it, and a lost leader is replaced soon.
    # Read: Raft paper 5.1, 5.2; thesis 9.6 on PreVote
    # State, by Figure 2's names: self.role (pb.FOLLOWER, pb.PRE_CANDIDATE, pb.CANDIDATE,
    #   pb.LEADER), self.current_term, self.voted_for and self.leader_id ("" for nobody),
    #   self.voters, self.log.
    # self.log: last_index, last_term, term_at(index), entry(index), tail(from_index), batch(...),
    #   append(entries), truncate(from_index); self.log is memory, the disk is told separately.
    # self.tally: VoteTally(self.voters) counts an election: grant(node), won.
    # Given: become_follower, step_down_if_behind, become_leader, persist_vote,
    #   restart_election_timer, ask_voters, ask_pre_votes, hears_leader, log_is_current, may_vote.
    # Settings: self.pre_vote, self.check_quorum, self.election_timeout_ms_min and _max.

    @on_timer("election")
    def election_timed_out(self) -> None:
        """The election timeout elapsed without hearing from a leader or granting a vote."""
        # TODO: become a candidate when no leader was heard in time (5.2)
        raise NotWritten(1, "election_timed_out")

    def campaign(self, *, leadership_transfer: bool = False) -> None:
        """Conversion to candidate (Figure 2, rules for candidates)."""
        # TODO: start an election: new term, vote for yourself, ask the others (5.2)
        raise NotWritten(1, "campaign")

    @handles(pb.PreVoteRequest)
    def answer_pre_vote(self, request: pb.PreVoteRequest, caller: Caller) -> pb.PreVoteResponse:
        """Granted only if we hear no leader ourselves, and would vote. Promises nothing."""
        # TODO: say whether you would vote for the candidate; change nothing
        raise NotWritten(1, "answer_pre_vote")

    @handles(pb.RequestVoteRequest)
    def request_vote(
        self, request: pb.RequestVoteRequest, caller: Caller
    ) -> pb.RequestVoteResponse:
        """Receiver of RequestVote (Figure 2)."""
        # TODO: grant at most one vote a term, to a log as good as yours (5.2, 5.4.1)
        raise NotWritten(1, "request_vote")

    @on_response(pb.PreVoteRequest, pb.PreVoteResponse)
    def count_pre_vote(
        self, peer: NodeId, request: pb.PreVoteRequest, response: pb.PreVoteResponse
    ) -> None:
        """A voter's response; one that belongs to an earlier question counts for nothing."""
        # TODO: count pre-votes; campaign when a majority would vote for you
        raise NotWritten(1, "count_pre_vote")

    @on_response(pb.RequestVoteRequest, pb.RequestVoteResponse)
    def count_vote(
        self, peer: NodeId, request: pb.RequestVoteRequest, response: pb.RequestVoteResponse
    ) -> None:
        """A voter's response; one that belongs to an earlier election counts for nothing."""
        # TODO: count votes; lead when a majority voted for you (5.2)
        raise NotWritten(1, "count_vote")

    # ---------------------------------------------------------------------- part 2: Log replication
    # What a majority holds is committed, in one order, and logs that differ are repaired.
    # Read: Raft paper 5.3; thesis 10.2.1 on batching and pipelining
    # self.followers: what the leader knows of each follower, a Progress: next_index, match_index,
    #   may_send, sent, answered, succeeded, back_up, forgot_behind (progress.py).
    # self.saved_index: how far the leader's own log is on disk; it counts itself up to there only.
    # Given: propose, flush, heartbeat, heard_from, follow, holds, explain_conflict,
    #   apply_committed, needs_snapshot; call follower_advanced, log_extended and log_truncated when
    #   that has happened.
    # Settings: self.max_entries_per_append, self.max_append_bytes, self.max_inflight.

    def replicate(self, peer: NodeId, *, even_if_empty: bool = False) -> None:
        """Sends the follower what it lacks, as far as may be on its way at once.

        `progress.may_send` says whether entries may go out now, and `log.batch` which; the limits
        are settings. Without entries there is a request only with `even_if_empty`.
        """
        # TODO: send what the follower lacks, from next_index on (5.3)
        raise NotWritten(2, "replicate")

    @on_response(pb.AppendEntriesRequest, pb.AppendEntriesResponse)
    def appended(
        self, peer: NodeId, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> None:
        """A follower's response to AppendEntries. `heard_from` looks after terms, and `progress`
        keeps next_index and match_index; a follower that is recovering may hold less than it did.
        """
        # TODO: take a follower's response: advance, or back up and try again (5.3)
        raise NotWritten(2, "appended")

    def next_index_after(
        self, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> int:
        """Fast backtracking: skip a whole term at a time (end of 5.3)."""
        # TODO: where to try next after a follower has declined (end of 5.3)
        raise NotWritten(2, "next_index_after")

    def advance_commit(self) -> None:
        """An entry is committed once a majority holds it durably; one of an earlier term only
        together with one of ours (Figure 8)."""
        # TODO: advance commit_index: a majority, and only your own term (5.3, 5.4.2)
        raise NotWritten(2, "advance_commit")

    @handles(pb.AppendEntriesRequest)
    def append_entries(
        self, request: pb.AppendEntriesRequest, caller: Caller
    ) -> pb.AppendEntriesResponse:
        """Receiver of AppendEntries (Figure 2)."""
        # TODO: accept or decline a leader's entries, learn what is committed (5.3)
        raise NotWritten(2, "append_entries")

    def store(self, entries: list[pb.LogEntry]) -> None:
        """Appends what is new. Only a conflict truncates: an old request that arrives late must not
        remove entries that were acknowledged since."""
        # TODO: drop from the first conflict on, append what is new (5.3)
        raise NotWritten(2, "store")

    # --------------------------------------------------------------- part 3: Persistence and safety
    # What a server said it still knows after a crash, and nothing committed is ever lost.
    # Read: Raft paper 5.4, 5.5 and Figure 2's persistent state
    # On disk: the slot VOTE holds a pb.Vote, the log LOG holds pb.LogEntry (state.py).
    # self.recovering: the disk was lost, and with it promises; it must survive a restart as well.
    # StoredLog: first_index, and entries from there on; self.log.base_index is what lies before it.

    def persist_vote(self) -> None:
        """A vote told but forgotten lets one server vote twice in a term (5.2)."""
        # TODO: save current_term, voted_for and recovering in the slot VOTE (5.2)
        raise NotWritten(3, "persist_vote")

    def restore_vote(self, vote: pb.Vote) -> None:
        """A server goes on in the term, and with the vote, that it last made durable."""
        # TODO: take back what persist_vote saved before the crash
        raise NotWritten(3, "restore_vote")

    def log_is_current(self, last_log_index: int, last_log_term: int) -> bool:
        """The candidate's log is at least as up-to-date as ours (5.4.1)."""
        # TODO: compare the last entries, the term first and then the index (5.4.1)
        raise NotWritten(3, "log_is_current")

    def save_own_entries(self) -> None:
        """Makes the entries durable that the leader so far holds in memory only."""
        # TODO: append to LOG the entries behind saved_index, and move it (5.3)
        raise NotWritten(3, "save_own_entries")

    def restore_log(self, stored: StoredLog) -> None:
        """The log is empty yet; what lies before the first entry on disk has been discarded."""
        # TODO: take back the entries that were durable, and where they begin
        raise NotWritten(3, "restore_log")

    # ---------------------------------------------------------------------------- part 4: Snapshots
    # Logs stay short, and servers that lag behind them get the state instead.
    # Read: Raft paper 7 and Figure 13; thesis 5
    # On disk: the slot SNAPSHOT holds a pb.Snapshot; self.snapshot is the latest one.
    # self.log.snapshot_index and snapshot_term: where it ends; self.log.discard(through_index).
    # progress.snapshot, snapshot_offset, snapshot_inflight: the one being sent to a follower.
    # self.incoming: what has arrived of one that is being received; collect adds a chunk.
    # Given: collect, drop_log, dump_state_machine, restore_state_machine, configuration_at.
    # Settings: self.snapshot_chunk_bytes, self.snapshot_trailing_entries.

    def take_snapshot(self) -> None:
        """Each server compacts by itself, and only what is committed (section 7)."""
        # TODO: save the state machine as a snapshot, then drop the log it stands for
        raise NotWritten(4, "take_snapshot")

    def send_snapshot(self, peer: NodeId) -> None:
        """One chunk at a time, so that a slow link still carries heartbeats in between."""
        # TODO: send the next chunk of the snapshot to a follower (section 7)
        raise NotWritten(4, "send_snapshot")

    @on_response(pb.InstallSnapshotRequest, pb.InstallSnapshotResponse)
    def snapshot_stored(
        self, peer: NodeId, request: pb.InstallSnapshotRequest, response: pb.InstallSnapshotResponse
    ) -> None:
        """A follower says how many bytes it has, and whether the snapshot is installed there."""
        # TODO: take the response to a chunk: send the next, or go on with the log
        raise NotWritten(4, "snapshot_stored")

    @handles(pb.InstallSnapshotRequest)
    def install_snapshot(
        self, request: pb.InstallSnapshotRequest, caller: Caller
    ) -> pb.InstallSnapshotResponse:
        """Receiver of InstallSnapshot (Figure 13)."""
        # TODO: collect chunks, install the snapshot when it is whole (section 7)
        raise NotWritten(4, "install_snapshot")

    def install(self, snapshot: pb.Snapshot, leader: NodeId) -> None:
        """The snapshot replaces state and log; entries behind it that match stay."""
        # TODO: replace state and log; keep entries behind a snapshot that matches
        raise NotWritten(4, "install")

    # ------------------------------------------------------------------------------ part 5: Clients
    # Each write takes effect once, and no read is stale.
    # Read: Raft paper 8; thesis 6.3 on sessions, 6.4 on reads
    # self.waiting_reads: reads that wait for proof, a WaitingRead each, in the order in which they
    #   came.
    # self.round: the number of the latest requests to all followers; begin_round starts the next
    #   one, self.acknowledged_round() is the latest that a majority has responded to.
    # self.term_start_index: of the no-op that began the leader's term.
    # self.waiting_writes: by log index, who waits for it, and the type of the response.
    # self.state_machine: execute(write), open_session(index), and sessions with recall(id) and
    #   remember(id, result) (nodes/parts/sessions.py); write_of(command), outcome_unknown(command,
    #   reason).
    # Given: propose, read, not_leader, get, apply.

    def wait_for_proof(self, key: str, caller: Caller) -> None:
        """ReadIndex: a round of requests that begins after the read arrived proves that we lead.

        The index is at least that of our no-op: until that is committed, we do not know how far
        earlier leaders had committed.
        """
        # TODO: note the read index and the round that must be acknowledged (6.4)
        raise NotWritten(5, "wait_for_proof")

    def answer_reads(self) -> None:
        """Reads leave in the order in which they came."""
        # TODO: answer the reads that are proved and applied (6.4)
        raise NotWritten(5, "answer_reads")

    def write(
        self, command: kv.Command, caller: Caller, response: type[Response]
    ) -> Response | None:
        """Puts the command into the log; the caller hears when it is applied."""
        # TODO: put a client's command into the log, or refuse it (section 8)
        raise NotWritten(5, "write")

    def apply_once(self, command: kv.Command, index: int) -> kv.CommandResult:
        """What a client is told about its command; every replica comes to the same.

        `index` is the command's place in the log; it names a session that the command opens, since
        no other command has it.
        """
        # TODO: carry out a client's write once, however often it is in the log (6.3)
        raise NotWritten(5, "apply_once")

    def give_up_writes(self, reason: str) -> None:
        """The entries may yet be committed by the next leader, so to refuse would be a lie."""
        # TODO: tell everyone who waits for a write that we cannot say (section 8)
        raise NotWritten(5, "give_up_writes")

    # --------------------------------------------------------------------------- part 6: Membership
    # Servers are added and removed while the cluster works, and leadership moves on request.
    # Read: thesis 3.10 and 4
    # self.voters: the configuration in force; use_configuration changes it.
    # self.change: the one change that is under way, or None: server, add, caller, entry_index (0
    #   while a new server catches up), round_goal, round_began_ms, rounds.
    # self.transfer: leadership on its way, or None: target, caller, told.
    # Given: begin_change, begin_catch_up_round, use_configuration, end_change, renew_member,
    #   track_followers, initial_voters; self.log.backwards() goes from the last entry to the first.

    def configuration_at(self, index: int) -> tuple[NodeId, ...]:
        """The latest one in the log, committed or not; before it the snapshot's, or the first."""
        # TODO: find the configuration in force at an index of the log (thesis 4.1)
        raise NotWritten(6, "configuration_at")

    def why_not_change(self, server: NodeId, add: bool) -> str:
        """The conditions under which single-server changes are safe."""
        # TODO: say why a membership change may not begin now, or return ''
        raise NotWritten(6, "why_not_change")

    def propose_configuration(self, voters: tuple[NodeId, ...]) -> None:
        """The leader, too, uses a configuration from when it is in its log (thesis 4.1)."""
        # TODO: put a configuration into the log, and use it at once (thesis 4.1)
        raise NotWritten(6, "propose_configuration")

    def catch_up_progressed(self, change: Change) -> None:
        """A round that took less than an election timeout was the last one (thesis 4.2.1)."""
        # TODO: give a new server its vote once it keeps up (thesis 4.2.1)
        raise NotWritten(6, "catch_up_progressed")

    def finish_change(self) -> None:
        """Something was applied: perhaps the configuration that we wait for."""
        # TODO: end a change that is committed; a leader may have removed itself
        raise NotWritten(6, "finish_change")

    def try_transfer(self) -> None:
        """The target must hold the whole log, or it could not win."""
        # TODO: tell the target to take over once its log is whole (thesis 3.10)
        raise NotWritten(6, "try_transfer")
