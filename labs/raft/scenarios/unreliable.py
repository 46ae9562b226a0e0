"""Calls that get lost, arrive twice or late, while servers come and go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

from labs.kit.check import require
from labs.raft.scenarios.clients import Appends, Writes
from labs.raft.scenarios.persistence import leaders_crash
from labs.raft.scenarios.watch import Watch
from nodes.cluster.api import Cluster, NodeState
from nodes.cluster.faults import fault_from_dict


async def lost_calls_delay_only(cluster: Cluster) -> None:
    """With a tenth of all requests and responses lost, every write still commits, once."""
    watch = Watch(cluster)  # UnreliableAgree
    appends = Appends(watch, ("x", "y"))
    await watch.leader()
    await cluster.faults.lose(10)
    appends.start(3, pause_timeouts=0.05)
    try:
        await appends.progress(20)
        await appends.settle()
    finally:
        await appends.cancel()


async def late_and_doubled_calls_do_no_harm(cluster: Cluster) -> None:
    """Requests that arrive twice, or after later ones, undo nothing that was acknowledged."""
    watch = Watch(cluster)
    appends = Appends(watch, ("x", "y"))
    await watch.leader()
    await cluster.faults.duplicate(30)
    await cluster.faults.reorder(40, hold_ms=watch.timeout_ms // 6)
    appends.start(4, pause_timeouts=0.02)
    try:
        await appends.progress(36)
        await appends.settle()
    finally:
        await appends.cancel()


async def crashing_leaders_with_lost_calls_lose_nothing(cluster: Cluster) -> None:
    """Leaders crash while calls get lost, doubled and reordered: no committed entry changes."""
    watch = Watch(cluster)  # Figure8Unreliable
    writes = Writes(watch)
    await watch.leader()
    await cluster.faults.lose(10)
    await cluster.faults.duplicate(10)
    await cluster.faults.reorder(30, hold_ms=watch.timeout_ms // 10)
    await leaders_crash(watch, writes, rounds=8)
    await writes.settle()


async def churn_loses_nothing(cluster: Cluster) -> None:
    """Servers are cut off, crash and return under load: reads and writes stay linearizable."""
    await under_load(cluster, churn)  # ReliableChurn; 4B PersistConcurrent


async def churn_with_lost_calls_loses_nothing(cluster: Cluster) -> None:
    """Servers come and go while calls are lost, doubled and late: all stays linearizable."""
    await cluster.faults.lose(5)  # UnreliableChurn
    await cluster.faults.duplicate(5)
    await cluster.faults.reorder(20, hold_ms=30)
    await under_load(cluster, churn)  # 4B PersistConcurrentUnreliable


async def shifting_partitions_lose_nothing(cluster: Cluster) -> None:
    """Partitions that change under load: reads and writes of all clients stay linearizable."""
    await under_load(cluster, repartition)  # ManyPartitionsManyClients


async def everything_at_once_loses_nothing(cluster: Cluster) -> None:
    """Crashes, partitions, lost calls and snapshots together: everything stays linearizable."""
    await cluster.faults.lose(5)  # PersistPartitionUnreliableLinearizable, 4C likewise
    await cluster.faults.reorder(20, hold_ms=30)

    async def both(watch: Watch, random: Random) -> int:
        return await repartition(watch, random, 2) + await churn(watch, random)

    watch = await under_load(cluster, both)
    views = await watch.views()
    require(all(view.snapshot_index > 0 for view in views.values()), "no snapshot was taken")


# ------------------------------------------------------------------------------------------ helpers


async def under_load(cluster: Cluster, harm: Callable[[Watch, Random], Awaitable[int]]) -> Watch:
    """Runs clients before, while and after `harm` is done, and judges what they saw."""
    watch = Watch(cluster)
    random = Random(f"{cluster.spec.seed}:under_load")
    appends = Appends(watch, ("x", "y"))
    await watch.leader()
    appends.start(3, pause_timeouts=0.2)
    try:
        await appends.progress(3)
        harmed = await harm(watch, random)
        require(harmed > 0, "nothing was harmed")
        await appends.progress()  # with a server still down, or calls still lost
        await appends.settle()
    finally:
        await appends.cancel()
    return watch


async def churn(watch: Watch, random: Random) -> int:
    """Crashes and cuts off random servers, now and then the leader, and lets them return."""
    cluster = watch.cluster
    harmed = 0
    for _ in range(3):
        node = random.choice(cluster.nodes)
        up = [n for n in cluster.nodes if cluster.node_state(n) is NodeState.UP]
        if node not in up:
            await cluster.faults.restart(node)
        elif random.random() < 0.5 or len(up) < len(cluster.nodes):
            await cluster.faults.isolate(node)
            harmed += 1
            await watch.wait(random.uniform(0.2, 1.2))
            await restore_links(watch)
        else:
            await cluster.faults.kill(node)
            harmed += 1
        await watch.wait(random.uniform(0.1, 0.6))
    await watch.leader_now()
    return harmed


async def repartition(watch: Watch, random: Random, times: int = 3) -> int:
    """Splits the servers in two, anew each time."""
    nodes = list(watch.cluster.nodes)
    for _ in range(times):
        random.shuffle(nodes)
        border = random.randint(1, len(nodes) - 1)
        await watch.cluster.faults.partition(nodes[:border], nodes[border:])
        await watch.wait(random.uniform(0.4, 1.6))
        await restore_links(watch)
        await watch.wait(random.uniform(0, 0.6))
    await watch.leader_now()
    return times


async def restore_links(watch: Watch) -> None:
    """Heals everything, and lets what fails by calls go on failing."""
    faults = watch.cluster.faults
    lasting = [
        entry for entry in faults.active() if entry["kind"] in ("lose", "duplicate", "reorder")
    ]
    await faults.heal()
    for entry in lasting:
        await faults.inject(fault_from_dict(entry["fault"]))
