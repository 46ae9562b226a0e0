"""The local runtime: a node is a process on this machine, its links go through a proxy server.

For machines without a Docker engine, and for tests on real processes. Everything listens on
loopback only, belongs to this user only, and ends with the process that made the cluster.
"""

from __future__ import annotations

from pathlib import Path

from nodes.cluster.api import ClusterSpec
from nodes.cluster.local_world import LocalWorld
from nodes.cluster.real_cluster import RealCluster
from nodes.core import NodeId


class LocalCluster(RealCluster[LocalWorld]):
    """Implements Cluster of nodes/cluster/api.py; its `world` implements World.

    `folder` takes data, logs and events. `proxy`: None takes the real Toxiproxy when it is there,
    True insists on it, False takes the embedded one. `events` False records no timeline.
    """

    runtime = "local"

    def __init__(
        self,
        spec: ClusterSpec,
        *,
        folder: Path,
        proxy: bool | None = None,
        events: bool = True,
    ) -> None:
        super().__init__(LocalWorld(spec, folder, proxy=proxy, events=events))

    def pid(self, node: NodeId) -> int:
        """Of a node that is up or paused. Raises RuntimeFailure when it is down."""
        return self.world.running(node).pid
