"""Somebody who tunes first: answers as early as possible, writes the disk when there is time."""

from __future__ import annotations

from nodes.core import Caller, NodeId, handles, on_response
from nodes.cores.raft import Raft
from nodes.cores.raft.reads import WaitingRead
from nodes.parts.quorum import VoteTally, majority
from protos import raft_pb2 as pb


class HastyRaft(Raft):
    """Tells before it saves; takes late answers as they come, whatever term they are of; counts its
    own entries before they are on disk; reads without asking anew."""

    # --------------------------------------------------------------------------- part 1: election

    def campaign(self, *, leadership_transfer: bool = False) -> None:
        self.current_term += 1
        self.role, self.leader_id = pb.CANDIDATE, ""
        self.voted_for = self.env.node_id
        self.tally = VoteTally(self.voters)
        self.tally.grant(self.env.node_id)
        self.ask_voters(
            pb.RequestVoteRequest(
                term=self.current_term,
                candidate_id=self.env.node_id,
                last_log_index=self.log.last_index,
                last_log_term=self.log.last_term,
                leadership_transfer=leadership_transfer,
            )
        )
        self.persist_vote()
        self.restart_election_timer()
        if self.tally.won:
            self.become_leader()

    @handles(pb.RequestVoteRequest)
    def request_vote(  # type: ignore[override]  # it answers by itself, early
        self, request: pb.RequestVoteRequest, caller: Caller
    ) -> None:
        if self.check_quorum and not request.leadership_transfer and self.hears_leader():
            self.respond(caller, pb.RequestVoteResponse(term=self.current_term))
            return
        self.step_down_if_behind(request.term)
        granted = (
            request.term == self.current_term
            and self.voted_for in ("", request.candidate_id)
            and self.log_is_current(request.last_log_index, request.last_log_term)
        )
        response = pb.RequestVoteResponse(term=self.current_term, vote_granted=granted)
        self.respond(caller, response)
        if granted:
            self.voted_for = request.candidate_id
            self.persist_vote()
            self.restart_election_timer()

    @on_response(pb.RequestVoteRequest, pb.RequestVoteResponse)
    def count_vote(
        self, peer: NodeId, request: pb.RequestVoteRequest, response: pb.RequestVoteResponse
    ) -> None:
        self.step_down_if_behind(response.term)
        if self.role == pb.CANDIDATE and response.vote_granted:
            self.tally.grant(peer)
            if self.tally.won:
                self.become_leader()

    # ------------------------------------------------------------------------ part 2: replication

    @handles(pb.AppendEntriesRequest)
    def append_entries(  # type: ignore[override]  # it answers by itself, early
        self, request: pb.AppendEntriesRequest, caller: Caller
    ) -> None:
        if not self.follow(request.term, request.leader_id):
            self.respond(caller, pb.AppendEntriesResponse(term=self.current_term))
            return
        response = pb.AppendEntriesResponse(term=self.current_term)
        if not self.holds(request.prev_log_index, request.prev_log_term):
            self.explain_conflict(request.prev_log_index, response)
            self.respond(caller, response)
            return
        response.success = True
        self.respond(caller, response)
        self.store([entry for entry in request.entries if entry.index > self.log.snapshot_index])
        last = request.prev_log_index + len(request.entries)
        if min(request.leader_commit, last) > self.commit_index:
            self.commit_index = min(request.leader_commit, last)
            self.apply_committed()

    @on_response(pb.AppendEntriesRequest, pb.AppendEntriesResponse)
    def appended(
        self, peer: NodeId, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> None:
        if self.step_down_if_behind(response.term):
            return
        progress = self.followers.get(peer)
        if self.role != pb.LEADER or progress is None:
            return
        progress.last_response_ms = self.now.mono_ms
        progress.acknowledged_round = max(progress.acknowledged_round, request.round)
        if request.entries:
            progress.answered()
        if response.success:
            progress.succeeded(request.prev_log_index + len(request.entries))
            self.follower_advanced(peer)
            self.advance_commit()
        else:
            progress.back_up(self.next_index_after(request, response))
        self.round_acknowledged()
        if self.role == pb.LEADER and peer in self.followers:
            self.replicate(peer)

    def advance_commit(self) -> None:
        ends = [progress.match_index for progress in self.followers.values()]
        ends.append(self.log.last_index)  # The leader has its own entries, of course.
        reached = sorted(ends)[len(ends) - majority(len(ends))]
        if reached > self.commit_index and self.log.term_at(reached) == self.current_term:
            self.commit_index = reached
            self.apply_committed()

    # ------------------------------------------------------------------------------ part 5: reads

    def wait_for_proof(self, key: str, caller: Caller) -> None:
        # The round that is under way will do.
        self.waiting_reads.append(WaitingRead(caller, key, self.round, self.commit_index))
        self.answer_reads()
