"""Locks: what they keep apart, how long they are held, and who may wait for whom."""

from __future__ import annotations

import asyncio

from labs.commit.scenarios.desk import Desk, word
from labs.kit.check import expect, require
from nodes.cluster.api import Cluster
from protos import commit_pb2 as pb

OLD_MS = 60_000  # so much older is a transaction that has been tried before


async def nothing_is_spent_twice(cluster: Cluster) -> None:
    """Of transactions at the same time that each need most of an account, exactly one commits."""
    desk = Desk(cluster)
    first, *others = desk.participants
    amount = desk.opening[desk.account(first)] * 2 // 3
    asked = [
        desk.ask(node, desk.shift({first: -amount, others[number % len(others)]: amount}))
        for number, node in enumerate(cluster.nodes)
    ]
    await asyncio.gather(*asked)
    committed = [one.name for one in desk.made if one.outcome == pb.COMMITTED]
    expect(
        len(committed) == 1,
        f"one transaction of {len(asked)} commits, since there is enough for one",
        f"{len(committed)} did",
    )
    await desk.balance()


async def locks_stay_until_the_outcome_is_known(cluster: Cluster) -> None:
    """A participant in doubt holds its locks, also over a crash, and gives them up when it knows
    the outcome."""
    desk = Desk(cluster)
    voter, other, last = desk.participants
    mine = desk.account(voter)
    await desk.slow(last, desk.setting("vote_timeout_ms") // 2)
    asked = desk.ask(desk.coordinator, desk.round_trip())
    await desk.until_in_doubt(voter)
    for crashed in (False, True):
        if crashed:
            await cluster.faults.restart(voter)
            await desk.answers(voter)
        holder = await desk.lock_on(mine)
        require(not asked.done(), "it was over too soon")
        expect(
            holder == "t1",
            f"{voter}, in doubt of t1, holds the lock on {mine}{' after a crash' * crashed}",
            f"{holder or 'nobody'} holds it",
        )
        # It moves the same money at the same time, and is younger.
        rival = await desk.done(voter, desk.shift({voter: -1, other: 1}))
        require(not asked.done(), "it was over too soon")
        desk.expect_outcome(rival, pb.ABORTED, f"t1 holds the lock on {mine} all the time")
    desk.expect_outcome(await asked, pb.COMMITTED, "everyone voted yes")
    await desk.heal()
    await desk.until_free("t1 is over", 2, *desk.participants)
    await desk.committed(voter, desk.shift({voter: -1, other: 1}))
    await desk.balance()


async def reads_see_what_is_committed(cluster: Cluster) -> None:
    """A read waits for nobody, and shows no amount of a transaction that may yet be aborted."""
    desk = Desk(cluster)
    *others, last = desk.participants
    opening = desk.opening[desk.account(last)]
    late_ms = desk.setting("vote_timeout_ms") // 2
    await desk.slow(last, late_ms)
    # The last one objects, after all others have voted yes.
    changes = dict.fromkeys(others, opening // 2 + 1)
    asked = desk.ask(desk.coordinator, desk.shift({**changes, last: -2 * (opening // 2 + 1)}))
    await desk.until_in_doubt(*others)
    for node in others:
        began_ms = cluster.now_ms()
        found = await desk.amount(desk.account(node))
        took_ms = cluster.now_ms() - began_ms
        require(not asked.done(), "it was over too soon")
        expect(
            found == desk.opening[desk.account(node)],
            f"a read of {desk.account(node)} shows what it opened with, as nothing was committed",
            f"it shows {found}",
        )
        expect(
            took_ms < late_ms,
            f"a read does not wait for whoever holds the lock on {desk.account(node)}",
            f"it took {took_ms} ms",
        )
    desk.expect_outcome(await asked, pb.ABORTED, f"{last} has not enough")
    await desk.balance()


async def the_younger_dies_and_the_older_waits(cluster: Cluster) -> None:
    """Who needs a lock that an older transaction holds is aborted at once; who is older waits, and
    gets it."""
    desk = Desk(cluster)
    first, second, last = desk.participants
    late_ms = desk.setting("vote_timeout_ms") // 2
    await desk.slow(last, late_ms)
    holds = desk.ask(desk.coordinator, desk.round_trip())
    await desk.until_in_doubt(first, second)
    began_ms = cluster.now_ms()
    older = desk.ask(second, desk.shift({first: -1, second: 1}), since_ms=OLD_MS)
    younger = await desk.done(first, desk.shift({first: -2, second: 2}))
    took_ms = cluster.now_ms() - began_ms
    expect(
        took_ms < late_ms // 2,
        "the younger one is aborted at once, and does not wait",
        f"it was {word(younger.outcome)} after {took_ms} ms",
    )
    desk.expect_outcome(younger, pb.ABORTED, "an older transaction holds the locks")
    expect("lock" in younger.reason, "its client hears that it was for a lock", younger.reason)
    require(not holds.done(), "it was over too soon")
    expect(
        not older.done(),
        "the older one waits for the locks of the younger one",
        f"it was over at once: {older.result().reason if older.done() else ''}",
    )
    desk.expect_outcome(await holds, pb.COMMITTED, "it held all locks")
    desk.expect_outcome(await older, pb.COMMITTED, "it is older, and waited for the locks")
    await desk.balance()


async def whoever_waited_gets_its_turn(cluster: Cluster) -> None:
    """When locks are given up, those that wait for them go on, one after the other, until all have
    had their turn."""
    desk = Desk(cluster)
    first, second, last = desk.participants
    await desk.slow(last, desk.setting("lock_timeout_ms") // 2)
    holds = desk.ask(desk.coordinator, desk.round_trip())
    await desk.until_in_doubt(first, second)
    changes = desk.shift({first: -1, second: 1})
    waiting = []
    for count in (1, 2, 3):
        waiting.append(desk.ask(first, changes))

        async def all_wait(count: int = count) -> bool:
            locks = [*(await desk.view(first)).locks, *(await desk.view(second)).locks]
            return all(len(one.waiting) == count for one in locks if one.resource in changes)

        if not holds.done():
            await cluster.until("all wait for the locks", all_wait, within_ms=desk.unit_ms)
    require(not holds.done(), "it was over too soon")
    desk.expect_outcome(await holds, pb.COMMITTED, "it held all locks")
    released_ms = cluster.now_ms()
    for one in waiting:
        desk.expect_outcome(await one, pb.COMMITTED, "it waited, and the locks were given up")
    took_ms = cluster.now_ms() - released_ms
    limit_ms = desk.setting("lock_timeout_ms")
    expect(
        took_ms < limit_ms,
        "those that waited go on as soon as the locks are there",
        f"they were done {took_ms} ms later",
    )
    await desk.balance()


async def a_deadlock_does_not_last(cluster: Cluster) -> None:
    """With deadlocks=timeout, two transactions that wait for each other's locks stand still no
    longer than the timeout for locks."""
    desk = Desk(cluster)
    first, second, _ = desk.participants
    await desk.connect(first, second)
    # Each asks its own participant at once, and the other one a little later.
    await cluster.faults.delay(first, second, desk.setting("lock_timeout_ms") // 4)
    began_ms = cluster.now_ms()
    asked = [
        desk.ask(first, desk.shift({first: -1, second: 1})),
        desk.ask(second, desk.shift({first: 1, second: -1})),
    ]

    async def both_wait() -> bool:
        views = [await desk.view(node) for node in (first, second)]
        return all(any(lock.waiting for lock in view.locks) for view in views)

    await cluster.until("a deadlock", both_wait, within_ms=desk.unit_ms)
    await asyncio.gather(*asked)
    took_ms = cluster.now_ms() - began_ms
    limit_ms = desk.setting("lock_timeout_ms") * 2
    expect(
        took_ms <= limit_ms,
        f"a deadlock is over after {limit_ms} ms at the latest, since nobody waits for a lock "
        f"longer than {desk.setting('lock_timeout_ms')} ms",
        f"it took {took_ms} ms",
    )
    await desk.rest()
    await desk.committed(desk.coordinator, desk.shift({first: -1, second: 1}))
    await desk.balance()
