"""Whether anything of a node grows with the writes it has seen: memory, its disk, its events.

Run it: python -m tests.benchmarks.growth [--writes 200000] [--steps 10]. The same thousand keys are
written over and over and snapshots are on, so that after the first step nothing should grow: it
prints the largest node's figures after each step, and exits with 1 when memory or disk have grown
by more than a quarter and a few MiB since the second step, or the events beyond their two files.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from nodes.cluster.local import LocalCluster
from nodes.host.recorder import FILE_BYTES_MAX, older_file
from tests.benchmarks.footprint import CLIENTS, rss_mib, writes
from tests.benchmarks.raft_cluster import raft_cluster

MIB = 1024 * 1024
GROWTH_RATIO_MAX = 1.25
GROWTH_SLACK_MIB = 8.0  # a write-ahead log's size depends on when one looks
EVENTS_MIB_MAX = 2 * FILE_BYTES_MAX / MIB


def file_mib(path: Path) -> float:
    """Size of a file; 0 when there is none."""
    return path.stat().st_size / MIB if path.exists() else 0.0


def figures(cluster: LocalCluster) -> dict[str, float]:
    """MiB, of the node where each is largest."""
    world = cluster.world
    disks = [
        sum(file_mib(path) for path in world.data_folder(node).iterdir()) for node in cluster.nodes
    ]
    events = [
        file_mib(path) + file_mib(older_file(path))
        for path in map(world.events_path, cluster.nodes)
    ]
    return {
        "memory": max(rss_mib(cluster.pid(node)) for node in cluster.nodes),
        "disk": max(disks),
        "events": max(events),
    }


async def main() -> int:
    """Prints a line a step. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=200_000)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    seen = []
    async with raft_cluster(3, {}) as cluster:
        for step in range(options.steps):
            await writes(cluster, options.writes // options.steps, CLIENTS)
            seen.append(figures(cluster))
            done = (step + 1) * (options.writes // options.steps)
            shown = ", ".join(f"{name} {mib:.1f} MiB" for name, mib in seen[-1].items())
            print(f"after {done} writes: {shown}", flush=True)
    if len(seen) < 3:
        print("fewer than three steps say nothing about growth", file=sys.stderr)
        return 2
    limits = {name: mib * GROWTH_RATIO_MAX + GROWTH_SLACK_MIB for name, mib in seen[1].items()}
    limits["events"] = EVENTS_MIB_MAX
    grown = [name for name, mib in seen[-1].items() if mib > limits[name]]
    print(f"grows: {', '.join(grown)}" if grown else "nothing grows")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
