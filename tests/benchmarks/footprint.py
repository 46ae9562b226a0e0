"""What a cluster costs: processor time while idle, memory after writes, writes a second.

Run it: python -m tests.benchmarks.footprint [--nodes 5] [--writes 10000].
"""

from __future__ import annotations

import argparse
import asyncio
import time

from labs.kit.bench.processes import cpu_s, rss_mib
from nodes.cluster.local import LocalCluster
from nodes.host.carriers import TRANSPORT_DEFAULT, TRANSPORTS
from protos import kv_pb2 as kv
from tests.benchmarks.raft_cluster import leader_of, raft_cluster, spread

IDLE_S = 10
CLIENTS = 64


def told(figure: float | None) -> float:
    """The figure. Raises RuntimeError where the system does not tell."""
    if figure is None:
        raise RuntimeError("this system does not tell what a process uses")
    return figure


async def writes(cluster: LocalCluster, count: int, clients: int) -> list[float]:
    """Milliseconds of each of `count` acknowledged writes by that many clients at once."""
    leader = await leader_of(cluster)
    numbers, times = iter(range(count)), []

    async def client() -> None:
        for number in numbers:
            began = time.monotonic()
            request = kv.PutRequest(key=f"k{number % 1000}", value=b"x" * 64)
            await cluster.call(leader, request, timeout_ms=10_000)
            times.append((time.monotonic() - began) * 1000)

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


async def main() -> None:
    """Prints a few lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--writes", type=int, default=10_000)
    parser.add_argument("--transport", choices=TRANSPORTS, default=TRANSPORT_DEFAULT)
    options = parser.parse_args()
    async with raft_cluster(options.nodes, {"transport": options.transport}) as cluster:
        await cluster.sleep(1000)
        pids = cluster.process_ids()
        before = {pid: told(cpu_s(pid)) for pid in pids}
        await cluster.sleep(IDLE_S * 1000)
        used = {pid: (told(cpu_s(pid)) - before[pid]) / IDLE_S * 100 for pid in pids}
        print(f"idle, % of a core: all {sum(used.values()):.1f} ({dict(sorted(used.items()))})")
        serial = await writes(cluster, 300, 1)
        print(f"serial put: {spread(serial)}")
        began = time.monotonic()
        times = await writes(cluster, options.writes, CLIENTS)
        rate = len(times) / (time.monotonic() - began)
        print(f"{CLIENTS} clients: {rate:.0f} puts/s, {spread(times)}")
        node_pids = {node: cluster.pid(node) for node in cluster.nodes}
        sizes = {node: f"{told(rss_mib(pid)):.1f}" for node, pid in node_pids.items()}
        print(f"resident MiB a node after {options.writes} writes: {sizes}")


if __name__ == "__main__":
    asyncio.run(main())
