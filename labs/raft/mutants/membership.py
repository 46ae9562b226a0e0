"""Planted bugs in membership changes and in handing leadership over."""

from __future__ import annotations

from nodes.core import Caller, NodeId, handles
from nodes.cores.raft import Raft
from nodes.parts.quorum import reached_by_majority
from protos import raft_pb2 as pb


class VotesBeforeCatchingUp(Raft):
    """Makes a new server a voter before it has the log."""

    def begin_catch_up_round(self) -> None:
        super().begin_catch_up_round()
        if self.change is not None and not self.change.entry_index:
            self.propose_configuration((*self.voters, self.change.server))


class NewServerNeverCounts(Raft):
    """Puts new configurations into the log, and goes on with the old one."""

    def use_configuration(self, voters: tuple[NodeId, ...], index: int) -> None:
        if len(voters) < len(self.voters):
            super().use_configuration(voters, index)


class NeverGivesUpOnNewServer(Raft):
    """Waits for ever for a new server that does not catch up."""

    def heartbeat_change(self) -> None:
        pass


class ChangesTogether(Raft):
    """Begins a membership change while another one is under way."""

    def why_not_change(self, server: NodeId, add: bool) -> str:
        change, self.change = self.change, None
        reason = super().why_not_change(server, add)
        self.change = change
        return reason


class ChangesTooEarly(Raft):
    """Begins a membership change before it has committed an entry of its own term."""

    def why_not_change(self, server: NodeId, add: bool) -> str:
        began, self.term_start_index = self.term_start_index, 0
        reason = super().why_not_change(server, add)
        self.term_start_index = began
        return reason


class CampaignsWithoutVote(Raft):
    """Campaigns also when it is a member no more."""

    @property
    def may_vote(self) -> bool:
        return not self.recovering


class VotesAgainstLivingLeader(Raft):
    """Votes for anyone with a higher term, though it hears a leader."""

    @handles(pb.RequestVoteRequest)
    def request_vote(
        self, request: pb.RequestVoteRequest, caller: Caller
    ) -> pb.RequestVoteResponse:
        """As if every election had been asked for by the leader."""
        asked = pb.RequestVoteRequest()
        asked.CopyFrom(request)
        asked.leadership_transfer = True
        return super().request_vote(asked, caller)


class RemovedLeaderCountsItself(Raft):
    """Counts its own copy though it is a voter no more."""

    def advance_commit(self) -> None:
        reached = [self.followers[v].match_index for v in self.voters if v != self.env.node_id]
        index = reached_by_majority([self.saved_index, *reached])
        if index > self.commit_index and self.log.term_at(index) == self.current_term:
            self.commit_index = index
            self.apply_committed()


class RemovedLeaderStays(Raft):
    """Goes on leading after its own removal."""

    def become_follower(self, term: int, leader: NodeId, reason: str) -> None:
        if term > self.current_term or self.env.node_id in self.voters or leader:
            super().become_follower(term, leader, reason)


class TransfersAtOnce(Raft):
    """Tells the other server to take over before that holds the log."""

    def try_transfer(self) -> None:
        transfer = self.transfer
        if transfer and not transfer.told and transfer.target in self.followers:
            transfer.told = True
            self.handed_over_in_term = self.current_term
            request = pb.TimeoutNowRequest(term=self.current_term, leader_id=self.env.node_id)
            self.call(transfer.target, request, timeout_ms=self.election_timeout_ms_min)


class KeepsTruncatedConfiguration(Raft):
    """Goes on with a configuration that was removed from its log."""

    def log_truncated(self) -> None:
        voters = self.voters
        super().log_truncated()
        if self.now.mono_ms != self.restarted_ms and self.leader_id:
            self.voters = voters
