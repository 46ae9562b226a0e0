"""The compose runtime: a node is a container of docker-compose.yml, its links go through Toxiproxy.

Whatever is published is published on loopback only. Containers, networks and volumes end with the
process that made the cluster: it removes them, or when it is killed its reaper does; and what both
could not, `lab doctor --clean` and the next start recognise by its labels.
"""

from __future__ import annotations

from pathlib import Path

from nodes.cluster.api import ClusterSpec
from nodes.cluster.compose_world import ComposeWorld
from nodes.cluster.real_cluster import RealCluster
from nodes.core import NodeId


class ComposeCluster(RealCluster[ComposeWorld]):
    """Implements Cluster of nodes/cluster/api.py; its `world` implements World.

    `folder` takes logs, events and the nodes' configs; their disks are volumes. `events` False
    records no timeline.
    """

    runtime = "compose"

    def __init__(self, spec: ClusterSpec, *, folder: Path, events: bool = True) -> None:
        super().__init__(ComposeWorld(spec, folder, events=events))

    def container_id(self, node: NodeId) -> str:
        """For `docker inspect`. Raises RuntimeFailure before the start."""
        return self.world.container_id(node)
