"""kill -9 of the leader to the next acknowledged write.

Run it: python -m tests.benchmarks.failover [--kills 30] [--nodes 3]. Overlapping attempts go to all
survivors every 10 ms, so that the figure is the cluster's and not that of a client's patience.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time

from nodes.cluster.local import LocalCluster
from nodes.core import NodeId
from nodes.host.carriers import TRANSPORT_DEFAULT, TRANSPORTS
from protos import kv_pb2 as kv
from tests.benchmarks.raft_cluster import DECLINED, leader_of, raft_cluster, spread

ATTEMPT_EVERY_MS = 10


async def attempt(cluster: LocalCluster, node: NodeId, done: asyncio.Event, number: int) -> None:
    """One write at one node; sets `done` when it is acknowledged."""
    try:
        await cluster.call(node, kv.PutRequest(key="k", value=b"%d" % number), timeout_ms=2000)
    except DECLINED:
        return
    done.set()


async def one_kill(cluster: LocalCluster, number: int) -> float:
    """Milliseconds from the signal to the first acknowledgement; the node is healed afterwards."""
    leader = await leader_of(cluster)
    await cluster.sleep(random.randint(200, 400))  # At any phase of the heartbeat.
    survivors = [node for node in cluster.nodes if node != leader]
    done, attempts = asyncio.Event(), set()
    began = time.monotonic()
    killing = asyncio.ensure_future(cluster.faults.kill(leader))
    while not done.is_set():
        for node in survivors:
            attempts.add(asyncio.ensure_future(attempt(cluster, node, done, number)))
        try:
            await asyncio.wait_for(done.wait(), ATTEMPT_EVERY_MS / 1000)
        except TimeoutError:
            continue
    took_ms = (time.monotonic() - began) * 1000
    await killing
    await asyncio.gather(*attempts)
    await cluster.faults.heal()
    return took_ms


async def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--heartbeat-ms", type=int, default=50)
    parser.add_argument("--transport", choices=TRANSPORTS, default=TRANSPORT_DEFAULT)
    options = parser.parse_args()
    params: dict[str, int | str] = {
        "election_timeout_ms_min": 150,
        "election_timeout_ms_max": 300,
        "heartbeat_ms": options.heartbeat_ms,
        "transport": options.transport,
    }
    async with raft_cluster(options.nodes, params) as cluster:
        times = [await one_kill(cluster, number) for number in range(options.kills)]
    print(f"kill to next acknowledged write, {options.nodes} nodes, 150-300 ms: {spread(times)}")


if __name__ == "__main__":
    asyncio.run(main())
