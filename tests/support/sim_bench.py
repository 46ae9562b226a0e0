"""Small cores and clusters for tests of the simulator itself."""

from __future__ import annotations

from labs.raft.lab import SETTINGS
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.core import Param
from nodes.sim.cluster import SimCluster
from protos import raft_pb2 as pb

PING = "tests.support.ping_core:Ping"


def ping_spec(count: int = 2, *, seed: int = 0, core: str = PING) -> ClusterSpec:
    """A cluster of cores that echo, count and relay."""
    nodes = tuple(NodeSpec(f"n{number}", core) for number in range(1, count + 1))
    return ClusterSpec("ping", ("tests.support.ping_pb2",), nodes, {}, seed)


def raft_spec(count: int = 3, *, seed: int = 0, **params: Param) -> ClusterSpec:
    """A Raft cluster with the lab's default settings."""
    nodes = tuple(NodeSpec(f"n{number}", "nodes.cores.raft:Raft") for number in range(1, count + 1))
    defaults: dict[str, Param] = {setting.name: setting.default for setting in SETTINGS}
    protos = ("protos.raft_pb2", "protos.kv_pb2")
    return ClusterSpec("raft", protos, nodes, defaults | params, seed)


async def raft_leader(cluster: SimCluster) -> str:
    """Waits until a leader serves."""

    async def ready() -> str | None:
        for node in cluster.nodes:
            view = await cluster.view(node)
            if isinstance(view, pb.RaftView) and view.ready:
                return node
        return None

    return await cluster.until("a leader serves", ready, within_ms=10_000)
