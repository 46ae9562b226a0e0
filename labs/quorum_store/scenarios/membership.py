"""Nodes that join the ring and leave it, while clients go on (Dynamo 4.8)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from labs.kit.check import expect, require
from labs.quorum_store.scenarios.clients import Collectors
from labs.quorum_store.scenarios.store import Store, shown
from nodes.cluster.api import Cluster
from nodes.core import NodeId
from nodes.parts.hash_ring import HashRing
from protos import quorum_store_pb2 as pb

CHANGE_UNITS = 60  # that a change may take
READ_FROM = (pb.SETTLING, pb.MEMBER)


async def who_joins_holds_its_keys_before_it_is_read(cluster: Cluster) -> None:
    """A node that joins is read from only when it holds all that it is going to own; the others
    drop what they own no longer."""
    store = Store(cluster)
    newcomer = cluster.nodes[-1]
    keys = store.keys(24)
    await fill(store, keys)
    after = ring_of(store, cluster.nodes)
    owned = [key for key in keys if newcomer in after.preference_list(key, store.replication)]
    require(bool(owned), f"{newcomer} will own none of the keys")
    await begins(store, newcomer, pb.JoinRequest())
    await reaches(store, newcomer, READ_FROM)
    for key in owned:
        found = await store.held(newcomer, key)
        expect(
            found == [f"value of {key}"],
            f"{newcomer} holds {key}, which it owns, before it is read from",
            f"it holds {shown(found)}",
        )
    await all_at(store, newcomer, pb.MEMBER)
    store.ring = after
    await owners_alone_hold(store, keys)


async def who_leaves_hands_over_its_keys(cluster: Cluster) -> None:
    """A node that leaves is read from until those that take its place hold all its keys, and keeps
    none of them in the end."""
    store = Store(cluster)
    leaver = cluster.nodes[0]
    keys = store.keys(24)
    await fill(store, keys)
    after = ring_of(store, store.others(leaver))
    await begins(store, leaver, pb.LeaveRequest())
    await reaches(store, leaver, (pb.DRAINING, pb.OUTSIDE))
    for key in keys:
        for owner in after.preference_list(key, store.replication):
            found = await store.held(owner, key)
            expect(
                found == [f"value of {key}"],
                f"{owner} holds {key} before {leaver}, whose place it takes, is no longer read",
                f"it holds {shown(found)}",
            )
    await all_at(store, leaver, pb.OUTSIDE)
    store.ring = after
    await owners_alone_hold(store, keys)
    count = (await store.view(leaver)).keys
    expect(count == 0, f"{leaver}, which has left, holds nothing", f"it holds {count} records")


async def writes_count_in_both_rings(cluster: Cluster) -> None:
    """While a node joins, a write is acknowledged when W owners have it by the ring of before, and
    W by the one that comes."""
    store = Store(cluster)
    newcomer = cluster.nodes[-1]
    after = ring_of(store, cluster.nodes)
    # The newcomer takes the place of the one that coordinates; and somebody owns it in neither.
    key = next(
        key
        for key in store.keys(200)
        if newcomer in after.preference_list(key, store.replication)
        and len(set(store.owners(key)) & set(after.preference_list(key, store.replication))) == 2
    )
    (leaving,) = set(store.owners(key)) - set(after.preference_list(key, store.replication))
    stays, other = (node for node in store.owners(key) if node != leaving)
    stranger = next(node for node in store.strangers(key) if node != newcomer)
    # Who does not hear of the change keeps it from going on.
    await cluster.faults.isolate(stranger)
    await begins(store, newcomer, pb.JoinRequest())
    for node in (leaving, stays, other):
        await sees(store, node, newcomer, (pb.JOINING,))
    await cluster.faults.kill(other)
    await cluster.faults.cut(leaving, newcomer)
    ended = await store.put(leaving, key, "value")
    holders = await store.holders(key, "value", (leaving, stays))
    require(holders == [leaving, stays], "the write did not reach the owners that it could reach")
    expect(
        not ended.acknowledged,
        f"a write of {key} is acknowledged when two of its owners to come have it, which are "
        f"{shown(after.preference_list(key, store.replication))}",
        f"it was acknowledged with {stays} alone",
    )
    await store.heal()
    await all_at(store, newcomer, pb.MEMBER)


async def the_ring_changes_by_one_node_at_a_time(cluster: Cluster) -> None:
    """While one node comes or goes, no other may; nor may so many go that a key has too few
    owners."""
    store = Store(cluster)
    first, second = cluster.nodes[-2:]
    member = cluster.nodes[0]
    await fill(store, store.keys(6))
    await cluster.faults.isolate(member)  # so that the change takes its time
    await begins(store, first, pb.JoinRequest())
    for node, request in (
        (second, pb.JoinRequest()),
        (cluster.nodes[1], pb.LeaveRequest()),
    ):
        await sees(store, node, first, (pb.JOINING,))
        ended = await store.ended(node, request)
        expect(
            ended.verdict == "refused" and first in ended.reason,
            f"{node} may not change its place while {first} is joining",
            f"{ended.verdict}: {ended.reason}",
        )
    await store.heal()
    await all_at(store, first, pb.MEMBER)
    left = len(cluster.nodes) - 1
    for node in cluster.nodes[: left - store.replication]:
        await begins(store, node, pb.LeaveRequest())
        await all_at(store, node, pb.OUTSIDE)
    ended = await store.ended(first, pb.LeaveRequest())
    expect(
        ended.verdict == "refused",
        f"nobody leaves a ring of {store.replication}, which each key needs",
        f"{ended.verdict}: {ended.reason}",
    )


async def changes_under_load_lose_nothing(cluster: Cluster) -> None:
    """A node joins and another leaves while clients write and calls get lost: no acknowledged
    write is lost, and none is missed by a read."""
    store = Store(cluster)
    joins, leaves = cluster.nodes[-1], cluster.nodes[0]
    collectors = Collectors(store, store.keys(2))
    collectors.start(3)
    try:
        await collectors.progress(6)
        await cluster.faults.lose(5)
        await begins(store, joins, pb.JoinRequest())
        await all_at(store, joins, pb.MEMBER)
        await collectors.progress(6)
        await begins(store, leaves, pb.LeaveRequest())
        await all_at(store, leaves, pb.OUTSIDE)
        await collectors.progress(6)
        await collectors.settle()
    finally:
        await collectors.cancel()


# ------------------------------------------------------------------------------------------ helpers


async def fill(store: Store, keys: Sequence[str]) -> None:
    """Writes each key once, through one member or another, so that all its owners have it."""
    members = store.ring.members
    await asyncio.gather(
        *(
            store.written(members[number % len(members)], key, f"value of {key}")
            for number, key in enumerate(keys)
        )
    )
    await store.equal_at_owners(keys)


def ring_of(store: Store, members: Iterable[NodeId]) -> HashRing:
    """The ring of other members."""
    return HashRing(members, store.ring.tokens)


async def begins(store: Store, node: NodeId, request: pb.JoinRequest | pb.LeaveRequest) -> None:
    """Asks a node to come or to go. It goes on by itself, so that an unknown outcome is fine."""
    ended = await store.ended(node, request)
    expect(
        ended.verdict != "refused",
        f"{node} may change its place in the ring",
        f"it was refused: {ended.reason}",
    )


async def place_of(store: Store, at: NodeId, node: NodeId) -> int:
    """A node's place in the ring, as it is known at another."""
    ring = (await store.view(at)).ring
    return next((entry.membership for entry in ring.entries if entry.node == node), pb.OUTSIDE)


async def sees(store: Store, at: NodeId, node: NodeId, places: Sequence[int]) -> None:
    """Waits until one node knows another to be at one of these places."""

    async def there() -> bool:
        return await place_of(store, at, node) in places

    names = " or ".join(pb.Membership.Name(place).lower() for place in places)
    await store.until(f"{at} knows that {node} is {names}", there, units=CHANGE_UNITS)


async def reaches(store: Store, node: NodeId, places: Sequence[int]) -> None:
    """Waits until a node itself is at one of these places."""
    await sees(store, node, node, places)


async def all_at(store: Store, node: NodeId, place: int) -> None:
    """Waits until everyone knows that a node's change is over."""
    for at in store.cluster.nodes:
        await sees(store, at, node, (place,))


async def owners_alone_hold(store: Store, keys: Sequence[str]) -> None:
    """Waits until the owners of each key hold it, and nobody else does."""
    await store.equal_at_owners(keys)

    async def moved() -> bool:
        for key in keys:
            for node in store.cluster.nodes:
                if (node not in store.owners(key)) and await store.held(node, key):
                    return False
        return True

    await store.until("nobody but the owners holds a key any more", moved, units=CHANGE_UNITS)
