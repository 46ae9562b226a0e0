"""Somebody who takes Raft for "the longest log wins, and whoever speaks is alive"."""

from __future__ import annotations

from nodes.core import Caller, NodeId, handles, on_response, on_timer
from nodes.cores.raft import Raft
from nodes.cores.raft.state import LOG
from nodes.parts.quorum import VoteTally
from protos import raft_pb2 as pb


class LongestLogRaft(Raft):
    """Compares logs by length before term; any candidate puts off the election; followers commit
    what the leader has committed, wherever their own log may be; copies of any term count."""

    # --------------------------------------------------------------------------- part 1: election

    @on_timer("election")
    def election_timed_out(self) -> None:
        self.restart_election_timer()
        if self.role == pb.LEADER or not self.may_vote:
            return
        if self.pre_vote:
            self.ask_pre_votes()
        else:
            self.campaign()

    def campaign(self, *, leadership_transfer: bool = False) -> None:
        self.become_candidate()
        request = pb.RequestVoteRequest(
            term=self.current_term,
            candidate_id=self.env.node_id,
            last_log_index=self.log.last_index,
            last_log_term=self.log.last_term,
            leadership_transfer=leadership_transfer,
        )
        self.ask_voters(request)
        if self.tally.won:
            self.become_leader()

    def become_candidate(self) -> None:
        self.role = pb.CANDIDATE
        self.leader_id = ""
        self.current_term += 1
        self.voted_for = self.env.node_id
        self.persist_vote()
        self.restart_election_timer()
        self.tally = VoteTally(self.voters)
        self.tally.grant(self.env.node_id)

    @handles(pb.PreVoteRequest)
    def answer_pre_vote(self, request: pb.PreVoteRequest, caller: Caller) -> pb.PreVoteResponse:
        good = self.is_longer(request.last_log_index, request.last_log_term)
        granted = request.term > self.current_term and good and not self.hears_leader()
        return pb.PreVoteResponse(term=self.current_term, vote_granted=granted)

    @handles(pb.RequestVoteRequest)
    def request_vote(
        self, request: pb.RequestVoteRequest, caller: Caller
    ) -> pb.RequestVoteResponse:
        if self.role != pb.LEADER:
            self.restart_election_timer()  # Somebody is at it already: do not disturb.
        if self.check_quorum and not request.leadership_transfer and self.hears_leader():
            return pb.RequestVoteResponse(term=self.current_term, vote_granted=False)
        if request.term > self.current_term:
            self.become_follower(request.term, "", "a candidate has a higher term")
        free = self.voted_for == "" or self.voted_for == request.candidate_id
        current = request.term == self.current_term
        granted = current and free and self.is_longer(request.last_log_index, request.last_log_term)
        if granted:
            self.voted_for = request.candidate_id
            self.persist_vote()
        return pb.RequestVoteResponse(term=self.current_term, vote_granted=granted)

    def is_longer(self, index: int, term: int) -> bool:
        """At least as up-to-date as ours: more entries, or as many and a later term."""
        if index != self.log.last_index:
            return index > self.log.last_index
        return term >= self.log.last_term

    @on_response(pb.RequestVoteRequest, pb.RequestVoteResponse)
    def count_vote(
        self, peer: NodeId, request: pb.RequestVoteRequest, response: pb.RequestVoteResponse
    ) -> None:
        if response.term > self.current_term:
            self.become_follower(response.term, "", "a voter has a higher term")
        elif self.role == pb.CANDIDATE and response.vote_granted:
            self.tally.grant(peer)
            if self.tally.won:
                self.become_leader()

    # ------------------------------------------------------------------------ part 2: replication

    @handles(pb.AppendEntriesRequest)
    def append_entries(
        self, request: pb.AppendEntriesRequest, caller: Caller
    ) -> pb.AppendEntriesResponse:
        if not self.follow(request.term, request.leader_id):
            return pb.AppendEntriesResponse(term=self.current_term, success=False)
        response = pb.AppendEntriesResponse(term=self.current_term, recovering=self.recovering)
        if not self.holds(request.prev_log_index, request.prev_log_term):
            self.explain_conflict(request.prev_log_index, response)
            return response
        for entry in request.entries:
            if entry.index <= self.log.snapshot_index:
                continue
            if entry.index <= self.log.last_index:
                if self.log.term_at(entry.index) == entry.term:
                    continue
                self.truncate(LOG, entry.index)
                self.log.truncate(entry.index)
                self.log_truncated()
            self.append(LOG, entry.index, [entry])
            self.log.append([entry])
            self.log_extended([entry])
        if request.leader_commit > self.commit_index:
            self.commit_index = min(request.leader_commit, self.log.last_index)
            self.apply_committed()
        response.success = True
        return response

    def advance_commit(self) -> None:
        for index in range(self.log.last_index, self.commit_index, -1):
            copies = 1 if self.saved_index >= index else 0
            copies += sum(f.match_index >= index for f in self.followers.values())
            if copies > len(self.voters) // 2:
                self.commit_index = index
                self.apply_committed()
                return
