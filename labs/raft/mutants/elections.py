"""Planted bugs in elections."""

from __future__ import annotations

from nodes.core import (
    Caller,
    Effect,
    Event,
    NodeId,
    Now,
    Requested,
    handles,
    on_response,
    on_timer,
)
from nodes.cores.raft import Raft
from nodes.cores.raft.state import VOTE
from protos import raft_pb2 as pb


class VotesTwice(Raft):
    """Votes again in a term in which it has voted."""

    @handles(pb.RequestVoteRequest)
    def request_vote(
        self, request: pb.RequestVoteRequest, caller: Caller
    ) -> pb.RequestVoteResponse:
        """Forgets whom it voted for first."""
        if request.term == self.current_term and self.role == pb.FOLLOWER:
            self.voted_for = ""
        return super().request_vote(request, caller)


class VoteNotPersisted(Raft):
    """Forgets its term and vote in a crash."""

    def persist_vote(self) -> None:
        pass


class VotedForNotPersisted(Raft):
    """Remembers its term, and forgets whom it voted for."""

    def persist_vote(self) -> None:
        self.save(VOTE, pb.Vote(current_term=self.current_term))


class StepDownNotPersisted(Raft):
    """Enters a term that it saw elsewhere without writing it down."""

    def become_follower(self, term: int, leader: NodeId, reason: str) -> None:
        self.stepping_down = True
        super().become_follower(term, leader, reason)
        self.stepping_down = False

    def persist_vote(self) -> None:
        if not getattr(self, "stepping_down", False):
            super().persist_vote()


class VotesWithoutLogCheck(Raft):
    """Votes for any log."""

    def log_is_current(self, last_log_index: int, last_log_term: int) -> bool:
        return True


class LongestLogWins(Raft):
    """Compares logs by length before term."""

    def log_is_current(self, last_log_index: int, last_log_term: int) -> bool:
        return (last_log_index, last_log_term) >= (self.log.last_index, self.log.last_term)


class AnyCallResetsTimer(Raft):
    """Puts off its election whenever anyone asks it for anything."""

    def step(self, event: Event, now: Now) -> list[Effect]:
        effects = super().step(event, now)
        if isinstance(event, Requested) and self.role != pb.LEADER:
            self.restart_election_timer()
            effects += self._effects
        return effects


class SameTimeouts(Raft):
    """All election timeouts are equally long."""

    def restart_election_timer(self) -> None:
        self.set_timer("election", self.election_timeout_ms_min)


class CampaignsWithoutAsking(Raft):
    """Raises its term whenever it hears no leader, also where it cannot win."""

    @on_timer("election")
    def election_timed_out(self) -> None:
        """Skips the pre-vote."""
        self.restart_election_timer()
        if self.may_vote and self.role != pb.LEADER:
            self.campaign()


class LeadsWithOneVote(Raft):
    """Takes the first vote of another server for enough."""

    @on_response(pb.RequestVoteRequest, pb.RequestVoteResponse)
    def count_vote(
        self, peer: NodeId, request: pb.RequestVoteRequest, response: pb.RequestVoteResponse
    ) -> None:
        """Two votes are a majority of three, and of nothing larger."""
        asked_now = self.role == pb.CANDIDATE and request.term == self.current_term
        super().count_vote(peer, request, response)
        if asked_now and response.vote_granted and self.role == pb.CANDIDATE:
            self.become_leader()


class NeedsEveryVote(Raft):
    """Leads only when all servers have voted for it."""

    def become_leader(self) -> None:
        if len(self.tally.granted) == len(self.voters):
            super().become_leader()


class NeverCampaignsTwice(Raft):
    """Waits for ever when an election ends without a winner."""

    @on_timer("election")
    def election_timed_out(self) -> None:
        """Only a follower starts an election."""
        if self.role == pb.FOLLOWER:
            super().election_timed_out()
