"""What a server says is on its disk before it says it, and a majority holds what is committed.

A server that crashes between two effects of a step may have sent the first ones. So the order of
the effects is judged, not only what they come to.
"""

from __future__ import annotations

from collections.abc import Sequence

from labs.kit.violation import InvariantViolated
from labs.raft.violation import raft_view
from nodes.core import (
    DURABLE,
    Append,
    Call,
    Discard,
    DurableEffect,
    Effect,
    Event,
    NodeId,
    Requested,
    Respond,
    Save,
    Started,
    Truncate,
    one_by_one,
)
from nodes.parts.quorum import majority
from nodes.sim.cluster import SimCluster
from protos import raft_pb2 as pb


class Promises:
    """Durable before it is told (5.1, 5.2, 5.3), and commitment by a majority of disks (5.3)."""

    def __init__(self) -> None:
        self.vote: dict[NodeId, tuple[int, NodeId]] = {}
        self.terms: dict[NodeId, dict[int, int]] = {}
        self.snapshot_index: dict[NodeId, int] = {}
        self.commit_index: dict[NodeId, int] = {}
        self.wiped: set[NodeId] = set()

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        if cluster.params.get("fsync", "on") == "off":
            return  # Its promises are empty, as the setting says.
        if isinstance(event, Started):
            self.read_disk(node, event)
        for effect in one_by_one(effects):
            if isinstance(effect, DURABLE):
                self.follow_disk(node, effect)
            elif isinstance(effect, Respond):
                self.check_response(node, event, effect, effect.response)
            elif isinstance(effect, Call) and isinstance(effect.request, pb.RequestVoteRequest):
                self.check_vote(node, effect.request.term, effect.request.candidate_id)
        view = raft_view(cluster, node)
        if view is None:
            return
        advanced = view.commit_index > self.commit_index.get(node, 0)
        self.commit_index[node] = view.commit_index
        if advanced and view.role == pb.LEADER:
            self.check_majority(cluster, node, view)

    # ----------------------------------------------------------------------------------- disks

    def read_disk(self, node: NodeId, started: Started) -> None:
        """What a server found when it came up is what it holds."""
        vote, snapshot = started.slots.get("vote"), started.slots.get("snapshot")
        log = started.logs.get("entries")
        self.vote[node] = (0, "")
        if isinstance(vote, pb.Vote):
            self.vote[node] = (vote.current_term, vote.voted_for)
        self.snapshot_index[node] = 0
        if isinstance(snapshot, pb.Snapshot):
            self.snapshot_index[node] = snapshot.last_included_index
        self.terms[node] = {
            entry.index: entry.term
            for entry in (log.entries if log else ())
            if isinstance(entry, pb.LogEntry)
        }
        self.commit_index[node] = 0
        if started.amnesia:
            self.wiped.add(node)

    def follow_disk(self, node: NodeId, effect: DurableEffect) -> None:
        """What a server orders is what it holds from then on."""
        held = self.terms[node]
        match effect:
            case Save(_, pb.Vote() as vote):
                self.vote[node] = (vote.current_term, vote.voted_for)
            case Save(_, pb.Snapshot() as snapshot):
                self.snapshot_index[node] = snapshot.last_included_index
            case Append(_, _, entries):
                for entry in entries:
                    if isinstance(entry, pb.LogEntry):
                        held[entry.index] = entry.term
            case Truncate(_, from_index):
                for index in [index for index in held if index >= from_index]:
                    del held[index]
            case Discard(_, through_index):
                for index in [index for index in held if index <= through_index]:
                    del held[index]

    def holds(self, node: NodeId, index: int, term: int) -> bool:
        """The entry is on its disk, or in its snapshot."""
        return index <= self.snapshot_index[node] or self.terms[node].get(index) == term

    # -------------------------------------------------------------------------------- promises

    def check_response(self, node: NodeId, event: Event, effect: Respond, response: object) -> None:
        """A response to the request of this step promises what the disk holds at that moment."""
        if not isinstance(event, Requested) or event.caller != effect.caller:
            return
        match event.request, response:
            case pb.RequestVoteRequest() as asked, pb.RequestVoteResponse(vote_granted=True):
                self.check_vote(node, asked.term, asked.candidate_id)
            case pb.AppendEntriesRequest() as sent, pb.AppendEntriesResponse(success=True):
                for entry in sent.entries:
                    if not self.holds(node, entry.index, entry.term):
                        raise InvariantViolated(
                            "entries are durable before they are acknowledged (5.3)",
                            f"{node} acknowledged entry {entry.index} of term {entry.term}, "
                            "which was not on its disk when it said so",
                        )

    def check_vote(self, node: NodeId, term: int, candidate: NodeId) -> None:
        """A vote counts only if a crash cannot make its voter forget it."""
        if self.vote[node] != (term, candidate):
            raise InvariantViolated(
                "votes are durable before they are given (5.2)",
                f"{node} voted for {candidate} in term {term}, "
                "which was not on its disk when it said so",
            )

    def check_majority(self, cluster: SimCluster, node: NodeId, view: pb.RaftView) -> None:
        """A leader commits what a majority of the voters holds.

        A server that is down, or in the middle of a step, is given the benefit of the doubt: what
        it told last is not known yet. So is one that was wiped: it may have held it before.
        """
        index = view.commit_index
        term = self.terms[node].get(index)
        if term is None:
            return  # Only its snapshot has it: it was committed before.
        having = [
            voter
            for voter in view.voters
            if voter in self.wiped
            or not cluster.between_steps(voter)
            or self.holds(voter, index, term)
        ]
        if len(having) < majority(len(view.voters)):
            raise InvariantViolated(
                "a majority holds what is committed (5.3)",
                f"{node} leads term {view.term} and committed entry {index}, which is on the disks "
                f"of {', '.join(having) or 'nobody'} among {len(view.voters)} voters",
            )
