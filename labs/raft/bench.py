"""What `lab bench raft` measures: our cluster on both transports, and what it is held against."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from labs.kit.bench.bench import Bench, Goal, PeerPlace
from labs.kit.bench.contender import (
    ContenderFailed,
    Load,
    PutFailed,
    Work,
    closed_loop,
    first_acknowledged,
)
from labs.kit.bench.processes import rss_mib
from labs.raft.lab import LAB
from nodes.cluster.api import ClusterSpec, Indeterminate, NodeSpec, Refused
from nodes.cluster.local import LocalCluster
from nodes.core import NodeId, Param
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb

# The same for all that elect a leader, so that failovers can be compared.
ELECTION_MS_MIN: Final = 150
ELECTION_MS_MAX: Final = 300
HEARTBEAT_MS: Final = 15
PUT_MS_MAX: Final = 10_000
ATTEMPT_MS_MAX: Final = 2000
SERVES_MS_MAX: Final = 20_000


class RaftContender:
    """Our cluster on local processes, every link through the embedded proxy.

    `params` go on top of the lab's own defaults.
    """

    elects = True

    def __init__(self, name: str, note: str, nodes: int, params: Mapping[str, Param]) -> None:
        self.name = name
        self.note = note
        ids = tuple(NodeSpec(f"n{number}", LAB.core) for number in range(1, nodes + 1))
        settings: dict[str, Param] = {**LAB.defaults(), **params}
        self._spec = ClusterSpec("raft", LAB.protos, ids, settings, seed=0)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._cluster: LocalCluster | None = None
        self._random = Random(0)
        self.calls = 0  # of this cluster's client so far, which numbers them so

    @property
    def cluster(self) -> LocalCluster:
        """The running one. Raises ContenderFailed before the start."""
        if self._cluster is None:
            raise ContenderFailed("the cluster has not started")
        return self._cluster

    async def start(self) -> float:
        """As Contender says."""
        self._folder = tempfile.TemporaryDirectory(prefix="faultlab-bench-")
        self._cluster = LocalCluster(
            self._spec, folder=Path(self._folder.name) / "lab", proxy=False
        )
        self.calls = 0
        began_s = time.monotonic()
        await self._cluster.start()
        first_s = await first_acknowledged([partial(self._attempt, node) for node in self._nodes])
        return (first_s - began_s) * 1000

    async def stop(self) -> None:
        """As Contender says."""
        cluster, folder = self._cluster, self._folder
        self._cluster = self._folder = None
        if cluster is not None:
            await cluster.close()
        if folder is not None:
            folder.cleanup()

    @property
    def _nodes(self) -> tuple[NodeId, ...]:
        return self.cluster.nodes

    async def leader(self) -> NodeId:
        """Waits for a leader that has committed an entry of its own term."""

        async def found() -> NodeId | None:
            for node in self._nodes:
                view = await self.cluster.view(node)
                if isinstance(view, pb.RaftView) and view.ready:
                    return node
            return None

        return await self.cluster.until("a leader that serves", found, within_ms=SERVES_MS_MAX)

    async def put(self, node: NodeId, key: str, value: bytes, timeout_ms: int) -> None:
        """Raises PutFailed."""
        self.calls += 1
        try:
            await self.cluster.call(
                node, kv.PutRequest(key=key, value=value), timeout_ms=timeout_ms
            )
        except (Refused, Indeterminate) as declined:
            raise PutFailed(declined.reason) from declined

    async def _attempt(self, node: NodeId) -> None:
        await self.put(node, "first", b"x", ATTEMPT_MS_MAX)

    async def load(self, work: Work) -> Load:
        """As Contender says."""
        leader, value = await self.leader(), b"x" * work.value_bytes
        looking = asyncio.Lock()

        async def put(number: int) -> None:
            nonlocal leader
            asked = leader
            try:
                await self.put(asked, work.key(number), value, PUT_MS_MAX)
            except PutFailed:
                async with looking:  # one client looks for the new leader, for all
                    if leader == asked:
                        leader = await self.leader()
                raise

        return await closed_loop(put, work)

    def memory_mib(self) -> Sequence[float]:
        """As Contender says."""
        sizes = [rss_mib(self.cluster.pid(node)) for node in self._nodes]
        return [size for size in sizes if size is not None]

    async def failover(self) -> float:
        """As Contender says."""
        leader, world = await self.leader(), self.cluster.world
        await self.cluster.sleep(self._random.randint(200, 400))  # at any phase of the heartbeat
        survivors = [node for node in self._nodes if node != leader]
        began_s = time.monotonic()
        await world.kill(leader)
        first_s = await first_acknowledged([partial(self._attempt, node) for node in survivors])
        await world.start(leader)
        return (first_s - began_s) * 1000


def own(nodes: int) -> list[RaftContender]:
    """Our cluster as it can be had, with the timeouts that its peers get, too."""
    timeouts: dict[str, Param] = {
        "election_timeout_ms_min": ELECTION_MS_MIN,
        "election_timeout_ms_max": ELECTION_MS_MAX,
        "heartbeat_ms": HEARTBEAT_MS,
    }
    return _both(nodes, timeouts)


def as_learned(nodes: int) -> list[RaftContender]:
    """The same as the lab starts it: with its own, longer timeouts."""
    return _both(nodes, {})


def _both(nodes: int, params: dict[str, Param]) -> list[RaftContender]:
    note = "durable (SQLite FULL), every link through the embedded proxy, gRPC client"
    return [
        RaftContender("raft unary", f"{note}, unary calls", nodes, params | {"transport": "unary"}),
        RaftContender(
            "raft stream", f"{note}, a stream a link", nodes, params | {"transport": "stream"}
        ),
    ]


PEERS: Final = (
    PeerPlace("ceiling", "tests.benchmarks.ceiling"),
    PeerPlace("etcd", "tests.benchmarks.etcd"),
    PeerPlace("pysyncobj", "tests.benchmarks.pysyncobj"),
)

GOALS: Final = (
    Goal("serial_rate", "raft unary", "ceiling", 0.75),
    Goal("clients64_rate", "raft unary", "ceiling", 0.75),
    Goal("serial_rate", "raft stream", "ceiling stream", None),
    Goal("clients64_rate", "raft stream", "ceiling stream", None),
    Goal("clients64_rate", "raft stream", "etcd", 1.0),
    Goal("serial_p50_ms", "raft stream", "etcd", 1.5),
    Goal("serial_rate", "raft stream", "raft unary", None),
    Goal("clients64_rate", "raft stream", "raft unary", None),
    Goal("failover_ms", "raft unary", "etcd", 1.1),
    Goal("failover_p90_ms", "raft unary", "etcd", 1.3),
    Goal("failover_ms", "raft stream", "etcd", 1.1),
    Goal("failover_p90_ms", "raft stream", "etcd", 1.3),
    Goal("start_ms", "raft unary", "pysyncobj", 1.5),
    Goal("start_ms", "raft stream", "pysyncobj", 1.5),
    Goal("memory_mib", "raft unary", "etcd", 0.55),
    Goal("memory_mib", "raft stream", "etcd", 0.55),
)

BENCH: Final = Bench(
    lab="raft",
    title=f"Raft on local processes, election timeouts {ELECTION_MS_MIN}-{ELECTION_MS_MAX} ms, "
    f"heartbeat {HEARTBEAT_MS} ms",
    own=own,
    as_learned=as_learned,
    replicate="AppendEntries",
    peers=PEERS,
    goals=GOALS,
    not_quick=frozenset({"ceiling direct"}),
)
