"""How many calls and bytes Raft needs. In simulation only: there every call can be counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from labs.kit.check import expect, require
from labs.raft.scenarios.agreement import uncommitted
from labs.raft.scenarios.clients import Writes
from labs.raft.scenarios.watch import Watch
from nodes.core import Call, Effect, Event, NodeId, Responded
from nodes.sim.cluster import SimCluster
from protos import raft_pb2 as pb


class CallCounter:
    """Counts what servers send to each other, from when it is made."""

    def __init__(self, cluster: SimCluster) -> None:
        self.calls: Counter[str] = Counter()  # by request type
        self.bytes_sent = 0
        self.mismatches: Counter[NodeId] = Counter()  # AppendEntries declined, by follower
        cluster.observers = (*cluster.observers, self)

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        for effect in effects:
            if isinstance(effect, Call):
                self.calls[effect.request.DESCRIPTOR.name] += 1
                self.bytes_sent += effect.request.ByteSize()
        if isinstance(event, Responded):
            response = event.response
            if isinstance(response, pb.AppendEntriesResponse) and not response.success:
                self.mismatches[event.call.peer] += 1

    def reset(self) -> None:
        """Counts from here on."""
        self.calls.clear()
        self.mismatches.clear()
        self.bytes_sent = 0

    @property
    def total(self) -> int:
        """Calls of all types."""
        return self.calls.total()


async def few_calls_are_needed(cluster: SimCluster) -> None:
    """Three servers elect with 30 calls, commit 10 writes with 42, and idle with 60 a second."""
    counter = CallCounter(cluster)  # Count
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    limit(counter, 30, "to elect a leader")
    counter.reset()
    await writes.commit(leader, 10)
    await watch.converged()
    limit(counter, 42, "for 10 writes at once")
    counter.reset()
    await cluster.sleep(1000)
    limit(counter, 60, "in an idle second")
    await writes.settle()


async def each_entry_travels_once(cluster: SimCluster) -> None:
    """Each write is sent once to each follower, and little else."""  # RPCBytes
    counter = CallCounter(cluster)
    watch = Watch(cluster)
    writes = Writes(watch, value_bytes=5000)
    leader = await watch.leader()
    await writes.commit(leader)
    await watch.converged()
    counter.reset()
    for _ in range(10):
        await writes.commit(leader)
    await watch.converged()
    needed = 10 * 5000 * (len(cluster.nodes) - 1)
    # An entry that overtakes the one before it is declined, and travels again; MIT allows 50,000.
    slack = 30_000
    require(counter.bytes_sent >= needed, "not every follower got every write")
    expect(
        counter.bytes_sent <= needed + slack,
        f"{needed} bytes, and {slack} more at most, for 10 writes of 5000 bytes",
        f"{counter.bytes_sent} bytes",
    )
    await writes.settle()


async def concurrent_writes_share_calls(cluster: SimCluster) -> None:
    """Fifty writes that arrive together travel in a few calls a follower."""
    counter = CallCounter(cluster)
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    await watch.converged()
    counter.reset()
    await writes.commit(leader, 50)
    limit(counter, 25 * (len(cluster.nodes) - 1), "for 50 writes at once")
    await writes.settle()


async def writes_wait_for_no_heartbeat(cluster: SimCluster) -> None:
    """A client that waits for each write gets three or more done in a heartbeat interval."""
    watch = Watch(cluster)  # 4B Speed
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    began_ms, count = cluster.now_ms(), 30
    for _ in range(count):
        await writes.commit(leader)
    heartbeats = (cluster.now_ms() - began_ms) / int(cluster.params["heartbeat_ms"])
    expect(
        count >= 3 * heartbeats,
        "three writes one after the other in a heartbeat interval",
        f"{count} in {heartbeats:.1f} intervals",
    )
    await writes.settle()


async def conflicts_cost_one_probe_a_term(cluster: SimCluster) -> None:
    """A follower with many wrong entries is repaired by a few calls, not one an entry (5.3)."""
    counter = CallCounter(cluster)  # Backup: fast backtracking
    watch = Watch(cluster)
    writes = Writes(watch)
    first = await watch.leader()
    await writes.commit(first)
    await watch.converged()
    term = (await watch.seen(first)).term
    await cluster.faults.isolate(first)
    await uncommitted(watch, writes, first, 40)
    second = await watch.leader(watch.others(first), after_term=term)
    await writes.commit(second, 20)
    await watch.converged(watch.others(first))

    # Only a leader elected after the two parted asks where they did.
    await cluster.faults.kill(first, second)
    counter.reset()
    await cluster.faults.heal()
    await watch.leader()
    await watch.converged()
    require(counter.mismatches[first] >= 1, "there was no conflict")
    expect(
        counter.mismatches[first] <= 6,
        f"{first} is asked at most 6 times where its log parts from the leader's",
        f"{counter.mismatches[first]} times",
    )
    await writes.settle()


def limit(counter: CallCounter, most: int, what: str) -> None:
    """Raises Failed when more calls than that were made, Vacuous when there were none."""
    require(counter.total > 0, f"no call was made {what}")
    expect(
        counter.total <= most, f"at most {most} calls {what}", f"{counter.total}: {shown(counter)}"
    )


def shown(counter: CallCounter) -> str:
    """The counts by type."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.calls.items()))
