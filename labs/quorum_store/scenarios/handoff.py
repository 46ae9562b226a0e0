"""Sloppy quorums: others stand in, keep hints, and hand them on (Dynamo 4.6)."""

from __future__ import annotations

from labs.kit.check import expect, require
from labs.quorum_store.scenarios.store import Store, shown
from nodes.cluster.api import Cluster
from nodes.core import NodeId


async def writes_go_on_without_their_owners(cluster: Cluster) -> None:
    """With two of three owners down, writes with W=2 are acknowledged, and W nodes have each: the
    owner that is left, and those that stand in."""
    store = Store(cluster)
    for key in store.keys(3):
        left, *down = store.owners(key)
        await store.kill(*down)
        for number, coordinator in enumerate((left, store.strangers(key)[0], left)):
            value = f"value {number}"
            await store.written(coordinator, key, value)
            keepers = await keepers_of(store, key, value, store.others(*down))
            expect(
                len(keepers) >= 2,
                f"two nodes have {value} of {key} when it is acknowledged with W=2",
                f"{shown(keepers)}",
            )
        await store.heal()
        await store.all_trusted()


async def hints_reach_their_homes(cluster: Cluster) -> None:
    """What was kept for a node reaches it once it is back, also when those who kept it crashed
    meanwhile; and then they keep it no longer."""
    store = Store(cluster)
    for key in store.keys(2):
        left, *down = store.owners(key)
        await store.kill(*down)
        await store.written(left, key, "value", w=3)
        await cluster.faults.power_cut(*store.others(*down))
        await cluster.faults.restart(*store.others(*down))
        await store.wait(1)
        await store.heal()
        await delivered(store, key, "value", down)
        await store.all_trusted()


async def hints_are_kept_until_they_are_delivered(cluster: Cluster) -> None:
    """A hint is kept until its home has said that it has it, however many calls are lost."""
    store = Store(cluster)
    for key in store.keys(2):
        left, *down = store.owners(key)
        await store.kill(*down)
        await store.written(left, key, "value", w=3)
        await cluster.faults.lose(70, *store.others(*down))
        await cluster.faults.restart(*down)
        for _ in range(12):
            for home in down:
                keepers = await hinted_by(store, key, home)
                has = await store.held(home, key) == ["value"]
                expect(
                    bool(keepers) or has or await store.held(home, key) == ["value"],
                    f"a hint for {home} is kept until {home} has it",
                    f"nobody keeps it, and {home} has {shown(await store.held(home, key))}",
                )
            await store.wait(0.3)
        await store.heal()
        await delivered(store, key, "value", down)
        await store.all_trusted()


async def hints_that_grow_arrive_whole(cluster: Cluster) -> None:
    """A write that a stand-in is given while it delivers an earlier one reaches the home as
    well."""
    store = Store(cluster)
    for key in store.keys(2):
        coordinator, *_, home = store.owners(key)
        keeper = store.strangers(key)[0]
        # The keeper reaches the home, slowly; the coordinator does not, and so goes on giving.
        await cluster.faults.cut(coordinator, home)
        await cluster.faults.delay(keeper, home, store.setting("replica_timeout_ms") // 4)
        values = ["value 0"]
        await store.written(coordinator, key, values[0])
        await store.calls_end()  # From now on it knows that it does not reach the home.
        for number in range(1, 9):
            values.append(f"value {number}")
            await store.written(coordinator, key, values[-1])
            await store.wait(0.03)
        require(bool(await hinted_by(store, key, home)), f"nobody keeps a hint for {home}")
        await store.calls_end()
        await emptied(store, key)
        found = await store.held(home, key)
        expect(
            found == values,
            f"all that was kept for {home} arrives, also what came in during the delivery",
            f"of {len(values)} values it has {shown(found)}",
        )
        await store.heal()
        await store.all_trusted()


async def stand_ins_answer_reads(cluster: Cluster) -> None:
    """A read finds an acknowledged write that only stand-ins have."""
    store = Store(cluster)
    for key in store.keys(3):
        stand_ins = store.strangers(key)
        await store.kill(*store.owners(key))
        await store.written(stand_ins[0], key, "value")
        for reader in stand_ins:
            found = (await store.read(reader, key)).values
            expect(
                found == ["value"],
                f"{reader} finds what stand-ins keep, while all owners are down",
                shown(found),
            )
        await store.heal()
        await store.all_trusted()


async def what_is_down_is_not_waited_for(cluster: Cluster) -> None:
    """Once a node did not answer, others are asked in its place at once, and not when it has kept
    silent again."""
    store = Store(cluster)
    for key in store.keys(2):
        coordinator, *silent = store.owners(key)
        for node in silent:
            await cluster.faults.pause(node)
        await store.written(coordinator, key, "first")
        timeout_ms = store.setting("replica_timeout_ms")
        for number in range(3):
            began_ms = cluster.now_ms()
            await store.written(coordinator, key, f"value {number}")
            took_ms = cluster.now_ms() - began_ms
            expect(
                took_ms < timeout_ms,
                f"{coordinator} waits for no node that kept silent a moment ago",
                f"a write took {took_ms} ms, and a call may take {timeout_ms}",
            )
        await store.heal()
        await store.all_trusted()


async def handed_off_versions_stay(cluster: Cluster) -> None:
    """A stand-in that has handed on a write, and names another one of the same key later, does not
    make the first look overwritten."""
    store = Store(cluster)
    for key in store.keys(2):
        owners, keeper = store.owners(key), store.strangers(key)[0]
        values = []
        for number in range(3):
            await store.kill(*owners)
            value = f"value {number}"
            await store.written(keeper, key, value, w=1)
            require(
                value in await kept_by(store, keeper, key),
                f"{keeper} did not keep {value}",
            )
            values.append(value)
            await store.heal()
            await emptied(store, key)
        found = (await store.read(owners[0], key, r=3)).values
        expect(
            found == values,
            f"writes of {key} that have not seen each other are all returned, {shown(values)}",
            shown(found),
        )


# ------------------------------------------------------------------------------------------ helpers


async def kept_by(store: Store, node: NodeId, key: str) -> set[str]:
    """The values of a key that a node keeps for others."""
    hints = (await store.inspect(node, key)).hints
    return {one.value.decode() for hint in hints for one in hint.record.siblings}


async def keepers_of(store: Store, key: str, value: str, nodes: tuple[NodeId, ...]) -> list[NodeId]:
    """The nodes that have a value, for themselves or for others."""
    found = []
    for node in nodes:
        if value in await kept_by(store, node, key) or value in await store.held(node, key):
            found.append(node)
    return found


async def hinted_by(store: Store, key: str, home: NodeId) -> list[NodeId]:
    """The nodes that keep something of a key for this node."""
    found = []
    for node in store.cluster.nodes:
        if any(hint.home == home for hint in (await store.inspect(node, key)).hints):
            found.append(node)
    return found


async def emptied(store: Store, key: str) -> None:
    """Waits until nobody keeps anything of a key for others."""

    async def empty() -> bool:
        return not [home for home in store.owners(key) if await hinted_by(store, key, home)]

    await store.until(f"nobody keeps a hint of {key} any more", empty, units=20)


async def delivered(store: Store, key: str, value: str, homes: list[NodeId]) -> None:
    """Waits until the homes have a value, and nobody keeps it for them."""

    async def arrived() -> bool:
        return len(await store.holders(key, value, homes)) == len(homes)

    await store.until(f"{shown(homes)} get what was kept for them of {key}", arrived, units=20)
    await emptied(store, key)
