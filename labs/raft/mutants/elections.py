"""Planted bugs in elections."""

from __future__ import annotations

from nodes.core import Caller, Effect, Event, NodeId, Now, Requested, handles
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
