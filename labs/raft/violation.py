"""How invariants look at a server."""

from __future__ import annotations

from nodes.core import NodeId
from nodes.sim.cluster import SimCluster
from protos import raft_pb2 as pb


def raft_view(cluster: SimCluster, node: NodeId) -> pb.RaftView | None:
    """What the server shows now; None while it is down."""
    view = cluster.view_now(node)
    return view if isinstance(view, pb.RaftView) else None
