"""A Raft cluster on real processes for the measurements of this folder."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from labs.kit.registry import load_lab
from nodes.cluster.api import ClusterSpec, Indeterminate, NodeSpec, Refused
from nodes.cluster.local import LocalCluster
from nodes.core import NodeId, Param
from protos import raft_pb2 as pb


def raft_spec(nodes: int, params: dict[str, Param], seed: int = 0) -> ClusterSpec:
    """The lab's own defaults, with `params` on top."""
    lab = load_lab("raft")
    defaults: dict[str, Param] = {setting.name: setting.default for setting in lab.settings}
    ids = tuple(NodeSpec(f"n{number}", lab.core) for number in range(1, nodes + 1))
    return ClusterSpec("raft", lab.protos, ids, defaults | params, seed)


@asynccontextmanager
async def raft_cluster(
    nodes: int, params: dict[str, Param] | None = None
) -> AsyncIterator[LocalCluster]:
    """Started, with a leader that serves."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = LocalCluster(raft_spec(nodes, params or {}), folder=Path(folder) / "lab")
        async with cluster:
            await leader_of(cluster)
            yield cluster


async def leader_of(cluster: LocalCluster) -> NodeId:
    """Waits for a leader that has committed an entry of its own term."""

    async def leader() -> NodeId | None:
        for node in cluster.nodes:
            view = await cluster.view(node)
            if isinstance(view, pb.RaftView) and view.ready:
                return node
        return None

    return await cluster.until("a leader that serves", leader, within_ms=20_000)


def spread(values: Sequence[float], unit: str = "ms") -> str:
    """Median, 90th percentile and extremes."""
    ordered = sorted(values)
    p90 = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    return (
        f"median {statistics.median(ordered):.1f} {unit} "
        f"(min {ordered[0]:.1f}, p90 {p90:.1f}, max {ordered[-1]:.1f}, n={len(ordered)})"
    )


DECLINED = (Refused, Indeterminate)
