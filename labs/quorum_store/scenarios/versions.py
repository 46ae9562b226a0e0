"""Versions: what overwrites what (Dynamo 4.4; dotted version vectors; hybrid clocks; ABD)."""

from __future__ import annotations

import asyncio
from random import Random

from labs.kit.check import expect, require
from labs.quorum_store.scenarios.clients import Collectors, Registers
from labs.quorum_store.scenarios.store import Ended, Store, shown, values_of
from nodes.cluster.api import Cluster
from protos import quorum_store_pb2 as pb

FORWARD_MS = 60_000  # of a clock that is ahead


async def a_write_replaces_what_its_writer_saw(cluster: Cluster) -> None:
    """A write with the context of a read replaces what was read: no old value comes back as a
    sibling."""
    store = Store(cluster)
    random = Random(f"{cluster.spec.seed}:replaces")
    for key in store.keys(3):
        for number in range(5):
            await store.rewritten(random.choice(cluster.nodes), key, f"value {number}")
            for reader in cluster.nodes[:3]:
                found = (await store.read(reader, key)).values
                expect(
                    found == [f"value {number}"],
                    f"value {number} of {key} replaces all that its writer had read",
                    f"{reader} answered {shown(found)}",
                )


async def writes_that_know_nothing_of_each_other_stay(cluster: Cluster) -> None:
    """Of writes that have not seen each other, none replaces another: all are returned, until one
    who has seen them all writes."""
    store = Store(cluster)
    for key in store.keys(4):
        first, second, third = store.owners(key)
        seen = (await store.rewritten(first, key, "origin")).context
        writes = (
            store.put(node, key, value, context=context)
            for node, value, context in (
                (first, "one", seen),
                (second, "two", seen),
                (third, "three", None),
                (first, "four", seen),
            )
        )
        ends = await asyncio.gather(*writes)
        require(all(ended.acknowledged for ended in ends), "a write was not acknowledged")
        wanted = sorted(("one", "two", "three", "four"))
        read = await store.read(store.strangers(key)[0], key)
        expect(
            read.values == wanted,
            f"writes of {key} that have not seen each other are all returned, {shown(wanted)}",
            shown(read.values),
        )
        await store.written(second, key, "settled", context=read.context)
        found = (await store.read(third, key)).values
        expect(found == ["settled"], "who has seen all siblings replaces them", shown(found))


async def a_context_covers_only_what_was_shown(cluster: Cluster) -> None:
    """The context that a put returns covers nothing that the client was not shown: with it he
    overwrites no value that he never saw."""
    store = Store(cluster)
    for key in store.keys(4):
        first, second, third = store.owners(key)
        seen = (await store.rewritten(first, key, "origin")).context
        one = await store.written(first, key, "one", context=seen)
        two = await store.written(second, key, "two", context=seen)
        three = await store.written(third, key, "three", context=two.context)
        left = (await store.read(second, key)).values
        for value in one.values:
            expect(
                value in left or value in two.values,
                f"{value} stays, since nobody overwrote it who was shown it",
                f"its overwriter was shown {shown(two.values)}; a read finds {shown(left)}",
            )
        expect("three" in three.values, "a put returns its own value", shown(three.values))


async def no_two_writes_share_a_name(cluster: Cluster) -> None:
    """A dot names one write for ever, also when its node crashed or lost its disk since."""
    store = Store(cluster)
    (key,) = store.keys(1)
    named: dict[tuple[str, int], str] = {}

    async def write(values: str) -> None:
        for node in store.owners(key):
            ended = await store.put(node, key, f"{values} by {node}")
            for one in ended.siblings:
                value = one.value.decode()
                first = named.setdefault((one.dot.actor, one.dot.counter), value)
                expect(
                    first == value,
                    f"the dot {one.dot.actor}:{one.dot.counter} names one write",
                    f"it names {first!r} and {value!r}",
                )

    await write("at first")
    await cluster.faults.power_cut(*store.owners(key))
    await store.heal()
    await write("after a power cut")
    lost, *others = store.owners(key)
    await store.kill(lost)
    for other in others:  # so that nobody tells it of the writes that it has forgotten
        await cluster.faults.cut(lost, other)
    await cluster.faults.wipe(lost)

    async def written() -> Ended | None:
        attempt = await store.put(lost, key, "after its disk was lost", w=1)
        return attempt if attempt.acknowledged else None

    # It takes none before it has heard who is in the ring.
    ended = await store.until(f"{lost} takes writes again", written)
    for one in ended.siblings:
        name = f"{one.dot.actor}:{one.dot.counter}"
        first = named.get((one.dot.actor, one.dot.counter), one.value.decode())
        expect(
            first == one.value.decode(),
            f"a node that lost its disk gives no dot that it has given before, such as {name}",
            f"{name} names {first!r} and {one.value.decode()!r}",
        )
    await store.heal()
    await write("in the end")


async def replicas_agree_whatever_the_order(cluster: Cluster) -> None:
    """Replicas that were sent the same records in another order hold the same in the end, and it
    is what was written."""
    store = Store(cluster)
    random = Random(f"{cluster.spec.seed}:order")
    (key,) = store.keys(1)
    await cluster.faults.reorder(60, hold_ms=store.setting("replica_timeout_ms") // 2)
    replaced: set[str] = set()
    written: list[str] = []

    async def write(number: int) -> None:
        node = random.choice(cluster.nodes)
        context = None
        if number % 3:
            read = await store.get(node, key)
            if not read.acknowledged:
                return
            context = read.context
            replaced.update(read.values)
        ended = await store.put(node, key, f"value {number}", context=context)
        if ended.acknowledged:
            written.append(f"value {number}")

    for round_number in range(4):
        await asyncio.gather(*(write(3 * round_number + number) for number in range(3)))
    require(len(written) >= 6, "too few writes were acknowledged")
    await store.heal()
    await store.equal_at_owners([key])
    left = await store.held(store.owners(key)[0], key)
    missing = [value for value in written if value not in left and value not in replaced]
    expect(not missing, "what nobody replaced is kept", f"{shown(missing)} gone of {shown(left)}")
    # A write that failed may have replaced something all the same, so that only this is certain.
    stale = [value for value in left if value in replaced and len(written) == 12]
    expect(not stale, "what was replaced is gone", f"{shown(stale)} are left")


async def concurrent_clients_lose_nothing(cluster: Cluster) -> None:
    """Clients that merge what they read and write it back lose no acknowledged element, through
    partitions and crashes."""
    store = Store(cluster)
    random = Random(f"{cluster.spec.seed}:collectors")
    collectors = Collectors(store, store.keys(2))
    collectors.start(4)
    try:
        for _ in range(2):
            await collectors.progress(6)
            nodes = random.sample(cluster.nodes, len(cluster.nodes))
            await cluster.faults.partition(nodes[:2], nodes[2:])
            await store.wait(0.5)
            await collectors.progress(4)
            await store.heal()
            crashed = random.choice(cluster.nodes)
            await cluster.faults.power_cut(crashed)
            await collectors.progress(4)
            await store.heal()
        await collectors.settle()
    finally:
        await collectors.cancel()


async def the_last_writer_wins_everywhere(cluster: Cluster) -> None:
    """Where stamps decide, all owners end with the one write of the greatest stamp, in whatever
    order they heard of it."""
    store = Store(cluster)
    random = Random(f"{cluster.spec.seed}:last")
    await cluster.faults.reorder(60, hold_ms=store.setting("replica_timeout_ms") // 2)
    for key in store.keys(3):
        writes = (
            store.put(random.choice(cluster.nodes), key, f"value {number}") for number in range(6)
        )
        ends = await asyncio.gather(*writes)
        require(any(ended.acknowledged for ended in ends), "no write was acknowledged")
        greatest: list[tuple[tuple[int, int, str, int], str]] = []
        for _ in range(3):
            for owner in store.owners(key):
                for one in (await store.inspect(owner, key)).record.siblings:
                    greatest.append((order_of(one.stamp), one.value.decode()))
            await store.wait(0.05)
        await store.equal_at_owners([key])
        left = (await store.inspect(store.owners(key)[0], key)).record.siblings
        expect(len(left) == 1, "the last writer wins, and is alone", shown(values_of(left)))
        expect(
            order_of(left[0].stamp) >= max(greatest)[0],
            f"the write with the greatest stamp wins, which is {max(greatest)[1]!r} or a later one",
            f"{left[0].value.decode()!r} is left",
        )


async def who_saw_a_value_can_replace_it(cluster: Cluster) -> None:
    """A client that read a value and then writes wins, also through a node whose clock is far
    behind that of the earlier writer."""
    store = Store(cluster)
    for key in store.keys(3):
        ahead, *_, other = store.owners(key)
        for behind in (other, store.strangers(key)[0]):
            await cluster.faults.skew(ahead, offset_ms=FORWARD_MS)
            await store.written(ahead, key, "early")
            found = (await store.read(behind, key)).values
            require(found == ["early"], f"{behind} did not see the early value")
            await store.written(behind, key, "late")
            found = (await store.read(ahead, key)).values
            expect(
                found == ["late"],
                f"{behind} had seen the early value, so what it writes comes after that",
                f"{ahead} answered {shown(found)}",
            )
            await store.heal()


async def no_read_goes_back(cluster: Cluster) -> None:
    """Once a read has returned a value, no later read returns an older one, even if the write
    reached one replica only."""
    store = Store(cluster)
    late_ms = store.setting("replica_timeout_ms") // 4
    for key in store.keys(2):
        has, *lacks = store.owners(key)
        writer, reader = store.strangers(key)[:2]
        await store.written(writer, key, "old")
        await store.equal_at_owners([key])
        for owner in lacks:
            await cluster.faults.delay(writer, owner, late_ms)
        writing = asyncio.ensure_future(store.put(writer, key, "new"))

        async def arrived(node: str = has, key: str = key) -> bool:
            return "new" in await store.held(node, key)

        try:
            await store.until(f"the write of {key} arrives at {has}", arrived, units=3)
            for owner in lacks:
                await cluster.faults.cut(writer, owner)
            ended = await writing
            require(not ended.acknowledged, f"the write reached more than {has}")
            require(await store.holders(key, "new") == [has], f"more than {has} hold it")
        finally:
            writing.cancel()
        await cluster.faults.cut(reader, lacks[0])
        first = await store.read(reader, key)
        require(first.values == ["new"], f"{has} was not asked")
        await store.heal()
        await cluster.faults.cut(reader, has)
        later = await store.read(reader, key)
        expect(
            later.values == ["new"],
            "a read returns nothing older than a read before it did, which is new",
            shown(later.values),
        )
        await store.heal()


async def a_later_write_wins(cluster: Cluster) -> None:
    """A write that began after another was acknowledged replaces it, also through a node that
    missed the other."""
    store = Store(cluster)
    for key in store.keys(3):
        first, second, behind = store.owners(key)
        await cluster.faults.isolate(behind)
        for number in range(3):
            await store.written(first, key, f"earlier {number}")
        require(not await store.held(behind, key), f"{behind} was told")
        await store.heal()
        await store.written(behind, key, "later")
        for reader in (behind, first, second):
            found = (await store.read(reader, key)).values
            expect(
                found == ["later"],
                f"the write through {behind} comes after those that were acknowledged before it",
                f"{reader} answered {shown(found)}",
            )


async def registers_are_linearizable(cluster: Cluster) -> None:
    """With ABD, reads and writes of many clients seem to happen one after the other, through
    partitions and crashes."""
    store = Store(cluster)
    random = Random(f"{cluster.spec.seed}:registers")
    registers = Registers(store, store.keys(2))
    registers.start(4)
    try:
        for _ in range(2):
            await registers.progress(10)
            nodes = random.sample(cluster.nodes, len(cluster.nodes))
            await cluster.faults.partition(nodes[:2], nodes[2:])
            await registers.progress(6)
            await store.heal()
            await cluster.faults.power_cut(random.choice(cluster.nodes))
            await registers.progress(6)
            await store.heal()
        await registers.settle()
    finally:
        await registers.cancel()


def order_of(stamp: pb.Stamp) -> tuple[int, int, str, int]:
    """What stamps are compared by."""
    return (stamp.time, stamp.logical, stamp.writer, stamp.nonce)
