"""Replicas that have fallen behind: read repair, anti-entropy, tombstones (Dynamo 4.7, 5)."""

from __future__ import annotations

import asyncio

from labs.kit.check import expect, require
from labs.quorum_store.scenarios.store import Store, shown
from nodes.cluster.api import Cluster
from nodes.core import NodeId


async def reads_repair_what_they_find_behind(cluster: Cluster) -> None:
    """A replica that answers a read with less than others know is sent what they know, whoever
    coordinates."""
    store = Store(cluster)
    for number, key in enumerate(store.keys(4)):
        first, _, behind = store.owners(key)
        await store.written(first, key, "old")
        await store.equal_at_owners([key])
        await cluster.faults.isolate(behind)
        await store.rewritten(first, key, "new")
        await store.calls_end()
        await store.heal()
        require(await store.held(behind, key) == ["old"], f"{behind} was not behind")
        reader = (first, behind, *store.strangers(key)[:1])[number % 3]
        found = (await store.read(reader, key)).values
        expect(found == ["new"], "a read returns the newest value", shown(found))

        async def repaired(node: NodeId = behind, key: str = key) -> bool:
            return await store.held(node, key) == ["new"]

        await store.until(
            f"{behind}, found behind on {key} by a read through {reader}, is sent the new value",
            repaired,
            units=3,
        )


async def anti_entropy_finds_what_nobody_reads(cluster: Cluster) -> None:
    """Nodes that were apart hold the same again a while after they meet, though nobody reads."""
    store = Store(cluster)
    apart = cluster.nodes[0]
    keys = store.keys(16, owned_by=[apart])
    for key in keys[:8]:
        await store.written(apart, key, "before")
    await store.equal_at_owners(keys[:8])
    await cluster.faults.isolate(apart)
    for key in keys[4:]:
        other = next(node for node in store.owners(key) if node != apart)
        await store.rewritten(other, key, "elsewhere")
        if key in keys[12:]:
            # Both sides have something that the other lacks.
            await store.written(apart, key, "here", w=1)
    require(await store.held(apart, keys[5]) == ["before"], f"{apart} was not apart")
    await store.heal()
    await store.equal_at_owners(keys)
    found = await store.held(apart, keys[-1])
    expect(found == ["elsewhere", "here"], "both sides' values are kept", shown(found))


async def only_what_differs_travels(cluster: Cluster) -> None:
    """Anti-entropy sends the records that differ, and not those that are equal."""
    store = Store(cluster)
    apart = cluster.nodes[0]
    keys = store.keys(40, owned_by=[apart])
    await asyncio.gather(*(store.written(apart, key, "same") for key in keys))
    await store.equal_at_owners(keys)
    await cluster.faults.isolate(apart)
    changed = keys[::20]
    for key in changed:
        other = next(node for node in store.owners(key) if node != apart)
        await store.rewritten(other, key, "changed")
    before = await exchanged(store)
    await store.heal()
    await store.equal_at_owners(keys)
    # Some rounds more: those who are equal must not begin to send.
    await cluster.sleep(4 * store.setting("anti_entropy_ms"))
    sent = await exchanged(store) - before
    require(sent >= len(changed), "nothing was exchanged")
    # Two peers may each send it, and in both directions.
    most = 4 * len(changed)
    expect(
        sent <= most,
        f"at most {most} records are sent where {len(changed)} of {len(keys)} differ at one node",
        f"{sent} were sent",
    )


async def exchanged(store: Store) -> int:
    """Records that anti-entropy has sent so far."""
    views = [await store.view(node) for node in store.cluster.nodes]
    return sum(view.exchanged_records for view in views)


async def deleted_stays_deleted(cluster: Cluster) -> None:
    """A key that was deleted does not come back from a replica that was away for less than the
    grace period."""
    store = Store(cluster)
    for key in store.keys(2):
        first, _, away = store.owners(key)
        await store.written(first, key, "value")
        await store.equal_at_owners([key])
        await cluster.faults.isolate(away)
        seen = await store.read(first, key)
        await store.written(first, key, "", context=seen.context, deleted=True)
        await cluster.sleep(store.setting("tombstone_grace_ms") // 2)
        await store.calls_end()
        require(await store.held(away, key) == ["value"], f"{away} was told")
        await store.heal()

        async def gone(node: NodeId = away, key: str = key) -> bool:
            return not await store.held(node, key)

        await store.until(f"{away} learns that {key} was deleted", gone)
        for node in store.owners(key):
            found = (await store.read(node, key)).values
            expect(not found, f"{key} stays deleted", f"{node} answered {shown(found)}")


async def old_tombstones_are_dropped(cluster: Cluster) -> None:
    """When all know that a key was deleted, the tombstone goes after its grace period; and what is
    written then is a new write for all."""
    store = Store(cluster)
    (key,) = store.keys(1)
    first, *_ = owners = store.owners(key)
    await store.written(first, key, "value")
    seen = await store.read(first, key)
    await store.written(first, key, "", context=seen.context, deleted=True)
    await store.equal_at_owners([key])
    grace_ms = store.setting("tombstone_grace_ms")
    await cluster.sleep(grace_ms // 2)
    for node in owners:
        record = (await store.inspect(node, key)).record
        expect(bool(record.siblings), "a tombstone is kept for the grace period", f"not by {node}")

    async def forgotten() -> bool:
        records = [(await store.inspect(node, key)).record for node in owners]
        return not any(record.siblings or record.context.entries for record in records)

    await cluster.sleep(grace_ms)
    await store.until(f"every owner has dropped the tombstone of {key}", forgotten)
    await cluster.faults.power_cut(first)
    await store.heal()
    again = await store.written(first, key, "again")
    expect(
        not {(one.dot.actor, one.dot.counter) for one in again.siblings}
        & {(one.dot.actor, one.dot.counter) for one in seen.siblings},
        "a write after the tombstone has a dot of its own",
        "it has that of the value which was deleted",
    )
    for node in owners:
        found = (await store.read(node, key)).values
        expect(found == ["again"], f"{key} can be written again", f"{node} answered {shown(found)}")


async def a_lost_disk_is_not_an_empty_one(cluster: Cluster) -> None:
    """A replica that lost its disk counts for no read until it has caught up: it would say
    "nothing" of writes that it acknowledged."""
    store = Store(cluster)
    for key in store.keys(3):
        first, lost, unaware = store.owners(key)
        await cluster.faults.isolate(unaware)
        await store.written(first, key, "value")
        await store.kill(first)
        await cluster.faults.wipe(lost)
        ended = await store.get(lost, key, r=1)
        expect(
            not ended.acknowledged,
            f"{lost}, which lost its disk, answers no read before it has caught up",
            f"it answered {shown(ended.values)}",
        )
        await store.heal()


async def a_lost_disk_is_filled_again(cluster: Cluster) -> None:
    """A node that lost its disk gets back all that it owns, and serves reads again."""
    store = Store(cluster)
    lost = cluster.nodes[0]
    keys = store.keys(12, owned_by=[lost])
    for key in keys:
        await store.written(store.owners(key)[0], key, f"value of {key}")
    await store.equal_at_owners(keys)
    await cluster.faults.wipe(lost)

    async def serves() -> bool:
        return not (await store.view(lost)).recovering

    await store.until(f"{lost} has caught up", serves, units=30)
    for key in keys:
        found = await store.held(lost, key)
        expect(
            found == [f"value of {key}"],
            f"{lost} holds all that it owns once it says that it has caught up",
            f"of {key} it holds {shown(found)}",
        )
