"""The scenarios of the Raft lab, with the cluster that each needs."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, TypeVar

from labs.raft.lab import LAB
from labs.raft.scenarios import (
    agreement,
    elections,
    persistence,
    service,
    snapshots,
    traffic,
    unreliable,
)
from nodes.cluster.api import Cluster, ClusterSpec, NodeSpec
from nodes.core import Param
from nodes.sim.cluster import SimCluster, SimOptions

C = TypeVar("C", bound=Cluster)

ELECTION, REPLICATION, PERSISTENCE, SNAPSHOTS, SERVICE = 1, 2, 3, 4, 5  # parts of the lab
QUICK_HEARTBEATS: Mapping[str, Param] = {"heartbeat_ms": 100}
SMALL_SNAPSHOTS: Mapping[str, Param] = {
    "snapshot_threshold": 20,
    "snapshot_trailing_entries": 5,
    "snapshot_chunk_bytes": 700,
}


@dataclass(frozen=True, slots=True)
class Scenario(Generic[C]):
    """One guarantee, and what it takes to see it hold.

    `params` are settings that differ from the lab's defaults; `real` says that it makes sense on
    real processes too; `seeds` is how many schedules to try in simulation.
    """

    id: str
    title: str
    part: int
    nodes: int
    function: Callable[[C], Awaitable[None]]
    params: Mapping[str, Param] = field(default_factory=dict)
    real: bool = True
    seeds: int = 200

    def spec(self, seed: int) -> ClusterSpec:
        """A cluster for this scenario."""
        defaults = {setting.name: setting.default for setting in LAB.settings}
        nodes = tuple(NodeSpec(f"n{number}", LAB.core) for number in range(1, self.nodes + 1))
        return ClusterSpec(LAB.id, LAB.protos, nodes, defaults | dict(self.params), seed)


def sim_options(seed: int) -> SimOptions:
    """The virtual network and disks of one schedule: from fast and even to slow and ragged."""
    random = Random(f"{seed}:options")
    slowest_ms = random.choice((1.0, 3.0, 10.0))
    sync_ms = random.choice((0.0, 2.0, 10.0))
    return SimOptions(latency_ms=(0.2, slowest_ms), sync_ms=(0.0, sync_ms))
