"""Leader election (5.2, 5.4.1), with PreVote (thesis 9.6) and leader stickiness (thesis 4.2.3)."""

from __future__ import annotations

from nodes.core import Caller, Env, NodeId, exercise, handles, on_response, on_timer
from nodes.cores.raft.state import RaftState
from nodes.parts.quorum import VoteTally
from protos import raft_pb2 as pb


class Election(RaftState):
    """At most one leader a term; only a server whose log has everything committed can win."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.pre_vote = env.text("pre_vote") == "on"
        self.tally = VoteTally(())

    @exercise(part=1, brief="become a candidate when no leader was heard in time (5.2)")
    @on_timer("election")
    def election_timed_out(self) -> None:
        """The election timeout elapsed without hearing from a leader or granting a vote."""
        self.restart_election_timer()
        if not self.may_vote or self.role == pb.LEADER:
            return
        if self.pre_vote:
            self.ask_pre_votes()
        else:
            self.campaign()

    def ask_pre_votes(self) -> None:
        """Ask whether an election could be won before disturbing anyone by a higher term."""
        self.role, self.leader_id = pb.PRE_CANDIDATE, ""
        self.note("campaign", term=self.current_term + 1, pre_vote=True)
        self.tally = VoteTally(self.voters)
        self.tally.grant(self.env.node_id)
        request = pb.PreVoteRequest(
            term=self.current_term + 1,
            candidate_id=self.env.node_id,
            last_log_index=self.log.last_index,
            last_log_term=self.log.last_term,
        )
        self.ask_voters(request)
        if self.tally.won:  # a cluster of one
            self.campaign()

    @exercise(part=1, brief="start an election: new term, vote for yourself, ask the others (5.2)")
    def campaign(self, *, leadership_transfer: bool = False) -> None:
        """Conversion to candidate (Figure 2, rules for candidates)."""
        self.current_term += 1
        self.voted_for = self.env.node_id
        self.role, self.leader_id = pb.CANDIDATE, ""
        self.persist_vote()
        self.note("campaign", term=self.current_term, pre_vote=False)
        self.restart_election_timer()
        self.tally = VoteTally(self.voters)
        self.tally.grant(self.env.node_id)
        request = pb.RequestVoteRequest(
            term=self.current_term,
            candidate_id=self.env.node_id,
            last_log_index=self.log.last_index,
            last_log_term=self.log.last_term,
            leadership_transfer=leadership_transfer,
        )
        self.ask_voters(request)
        if self.tally.won:  # a cluster of one
            self.become_leader()

    def ask_voters(self, request: pb.PreVoteRequest | pb.RequestVoteRequest) -> None:
        """An unanswered question is asked again by the next election, so its deadline is ours."""
        for peer in self.env.peers:
            if peer in self.voters:
                self.call(peer, request, timeout_ms=self.election_timeout_ms_min)

    @exercise(part=3, brief="compare the last entries, the term first and then the index (5.4.1)")
    def log_is_current(self, last_log_index: int, last_log_term: int) -> bool:
        """The candidate's log is at least as up-to-date as ours (5.4.1)."""
        return (last_log_term, last_log_index) >= (self.log.last_term, self.log.last_index)

    # ------------------------------------------------------------------------------------- voters

    @exercise(part=1, brief="say whether you would vote for the candidate; change nothing")
    @handles(pb.PreVoteRequest)
    def answer_pre_vote(self, request: pb.PreVoteRequest, caller: Caller) -> pb.PreVoteResponse:
        """Granted only if we hear no leader ourselves, and would vote. Promises nothing."""
        granted = (
            request.term > self.current_term
            and not self.recovering
            and not self.hears_leader()
            and self.log_is_current(request.last_log_index, request.last_log_term)
        )
        return pb.PreVoteResponse(term=self.current_term, vote_granted=granted)

    @exercise(part=1, brief="grant at most one vote a term, to a log as good as yours (5.2, 5.4.1)")
    @handles(pb.RequestVoteRequest)
    def request_vote(
        self, request: pb.RequestVoteRequest, caller: Caller
    ) -> pb.RequestVoteResponse:
        """Receiver of RequestVote (Figure 2)."""
        sticky = self.check_quorum and not request.leadership_transfer
        if sticky and self.hears_leader():
            # A server that was removed, or cut off, must not depose a leader that works.
            return pb.RequestVoteResponse(term=self.current_term, vote_granted=False)
        self.step_down_if_behind(request.term)
        granted = (
            request.term == self.current_term
            and not self.recovering
            and self.voted_for in ("", request.candidate_id)
            and self.log_is_current(request.last_log_index, request.last_log_term)
        )
        if granted:
            self.voted_for = request.candidate_id
            self.persist_vote()
            self.note("vote", term=self.current_term, candidate=request.candidate_id)
            self.restart_election_timer()
        return pb.RequestVoteResponse(term=self.current_term, vote_granted=granted)

    # --------------------------------------------------------------------------------- candidates

    @exercise(part=1, brief="count pre-votes; campaign when a majority would vote for you")
    @on_response(pb.PreVoteRequest, pb.PreVoteResponse)
    def count_pre_vote(
        self, peer: NodeId, request: pb.PreVoteRequest, response: pb.PreVoteResponse
    ) -> None:
        """A voter's response; one that belongs to an earlier question counts for nothing."""
        if self.step_down_if_behind(response.term):
            return
        asked_now = self.role == pb.PRE_CANDIDATE and request.term == self.current_term + 1
        if asked_now and response.vote_granted:
            self.tally.grant(peer)
            if self.tally.won:
                self.campaign()

    @exercise(part=1, brief="count votes; lead when a majority voted for you (5.2)")
    @on_response(pb.RequestVoteRequest, pb.RequestVoteResponse)
    def count_vote(
        self, peer: NodeId, request: pb.RequestVoteRequest, response: pb.RequestVoteResponse
    ) -> None:
        """A voter's response; one that belongs to an earlier election counts for nothing."""
        if self.step_down_if_behind(response.term):
            return
        asked_now = self.role == pb.CANDIDATE and request.term == self.current_term
        if asked_now and response.vote_granted:
            self.tally.grant(peer)
            if self.tally.won:
                self.become_leader()

    def become_leader(self) -> None:
        """A majority of the voters voted for us in this term."""
        self.role, self.leader_id = pb.LEADER, self.env.node_id
        self.cancel_timer("election")
        self.note("leader", term=self.current_term, votes=",".join(self.tally.granted))
        self.on_leadership_won()
