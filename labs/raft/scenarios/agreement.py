"""Log replication (5.3): what a majority holds is committed, and nothing else is."""

from __future__ import annotations

import asyncio

from labs.kit.check import expect, require
from labs.raft.scenarios.clients import Writes
from labs.raft.scenarios.watch import Views, Watch, leads
from nodes.cluster.api import Cluster
from nodes.core import NodeId


async def writes_commit_in_order(cluster: Cluster) -> None:
    """Each write takes one place in the log, and every server applies it."""  # BasicAgree
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    before = await watch.converged()
    for number in range(1, 4):
        await writes.commit(leader)
        index = (await watch.seen(leader)).commit_index
        expect(
            index == before + number,
            f"write {number} is entry {before + number}, committed when acknowledged",
            f"commit index {index}",
        )
        expect(await watch.converged() == index, f"all apply entry {index}", "another index")
        for node in cluster.nodes:
            await writes.check_at(node)
    await writes.settle()


async def concurrent_writes_all_commit(cluster: Cluster) -> None:
    """Writes that arrive at the same moment all commit, each in a place of its own."""
    watch = Watch(cluster)  # ConcurrentStarts; 4A Concurrent
    writes = Writes(watch)
    leader = await watch.leader()
    before = await watch.converged()
    for turn in range(1, 4):
        await writes.commit(leader, 5)
        index = await watch.converged()
        expect(
            index == before + 5 * turn,
            f"5 entries for 5 writes, so {before + 5 * turn}",
            f"{index}",
        )
    await writes.settle()


async def lost_followers_stop_commits(cluster: Cluster) -> None:
    """One lost follower of three stops nothing; with two lost, nothing is acknowledged."""
    watch = Watch(cluster)  # FollowerFailure
    writes = Writes(watch)
    leader = await watch.leader()
    first, second = watch.others(leader)
    await writes.commit(leader)
    await cluster.faults.isolate(first)
    await writes.commit(leader, 3)
    await cluster.faults.kill(second)
    watch.require_down(second)
    await no_commit_without_majority(watch, writes, leader)
    await writes.settle()


async def lost_leaders_stop_commits(cluster: Cluster) -> None:
    """One lost leader of three is replaced; with the second lost, nothing is acknowledged."""
    watch = Watch(cluster)  # LeaderFailure
    writes = Writes(watch)
    first = await watch.leader()
    await writes.commit(first)
    term = (await watch.seen(first)).term
    await cluster.faults.kill(first)
    watch.require_down(first)
    second = await watch.leader(watch.others(first), after_term=term)
    await writes.commit(second, 3)
    await cluster.faults.isolate(second)
    await no_commit_without_majority(watch, writes, second)
    (third,) = watch.others(first, second)
    expect(
        await writes.put(third, timeouts=1) != "acknowledged",
        "one of three commits nothing",
        f"{third} acknowledged a write",
    )
    await writes.settle()


async def returning_follower_catches_up(cluster: Cluster) -> None:
    """A follower that was cut off gets every entry it missed, and the leader stays."""  # FailAgree
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    await watch.converged()
    late = watch.others(leader)[0]
    await cluster.faults.isolate(late)
    for _ in range(3):
        await writes.commit(leader, 2)
    await watch.wait(1.5)
    await writes.commit(leader, 2)
    missed = (await watch.seen(leader)).commit_index - (await watch.seen(late)).last_log_index
    require(missed >= 8, f"{late} missed only {missed} entries")
    await cluster.faults.heal()
    await writes.commit_anyhow(2)
    await watch.converged()
    await writes.settle()


async def minority_leader_commits_nothing(cluster: Cluster) -> None:
    """A leader with one follower of five commits nothing; healed, all agree again."""
    watch = Watch(cluster)  # FailNoAgree
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    await watch.converged()
    follower = watch.others(leader)[0]
    for node in watch.others(leader, follower):
        await cluster.faults.isolate(node)
    await no_commit_without_majority(watch, writes, leader, expected_copies=2)
    expect(
        await writes.put(follower, timeouts=1) != "acknowledged",
        "two of five commit nothing",
        f"{follower} acknowledged a write",
    )
    await cluster.faults.heal()
    await writes.commit_anyhow(2)
    await writes.settle()


async def deposed_leaders_entries_vanish(cluster: Cluster) -> None:
    """Entries of a leader that was cut off are overwritten, and their clients never hear yes."""
    watch = Watch(cluster)  # Rejoin; 4A RestartSubmit: another entry at the same index is no answer
    writes = Writes(watch)
    first = await watch.leader()
    await writes.commit(first)
    committed = await watch.converged()
    term = (await watch.seen(first)).term
    await cluster.faults.isolate(first)
    vain = await uncommitted(watch, writes, first, 3)
    second = await watch.leader(watch.others(first), after_term=term)
    await writes.commit(second, 4)  # The same places in the log, and more
    require((await watch.seen(second)).commit_index > committed + 3, "the places were not taken")

    # The second is lost as well before the first comes back: the third must repair it.
    await cluster.faults.kill(second)
    await cluster.faults.heal()
    await writes.commit_anyhow(2)
    await no_good_news(vain)
    await writes.settle()


async def acknowledgements_end_with_the_term(cluster: Cluster) -> None:
    """A leader that led before counts nothing that followers held then: they may have lost it."""
    watch = Watch(cluster)
    writes = Writes(watch)
    again = await watch.leader()
    await writes.commit(again)
    await watch.converged()
    companion, *rest = watch.others(again)
    await cluster.faults.kill(*rest)
    vain = await uncommitted(watch, writes, again, 30)
    goal = (await watch.seen(again)).last_log_index

    def acknowledged(views: Views) -> bool:
        return any(f.match_index >= goal for f in views[again].followers)

    await watch.until(f"{companion} holds what {again} took", acknowledged, (again,))
    term = (await watch.seen(again)).term
    await cluster.faults.isolate(again)
    await cluster.faults.kill(companion)
    await cluster.faults.restart(*rest)
    await writes.commit(await watch.leader(rest, after_term=term))
    await no_good_news(vain)

    # What was taken in vain is overwritten, and the first leader leads once more; others only vote.
    await cluster.faults.heal()
    await watch.converged()
    voters = rest[:2]
    for _ in range(20):
        if leads(await watch.seen(again)):
            break
        term = max(view.term for view in (await watch.views()).values())
        await watch.wait(0.3)  # A view may be a moment ahead of the disk.
        await cluster.faults.kill(*await watch.views(watch.others(again)))
        await watch.wait(1)
        await cluster.faults.restart(*voters)
        await watch.leader((again, *voters), after_term=term)
    require(leads(await watch.seen(again)), f"{again} did not become leader again")
    await writes.commit(again)
    end = (await watch.seen(again)).last_log_index
    require(end + 1 < goal, f"the log of {again} is as long as it was")
    await watch.wait(0.3)
    await cluster.faults.kill(*await watch.views(watch.others(again, voters[0])))
    await no_commit_without_majority(watch, writes, again, expected_copies=2)
    await writes.settle()


async def long_conflicts_are_repaired(cluster: Cluster) -> None:
    """Fifty conflicting entries on either side of a partition are repaired, fast."""  # Backup
    watch = Watch(cluster)
    writes = Writes(watch)
    first = await watch.leader()
    await writes.commit(first)
    await watch.converged()
    term = (await watch.seen(first)).term
    companion, *rest = watch.others(first)
    await cluster.faults.partition((first, companion), rest)
    vain = await uncommitted(watch, writes, first, 50)
    second = await watch.leader(rest, after_term=term)
    await writes.commit(second, 50)

    # Now the second gathers fifty in vain, and the first with its own meets one that knows better.
    term = (await watch.seen(second)).term
    stays, knows = watch.others(first, companion, second)
    await cluster.faults.heal()
    await cluster.faults.partition((second, stays), (first, companion, knows))
    more = await uncommitted(watch, writes, second, 50)
    third = await watch.leader((first, companion, knows), after_term=term)
    await writes.commit(third, 50)
    await cluster.faults.heal()
    began_ms = cluster.now_ms()
    await writes.commit_anyhow()
    await watch.converged()
    took_ms = cluster.now_ms() - began_ms
    expect(
        took_ms <= 10 * watch.timeout_ms, "repaired within 10 election timeouts", f"{took_ms} ms"
    )
    await no_good_news((*vain, *more))
    await writes.settle()


# ------------------------------------------------------------------------------------------ helpers


async def uncommitted(
    watch: Watch, writes: Writes, leader: NodeId, count: int
) -> tuple[asyncio.Task[str], ...]:
    """Writes that a cut-off leader takes and cannot commit; returns once they are in its log."""
    before = await watch.seen(leader)
    keys = [f"vain{len(writes.verdicts) + number}" for number in range(count)]
    tasks = tuple(asyncio.ensure_future(writes.put(leader, key, timeouts=20)) for key in keys)

    async def taken() -> bool:
        view = await watch.seen(leader)
        return view.last_log_index >= before.last_log_index + count or all(
            task.done() for task in tasks
        )

    await watch.cluster.until(f"{leader} takes the writes", taken, within_ms=watch.timeout_ms)
    after = await watch.seen(leader)
    expect(
        not any(task.done() and task.result() == "acknowledged" for task in tasks),
        "no write is acknowledged without a majority",
        f"{leader} acknowledged",
    )
    expect(
        after.commit_index == before.commit_index,
        f"{leader} commits nothing without a majority",
        f"its commit index went from {before.commit_index} to {after.commit_index}",
    )
    require(
        after.last_log_index >= before.last_log_index + count, f"{leader} did not take the writes"
    )
    return tasks


async def no_good_news(tasks: tuple[asyncio.Task[str], ...]) -> None:
    """None of these writes was acknowledged."""
    for verdict in await asyncio.gather(*tasks):
        expect(
            verdict != "acknowledged", "a write that was overwritten is not acknowledged", verdict
        )


async def no_commit_without_majority(
    watch: Watch, writes: Writes, leader: NodeId, *, expected_copies: int = 1
) -> None:
    """The leader takes a write, and it stays uncommitted for as long as there is no majority."""
    tasks = await uncommitted(watch, writes, leader, 1)
    before = await watch.seen(leader)
    if expected_copies > 1:

        async def copied() -> bool:
            ends = [view.last_log_index for view in (await watch.views()).values()]
            return ends.count(before.last_log_index) >= expected_copies

        await watch.cluster.until("a follower holds it", copied, within_ms=watch.timeout_ms)
    await watch.wait(2.5)
    after = await watch.seen(leader)
    expect(
        after.commit_index == before.commit_index,
        "without a majority nothing commits",
        f"{leader} went from {before.commit_index} to {after.commit_index}",
    )
    require(after.last_log_index > after.commit_index, "no entry was left uncommitted")
    for task in tasks:
        verdict = task.result() if task.done() else "waiting"
        expect(verdict != "acknowledged", "without a majority no write is acknowledged", verdict)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
