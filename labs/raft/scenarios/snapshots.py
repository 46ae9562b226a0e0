"""Log compaction (section 7): snapshots replace the log, and servers that lag get them."""

from __future__ import annotations

import asyncio

from labs.kit.check import expect, require
from labs.raft.scenarios.clients import Writes
from labs.raft.scenarios.unreliable import restore_links
from labs.raft.scenarios.watch import Watch
from nodes.cluster.api import Cluster
from nodes.core import NodeId


async def logs_stay_short(cluster: Cluster) -> None:
    """Every server takes snapshots, keeps its log short, and loses no write."""  # SnapshotBasic
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    for _ in range(4):
        await writes.commit(leader, threshold(watch) // 2 + 1)
        await watch.converged()
        await logs_are_short(watch)
    for node, view in (await watch.views()).items():
        expect(
            view.snapshot_index > threshold(watch),
            f"{node} takes a snapshot every {threshold(watch)} entries",
            f"{view.last_applied} are applied, its snapshot has {view.snapshot_index}",
        )
    await writes.settle()


async def lagging_follower_gets_snapshot(cluster: Cluster) -> None:
    """A follower whose missing entries were discarded catches up by a snapshot."""
    await lag(cluster, crash=False)  # SnapshotInstall; 4C SnapshotRPC


async def lagging_follower_gets_snapshot_with_lost_calls(cluster: Cluster) -> None:
    """A snapshot gets through to a lagging follower though calls are lost, doubled and late."""
    await cluster.faults.lose(10)  # InstallUnreliable
    await cluster.faults.duplicate(20)
    await cluster.faults.reorder(20, hold_ms=30)
    await lag(cluster, crash=False)


async def crashed_follower_gets_snapshot(cluster: Cluster) -> None:
    """A follower that was down catches up by a snapshot."""
    await lag(cluster, crash=True)  # InstallCrash; 4C SnapshotRecover


async def crashed_follower_gets_snapshot_with_lost_calls(cluster: Cluster) -> None:
    """A snapshot gets through to a restarted server though calls are lost, doubled and late."""
    await cluster.faults.lose(10)  # InstallUnCrash; 4C SnapshotUnreliableRecover
    await cluster.faults.duplicate(90)
    await cluster.faults.reorder(30, hold_ms=30)
    await lag(cluster, crash=True, late_ms=120)


async def all_restart_from_snapshots(cluster: Cluster) -> None:
    """All servers restart from snapshot and the log behind it; what was applied never goes back."""
    watch = Watch(cluster)  # AllCrash
    writes = Writes(watch)
    for _ in range(2):
        leader = await watch.leader()
        await writes.commit(leader, threshold(watch) + threshold(watch) // 2)
        applied = await watch.converged()
        await watch.wait(0.2)  # A view may be a moment ahead of the disk.
        before = await watch.views()
        await cluster.faults.kill(*cluster.nodes)
        watch.require_down(*cluster.nodes)
        await cluster.faults.heal()
        for node in cluster.nodes:
            view = await watch.seen(node)
            expect(
                view.last_applied >= before[node].snapshot_index,
                f"{node} starts from its snapshot of {before[node].snapshot_index} entries",
                f"it has applied {view.last_applied}",
            )
            expect(before[node].snapshot_index > 0, f"{node} takes a snapshot", "it took none")
        leader = await watch.leader()
        view = await watch.seen(leader)
        expect(view.commit_index > applied, f"{applied} entries stay", f"{view.commit_index}")
        await writes.check_at(leader)
    await writes.settle()


async def second_restart_loses_nothing(cluster: Cluster) -> None:
    """A server that restarts twice, without a snapshot in between, still has its state."""
    watch = Watch(cluster)  # SnapshotInit
    writes = Writes(watch)
    await writes.commit(await watch.leader(), threshold(watch) + 2)
    await watch.converged()
    for node, view in (await watch.views()).items():
        expect(view.snapshot_index > 0, f"{node} takes a snapshot", "it took none")
    for count in (0, 1):
        await cluster.faults.kill(*cluster.nodes)
        watch.require_down(*cluster.nodes)
        await cluster.faults.heal()
        leader = await watch.leader()
        await writes.check_at(leader)
        if count:
            await writes.commit(leader, count)
    await writes.settle()


# ------------------------------------------------------------------------------------------ helpers


def threshold(watch: Watch) -> int:
    """Applied entries between two snapshots."""
    return int(watch.cluster.params["snapshot_threshold"])


async def logs_are_short(watch: Watch) -> None:
    """No server holds more than three snapshots' worth of entries, and those kept behind one.

    Two are not enough: who installs a snapshot of entries that it holds keeps them until its next.
    """
    trailing = int(watch.cluster.params["snapshot_trailing_entries"])
    longest = 3 * threshold(watch) + trailing
    for node, view in (await watch.views()).items():
        count = view.last_log_index - view.first_log_index + 1
        expect(count <= longest, f"{node} keeps at most {longest} entries", f"{count}")


async def lag(cluster: Cluster, *, crash: bool, late_ms: int = 0) -> None:
    """Twice: a server misses more than the others keep, returns, and must get a snapshot. What the
    others send it then takes up to `late_ms`, so that calls overtake each other."""
    watch = Watch(cluster)
    writes = Writes(watch, value_bytes=60)
    for turn in range(2):
        await writes.commit_anyhow()
        late = await late_server(watch, leader=turn == 1)
        missing = (await watch.seen(late)).last_log_index + 1
        term = (await watch.seen(late)).term if turn == 1 else 0
        if crash:
            await cluster.faults.kill(late)
            watch.require_down(late)
        else:
            await cluster.faults.isolate(late)
        await fill(watch, writes, late, missing, after_term=term)
        await restore_links(watch)  # Calls that get lost go on getting lost.
        if late_ms:
            for node in watch.others(late):
                await cluster.faults.delay(node, late, late_ms // 2, late_ms // 2, one_way=True)
        await writes.commit_anyhow(5)  # What comes late then meets a server that has gone on.
        await watch.converged()
        view = await watch.seen(late)
        expect(view.snapshot_index >= missing, f"{late} got a snapshot", f"{view.snapshot_index}")
        await logs_are_short(watch)
    await writes.settle()


async def late_server(watch: Watch, *, leader: bool) -> NodeId:
    """The server that is going to lag: a follower, or the leader itself."""
    leads = await watch.leader()
    return leads if leader else watch.others(leads)[-1]


async def fill(
    watch: Watch, writes: Writes, late: NodeId, missing: int, *, after_term: int
) -> None:
    """Writes through the others until none of them holds the entry `missing` any more."""
    rest = watch.others(late)
    for _ in range(20):
        leader = await watch.leader(rest, after_term=after_term)
        verdicts = await asyncio.gather(*(writes.put(leader) for _ in range(threshold(watch) // 2)))
        require(any(verdict == "acknowledged" for verdict in verdicts), "no write was acknowledged")
        views = await watch.views(rest)
        if all(view.first_log_index > missing for view in views.values()):
            return
    expect(False, f"the others discard entry {missing}", "they keep it")
