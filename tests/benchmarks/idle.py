"""What a lab costs while nobody asks it for anything: processor time of all its processes.

Run it: python -m tests.benchmarks.idle [--nodes 5] [--seconds 10].
"""

from __future__ import annotations

import argparse
import asyncio

from labs.kit.bench.processes import cpu_s
from labs.kit.bench.rounds import started
from labs.raft.bench import as_learned

SETTLED_MS = 1000  # connections are made, the first leader is old


async def shares(nodes: int, seconds: int) -> None:
    """Prints a line for each transport. Raises SystemExit where the system does not tell."""
    for contender in as_learned(nodes):
        async with started(contender):
            cluster = contender.cluster
            await cluster.sleep(SETTLED_MS)
            pids = cluster.process_ids()
            before = [cpu_s(pid) for pid in pids]
            await cluster.sleep(seconds * 1000)
            after = [cpu_s(pid) for pid in pids]
        used = [
            y - x for x, y in zip(before, after, strict=True) if x is not None and y is not None
        ]
        if len(used) < len(pids):
            raise SystemExit("this system does not tell what a process uses")
        total, most = (100 * value / seconds for value in (sum(used), max(used)))
        print(f"{contender.name}, {nodes} nodes: {total:.1f} % of a core, {most:.1f} % the busiest")


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    asyncio.run(shares(options.nodes, options.seconds))


if __name__ == "__main__":
    main()
