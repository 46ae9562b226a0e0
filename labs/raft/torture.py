"""Clients, random faults, a heal, and the demand that everything is as promised.

The same run in every runtime: thousands of seeds in simulation, with the invariants watching every
step; and on real processes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from labs.kit.appends import Client, History, judge
from labs.kit.chaos import DRAWS, Chaos, ChaosCluster, Injection
from nodes.cluster.api import Indeterminate, Refused
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb


@dataclass(frozen=True, slots=True)
class Torture:
    """What a run did: without operations and faults it proves nothing."""

    acknowledged: int
    unknown: int
    reads: int
    injections: tuple[Injection, ...]
    leader_changes: int
    recovered_within_ms: int


async def torture(
    cluster: ChaosCluster,
    seed: int,
    *,
    duration_ms: int,
    clients: int = 4,
    pause_ms: int = 100,
    kinds: tuple[str, ...] = tuple(DRAWS),
    keys: tuple[str, ...] = ("a", "b", "c"),
) -> Torture:
    """Safety while it hurts, liveness after it heals. `keys` must not have been used before.

    Raises HistoryWrong when a client was lied to, TimeoutError when the cluster does not recover.
    """
    history = History()
    stop = asyncio.Event()
    workers = [Client(cluster, number, keys, history, seed) for number in range(clients)]
    tasks = [asyncio.ensure_future(worker.run(stop, pause_ms)) for worker in workers]
    chaos = Chaos(cluster, seed, kinds=kinds)
    try:
        await settled(cluster)
        first_term = await highest_term(cluster)
        await chaos.run(duration_ms)
        healed_ms = cluster.now_ms()
        await settled(cluster)
        stop.set()
        await asyncio.gather(*tasks)
        await caught_up(cluster)
        recovered_ms = cluster.now_ms() - healed_ms
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    judge(history, await final_values(cluster, keys))
    return Torture(
        acknowledged=history.count("append", "ok"),
        unknown=history.count("append", "info"),
        reads=history.count("read", "ok"),
        injections=tuple(chaos.injections),
        leader_changes=await highest_term(cluster) - first_term,
        recovered_within_ms=recovered_ms,
    )


def unit_ms(cluster: ChaosCluster) -> int:
    """The longest election timeout: the unit of every wait."""
    value = cluster.params["election_timeout_ms_max"]
    assert isinstance(value, int)
    return value


async def views(cluster: ChaosCluster) -> dict[str, pb.RaftView]:
    """What every server that answers shows."""
    shown = await asyncio.gather(*(cluster.view(node) for node in cluster.nodes))
    return {
        node: view
        for node, view in zip(cluster.nodes, shown, strict=True)
        if isinstance(view, pb.RaftView)
    }


async def highest_term(cluster: ChaosCluster) -> int:
    """Grows with every election."""
    return max(view.term for view in (await views(cluster)).values())


async def settled(cluster: ChaosCluster, *, within_units: int = 20) -> str:
    """Waits until there is a leader that serves; returns it."""

    async def leader() -> str | None:
        leading = [(view.term, node) for node, view in (await views(cluster)).items() if view.ready]
        return max(leading)[1] if leading else None

    return await cluster.until(
        "a leader that serves", leader, within_ms=within_units * unit_ms(cluster)
    )


async def caught_up(cluster: ChaosCluster, *, within_units: int = 30) -> None:
    """Waits until every server has applied everything, and votes."""

    async def equal() -> bool:
        shown = await views(cluster)
        states = {(view.last_applied, view.applied_digest) for view in shown.values()}
        indexes = {view.last_log_index for view in shown.values()}
        lost = any(view.recovering for view in shown.values())
        return len(shown) == len(cluster.nodes) and len(states | indexes) == 2 and not lost

    await cluster.until("all servers equal", equal, within_ms=within_units * unit_ms(cluster))


async def final_values(cluster: ChaosCluster, keys: tuple[str, ...]) -> dict[str, bytes]:
    """What a linearizable read of each key says at the end."""
    values: dict[str, bytes] = {}
    for key in keys:

        async def read(key: str = key) -> kv.GetResponse | None:
            leader = await settled(cluster)
            request = kv.GetRequest(key=key, consistency=kv.LINEARIZABLE)
            try:
                response = await cluster.call(leader, request, timeout_ms=2 * unit_ms(cluster))
            except (Refused, Indeterminate):
                return None
            assert isinstance(response, kv.GetResponse)
            return response

        answer = await cluster.until("a final read", read, within_ms=20 * unit_ms(cluster))
        values[key] = answer.value
    return values
