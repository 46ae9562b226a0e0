"""What the exercise file says of names that are given, by part; a line each."""

from __future__ import annotations

GIVEN = {
    1: """
State, by Figure 2's names: self.role (pb.FOLLOWER, pb.PRE_CANDIDATE, pb.CANDIDATE, pb.LEADER), \
self.current_term, self.voted_for and self.leader_id ("" for nobody), self.voters, self.log.
self.log: last_index, last_term, term_at(index), entry(index), tail(from_index), batch(...), \
append(entries), truncate(from_index); self.log is memory, the disk is told separately.
self.tally: VoteTally(self.voters) counts an election: grant(node), won.
Given: become_follower, step_down_if_behind, become_leader, persist_vote, restart_election_timer, \
ask_voters, ask_pre_votes, hears_leader, log_is_current, may_vote.
Settings: self.pre_vote, self.check_quorum, self.election_timeout_ms_min and _max.
""",
    2: """
self.followers: what the leader knows of each follower, a Progress: next_index, match_index, \
may_send, sent, answered, succeeded, back_up, forgot_behind (progress.py).
self.saved_index: how far the leader's own log is on disk; it counts itself up to there only.
Given: propose, flush, heartbeat, heard_from, follow, holds, explain_conflict, apply_committed, \
needs_snapshot; call follower_advanced, log_extended and log_truncated when that has happened.
Settings: self.max_entries_per_append, self.max_append_bytes, self.max_inflight.
""",
    3: """
On disk: the slot VOTE holds a pb.Vote, the log LOG holds pb.LogEntry (state.py).
self.recovering: the disk was lost, and with it promises; it must survive a restart as well.
StoredLog: first_index, and entries from there on; self.log.base_index is what lies before it.
""",
    4: """
On disk: the slot SNAPSHOT holds a pb.Snapshot; self.snapshot is the latest one.
self.log.snapshot_index and snapshot_term: where it ends; self.log.discard(through_index).
progress.snapshot, snapshot_offset, snapshot_inflight: the one being sent to a follower.
self.incoming: what has arrived of one that is being received; collect adds a chunk.
Given: collect, drop_log, dump_state_machine, restore_state_machine, configuration_at.
Settings: self.snapshot_chunk_bytes, self.snapshot_trailing_entries.
""",
    5: """
self.waiting_reads: reads that wait for proof, a WaitingRead each, in the order in which they came.
self.round: the number of the latest requests to all followers; begin_round starts the next one, \
self.acknowledged_round() is the latest that a majority has responded to.
self.term_start_index: of the no-op that began the leader's term.
self.waiting_writes: by log index, who waits for it, and the type of the response.
self.state_machine: execute(write), open_session(index), and sessions with recall(id) and \
remember(id, result) (nodes/parts/sessions.py); write_of(command), outcome_unknown(command, reason).
Given: propose, read, not_leader, get, apply.
""",
    6: """
self.voters: the configuration in force; use_configuration changes it.
self.change: the one change that is under way, or None: server, add, caller, entry_index (0 while \
a new server catches up), round_goal, round_began_ms, rounds.
self.transfer: leadership on its way, or None: target, caller, told.
Given: begin_change, begin_catch_up_round, use_configuration, end_change, renew_member, \
track_followers, initial_voters; self.log.backwards() goes from the last entry to the first.
""",
}
