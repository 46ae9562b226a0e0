"""The store as the fuzzer sees it: settings drawn from a seed, clients, changes of the ring.

A safety phase in which anything may fail, while nodes join and leave; then a heal, and the demand
that everything comes to rest: hints delivered, replicas equal, no acknowledged write lost.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

from labs.kit.chaos import DRAWS
from labs.kit.fuzz.phases import live, under_faults
from labs.kit.fuzz.target import Drawn, Evidence, FuzzTarget, Load
from labs.quorum_store.invariants import invariants
from labs.quorum_store.lab import LAB
from labs.quorum_store.mutants import MUTANTS
from labs.quorum_store.torture import Client, Ledger, at_rest, final_values
from nodes.cluster.api import ClusterSpec, Indeterminate, NodeSpec, Refused
from nodes.sim.cluster import SimCluster, SimOptions
from protos import quorum_store_pb2 as pb

KEYS: Final = ("a", "b", "c", "d")
# How many clients, and the longest pause of each; many patient ones are as much as few busy ones.
LOADS: Final = ((1, 500), (2, 500), (3, 1000), (4, 1500))
QUORUMS: Final = ((3, 2, 2), (3, 2, 2), (3, 1, 3), (3, 3, 1), (3, 1, 1), (2, 1, 2), (2, 2, 2))
REST_MS: Final = 60_000


def draw(seed: int) -> Drawn:
    """Cluster size, quorums, versions, speed of disks and network, and load."""
    rng = Random(f"{seed}:settings")
    count = rng.choice([3, 4, 5, 5])
    versions = rng.choice(["siblings", "siblings", "siblings", "abd", "lww"])
    n, r, w = (3, 2, 2) if versions == "abd" else rng.choice(QUORUMS)
    params = LAB.defaults(simulated=True) | {
        "replication": n,
        "read_quorum": r,
        "write_quorum": w,
        "members": rng.choice([0, 0, n]),
        "versions": versions,
        "quorum": "strict" if versions == "abd" else rng.choice(["strict", "sloppy"]),
        "fan_out": rng.choice(["all", "quorum"]),
        "hedge_ms": rng.choice([0, 50]),
        "read_repair": rng.choice(["off", "background", "blocking"]),
        "anti_entropy_ms": rng.choice([300, 1000]),
        "tokens": rng.choice([8, 64]),
        "tombstone_grace_ms": 0 if versions == "abd" else rng.choice([0, 60_000]),
    }
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
    ledger, stop = Ledger(cluster, evidence.history), asyncio.Event()
    clients = [Client(ledger, number, KEYS, load.seed) for number in range(load.clients)]
    tasks = [asyncio.ensure_future(client.run(stop, load.pause_ms)) for client in clients]
    tasks.append(asyncio.ensure_future(change_ring(cluster, stop, load.seed)))
    try:
        await under_faults(cluster, load, evidence)
        if not load.recover:
            return
        await cluster.faults.heal()
        stop.set()
        await asyncio.gather(*tasks)
        await live("everything at rest", at_rest(cluster, within_ms=REST_MS))
        final = await final_values(cluster, KEYS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ledger.judge(final)


async def change_ring(cluster: SimCluster, stop: asyncio.Event, seed: int) -> None:
    """Nodes are asked to join and to leave; many refuse, for good reasons."""
    rng = Random(f"{seed}:ring")
    while not stop.is_set():
        await cluster.sleep(rng.randint(500, 5000))
        request = rng.choice([pb.JoinRequest, pb.LeaveRequest])()
        try:
            await cluster.call(rng.choice(cluster.nodes), request, timeout_ms=2000)
        except (Refused, Indeterminate):
            continue


FUZZ = FuzzTarget(
    lab=LAB.id,
    draw=draw,
    program=program,
    observers=invariants,
    faults=tuple(DRAWS),
    mutants=MUTANTS,
)
