"""The ring: who keeps a key, and who stands in (Dynamo 4.2, 4.3, 4.6)."""

from __future__ import annotations

from labs.kit.check import expect, require
from labs.quorum_store.scenarios.store import Store, shown
from nodes.cluster.api import Cluster


async def all_nodes_name_the_same_owners(cluster: Cluster) -> None:
    """Whichever node is asked, a key has the same owners: the first different nodes clockwise."""
    store = Store(cluster)
    for key in store.keys(20):
        wanted = list(store.owners(key))
        for node in cluster.nodes:
            named = list((await store.inspect(node, key)).preference_list)
            expect(
                named == wanted,
                f"{key} belongs to the first {len(wanted)} different nodes clockwise, "
                f"{shown(wanted)}",
                f"{node} names {shown(named)}",
            )


async def owners_and_nobody_else_keep_a_key(cluster: Cluster) -> None:
    """A write ends up at all owners of its key, and nowhere else, whoever coordinates it."""
    store = Store(cluster)
    for number, key in enumerate(store.keys(12)):
        coordinator = cluster.nodes[number % len(cluster.nodes)]
        await store.written(coordinator, key, "value")
        await store.equal_at_owners([key])
        elsewhere = await store.holders(key, "value", store.strangers(key))
        expect(
            not elsewhere,
            f"{key} is kept by its owners, {shown(store.owners(key))}, and nobody else",
            f"{shown(elsewhere)} keep it too",
        )


async def next_nodes_on_the_ring_stand_in(cluster: Cluster) -> None:
    """For an owner that is down the next node on the ring that is up keeps the write, as a hint."""
    store = Store(cluster)
    (key,) = store.keys(1)
    down, *left = store.owners(key)
    near, far = store.strangers(key)[:2]
    await store.kill(down)
    for round_number, stand_in in enumerate((near, near, far)):
        if stand_in == far and round_number == 2:
            await store.kill(near)
        await store.written(left[0], key, f"value {round_number}")

        async def hinted(value: str = f"value {round_number}", keeper: str = stand_in) -> bool:
            hints = (await store.inspect(keeper, key)).hints
            return any(
                hint.home == down and value in [one.value.decode() for one in hint.record.siblings]
                for hint in hints
            )

        await store.until(
            f"{stand_in}, the next on the ring that is up, keeps a hint for {down}", hinted, units=3
        )
        for owner in left:
            hints = (await store.inspect(owner, key)).hints
            expect(not hints, "an owner stands in for no other", f"{owner} keeps a hint")
        if stand_in == near:
            hints = (await store.inspect(far, key)).hints
            expect(not hints, f"{near} alone stands in for {down}", f"{far} keeps a hint, too")


async def only_members_own_keys(cluster: Cluster) -> None:
    """A node outside of the ring coordinates and owns nothing, also after everyone restarted."""
    store = Store(cluster)
    outsider = cluster.nodes[-1]
    require(outsider not in store.ring.members, f"{outsider} is a member")
    for key in store.keys(6):
        await store.written(outsider, key, "value")
    await store.kill(*cluster.nodes)
    await store.heal()
    for key in store.keys(6):
        for node in cluster.nodes:
            named = list((await store.inspect(node, key)).preference_list)
            expect(
                named == list(store.owners(key)),
                f"{key} belongs to members of the ring only, {shown(store.owners(key))}",
                f"{node} names {shown(named)}",
            )
        found = (await store.read(outsider, key)).values
        expect(found == ["value"], f"{outsider} reads what it wrote", shown(found))
    expect(
        (await store.view(outsider)).keys == 0,
        f"{outsider}, which is outside of the ring, holds no record",
        f"it holds {(await store.view(outsider)).keys}",
    )
