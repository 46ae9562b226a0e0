"""What clients rely on (section 8; thesis 6): no stale read, no lost answer, no write twice."""

from __future__ import annotations

import asyncio

from labs.kit.check import expect, require
from labs.raft.scenarios.agreement import no_good_news, uncommitted
from labs.raft.scenarios.clients import Appends, Verdict, Writes, attempt, read_at
from labs.raft.scenarios.watch import Watch, leads
from nodes.cluster.api import CLIENT, Cluster
from nodes.core import NodeId
from protos import kv_pb2 as kv


async def deposed_leader_serves_no_reads(cluster: Cluster) -> None:
    """A leader that was cut off returns no value that others have overwritten since (6.4)."""
    watch = Watch(cluster)  # 4A LeaderPartition
    writes = Writes(watch)
    old = await watch.leader()
    await writes.commit(old)
    await put(watch, old, "x", b"old")
    await watch.converged()
    term = (await watch.seen(old)).term
    await cluster.faults.isolate(old)
    request = kv.GetRequest(key="x", consistency=kv.LINEARIZABLE)
    early = asyncio.ensure_future(attempt(watch, old, request))
    vain = await uncommitted(watch, writes, old, 1)
    new = await watch.leader(watch.others(old), after_term=term)
    await put(watch, new, "x", b"new")
    late = await attempt(watch, old, request, timeouts=1)
    expect(late != "acknowledged", "no read from a leader that was replaced", f"{old} served one")
    expect(await early != "acknowledged", "no read without a majority", f"{old} served one")
    fresh = await cluster.call(new, request, timeout_ms=4 * watch.timeout_ms)
    assert isinstance(fresh, kv.GetResponse)
    expect(fresh.value == b"new", "the new leader serves the new value", repr(fresh.value))
    require(await read_at(watch, old, "x") == b"old", f"{old} heard of the new value")
    await no_good_news(vain)
    await writes.settle()


async def paused_leader_serves_no_stale_reads(cluster: Cluster) -> None:
    """A leader that stood still and wakes up returns no value that was overwritten meanwhile."""
    watch = Watch(cluster)
    writes = Writes(watch)
    old = await watch.leader()
    await put(watch, old, "x", b"old")
    await watch.converged()
    term = (await watch.seen(old)).term
    await cluster.faults.isolate(old)  # so that it does not hear on waking up what happened
    await cluster.faults.pause(old)
    require(await watch.view(old) is None, f"{old} still answers")
    new = await watch.leader(watch.others(old), after_term=term)
    await put(watch, new, "x", b"new")
    await writes.commit(new)
    await cluster.faults.resume(old)
    view = await watch.until(f"{old} is awake", lambda views: views.get(old), (old,))
    require(leads(view) and view.term == term, f"{old} knows that it leads no more")
    request = kv.GetRequest(key="x", consistency=kv.LINEARIZABLE)
    verdict = await attempt(watch, old, request, timeouts=2)
    expect(verdict != "acknowledged", "no old value is served", f"{old} served one")
    await writes.settle()


async def waiting_clients_hear_the_end(cluster: Cluster) -> None:
    """A client that waits at a leader hears when it loses its leadership or dies, long before its
    own deadline."""
    watch = Watch(cluster)  # 4A Shutdown
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    term = (await watch.seen(leader)).term
    await cluster.faults.isolate(leader)
    vain = await uncommitted(watch, writes, leader, 3)
    await ends_soon(watch, vain, f"{leader} lost its majority")
    expect((await watch.seen(leader)).waiting_clients == 0, "nobody waits at it", "some wait")
    await watch.leader(watch.others(leader), after_term=term)
    await cluster.faults.heal()

    leader = await watch.leader()
    await cluster.faults.isolate(leader)
    vain = await uncommitted(watch, writes, leader, 3)
    await cluster.faults.kill(leader)
    await ends_soon(watch, vain, f"{leader} died")
    await writes.settle()


async def lost_responses_repeat_nothing(cluster: Cluster) -> None:
    """A write whose response got lost, and which is sent again, takes effect once (6.3)."""
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    session = await open_session(watch, leader)
    for sequence in range(1, 4):
        request = append(session, sequence)
        before = (await watch.seen(leader)).commit_index
        await cluster.faults.cut(leader, CLIENT, one_way=True)
        verdict = await attempt(watch, leader, request, timeouts=0.5)
        require(verdict == "unknown", f"the response came through: {verdict}")
        require((await watch.seen(leader)).commit_index > before, "the write was not carried out")
        await cluster.faults.heal()
        verdict = await retry(watch, request)
        expect(verdict == "acknowledged", "a retry is acknowledged", verdict)
        leader = await watch.leader()
    await appended_once(watch, 3)
    await writes.settle()


async def retries_are_known_after_restarts(cluster: Cluster) -> None:
    """Snapshots and new leaders know a retried write as well as the one that carried it out."""
    watch = Watch(cluster)  # with 4C: the table of clients is part of the snapshot
    writes = Writes(watch)
    leader = await watch.leader()
    session = await open_session(watch, leader)
    request = append(session, 1)
    verdict = await attempt(watch, leader, request)
    require(verdict == "acknowledged", f"the first write was {verdict}")
    await cluster.faults.kill(leader)
    watch.require_down(leader)
    new = await watch.leader(watch.others(leader))
    expect(await retry(watch, request) == "acknowledged", f"{new} knows the retry", "it did not")

    await cluster.faults.heal()
    leader = await watch.leader()
    await writes.commit(leader, 2 * int(cluster.params["snapshot_threshold"]))
    await watch.converged()
    # A snapshot that a server tells of may not be on its disk yet; by its next step it is.
    await writes.commit(leader, 1)
    await watch.converged()
    await cluster.faults.kill(*cluster.nodes)
    watch.require_down(*cluster.nodes)
    await cluster.faults.heal()
    await watch.leader()
    for node, view in (await watch.views()).items():
        expect(
            view.snapshot_index > session,
            f"{node} restarts from a snapshot that has the session",
            f"its snapshot has {view.snapshot_index} entries",
        )
    expect(await retry(watch, request) == "acknowledged", "the retry is known", "it is not")
    await appended_once(watch, 1)
    await writes.settle()


async def majority_goes_on_without_minority(cluster: Cluster) -> None:
    """Of two sides of a partition one goes on; what waited on the other completes after it."""
    watch = Watch(cluster)  # 4B OnePartition
    writes = Writes(watch)
    leader = await watch.leader()
    session = await open_session(watch, leader)
    term = (await watch.seen(leader)).term
    companion, *rest = watch.others(leader)
    await cluster.faults.partition((leader, companion), rest)
    request = append(session, 1)
    waiting = asyncio.ensure_future(attempt(watch, leader, request, timeouts=20))
    new = await watch.leader(rest, after_term=term)
    await writes.commit(new, 5)
    expect(await read_at(watch, new, "tokens") is None, "the write waits", "it took effect")
    verdict = await waiting
    expect(verdict == "unknown", f"{leader} cannot say what becomes of the write", verdict)
    await cluster.faults.heal()
    expect(await retry(watch, request) == "acknowledged", "it completes after the heal", "it fails")
    await appended_once(watch, 1)
    await writes.settle()


async def concurrent_clients_are_linearizable(cluster: Cluster) -> None:
    """Without any fault, many clients on few keys see one order of all writes."""
    watch = Watch(cluster)  # 4A Concurrent, 4B Concurrent
    appends = Appends(watch, ("x", "y"))
    await watch.leader()
    appends.start(5, pause_timeouts=0.01)
    try:
        await appends.progress(40)
        await appends.settle()
    finally:
        await appends.cancel()


# ------------------------------------------------------------------------------------------ helpers


async def put(watch: Watch, leader: NodeId, key: str, value: bytes) -> None:
    """Writes one value; it must be acknowledged."""
    verdict = await attempt(watch, leader, kv.PutRequest(key=key, value=value))
    expect(verdict == "acknowledged", f"{leader} acknowledges a write", verdict)


async def open_session(watch: Watch, leader: NodeId) -> int:
    """The number of a new client session."""
    request = kv.OpenSessionRequest()
    response = await watch.cluster.call(leader, request, timeout_ms=4 * watch.timeout_ms)
    assert isinstance(response, kv.OpenSessionResponse)
    return response.session


def append(session: int, sequence: int) -> kv.AppendRequest:
    """Appends a token that shows its sequence number."""
    identity = kv.RequestId(session=session, sequence=sequence, acknowledged_below=sequence)
    return kv.AppendRequest(key="tokens", suffix=f"{sequence};".encode(), id=identity)


async def retry(watch: Watch, request: kv.AppendRequest) -> Verdict:
    """Sends the same request to whoever leads until nobody refuses it."""
    verdict: Verdict = "refused"
    for _ in range(10):
        verdict = await attempt(watch, await watch.leader_now(), request)
        if verdict == "acknowledged":
            break
    return verdict


async def appended_once(watch: Watch, count: int) -> None:
    """Every server that is up holds each token once, in order."""
    expected = "".join(f"{sequence};" for sequence in range(1, count + 1)).encode()
    await watch.converged()
    for node in watch.cluster.nodes:
        found = await read_at(watch, node, "tokens")
        expect(found == expected, f"{node} holds {expected!r}", repr(found))


async def ends_soon(watch: Watch, tasks: tuple[asyncio.Task[str], ...], why: str) -> None:
    """The clients hear within a few election timeouts, and nobody hears yes."""

    async def ended() -> bool:
        return all(task.done() for task in tasks)

    await watch.cluster.until(f"clients hear that {why}", ended, within_ms=5 * watch.timeout_ms)
    await no_good_news(tasks)
