"""Single-server membership changes (thesis 4), and handing leadership over (thesis 3.10).

A configuration is in force from the moment it is in the log, committed or not. One server at a
time: then any majority of the old configuration overlaps any of the new one. The known bug of this
scheme is fixed as its author proposed: a leader first commits an entry of its own term.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodes.core import Caller, Env, NodeId, exercise, handles, on_response, on_timer
from nodes.cores.raft.snapshots import Snapshots
from nodes.parts.quorum import majority
from protos import node_pb2 as node
from protos import raft_pb2 as pb

CATCH_UP_ROUNDS = 10  # thesis 4.2.1


@dataclass(slots=True)
class Change:
    """The one membership change that is under way."""

    server: NodeId
    add: bool
    caller: Caller | None  # None: the leader's own doing
    began_ms: int
    entry_index: int = 0  # of the new configuration; 0 while a new server catches up
    round_goal: int = 0
    round_began_ms: int = 0
    rounds: int = 0


@dataclass(slots=True)
class Transfer:
    """Leadership on its way to another server."""

    target: NodeId
    caller: Caller
    told: bool = False


class Membership(Snapshots):
    """Who counts, and who leads."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.change: Change | None = None
        self.transfer: Transfer | None = None
        self.handed_over_in_term = 0  # the last one in which we told another server to take over

    # ------------------------------------------------------------------------------ configurations

    @exercise(part=6, brief="find the configuration in force at an index of the log (thesis 4.1)")
    def configuration_at(self, index: int) -> tuple[NodeId, ...]:
        """The latest one in the log, committed or not; before it the snapshot's, or the first."""
        for entry in self.log.backwards():
            if entry.index <= index and entry.HasField("configuration"):
                return tuple(entry.configuration.voters)
        if self.snapshot.last_included_index:
            return tuple(self.snapshot.configuration.voters)
        return self.initial_voters()

    def log_extended(self, entries: list[pb.LogEntry]) -> None:
        super().log_extended(entries)
        for entry in entries:
            if entry.HasField("configuration"):
                self.use_configuration(tuple(entry.configuration.voters), entry.index)

    def log_truncated(self) -> None:
        super().log_truncated()
        self.voters = self.configuration_at(self.log.last_index)

    def use_configuration(self, voters: tuple[NodeId, ...], index: int) -> None:
        """A server always uses the latest configuration in its log (thesis 4.1)."""
        self.note("configuration", voters=",".join(voters), index=index)
        added = self.env.node_id in voters and self.env.node_id not in self.voters
        self.voters = voters
        if self.recovering and added:
            self.recovering = False  # A new member: nothing it promised before counts any more.
            self.persist_vote()

    def replication_targets(self) -> tuple[NodeId, ...]:
        """Voters, and the server that comes or goes: one must catch up, one must learn that it is
        out."""
        also = self.change.server if self.change else ""
        return tuple(peer for peer in self.env.peers if peer in self.voters or peer == also)

    # ------------------------------------------------------------------------------------- changes

    @handles(pb.ChangeMembershipRequest)
    def change_membership(
        self, request: pb.ChangeMembershipRequest, caller: Caller
    ) -> pb.ChangeMembershipResponse | None:
        add = request.WhichOneof("change") == "add"
        server = request.add if add else request.remove
        reason = self.why_not_change(server, add)
        if reason:
            hint = self.leader_id if self.role != pb.LEADER else ""
            return pb.ChangeMembershipResponse(refused=node.Refused(reason=reason, hint=hint))
        self.begin_change(server, add, caller)
        return None

    @exercise(part=6, brief="say why a membership change may not begin now, or return ''")
    def why_not_change(self, server: NodeId, add: bool) -> str:
        """The conditions under which single-server changes are safe."""
        if self.role != pb.LEADER:
            return f"{self.env.node_id} is not the leader"
        if server not in (self.env.node_id, *self.env.peers):
            return f"no server {server}" if server else "name a server to add or to remove"
        if add == (server in self.voters):
            return f"{server} is {'already' if add else 'not'} a voter"
        if not add and len(self.voters) == 1:
            return f"{server} is the last voter"
        if self.commit_index < self.term_start_index:
            return "the leader has not committed an entry of its term yet; try again"
        if self.change or self.transfer:
            return "another change is under way; try again"
        return ""

    def begin_change(self, server: NodeId, add: bool, caller: Caller | None) -> None:
        """A removal goes into the log at once; a new server catches up first."""
        self.change = Change(server, add, caller, began_ms=self.now.mono_ms)
        self.track_followers()
        if add:
            self.begin_catch_up_round()
        else:
            self.propose_configuration(tuple(v for v in self.voters if v != server))

    def begin_catch_up_round(self) -> None:
        """A new server gets the log before it gets a vote, or it would stop commits (4.2.1)."""
        assert self.change is not None
        self.change.rounds += 1
        self.change.round_goal = self.log.last_index
        self.change.round_began_ms = self.now.mono_ms
        self.replicate(self.change.server, even_if_empty=True)

    @exercise(part=6, brief="put a configuration into the log, and use it at once (thesis 4.1)")
    def propose_configuration(self, voters: tuple[NodeId, ...]) -> None:
        """The leader, too, uses a configuration from when it is in its log (thesis 4.1)."""
        assert self.change is not None
        entry = pb.LogEntry(configuration=pb.Configuration(voters=voters))
        self.change.entry_index = self.propose(entry)
        self.use_configuration(voters, entry.index)
        self.track_followers()

    def follower_advanced(self, peer: NodeId) -> None:
        super().follower_advanced(peer)
        change = self.change
        if change and change.add and not change.entry_index and peer == change.server:
            self.catch_up_progressed(change)
        self.try_transfer()
        if self.followers[peer].recovering:
            self.renew_member(peer)

    @exercise(part=6, brief="give a new server its vote once it keeps up (thesis 4.2.1)")
    def catch_up_progressed(self, change: Change) -> None:
        """A round that took less than an election timeout was the last one (thesis 4.2.1)."""
        if self.followers[change.server].match_index < change.round_goal:
            return
        took_ms = self.now.mono_ms - change.round_began_ms
        if took_ms < self.election_timeout_ms_min or change.rounds >= CATCH_UP_ROUNDS:
            self.propose_configuration((*self.voters, change.server))
        else:
            self.begin_catch_up_round()

    def renew_member(self, server: NodeId) -> None:
        """A voter that lost its disk is removed and then added as a new member, if the others can
        decide that without it."""
        recent_ms = self.now.mono_ms - self.election_timeout_ms_min
        others = [voter for voter in self.voters if voter != server]
        live = [
            voter
            for voter in others
            if voter == self.env.node_id or self.followers[voter].last_response_ms >= recent_ms
        ]
        if len(live) >= majority(len(others)) and not self.why_not_change(server, add=False):
            self.begin_change(server, add=False, caller=None)

    def heartbeat_change(self) -> None:
        """Gives up on a new server that does not keep up."""
        change = self.change
        patience_ms = CATCH_UP_ROUNDS * self.election_timeout_ms_max
        if change and not change.entry_index and self.now.mono_ms - change.began_ms > patience_ms:
            self.end_change(node.Refused(reason=f"{change.server} did not catch up in time"))

    def end_change(self, refused: node.Refused | None = None) -> None:
        """Tells whoever asked, and what follows of it."""
        change, self.change = self.change, None
        assert change is not None
        if change.caller:
            configuration = pb.Configuration(voters=self.voters)
            response = pb.ChangeMembershipResponse(configuration=configuration)
            if refused:
                response = pb.ChangeMembershipResponse(refused=refused)
            self.respond(change.caller, response)
        if self.role != pb.LEADER:
            return
        renewing = change.caller is None and not change.add and refused is None
        if renewing:
            self.begin_change(change.server, add=True, caller=None)
        else:
            self.track_followers()

    def heartbeat_sent(self) -> None:
        super().heartbeat_sent()
        self.heartbeat_change()

    def applied(self) -> None:
        super().applied()
        self.finish_change()

    @exercise(part=6, brief="end a change that is committed; a leader may have removed itself")
    def finish_change(self) -> None:
        """Something was applied: perhaps the configuration that we wait for."""
        change = self.change
        if self.role != pb.LEADER or not change or not change.entry_index:
            return
        if self.commit_index >= change.entry_index:
            self.end_change()
            if self.env.node_id not in self.voters:
                # It led until the configuration without it was committed (thesis 4.2.2).
                self.become_follower(self.current_term, "", "is no member any more")

    def on_leadership_lost(self, reason: str) -> None:
        super().on_leadership_lost(reason)
        self.cancel_timer("transfer")
        if self.change and self.change.caller:
            unknown = node.OutcomeUnknown(reason=f"{self.env.node_id} lost the lead: {reason}")
            response = pb.ChangeMembershipResponse(outcome_unknown=unknown)
            self.respond(self.change.caller, response)
        if self.transfer:
            done = pb.TransferLeadershipResponse(target=self.transfer.target)
            self.respond(self.transfer.caller, done)
        self.change = self.transfer = None

    # ----------------------------------------------------------------------------------- transfer

    @handles(pb.TransferLeadershipRequest)
    def transfer_leadership(
        self, request: pb.TransferLeadershipRequest, caller: Caller
    ) -> pb.TransferLeadershipResponse | None:
        others = [peer for peer in self.followers if peer in self.voters]
        best = max(others, key=lambda peer: self.followers[peer].match_index, default="")
        target, reason = request.target or best, ""
        if self.role != pb.LEADER:
            reason = f"{self.env.node_id} is not the leader"
        elif self.transfer or self.change:
            reason = "another change is under way; try again"
        elif target not in others:
            reason = f"{target or 'nobody'} is not another voter"
        if reason:
            hint = self.leader_id if self.role != pb.LEADER else ""
            return pb.TransferLeadershipResponse(refused=node.Refused(reason=reason, hint=hint))
        self.note("transfer", target=target)
        self.transfer = Transfer(target, caller)
        self.set_timer("transfer", self.election_timeout_ms_max)
        self.replicate(target, even_if_empty=True)
        self.try_transfer()
        return None

    @exercise(part=6, brief="tell the target to take over once its log is whole (thesis 3.10)")
    def try_transfer(self) -> None:
        """The target must hold the whole log, or it could not win."""
        transfer = self.transfer
        if not transfer or transfer.told or transfer.target not in self.followers:
            return
        if self.followers[transfer.target].match_index == self.log.last_index:
            transfer.told = True
            self.handed_over_in_term = self.current_term
            request = pb.TimeoutNowRequest(term=self.current_term, leader_id=self.env.node_id)
            self.call(transfer.target, request, timeout_ms=self.election_timeout_ms_min)

    @on_timer("transfer")
    def transfer_timed_out(self) -> None:
        """The old leader goes on serving if the target did not take over (thesis 3.10)."""
        if self.transfer:
            reason = f"{self.transfer.target} did not take over within an election timeout"
            unknown = node.OutcomeUnknown(reason=reason)
            response = pb.TransferLeadershipResponse(outcome_unknown=unknown)
            self.respond(self.transfer.caller, response)
            self.transfer = None

    @handles(pb.TimeoutNowRequest)
    def timeout_now(self, request: pb.TimeoutNowRequest, caller: Caller) -> pb.TimeoutNowResponse:
        """The leader asks us to take over at once."""
        if request.term == self.current_term and self.may_vote and self.role != pb.LEADER:
            self.campaign(leadership_transfer=True)
        return pb.TimeoutNowResponse(term=self.current_term)

    @on_response(pb.TimeoutNowRequest, pb.TimeoutNowResponse)
    def told_to_time_out(
        self, peer: NodeId, request: pb.TimeoutNowRequest, response: pb.TimeoutNowResponse
    ) -> None:
        self.step_down_if_behind(response.term)
