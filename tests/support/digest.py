"""Prints the digests of a few simulated Raft runs: `python -m tests.support.digest SEED...`.

Each run has clients, call faults, a partition, crashes, a wiped disk and skewed clocks.
"""

from __future__ import annotations

import asyncio
import sys

from nodes.cluster.api import Indeterminate, Link, LinkState, Refused, RpcFault, Toxic
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from protos import kv_pb2 as kv
from tests.support.sim_bench import raft_leader, raft_spec

BLOCKED = LinkState(
    toxics=(Toxic("timeout", "upstream", {"timeout": 0}), Toxic("timeout", "downstream", {})),
)


async def client(cluster: SimCluster, key: str, count: int) -> int:
    """Writes and reads at whoever is said to lead; returns how often it was served."""
    node, served = cluster.nodes[0], 0
    for number in range(count):
        await cluster.sleep(40)
        try:
            suffix = b"%d " % number
            await cluster.call(node, kv.AppendRequest(key=key, suffix=suffix), timeout_ms=300)
            await cluster.call(node, kv.GetRequest(key=key), timeout_ms=300)
            served += 1
        except Refused as refused:
            node = refused.hint or cluster.nodes[number % len(cluster.nodes)]
        except Indeterminate:
            node = cluster.nodes[number % len(cluster.nodes)]
    return served


async def story(cluster: SimCluster) -> str:
    """A bad day."""
    faults = (
        RpcFault("lose_request", 5),
        RpcFault("lose_response", 5),
        RpcFault("duplicate", 5),
        RpcFault("reorder", 20, None, 30),
    )
    for node in cluster.nodes:
        await cluster.set_rpc_faults(node, faults, 0)
    clients = [asyncio.create_task(client(cluster, key, 120)) for key in ("x", "y", "z")]
    leader = await raft_leader(cluster)
    cut = {Link(a, b) for n in cluster.nodes for a, b in ((leader, n), (n, leader)) if a != b}
    await cluster.set_links(dict.fromkeys(sorted(cut), BLOCKED))
    await cluster.sleep(2000)
    await cluster.set_links({})
    await cluster.set_clock(leader, offset_ms=-50_000, rate=1.1)
    leader = await raft_leader(cluster)
    await cluster.pause(leader)
    await cluster.sleep(1500)
    await cluster.resume(leader)
    cluster.crash_after("n1", 3)
    await cluster.sleep(500)
    if cluster.view_now("n1") is not None:
        await cluster.kill("n1")
    await cluster.wipe("n1")
    await cluster.start("n1")
    served = sum(await asyncio.gather(*clients))
    assert served > 50, f"a digest of {served} operations proves nothing"
    await cluster.sleep(2000)
    views = [str(cluster.view_now(node)) for node in cluster.nodes]
    return f"{cluster.digest} {cluster.steps} {served} {hash_of(views)}"


def hash_of(texts: list[str]) -> int:
    """A number that does not depend on PYTHONHASHSEED."""
    return sum(place * byte for place, byte in enumerate("".join(texts).encode(), start=1))


def digest(seed: int) -> str:
    """Digest, number of steps, operations served, and what the servers believe at the end."""
    spec = raft_spec(5, seed=seed, snapshot_threshold=20, snapshot_trailing_entries=5)
    return simulate(spec, story, options=SimOptions(sync_ms=(0.0, 3.0)))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(digest(int(argument)))
