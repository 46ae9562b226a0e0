"""Whether anything of a node grows with the writes it has seen: memory, its disk, its events.

Run it: python -m tests.benchmarks.growth [--writes 200000] [--steps 10]. The same thousand keys are
written over and over and snapshots are on, so that after the first steps nothing should grow. It
prints the largest node's figures after each step, and exits with 1 when one of them is more than
what is allowed beyond the second step, or the events more than their two files.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from labs.kit.bench.contender import ContenderFailed, Work
from labs.kit.bench.rounds import LONG_S, MANY_CLIENTS, VALUE_BYTES, started
from labs.raft.bench import RaftContender
from nodes.host.recorder import FILE_BYTES_MAX, older_file

MIB: Final = 1024 * 1024
STEPS_MIN: Final = 3  # fewer say nothing about growth
GROWTH_MIB_MAX: Final = {
    "memory": 3.0,
    "disk": 8.0,  # a write-ahead log's size depends on when one looks
}
EVENTS_MIB_MAX: Final = 2 * FILE_BYTES_MAX / MIB


def file_mib(path: Path) -> float:
    """Size of a file; 0 when there is none."""
    return path.stat().st_size / MIB if path.exists() else 0.0


async def figures(contender: RaftContender) -> dict[str, float]:
    """MiB, of the node where each is largest. Raises ContenderFailed when a node is silent."""
    cluster = contender.cluster
    views = [await cluster.host_view(node) for node in cluster.nodes]
    disks = [view.storage_bytes / MIB for view in views if view is not None]
    memory = contender.memory_mib()
    if len(disks) < len(views) or len(memory) < len(views):
        raise ContenderFailed("a node did not tell how large it is")
    paths = map(cluster.world.events_path, cluster.nodes)
    events = [file_mib(path) + file_mib(older_file(path)) for path in paths]
    return {"memory": max(memory), "disk": max(disks), "events": max(events)}


async def measure(writes: int, steps: int) -> list[dict[str, float]]:
    """The figures after each step, printed as they come. Raises ContenderFailed."""
    contender, seen = RaftContender("raft", "the lab's defaults", 3, {}), []
    work = Work(MANY_CLIENTS, VALUE_BYTES, LONG_S, writes=writes // steps)
    async with started(contender):
        for step in range(1, steps + 1):
            load = await contender.load(work)
            if load.failed:
                raise ContenderFailed(f"{load.failed} writes failed: {load.failure}")
            seen.append(await figures(contender))
            shown = ", ".join(f"{name} {mib:.1f} MiB" for name, mib in seen[-1].items())
            print(f"after {step * len(load.times_ms)} writes: {shown}", flush=True)
    return seen


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=200_000)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    if options.steps < STEPS_MIN or options.writes < options.steps:
        parser.error(f"give at least {STEPS_MIN} steps, and at least one write a step")
    try:
        seen = asyncio.run(measure(options.writes, options.steps))
    except ContenderFailed as failure:
        print(failure, file=sys.stderr)
        return 2
    limits = {name: seen[1][name] + more for name, more in GROWTH_MIB_MAX.items()}
    limits["events"] = EVENTS_MIB_MAX
    grown = [name for name, mib in seen[-1].items() if mib > limits[name]]
    print(f"grows: {', '.join(grown)}" if grown else "nothing grows")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
