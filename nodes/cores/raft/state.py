"""The state of a Raft server (Figure 2), and how it changes roles.

The protocol is written in layers, each a class that adds one chapter to the one before:
RaftState, Election, Replication, Snapshots, Membership, Reads, and Raft with the client's service.
A layer calls a later one only through the hooks at the end of this file.
"""

from __future__ import annotations

from google.protobuf.message import Message

from nodes.core import Core, Env, NodeId, Started, exercise
from nodes.cores.raft.log import RaftLog
from protos import raft_pb2 as pb

LOG = "entries"  # the durable log
VOTE = "vote"  # the durable slot of current_term and voted_for


class RaftState(Core):
    """Servers start as followers of nobody, in the term they last knew."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.election_timeout_ms_min = env.number("election_timeout_ms_min")
        self.election_timeout_ms_max = env.number("election_timeout_ms_max")
        self.heartbeat_ms = env.number("heartbeat_ms")
        self.check_quorum = env.text("check_quorum") == "on"

        # Persistent state on all servers
        self.current_term = 0
        self.voted_for: NodeId = ""
        self.recovering = False  # the disk was lost, and with it promises
        self.log = RaftLog()

        # Volatile state on all servers
        self.commit_index = 0
        self.last_applied = 0
        self.role = pb.FOLLOWER
        self.leader_id: NodeId = ""
        self.leader_heard_ms = 0  # monotonic; when the current leader was last heard
        self.restarted_ms: int | None = None  # monotonic; None: this is its first life

        # The latest configuration in the log, committed or not (thesis 4.1)
        self.voters: tuple[NodeId, ...] = self.initial_voters()

    def initial_voters(self) -> tuple[NodeId, ...]:
        """The configuration that a cluster starts with: the first `members` nodes, 0 for all."""
        everyone = sorted((self.env.node_id, *self.env.peers), key=lambda node: (len(node), node))
        return tuple(everyone[: self.env.number("members") or len(everyone)])

    def on_start(self, started: Started) -> None:
        vote = started.slots.get(VOTE, pb.Vote())
        assert isinstance(vote, pb.Vote)
        self.restore_vote(vote)
        self.restarted_ms = self.now.mono_ms if vote.current_term else None
        if started.amnesia and not self.recovering:
            self.recovering = True
            self.persist_vote()
        self.restart_election_timer()

    # --------------------------------------------------------------------------------- role changes

    def become_follower(self, term: int, leader: NodeId, reason: str) -> None:
        """Enters `term` as a follower. `leader` may be unknown ("")."""
        assert term >= self.current_term, "terms never go back"
        was_leader = self.role == pb.LEADER
        if was_leader:
            self.note("stepped_down", term=self.current_term, reason=reason)
            self.on_leadership_lost(reason)
        if term > self.current_term:
            self.current_term, self.voted_for = term, ""
            self.persist_vote()
        if (leader and leader != self.leader_id) or self.role != pb.FOLLOWER:
            self.note("follower", term=term, leader=leader)
        self.role, self.leader_id = pb.FOLLOWER, leader
        if was_leader:  # A leader has no election timer running.
            self.restart_election_timer()

    def step_down_if_behind(self, term: int) -> bool:
        """All servers: a higher term in any request or response makes a follower (5.1)."""
        if term <= self.current_term:
            return False
        self.become_follower(term, "", f"saw term {term}")
        return True

    # -------------------------------------------------------------------------------------- helpers

    @exercise(part=3, brief="save current_term, voted_for and recovering in the slot VOTE (5.2)")
    def persist_vote(self) -> None:
        """A vote told but forgotten lets one server vote twice in a term (5.2)."""
        self.save(
            VOTE,
            pb.Vote(
                current_term=self.current_term,
                voted_for=self.voted_for,
                recovering=self.recovering,
            ),
        )

    @exercise(part=3, brief="take back what persist_vote saved before the crash")
    def restore_vote(self, vote: pb.Vote) -> None:
        """A server goes on in the term, and with the vote, that it last made durable."""
        self.current_term, self.voted_for = vote.current_term, vote.voted_for
        self.recovering = vote.recovering

    def restart_election_timer(self) -> None:
        """Random timeouts make split votes rare (5.2)."""
        delay_ms = self.env.rng.randint(self.election_timeout_ms_min, self.election_timeout_ms_max)
        self.set_timer("election", delay_ms)

    @property
    def may_vote(self) -> bool:
        """We are a voting member, and know all that we promised."""
        return self.env.node_id in self.voters and not self.recovering

    def hears_leader(self) -> bool:
        """A leader was heard within the minimum election timeout, or is this server itself.

        A server that restarts may have heard one just before: a leader's lease counts on that.
        """
        if self.role == pb.LEADER:
            return True
        heard_ms = self.leader_heard_ms if self.leader_id else self.restarted_ms
        return heard_ms is not None and self.now.mono_ms - heard_ms < self.election_timeout_ms_min

    def view(self) -> Message:
        return pb.RaftView(
            role=self.role,
            term=self.current_term,
            voted_for=self.voted_for,
            leader_id=self.leader_id,
            commit_index=self.commit_index,
            last_applied=self.last_applied,
            first_log_index=self.log.first_index,
            last_log_index=self.log.last_index,
            last_log_term=self.log.last_term,
            snapshot_index=self.log.snapshot_index,
            voters=self.voters,
            recovering=self.recovering,
        )

    # ------------------------------------------------------------------------ hooks of later layers

    def on_leadership_won(self) -> None:
        """We have just become leader of current_term."""

    def on_leadership_lost(self, reason: str) -> None:
        """We are about to stop leading current_term."""
