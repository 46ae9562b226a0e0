"""What invariants have in common: how they say no, and how they look at a server."""

from __future__ import annotations

from nodes.core import NodeId
from nodes.sim.cluster import SimCluster
from protos import raft_pb2 as pb


class InvariantViolated(Exception):
    """Something that must never happen has happened.

    `invariant` names it, with the section of the paper; it is the same for every such violation.
    """

    def __init__(self, invariant: str, details: str) -> None:
        super().__init__(f"{invariant}: {details}")
        self.invariant = invariant
        self.details = details


def raft_view(cluster: SimCluster, node: NodeId) -> pb.RaftView | None:
    """What the server shows now; None while it is down."""
    view = cluster.view_now(node)
    return view if isinstance(view, pb.RaftView) else None
