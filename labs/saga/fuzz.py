"""The shop as the fuzzer sees it: settings drawn from a seed, customers, bounds of recovery.

A safety phase in which anything may fail; then a heal, and the demand that every order comes to an
end, or is in the dead letters, from where an operator brings it to one.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final

from labs.kit.chaos import DRAWS
from labs.kit.fuzz.phases import under_faults
from labs.kit.fuzz.target import Drawn, Evidence, FuzzTarget, Load, NotLive
from labs.saga.invariants import invariants
from labs.saga.lab import LAB
from labs.saga.mutants import MUTANTS
from labs.saga.orders import bound_ms, brought_to_an_end, saga_of, step_ms
from labs.saga.torture import Customer, Ledger
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.sim.cluster import SimCluster, SimOptions
from protos import saga_pb2 as pb

# How many clients, and the longest pause of each.
LOADS: Final = ((1, 500), (2, 500), (3, 1000), (5, 1500))


def draw(seed: int) -> Drawn:
    """Style, countermeasures, patience, what there is to sell, speed of disks and network, load.
    Only settings under which nothing may go wrong: what the others cost is for experiments."""
    rng = Random(f"{seed}:settings")
    style = rng.choice(["orchestrated", "choreographed"])
    locks = rng.choice(["off", "on"])
    params = LAB.defaults(simulated=True) | {
        "style": style,
        "semantic_locks": locks,
        "updates": rng.choice(["commutative", "absolute"]) if locks == "on" else "commutative",
        "inbox": rng.choice(["on", "on", "off"]),  # the keys of steps do the same
        "attempts_max": rng.choice([1, 3, 6]),
        "backoff_ms_max": rng.choice([500, 2000]),
        "poll_ms": rng.choice([20, 100]),
        "opening_stock": rng.choice([10, 100]),
        "opening_balance": rng.choice([50, 1000]),
        "opening_capacity": rng.choice([5, 1000]),
    }
    nodes = tuple(NodeSpec(f"n{number}", LAB.core) for number in range(1, LAB.nodes_default + 1))
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
    customers = [Customer(ledger, number, load.seed) for number in range(load.clients)]
    tasks = [asyncio.ensure_future(one.run(stop, load.pause_ms)) for one in customers]
    try:
        await under_faults(cluster, load, evidence)
        if not load.recover:
            return
        await cluster.faults.heal()
        stop.set()
        await asyncio.gather(*tasks)
        sagas = await at_rest(cluster, ledger)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ledger.judge(sagas)


async def at_rest(cluster: SimCluster, ledger: Ledger) -> dict[str, pb.Saga]:
    """Every order that was placed, when it has come to an end, and every event has gone where it
    should. Raises NotLive."""
    # A lock may be in the way of a step as often as it may be tried.
    within_ms = bound_ms(cluster.params) + int(cluster.params["attempts_max"]) * step_ms(
        cluster.params
    )
    sagas: dict[str, pb.Saga] = {}
    for order in ledger.placed:
        saga = await saga_of(cluster, order)
        if saga is None:
            raise NotLive("orders are told of", f"nobody says how {order} is")
        sagas[order] = saga
    known = [order for order, saga in sagas.items() if saga.status != pb.UNKNOWN]
    try:
        ended, _ = await brought_to_an_end(cluster, known, within_ms=within_ms)
        await cluster.until(
            "every event is where it should be", lambda: delivered(cluster), within_ms=within_ms
        )
    except TimeoutError as error:
        raise NotLive("orders come to an end", str(error)) from None
    return sagas | ended


async def delivered(cluster: SimCluster) -> bool:
    """No outbox holds anything, and everyone has read the whole log."""
    views = [await cluster.view(node) for node in cluster.nodes]
    shown = [view for view in views if isinstance(view, pb.SagaView)]
    length = max(view.log for view in shown)
    return all(not view.outbox and view.offset == length for view in shown)


FUZZ = FuzzTarget(
    lab=LAB.id,
    draw=draw,
    program=program,
    observers=invariants,
    faults=(*DRAWS, "crash-at"),
    mutants=MUTANTS,
    crash_points=tuple(LAB.crash_points),
)
