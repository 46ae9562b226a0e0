"""Elections (5.2, 5.4.1): at most one leader a term, and one soon while a majority can talk."""

from __future__ import annotations

import asyncio
from random import Random

from labs.kit.check import expect, require
from labs.raft.scenarios.agreement import no_good_news, uncommitted
from labs.raft.scenarios.clients import Writes, read_at
from labs.raft.scenarios.watch import Watch, summary
from nodes.cluster.api import Cluster
from nodes.core import NodeId
from protos import raft_pb2 as pb


async def one_leader_is_elected(cluster: Cluster) -> None:
    """A healthy cluster elects one leader and keeps it, in one term."""  # InitialElection
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    term = (await watch.seen(leader)).term
    expect(term >= 1, "a leader leads a term", "term 0")
    for _ in range(6):
        await watch.wait(0.5)
        views = await watch.views()
        expect(
            all((v.term, v.leader_id) == (term, leader) for v in views.values()),
            f"{leader} leads term {term} for as long as nothing fails",
            summary(views),
        )
    await writes.commit(leader)
    await writes.settle()


async def lost_leader_is_replaced(cluster: Cluster) -> None:
    """A leader that is cut off is replaced, rejoins quietly, and without a quorum nobody leads."""
    watch = Watch(cluster)  # ReElection
    writes = Writes(watch)
    first = await watch.leader()
    await writes.commit(first)
    first_term = (await watch.seen(first)).term

    await cluster.faults.isolate(first)
    second = await watch.leader(watch.others(first), after_term=first_term)
    await writes.commit(second)
    second_term = (await watch.seen(second)).term
    await watch.wait(2.5)  # The first hears nobody, and campaigns if it may without asking.
    await cluster.faults.heal()
    expect(await watch.leader() == second, f"{second} still leads", "the old leader deposed it")
    expect(
        (await watch.seen(second)).term == second_term,
        "a follower that comes back starts no election",
        f"the term is {(await watch.seen(second)).term}, and was {second_term}",
    )

    await cluster.faults.partition(*((node,) for node in cluster.nodes))
    terms_led = set(watch.leader_of)
    await watch.wait(3)
    for node in cluster.nodes:
        verdict = await writes.put(node, timeouts=1)
        expect(verdict != "acknowledged", "no server alone commits", f"{node} acknowledged")
    expect(
        set(watch.leader_of) == terms_led, "no server alone wins an election", f"{watch.leader_of}"
    )
    await writes.settle()


async def clients_put_off_no_election(cluster: Cluster) -> None:
    """Servers that are asked all the time by clients still replace a lost leader soon."""
    watch = Watch(cluster)
    writes = Writes(watch)
    first = await watch.leader()
    await writes.commit(first)
    await watch.converged()
    term = (await watch.seen(first)).term
    rest = watch.others(first)
    await cluster.faults.kill(first)
    watch.require_down(first)
    asked = 0

    async def ask(node: NodeId) -> None:
        nonlocal asked
        while True:
            await read_at(watch, node, "k0")
            asked += 1
            await watch.wait(0.1)

    clients = [asyncio.ensure_future(ask(node)) for node in rest]
    try:
        second = await watch.leader(rest, after_term=term)
        await writes.commit(second)
    finally:
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    require(asked >= len(rest), "nobody was asked")
    await writes.settle()


async def any_majority_elects(cluster: Cluster) -> None:
    """Whichever minority is cut off, the others elect a leader that commits."""  # ManyElections
    watch = Watch(cluster)
    writes = Writes(watch)
    random = Random(f"{cluster.spec.seed}:any_majority_elects")
    minority = (len(cluster.nodes) - 1) // 2
    leader = await watch.leader()
    await writes.commit(leader)
    deposed = 0
    for turn in range(3):
        cut = random.sample(cluster.nodes, minority)
        if turn % 2 == 0 and leader not in cut:
            cut[0] = leader
        before = (await watch.seen(leader)).term
        for node in cut:
            await cluster.faults.isolate(node)
        rest = watch.others(*cut)
        deposed += leader in cut
        leader = await watch.leader(rest, after_term=before if leader in cut else 0)
        expect(leader in rest, "the leader is on the side of the majority", leader)
        await writes.commit(leader)
        await cluster.faults.heal()
        leader = await watch.leader()
    require(deposed >= 2, "the leader was never cut off")
    await writes.settle()


async def split_votes_are_settled(cluster: Cluster) -> None:
    """Servers that campaign at the same moment get at most one leader a term, and soon one."""
    # Where disks and network are slow, four of five rounds split: twenty in a row do by chance.
    watch = Watch(cluster, patience=80)
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    term = first_term = (await watch.seen(leader)).term
    for _ in range(3):
        await cluster.faults.kill(leader)
        watch.require_down(leader)
        leader = await watch.leader(watch.others(leader), after_term=term)
        term = (await watch.seen(leader)).term
        await cluster.faults.heal()
        await writes.commit_anyhow()
        leader = await watch.leader()
        term = (await watch.seen(leader)).term
    require(term >= first_term + 3, "no leader was replaced")
    await writes.settle()


async def outdated_log_cannot_win(cluster: Cluster) -> None:
    """A server that lacks committed entries is not elected, though it campaigns first (5.4.1)."""
    watch = Watch(cluster)  # Persist3
    writes = Writes(watch)
    leader = await watch.leader()
    outdated, other = watch.others(leader)
    await writes.commit(leader)
    await watch.converged()
    await cluster.faults.kill(outdated)
    await writes.commit(leader, 3)
    await better_log_wins(watch, writes, outdated, other, leader)
    await writes.settle()


async def longer_log_of_earlier_term_cannot_win(cluster: Cluster) -> None:
    """Of two logs the one with the later last term is better, however long the other is (5.4.1)."""
    watch = Watch(cluster)
    writes = Writes(watch)
    old = await watch.leader()
    await writes.commit(old)
    await watch.converged()
    term = (await watch.seen(old)).term
    await cluster.faults.kill(*watch.others(old))
    vain = await uncommitted(watch, writes, old, 12)
    await watch.wait(0.2)  # A view may be a moment ahead of the disk.
    length = (await watch.seen(old)).last_log_index
    await cluster.faults.kill(old)
    watch.require_down(*cluster.nodes)
    await no_good_news(vain)
    await watch.wait(0.1)  # What is still on its way finds nobody.
    await cluster.faults.restart(*watch.others(old))
    leader = await watch.leader(watch.others(old), after_term=term)
    await writes.commit(leader)
    await watch.converged(watch.others(old))
    (other,) = watch.others(old, leader)
    require(
        (await watch.seen(other)).last_log_index < length, f"the log of {old} is not the longer"
    )
    await better_log_wins(watch, writes, old, other, leader)
    await writes.settle()


async def snapshot_counts_in_elections(cluster: Cluster) -> None:
    """A server whose log is all in its snapshot still beats one that lacks entries (7, 5.4.1)."""
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    outdated, other = watch.others(leader)
    await writes.commit(leader)
    await watch.converged()
    await cluster.faults.kill(outdated)
    for _ in range(2 * int(cluster.params["snapshot_threshold"])):
        await writes.commit(leader)
        await watch.converged((leader, other))
        view = await watch.seen(other)
        if view.snapshot_index == view.last_log_index:
            break
    expect(
        view.snapshot_index == view.last_log_index,
        f"{other} takes a snapshot of everything it has applied",
        f"snapshot up to {view.snapshot_index}, log up to {view.last_log_index}",
    )
    await watch.wait(0.2)  # A view may be a moment ahead of the disk.
    await better_log_wins(watch, writes, outdated, other, leader)
    await writes.settle()


# ------------------------------------------------------------------------------------------ helpers


async def better_log_wins(
    watch: Watch, writes: Writes, outdated: NodeId, better: NodeId, leader: NodeId
) -> None:
    """Of two servers one must vote for the other: the better log wins, whoever campaigns first."""
    faults = watch.cluster.faults
    committed = await watch.seen(leader)
    await faults.kill(leader, better)
    watch.require_down(leader, outdated, better)
    await watch.wait(0.1)  # What is still on its way finds nobody.
    await faults.restart(outdated)
    await watch.wait(1.5)
    behind = await watch.seen(outdated)
    require(log_end(behind) < log_end(committed), f"{outdated} lacks nothing")
    await faults.restart(better)
    new = await watch.leader_now()
    expect(
        new == better,
        f"{better} wins, whose log ends with entry {committed.last_log_index} of term "
        f"{committed.last_log_term}",
        f"{new} won, whose log ends with entry {behind.last_log_index} of term "
        f"{behind.last_log_term}",
    )
    await writes.check_at(new)
    await writes.commit(new)


def log_end(view: pb.RaftView) -> tuple[int, int]:
    """What decides which of two logs is more up-to-date (5.4.1)."""
    return view.last_log_term, view.last_log_index
