"""Atomic commit as the fuzzer sees it: settings drawn from a seed, clients, bounds of recovery.

A safety phase in which anything may fail, then a heal, and the demand that everything is decided,
no lock is left, and all amounts add up.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

from labs.commit.bank import Ledger, Teller, amounts, at_rest, judge, resolve
from labs.commit.invariants import invariants
from labs.commit.lab import CRASH_POINTS, LAB
from labs.commit.mutants import MUTANTS
from labs.kit.chaos import DRAWS
from labs.kit.fuzz.phases import live, under_faults, within
from labs.kit.fuzz.target import Drawn, Evidence, FuzzTarget, Load
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.cores.commit.ledger import opening_amounts
from nodes.sim.cluster import SimCluster, SimOptions

# How many clients, and the longest pause of each.
LOADS: Final = ((1, 300), (3, 300), (4, 1000), (8, 500))
# Three-phase commit takes silence for a crash, so that only what is a crash may make a node silent.
CRASHES: Final = ("kill", "power-cut", "restart", "crash-at", "skew", "duplicate")
FAULTS: Final = (*DRAWS, "crash-at")
# Bounds in the longest timeout, counted from the heal or from the step before: whoever is in doubt
# asks, round after round, and outcomes are told again.
ANSWER_UNITS: Final = 6
REST_UNITS: Final = 6
RESOLVE_UNITS: Final = 6


def draw(seed: int) -> Drawn:
    """Protocol, settings, speed of disks and network, and load: bugs hide in combinations."""
    rng = Random(f"{seed}:settings")
    params = LAB.defaults(simulated=True) | {
        "protocol": rng.choice(["2pc", "2pc", "3pc"]),
        "presume": rng.choice(["abort", "nothing"]),
        "termination": rng.choice(["cooperative", "cooperative", "coordinator"]),
        "deadlocks": rng.choice(["wait-die", "wait-die", "timeout", "none"]),
        "accounts": rng.choice([2, 8]),
    }
    count = rng.choice([3, 4, 4, 5])
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


def survives(spec: ClusterSpec) -> tuple[str, ...]:
    """The faults that the protocol claims to survive."""
    return CRASHES if spec.params["protocol"] == "3pc" else FAULTS


async def program(cluster: SimCluster, load: Load, evidence: Evidence) -> None:
    """One run. Raises NotLive and HistoryWrong."""
    ledger, stop = Ledger(history=evidence.history), asyncio.Event()
    tellers = [Teller(cluster, n, ledger, load.seed) for n in range(load.clients)]
    tasks = [asyncio.ensure_future(teller.run(stop, load.pause_ms)) for teller in tellers]
    try:
        await under_faults(cluster, load, evidence)
        if not load.recover:
            return
        await cluster.faults.heal()
        stop.set()
        await within(cluster, ANSWER_UNITS, "clients get their answers", asyncio.gather(*tasks))
        await within(
            cluster, RESOLVE_UNITS, "every outcome can be told", resolve(cluster, ledger.unknown())
        )
        rest = cluster.until(
            "everything is decided, and no lock is left",
            lambda: at_rest(cluster),
            within_ms=REST_UNITS * LAB.wait_unit_ms(cluster.params),
        )
        await live("everything is decided", rest)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    judge(opening_amounts(cluster.params), ledger.transactions, await amounts(cluster))


FUZZ = FuzzTarget(
    lab=LAB.id,
    draw=draw,
    program=program,
    observers=invariants,
    faults=FAULTS,
    survives=survives,
    mutants=MUTANTS,
    crash_points=tuple(CRASH_POINTS),
)
