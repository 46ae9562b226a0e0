"""Raft as the fuzzer sees it: clusters and settings drawn from a seed, clients, bounds of recovery.

A safety phase in which anything may fail, then a heal, and the demand that everything comes back in
a few election timeouts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final

from labs.kit.appends import Client, judge
from labs.kit.chaos import DRAWS
from labs.kit.fuzz.phases import live, under_faults, within
from labs.kit.fuzz.target import Drawn, Evidence, FuzzTarget, Load
from labs.raft.invariants import invariants
from labs.raft.lab import LAB
from labs.raft.mutants import MORE, MUTANTS
from labs.raft.torture import caught_up, final_values, settled
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.sim.cluster import SimCluster, SimOptions

KEYS: Final = ("a", "b")
# How many clients, and the longest pause of each; many patient ones are as much as few busy ones.
LOADS: Final = ((1, 500), (2, 200), (2, 1500), (4, 500), (8, 800))
# Bounds in longest election timeouts, counted from the heal or from the step before.
LEADER_UNITS: Final = 7
WRITE_UNITS: Final = 7
CAUGHT_UP_UNITS: Final = 15


def draw(seed: int) -> Drawn:
    """Cluster size, settings, speed of disks and network, and load: bugs hide in combinations."""
    rng = Random(f"{seed}:settings")
    params = LAB.defaults(simulated=True) | {
        "heartbeat_ms": rng.choice([100, 150]),
        "snapshot_threshold": rng.choice([0, 5, 20]),
        "snapshot_trailing_entries": rng.choice([0, 3]),
        "snapshot_chunk_bytes": rng.choice([50, 65_536]),
        "pre_vote": rng.choice(["on", "on", "off"]),
        "check_quorum": rng.choice(["on", "on", "off"]),
        "max_inflight": rng.choice([1, 4]),
        "max_entries_per_append": rng.choice([1, 256]),
    }
    count = rng.choice([3, 3, 5])
    nodes = tuple(NodeSpec(f"n{number}", LAB.core) for number in range(1, count + 1))
    options = SimOptions(
        latency_ms=rng.choice([(0.2, 1.0), (0.2, 1.0), (1.0, 30.0)]),
        sync_ms=rng.choice([(0, 0), (0.1, 5.0)]),
    )
    clients, pause_ms = rng.choice(LOADS)
    return Drawn(
        spec=ClusterSpec(LAB.id, LAB.protos, nodes, params, seed),
        options=options,
        clients=clients,
        pause_ms=pause_ms,
    )


async def program(cluster: SimCluster, load: Load, evidence: Evidence) -> None:
    """One run. Raises NotLive and HistoryWrong."""
    history, stop = evidence.history, asyncio.Event()
    clients = [Client(cluster, n, KEYS, history, load.seed) for n in range(load.clients)]
    tasks = [asyncio.ensure_future(client.run(stop, load.pause_ms)) for client in clients]
    try:
        await under_faults(cluster, load, evidence)
        if not load.recover:
            return
        await cluster.faults.heal()
        await live("a leader that serves", settled(cluster, within_units=LEADER_UNITS))
        newcomer = Client(cluster, load.clients, KEYS, history, load.seed)
        await within(cluster, WRITE_UNITS, "a write is acknowledged", acknowledged(newcomer))
        stop.set()
        await within(cluster, WRITE_UNITS, "clients get their answers", gathered(tasks))
        await live("all servers equal", caught_up(cluster, within_units=CAUGHT_UP_UNITS))
        values = await live("final reads", final_values(cluster, KEYS))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    judge(history, values)


async def acknowledged(client: Client) -> None:
    """Appends until one is certain to have happened."""
    while (await client.append(KEYS[0])).outcome != "ok":
        pass


async def gathered(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Waits until all clients have stopped."""
    await asyncio.gather(*tasks)


FUZZ = FuzzTarget(
    lab=LAB.id,
    draw=draw,
    program=program,
    observers=invariants,
    faults=tuple(DRAWS),
    mutants=MUTANTS | MORE,
)
