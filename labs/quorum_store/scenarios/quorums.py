"""Quorums: how many replicas must have answered before the client is (Dynamo 4.5)."""

from __future__ import annotations

from random import Random

from labs.kit.check import expect, require
from labs.quorum_store.scenarios.store import Store, shown
from nodes.cluster.api import Cluster


async def any_node_coordinates(cluster: Cluster) -> None:
    """What was written through any node is read through any other, and a key never written is
    empty."""
    store = Store(cluster)
    (key,) = store.keys(1)
    for writer in cluster.nodes:
        await store.rewritten(writer, key, f"by {writer}")
        for reader in cluster.nodes:
            found = (await store.read(reader, key)).values
            expect(
                found == [f"by {writer}"],
                f"a read through {reader} sees what was written through {writer} before",
                shown(found),
            )
    found = (await store.read(cluster.nodes[0], "never written")).values
    expect(not found, "a key that was never written has no value", shown(found))


async def acknowledged_writes_are_on_w_replicas(cluster: Cluster) -> None:
    """When a write is acknowledged, at least W replicas hold it, and were not only asked to."""
    store = Store(cluster)
    for number, key in enumerate(store.keys(6)):
        w = 1 + number % store.replication
        owners = store.owners(key)
        coordinator = owners[0] if number % 2 else store.strangers(key)[0]
        for owner in owners:
            if owner != coordinator:
                # Slow enough to look at the replicas before the stores arrive that nobody waited
                # for, and faster than a call may take.
                late_ms = store.setting("replica_timeout_ms") // 16 * (1 + owners.index(owner))
                await cluster.faults.delay(coordinator, owner, late_ms)
        await store.written(coordinator, key, "value", w=w)
        holders = await store.holders(key, "value")
        expect(
            len(holders) >= w,
            f"{w} replicas hold {key} when a write with W={w} is acknowledged",
            f"{len(holders)} do: {shown(holders)}",
        )
        await store.heal()


async def too_few_replicas_acknowledge_nothing(cluster: Cluster) -> None:
    """With fewer than W owners in reach no write is acknowledged, and with fewer than R no read is
    answered; but one of either is enough for W=1 and R=1."""
    store = Store(cluster)
    for key in store.keys(3):
        alone, *down = store.owners(key)
        await store.kill(*down)
        for coordinator in (alone, store.strangers(key)[0]):
            put = await store.put(coordinator, key, "value", w=2)
            expect(
                not put.acknowledged,
                "no write is acknowledged with W=2 and one owner up",
                f"{coordinator} acknowledged one",
            )
            get = await store.get(coordinator, key, r=2)
            expect(
                not get.acknowledged,
                "no read is answered with R=2 and one owner up",
                f"{coordinator} answered {shown(get.values)}",
            )
            await store.written(coordinator, key, "single", w=1)
            found = (await store.read(coordinator, key, r=1)).values
            expect("single" in found, f"a read with R=1 sees what {alone} holds", shown(found))
        await store.heal()


async def what_may_be_found_is_not_refused(cluster: Cluster) -> None:
    """A write that some replica may have taken is never said not to have happened; one that asks
    for more replicas than there are is refused."""
    store = Store(cluster)
    for key in store.keys(3):
        alone, *down = store.owners(key)
        await store.kill(*down)
        ended = await store.put(alone, key, "value", w=2)
        require(bool(await store.holders(key, "value", [alone])), "no replica took the write")
        expect(
            ended.verdict == "unknown",
            f"nobody can say whether a write happened that {alone} keeps",
            f"{alone} said it was {ended.verdict}",
        )
        get = await store.get(alone, key, r=2)
        expect(get.verdict == "refused", "a read that fails is refused", get.verdict)
        await store.heal()
    ended = await store.put(cluster.nodes[0], "too much", "value", w=store.replication + 1)
    expect(
        ended.verdict == "refused" and str(store.replication) in ended.reason,
        f"W={store.replication + 1} is refused, since a key has {store.replication} replicas",
        f"{ended.verdict}: {ended.reason}",
    )


async def reads_see_acknowledged_writes(cluster: Cluster) -> None:
    """Where R+W>N, a read sees every write that was acknowledged before it began, whichever
    replicas were asked."""
    store = Store(cluster)
    random = Random(f"{cluster.spec.seed}:reads")
    (key,) = store.keys(1)
    for number in range(16):
        await store.rewritten(random.choice(cluster.nodes), key, f"value {number}")
        reader = random.choice(cluster.nodes)
        found = (await store.read(reader, key)).values
        expect(
            found == [f"value {number}"],
            f"a read sees value {number}, which was acknowledged before",
            f"{reader} answered {shown(found)}",
        )


async def nobody_waits_for_the_slowest(cluster: Cluster) -> None:
    """One slow replica holds up neither reads nor writes while enough others answer."""
    store = Store(cluster)
    late_ms = store.setting("replica_timeout_ms") * 4 // 5
    for key in store.keys(4):
        coordinator, _, slow = store.owners(key)
        await cluster.faults.delay(coordinator, slow, late_ms)
        for what in ("write", "read"):
            began_ms = cluster.now_ms()
            if what == "write":
                await store.written(coordinator, key, "value")
            else:
                await store.read(coordinator, key)
            took_ms = cluster.now_ms() - began_ms
            expect(
                took_ms < late_ms,
                f"a {what} of two replicas of three waits for the faster two",
                f"it took {took_ms} ms, and {slow} is {late_ms} ms late",
            )
        await store.heal()


async def every_replica_gets_a_write(cluster: Cluster) -> None:
    """Also those that nobody waited for have it soon: W says when to answer, not whom to send
    to."""
    store = Store(cluster)
    for key in store.keys(8):
        owners = store.owners(key)
        await store.written(owners[0], key, "value", w=1)

        async def everywhere(key: str = key) -> bool:
            return len(await store.holders(key, "value")) == store.replication

        await store.until(f"all of {shown(owners)} hold {key}", everywhere, units=2)


async def acknowledged_writes_survive_crashes(cluster: Cluster) -> None:
    """What W replicas acknowledged is there after all of them lost power at once."""
    store = Store(cluster)
    keys = store.keys(8)
    for number, key in enumerate(keys):
        await store.written(cluster.nodes[number % len(cluster.nodes)], key, f"value of {key}")
    await cluster.faults.power_cut(*cluster.nodes)
    await store.heal()
    for key in keys:
        reader = store.owners(key)[-1]
        found = (await store.read_once_served(reader, key)).values
        expect(
            found == [f"value of {key}"],
            f"the acknowledged value of {key} survives that all nodes lose power",
            f"{reader} answered {shown(found)}",
        )
