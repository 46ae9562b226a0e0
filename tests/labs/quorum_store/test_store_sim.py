"""The store under random faults in simulation: invariants at every step, and clients that check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from random import Random

import pytest

from labs.kit.chaos import Chaos
from labs.kit.fuzz.run import run_case
from labs.kit.fuzz.target import Case, load_target
from labs.quorum_store.invariants import invariants
from labs.quorum_store.lab import LAB
from labs.quorum_store.torture import Client, Ledger, at_rest, final_values, views
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.cluster.fault_kinds import Heal, Kill, Partition, Restart, Wipe
from nodes.core import Param
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from protos import quorum_store_pb2 as pb
from tests.support.seeds import share_of_clusters

TARGET = load_target("quorum-store")
SEEDS = share_of_clusters(500)
SEEDS_PER_TEST = 5  # so that two workers share them evenly
KEYS = ("a", "b", "c", "d", "e")
REST_MS = 30_000


def store_spec(count: int = 5, *, seed: int = 0, **params: Param) -> ClusterSpec:
    """A cluster with the lab's default settings."""
    nodes = tuple(NodeSpec(f"n{number}", LAB.core) for number in range(1, count + 1))
    settings = LAB.defaults(simulated=True) | params
    return ClusterSpec(LAB.id, LAB.protos, nodes, settings, seed)


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
def test_random_faults_while_the_ring_changes(first: int) -> None:
    """Whatever fails, the invariants hold, clients are told the truth, and all comes to rest."""
    outcomes = [
        run_case(TARGET, Case(seed, duration_ms=8000))
        for seed in range(first, first + SEEDS_PER_TEST)
    ]
    assert not [(one.seed, one.failure) for one in outcomes if one.failure is not None]
    assert sum(one.acknowledged for one in outcomes) > 5 * len(outcomes), "hardly any traffic"
    assert sum(one.faults for one in outcomes) > 2 * len(outcomes), "hardly any fault"


async def loaded(cluster: SimCluster, seed: int, trouble: Awaitable[None]) -> Ledger:
    """Clients while `trouble` goes on; then rest, and the judgement."""
    ledger, stop = Ledger(cluster), asyncio.Event()
    tasks = [
        asyncio.ensure_future(Client(ledger, number, KEYS, seed).run(stop, 200))
        for number in range(3)
    ]
    try:
        await trouble
        await cluster.faults.inject(Heal())

        async def busy() -> bool:
            return ledger.history.count("append", "ok") > 10

        # Trouble may have left the clients nothing to do; they go on until they have done enough.
        await cluster.until("enough is written", busy, within_ms=REST_MS)
        stop.set()
        await asyncio.gather(*tasks)
        await at_rest(cluster, within_ms=REST_MS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ledger.judge(await final_values(cluster, KEYS))
    return ledger


async def wipe_some(cluster: SimCluster, seed: int) -> None:
    """Crashes, partitions, and lost disks: never a second one before the first has caught up."""
    rng = Random(f"{seed}:wipes")
    for _ in range(4):
        await cluster.sleep(rng.randint(200, 800))
        node = rng.choice(cluster.nodes)
        other = rng.choice([one for one in cluster.nodes if one != node])
        rest = tuple(one for one in cluster.nodes if one != other)
        await cluster.faults.inject(Kill((node,)))
        await cluster.faults.inject(Wipe((node,)))
        await cluster.faults.inject(Partition(((other,), rest)))
        await cluster.sleep(rng.randint(200, 1500))
        await cluster.faults.inject(Restart((node,)))
        await cluster.sleep(rng.randint(0, 1000))
        await cluster.faults.inject(Heal())

        async def caught_up(node: str = node) -> bool:
            view = (await views(cluster)).get(node)
            return view is not None and not view.recovering

        await cluster.until("caught up", caught_up, within_ms=REST_MS)


@pytest.mark.parametrize("versions", ["siblings", "abd"])
@pytest.mark.parametrize("seed", range(share_of_clusters(200)))
def test_a_lost_disk_loses_nothing(versions: str, seed: int) -> None:
    """With W = 2, one disk at a time may be lost: what was acknowledged is still read."""
    grace_ms = 0 if versions == "abd" else 60_000
    spec = store_spec(seed=seed, versions=versions, tombstone_grace_ms=grace_ms)
    simulate(
        spec,
        lambda cluster: loaded(cluster, seed, wipe_some(cluster, seed)),
        observers=invariants(),
    )


@pytest.mark.parametrize("seed", range(share_of_clusters(200)))
def test_the_abd_register_is_linearizable_under_partitions_and_crashes(seed: int) -> None:
    """Attiya, Bar-Noy and Dolev: an atomic register on a majority, whatever a minority does."""
    spec = store_spec(3, seed=seed, versions="abd", tombstone_grace_ms=0)
    faults = ("partition", "isolate", "kill", "restart", "pause", "resume")
    simulate(
        spec,
        lambda cluster: loaded(cluster, seed, Chaos(cluster, seed, kinds=faults).run(5000)),
        options=SimOptions(latency_ms=(0.2, 20.0)),
        observers=invariants(),
    )


async def come_and_go(cluster: SimCluster, seed: int) -> None:
    """n4 joins, then n1 leaves, then it joins again."""
    for node, request, place in (
        ("n4", pb.JoinRequest(), pb.MEMBER),
        ("n1", pb.LeaveRequest(), pb.OUTSIDE),
        ("n1", pb.JoinRequest(), pb.MEMBER),
    ):
        await cluster.sleep(500)
        await cluster.call(node, request, timeout_ms=2000)

        async def done(node: str = node, place: pb.Membership = place) -> bool:
            found = await views(cluster)
            return all(
                {entry.node: entry.membership for entry in view.ring.entries}.get(node) == place
                for view in found.values()
            )

        await cluster.until(f"{node} is there", done, within_ms=REST_MS)


@pytest.mark.parametrize("seed", range(share_of_clusters(200)))
def test_joins_and_leaves_under_load_lose_nothing_and_stay_fresh(seed: int) -> None:
    """No read misses what was acknowledged before it, in no phase of a change. With R = 1, one node
    that is read from before it has everything is enough to break that."""
    r, w = ((2, 2), (1, 3), (3, 1))[seed % 3]
    spec = store_spec(4, seed=seed, members=3, read_quorum=r, write_quorum=w, fan_out="quorum")
    ledger = simulate(
        spec,
        lambda cluster: loaded(cluster, seed, come_and_go(cluster, seed)),
        options=SimOptions(latency_ms=(0.2, 20.0)),
        observers=invariants(),
    )
    assert ledger.history.count("append", "info") == ledger.history.count("append", "fail") == 0


@pytest.mark.parametrize(("r", "w"), [(2, 2), (1, 3), (3, 1)])
@pytest.mark.parametrize("fan_out", ["all", "quorum"])
def test_overlapping_quorums_read_what_was_written(r: int, w: int, fan_out: str) -> None:
    """R + W > N, and no faults: every write is seen by every read that begins afterwards."""
    spec = store_spec(read_quorum=r, write_quorum=w, fan_out=fan_out, read_repair="off")
    ledger = simulate(
        spec, lambda cluster: loaded(cluster, 1, cluster.sleep(5000)), observers=invariants()
    )
    assert ledger.fresh
    assert ledger.history.count("read", "ok") > 10


def test_the_same_seed_gives_the_same_run() -> None:
    """And no step depends on anything but its arguments."""

    async def program(cluster: SimCluster) -> str:
        await loaded(cluster, 3, come_and_go(cluster, 3))
        return cluster.digest

    digests = {
        simulate(store_spec(4, seed=3, members=3), program, options=SimOptions(purity=purity))
        for purity in (False, True)
    }
    assert len(digests) == 1


def test_only_what_differs_is_exchanged() -> None:
    """A tenth of the keys was written while a node was away: what travels is less than three times
    those records, and the trees."""

    async def program(cluster: SimCluster) -> tuple[int, int, int]:
        async def put(number: int, value: bytes, nodes: int) -> None:
            node = cluster.nodes[-1 - number % nodes]
            request = pb.PutRequest(key=f"k{number}", value=value)
            await cluster.call(node, request, timeout_ms=2000)

        for first in range(0, 1000, 50):
            await asyncio.gather(*(put(n, b"v" * 200, 5) for n in range(first, first + 50)))
        await at_rest(cluster, within_ms=REST_MS)
        before = await views(cluster)
        await cluster.faults.inject(Partition((("n1",), cluster.nodes[1:])))
        await asyncio.gather(*(put(n, b"w" * 200, 4) for n in range(100)))
        await cluster.sleep(2000)
        away = await views(cluster)
        await cluster.faults.heal()
        healed_ms = cluster.now_ms()
        after = await at_rest(cluster, within_ms=REST_MS)
        took_ms = cluster.now_ms() - healed_ms
        sent = sum(after[node].exchanged_bytes - before[node].exchanged_bytes for node in after)
        lists = [(await inspect(cluster, "n2", f"k{n}")).preference_list for n in range(100)]
        missed = sum("n1" in owners for owners in lists)
        assert away["n1"].digest == before["n1"].digest, "it was cut off"
        owner = lists[0][0]
        size = (await inspect(cluster, owner, "k0")).record.ByteSize()
        return sent, missed * size, took_ms

    spec = store_spec(read_repair="off")
    sent, divergent, took_ms = simulate(spec, program, options=SimOptions(digest=False))
    assert took_ms < 20_000
    assert sent < 3 * divergent + TREES_BYTES


# Of two trees, the nodes above a hundred leaves that differ, and their siblings; four peers.
TREES_BYTES = 4 * 100 * (16 + 16) * 14


async def inspect(cluster: SimCluster, node: str, key: str) -> pb.InspectResponse:
    """What a node holds of a key."""
    response = await cluster.call(node, pb.InspectRequest(key=key), timeout_ms=2000)
    assert isinstance(response, pb.InspectResponse)
    return response
