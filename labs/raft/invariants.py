"""What must hold in Raft at every step, whatever fails (Figure 3 of the paper, and a little more).

Each invariant watches a simulated cluster between steps. It looks at what a server shows (RaftView)
and at what it put on its disk, never into the core, so a learner's Raft is held to the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labs.kit.violation import InvariantViolated
from labs.raft.promises import Promises
from labs.raft.violation import raft_view
from nodes.core import (
    DURABLE,
    Append,
    Discard,
    DurableEffect,
    Effect,
    Event,
    NodeId,
    Save,
    Started,
    Truncate,
    one_by_one,
)
from nodes.sim.cluster import Observer, SimCluster
from protos import raft_pb2 as pb

__all__ = ["Logs", "Promises", "Terms", "invariants"]

LEADER_COMPLETENESS_DEPTH = 200  # how many committed entries a new leader is asked for


def invariants() -> list[Observer]:
    """Fresh watchers for one run."""
    return [Terms(), Logs(), Promises()]


class Terms:
    """Election safety (5.2), one vote a term, and terms that never go back."""

    def __init__(self) -> None:
        self.leader_of: dict[int, NodeId] = {}
        self.term_of: dict[NodeId, int] = {}
        self.votes: dict[tuple[NodeId, int], NodeId] = {}

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        view = raft_view(cluster, node)
        if view is None:
            return
        if isinstance(event, Started) and event.amnesia:
            self.term_of.pop(
                node, None
            )  # Its disk was wiped: the term is forgotten, not the votes.
        if view.term < self.term_of.get(node, 0):
            raise InvariantViolated(
                "terms never go back (5.1)",
                f"{node} was in term {self.term_of[node]} and is in term {view.term}",
            )
        self.term_of[node] = view.term
        if view.voted_for:
            earlier = self.votes.setdefault((node, view.term), view.voted_for)
            if earlier != view.voted_for:
                raise InvariantViolated(
                    "one vote a term (5.2)",
                    f"in term {view.term} {node} voted for {earlier} and then for {view.voted_for}",
                )
        if view.role == pb.LEADER:
            other = self.leader_of.setdefault(view.term, node)
            if other != node:
                raise InvariantViolated(
                    "election safety (5.2)", f"{other} and {node} both lead term {view.term}"
                )


@dataclass(frozen=True, slots=True)
class Committed:
    """An entry known to be committed, and a term by whose end it was."""

    term: int
    by_term: int


class Logs:
    """Log matching, leader append-only, leader completeness (5.3, 5.4), state machine safety."""

    def __init__(self) -> None:
        self.terms_on_disk: dict[NodeId, dict[int, int]] = {}
        self.snapshot: dict[NodeId, tuple[int, int]] = {}
        self.entries: dict[tuple[int, int], tuple[bytes, int | None]] = {}
        self.committed: dict[int, Committed] = {}
        self.commit_index: dict[NodeId, int] = {}
        self.state_at: dict[int, tuple[int, NodeId]] = {}
        self.seen_leading: set[tuple[NodeId, int]] = set()

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        view = raft_view(cluster, node)
        if isinstance(event, Started):
            self.read_disk(node, event)
        for effect in one_by_one(effects):
            if isinstance(effect, DURABLE):
                self.follow_disk(node, effect, view)
        if view is None:
            return
        self.check_commit(node, view)
        self.check_applied(node, view)
        if view.role == pb.LEADER and (node, view.term) not in self.seen_leading:
            self.seen_leading.add((node, view.term))
            self.check_completeness(node, view)

    # ----------------------------------------------------------------------------------- disks

    def read_disk(self, node: NodeId, started: Started) -> None:
        """What a server found when it came up is what it holds."""
        log = started.logs.get("entries")
        entries = log.entries if log else ()
        self.terms_on_disk[node] = {
            entry.index: entry.term for entry in entries if isinstance(entry, pb.LogEntry)
        }
        snapshot = started.slots.get("snapshot")
        self.snapshot[node] = (0, 0)
        if isinstance(snapshot, pb.Snapshot):
            self.snapshot[node] = (snapshot.last_included_index, snapshot.last_included_term)
        self.commit_index[node] = 0

    def follow_disk(self, node: NodeId, effect: DurableEffect, view: pb.RaftView | None) -> None:
        """What a server orders is what it holds from then on."""
        held = self.terms_on_disk[node]
        match effect:
            case Append(_, _, entries):
                for entry in entries:
                    if isinstance(entry, pb.LogEntry):
                        self.check_matching(node, entry)
                        held[entry.index] = entry.term
            case Truncate(_, from_index):
                if view is not None and view.role == pb.LEADER:
                    raise InvariantViolated(
                        "leader append-only (5.3)",
                        f"{node} leads term {view.term} "
                        f"and removed its own entries from {from_index} on",
                    )
                for index in [index for index in held if index >= from_index]:
                    del held[index]
            case Discard(_, through_index):
                for index in [index for index in held if index <= through_index]:
                    del held[index]
            case Save(_, pb.Snapshot() as snapshot):
                included = (snapshot.last_included_index, snapshot.last_included_term)
                self.check_snapshot(node, *included)
                self.snapshot[node] = included

    def check_snapshot(self, node: NodeId, index: int, term: int) -> None:
        """A snapshot says of which term its last entry was (section 7)."""
        known = self.committed.get(index)
        if known is not None and known.term != term:
            raise InvariantViolated(
                "snapshots name their last term (7)",
                f"the snapshot of {node} ends with entry {index}, which has term {known.term}, "
                f"and says that it has term {term}",
            )

    def term_held(self, node: NodeId, index: int) -> int | None:
        """The term of the entry that the server holds at `index`, if it is still known."""
        if index == 0:
            return 0
        snapshot_index, snapshot_term = self.snapshot[node]
        if index == snapshot_index:
            return snapshot_term
        return self.terms_on_disk[node].get(index)

    # ------------------------------------------------------------------------------ properties

    def check_matching(self, node: NodeId, entry: pb.LogEntry) -> None:
        """Equal index and term means an equal entry behind an equal log (5.3). By induction it is
        enough to compare each entry and the term before it."""
        content = entry.SerializeToString(deterministic=True)
        before = self.term_held(node, entry.index - 1)
        known = self.entries.setdefault((entry.index, entry.term), (content, before))
        if known[0] != content:
            raise InvariantViolated(
                "log matching (5.3)",
                f"two different entries have index {entry.index} "
                f"and term {entry.term}; one is at {node}",
            )
        if known[1] is None:
            self.entries[(entry.index, entry.term)] = (content, before)
        elif before is not None and known[1] != before:
            raise InvariantViolated(
                "log matching (5.3)",
                f"before entry {entry.index} of term {entry.term} stands an "
                f"entry of term {known[1]} in one log, and of term {before} in that of {node}",
            )

    def check_commit(self, node: NodeId, view: pb.RaftView) -> None:
        """What is committed once stays committed, for everyone (5.4)."""
        before = self.commit_index.get(node, 0)
        if view.commit_index < before:
            raise InvariantViolated(
                "commit_index never goes back", f"{node} had {before} and has {view.commit_index}"
            )
        self.commit_index[node] = view.commit_index
        if view.last_log_index < view.commit_index:
            raise InvariantViolated(
                "committed entries stay (5.4)",
                f"{node} had committed up to {view.commit_index}, "
                f"and its log now ends at {view.last_log_index}",
            )
        if before < view.commit_index and view.role == pb.LEADER:
            self.check_own_term(node, view)
        for index in range(before + 1, view.commit_index + 1):
            term = self.term_held(node, index)
            if term is None:
                if index > self.snapshot[node][0]:
                    raise InvariantViolated(
                        "what is committed is held",
                        f"{node} committed entry {index}, which it does not hold",
                    )
                continue
            known = self.committed.setdefault(index, Committed(term, view.term))
            if known.term != term:
                raise InvariantViolated(
                    "state machine safety (5.4.3)",
                    f"entry {index} was committed with term "
                    f"{known.term}, and {node} committed one of term {term}",
                )

    def check_own_term(self, node: NodeId, view: pb.RaftView) -> None:
        """A leader counts copies of entries of its own term only (5.4.2, Figure 8)."""
        term = self.term_held(node, view.commit_index)
        if term is not None and term != view.term:
            raise InvariantViolated(
                "leaders commit entries of their own term (5.4.2)",
                f"{node} leads term {view.term} and committed entry {view.commit_index} "
                f"of term {term}",
            )

    def check_applied(self, node: NodeId, view: pb.RaftView) -> None:
        """Servers that applied equally much applied the same (state machine safety, 5.4.3)."""
        if view.last_applied > view.commit_index:
            raise InvariantViolated(
                "applied only when committed (5.3)",
                f"{node} applied entry {view.last_applied} before it was committed "
                f"({view.commit_index})",
            )
        known = self.state_at.setdefault(view.last_applied, (view.applied_digest, node))
        if known[0] != view.applied_digest:
            raise InvariantViolated(
                "state machine safety (5.4.3)",
                f"after entry {view.last_applied} the states of {known[1]} and {node} differ",
            )

    def check_completeness(self, node: NodeId, view: pb.RaftView) -> None:
        """A leader holds all that was committed in earlier terms (5.4.3)."""
        latest = max(self.committed, default=0)
        for index in range(max(1, latest - LEADER_COMPLETENESS_DEPTH), latest + 1):
            known = self.committed.get(index)
            if known is None or known.by_term >= view.term or index <= self.snapshot[node][0]:
                continue
            term = self.term_held(node, index)
            if term != known.term:
                raise InvariantViolated(
                    "leader completeness (5.4)",
                    f"{node} leads term {view.term} with "
                    f"{'nothing' if term is None else f'term {term}'} at entry {index}, "
                    f"which was committed with term {known.term}",
                )
