"""Persistence (Figure 2): what a server promised, it still knows after a crash."""

from __future__ import annotations

import asyncio
from random import Random

from labs.kit.check import expect, require
from labs.raft.scenarios.agreement import no_good_news, uncommitted
from labs.raft.scenarios.clients import Writes
from labs.raft.scenarios.watch import Views, Watch, leads
from nodes.cluster.api import Cluster, NodeState


async def restarts_lose_nothing(cluster: Cluster) -> None:
    """All servers restart, then the leader, then a follower: every acknowledged write stays."""
    watch = Watch(cluster)  # Persist1; 4A RestartReplay: state is rebuilt from the log
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader, 2)
    await cluster.faults.kill(*cluster.nodes)
    watch.require_down(*cluster.nodes)
    await cluster.faults.heal()
    leader = await watch.leader()
    await writes.check_at(leader)
    await writes.commit(leader)

    term = (await watch.seen(leader)).term
    await cluster.faults.kill(leader)
    watch.require_down(leader)
    new = await watch.leader(watch.others(leader), after_term=term)
    await writes.commit(new)
    await cluster.faults.restart(leader)
    await watch.converged()

    follower = watch.others(await watch.leader())[0]
    await cluster.faults.kill(follower)
    watch.require_down(follower)
    await writes.commit_anyhow()
    await cluster.faults.restart(follower)
    await watch.converged()
    await writes.settle()


async def rolling_restarts_lose_nothing(cluster: Cluster) -> None:
    """Majorities that change from write to write, crashed and restarted, lose nothing."""
    watch = Watch(cluster)  # Persist2
    writes = Writes(watch)
    leader = await watch.leader()
    for _ in range(2):
        await writes.commit(leader)
        first, second, third, fourth = watch.others(leader)
        await cluster.faults.kill(first, second)
        watch.require_down(first, second)
        await writes.commit(leader)
        # Of those that know the last write only `leader`, `third` and `fourth` are left; two crash.
        await cluster.faults.kill(leader, third, fourth)
        watch.require_down(leader, third, fourth)
        await cluster.faults.restart(first, second)
        await watch.wait(1)
        await cluster.faults.restart(third)
        new = await watch.leader((first, second, third))
        await writes.check_at(new)
        await writes.commit(new)
        await cluster.faults.heal()
        leader = await watch.leader()
    await writes.settle()


async def votes_survive_crashes(cluster: Cluster) -> None:
    """A restarted server still knows its term and whom it voted for in it (5.2)."""
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    await watch.converged()
    voted = 0
    for node in cluster.nodes:
        before = await watch.seen(node)
        await cluster.faults.isolate(node)  # so that nobody tells it what it forgot
        await cluster.faults.kill(node)
        watch.require_down(node)
        await cluster.faults.restart(node)
        after = await watch.seen(node)
        expect(after.term >= before.term, f"{node} still knows term {before.term}", f"{after.term}")
        if after.term == before.term:
            expect(
                after.voted_for == before.voted_for,
                f"{node} still knows its vote for {before.voted_for!r} in term {before.term}",
                repr(after.voted_for),
            )
            voted += before.voted_for != ""
        await cluster.faults.heal()
        await watch.leader()
    require(voted >= 2, "fewer than a majority had voted")
    await writes.settle()


async def acknowledged_entries_survive_crashes(cluster: Cluster) -> None:
    """A follower restarts with every entry that it counted for, before anyone can tell it."""
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader, 5)
    index = await watch.converged()
    await watch.wait(0.2)  # A view may be a moment ahead of the disk.
    await cluster.faults.power_cut(*cluster.nodes)
    watch.require_down(*cluster.nodes)
    for node in cluster.nodes:
        await cluster.faults.isolate(node)
    for node in cluster.nodes:
        await cluster.faults.restart(node)
        view = await watch.seen(node)
        expect(
            view.last_log_index >= index,
            f"{node} restarts with {index} entries",
            f"{view.last_log_index}",
        )
    await writes.settle()


async def old_terms_commit_with_own_term(cluster: Cluster) -> None:
    """A new leader commits older entries only together with one of its own term (5.4.2)."""
    # The commit rule behind Figure 8, slowed down so that it can be watched: entries travel one
    # at a time, so the followers hold the old ones a round trip before the new leader's own.
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    await watch.converged()
    heir, first, second, third = watch.others(leader)
    await cluster.faults.kill(first, second, third)
    vain = await uncommitted(watch, writes, leader, 3)
    goal = (await watch.seen(leader)).last_log_index
    await watch.until(f"{heir} holds {goal}", lambda v: v[heir].last_log_index >= goal, (heir,))
    committed = (await watch.seen(heir)).commit_index
    await cluster.faults.kill(leader)
    watch.require_down(leader, first, second, third)
    await no_good_news(vain)

    # Three of five, and two of them lack the entries: only the heir can win.
    for node in (first, second):
        await cluster.faults.delay(heir, node, watch.timeout_ms // 8)
        await cluster.faults.restart(node)
    held_by_majority = 0

    def serves(views: Views) -> bool:
        nonlocal held_by_majority
        view = views[heir]
        if not leads(view) or view.ready:
            return leads(view)
        held = [f.node_id for f in view.followers if f.match_index > committed]
        held_by_majority += len(held) >= 2
        expect(
            view.commit_index == committed,
            f"{heir} commits nothing of term {view.term - 1} or before by counting copies",
            f"it committed entry {view.commit_index} before one of its own term {view.term}",
        )
        return False

    await watch.until(f"{heir} serves", serves, (heir,))
    require(held_by_majority > 0, "no old entry was seen on a majority before the leader's own")
    expect(
        (await watch.seen(heir)).commit_index > goal, "the old entries commit with the new", "not"
    )
    await writes.settle()


async def crashing_leaders_lose_nothing(cluster: Cluster) -> None:
    """Leaders crash again and again with entries half replicated: no committed entry changes."""
    watch = Watch(cluster)  # Figure8
    writes = Writes(watch)
    await leaders_crash(watch, writes, rounds=10)
    await writes.settle()


async def leaders_crash(watch: Watch, writes: Writes, *, rounds: int) -> None:
    """Each round: a write through whoever leads, and in three of four the leader crashes in the
    middle of it; servers come back when a majority would be lost, and now and then before."""
    cluster = watch.cluster
    random = Random(f"{cluster.spec.seed}:leaders_crash")
    majority = len(cluster.nodes) // 2 + 1
    await writes.commit(await watch.leader())
    crashed = 0
    for turn in range(rounds):
        leader = await watch.leader_now()
        write = asyncio.ensure_future(writes.put(leader))
        await cluster.sleep(random.choice((0, 1, 2, 5, watch.timeout_ms // 4)))
        if turn % 4 != 3:
            await cluster.faults.kill(leader)
            crashed += 1
        await write
        down = [n for n in cluster.nodes if cluster.node_state(n) is NodeState.DOWN]
        random.shuffle(down)
        while down and (len(cluster.nodes) - len(down) < majority or random.random() < 0.3):
            await cluster.faults.restart(down.pop())
    require(len(watch.leader_of) > crashed // 2, "too few elections")
