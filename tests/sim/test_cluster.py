"""The simulated cluster as checks and invariants meet it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nodes.cluster.api import Indeterminate, Refused
from nodes.core import Core, Effect, Event, NodeId, Requested, Started
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from nodes.sim.purity import ImpureCore
from nodes.timeline import FAILED, RECEIVED, SENT, merge
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb
from tests.sim.test_purity import IteratesSet
from tests.support import ping_pb2
from tests.support.sim_bench import ping_spec, raft_leader, raft_spec


def test_observers_see_every_step() -> None:
    """Each step of each node, after its effects were carried out, with all of them."""
    seen: list[tuple[NodeId, Event, int]] = []

    def observe(cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]) -> None:
        seen.append((node, event, len(effects)))
        assert cluster.view_now(node) is not None

    async def program(cluster: SimCluster) -> int:
        leader = await raft_leader(cluster)
        await cluster.call(leader, kv.PutRequest(key="x"), timeout_ms=1000)
        return cluster.steps

    steps = simulate(raft_spec(), program, observers=[observe])
    assert len(seen) == steps
    assert sum(isinstance(event, Started) for _, event, _ in seen) == 3
    assert {node for node, _, _ in seen} == {"n1", "n2", "n3"}


def test_an_exception_in_a_core_ends_the_run() -> None:
    """With the node, the time and the seed that replay it."""

    async def program(cluster: SimCluster) -> None:
        await cluster.sleep(10)
        await cluster.call("n2", ping_pb2.BreakRequest(), timeout_ms=1000)
        pytest.fail("the run went on")

    with pytest.raises(RuntimeError, match="on purpose") as raised:
        simulate(ping_spec(seed=7), program)
    [note] = raised.value.__notes__
    assert note == "n2 at 10 ms, seed 7"


class BreaksAtStart(Core):
    """As bad as can be."""

    def on_start(self, started: Started) -> None:
        raise ZeroDivisionError("at start")


def test_an_exception_is_never_missed() -> None:
    """Also when the program ends before it could be interrupted."""

    async def program(_: SimCluster) -> str:
        return "all is well"

    with pytest.raises(ZeroDivisionError, match="at start"):
        simulate(ping_spec(), program, cores={"n1": BreaksAtStart})


def test_an_exception_in_an_observer_ends_the_run() -> None:
    """An invariant that does not hold is the result of the run."""

    def observe(cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]) -> None:
        if isinstance(event, Requested):
            raise AssertionError("an invariant")

    async def program(cluster: SimCluster) -> None:
        await cluster.call("n1", ping_pb2.EchoRequest(), timeout_ms=1000)
        await cluster.sleep(1_000_000)

    with pytest.raises(AssertionError, match="an invariant") as raised:
        simulate(ping_spec(seed=3), program, observers=[observe])
    assert "seed 3" in raised.value.__notes__[0]


def test_the_purity_check_is_an_option() -> None:
    """The run of a core that iterates over a set fails with it, and not without."""

    async def program(cluster: SimCluster) -> None:
        await cluster.call("n1", ping_pb2.EchoRequest(), timeout_ms=1000)

    cores = {"n1": IteratesSet}
    simulate(ping_spec(), program, cores=cores)
    with pytest.raises(ImpureCore, match="IteratesSet"):
        simulate(ping_spec(), program, cores=cores, options=SimOptions(purity=True))


def test_a_raft_run_is_pure() -> None:
    """Elections, writes and reads, every step taken twice."""

    async def program(cluster: SimCluster) -> bytes:
        leader = await raft_leader(cluster)
        for number in range(20):
            await cluster.call(leader, kv.PutRequest(key="x", value=b"%d" % number), timeout_ms=999)
        response = await cluster.call(leader, kv.GetRequest(key="x"), timeout_ms=1000)
        assert isinstance(response, kv.GetResponse)
        return response.value

    spec = raft_spec(snapshot_threshold=5, snapshot_trailing_entries=2)
    assert simulate(spec, program, options=SimOptions(purity=True)) == b"19"


def test_declined_is_an_exception() -> None:
    """Refused is definite and may carry a hint; OutcomeUnknown is not definite."""

    async def program(cluster: SimCluster) -> None:
        with pytest.raises(Refused, match="nothing to add") as refused:
            await cluster.call("n2", ping_pb2.AddRequest(amount=0), timeout_ms=100)
        assert refused.value.hint == "n1"
        with pytest.raises(Indeterminate, match="nobody can say"):
            await cluster.call("n2", ping_pb2.AddRequest(amount=13), timeout_ms=100)

    simulate(ping_spec(), program)


def test_a_call_to_nobody_is_indeterminate() -> None:
    """A node that is down, and one that is silent."""

    async def program(cluster: SimCluster) -> None:
        cluster.crash_now("n1")
        with pytest.raises(Indeterminate, match="unavailable"):
            await cluster.call("n1", ping_pb2.EchoRequest(), timeout_ms=100)
        await cluster.pause("n2")
        with pytest.raises(Indeterminate, match="deadline"):
            await cluster.call("n2", ping_pb2.EchoRequest(), timeout_ms=100)

    simulate(ping_spec(), program)


def test_until_says_what_did_not_come() -> None:
    """The name of the condition, and the bound."""

    async def program(cluster: SimCluster) -> None:
        async def never() -> None:
            return None

        with pytest.raises(TimeoutError, match="the moon: not within 50 ms"):
            await cluster.until("the moon", never, within_ms=50)
        assert cluster.now_ms() >= 50

    simulate(ping_spec(), program)


def test_a_run_leaves_nothing_running() -> None:
    """Two runs in one process do not disturb each other, and time begins at 0."""

    async def program(cluster: SimCluster) -> int:
        began_ms = cluster.now_ms()
        await raft_leader(cluster)
        return began_ms

    assert [simulate(raft_spec(), program) for _ in range(2)] == [0, 0]


def test_the_timeline_keeps_happens_before() -> None:
    """Every message that arrives, response or request, was sent before, in the merged order too;
    and each node's own events are counted without a gap."""

    async def program(cluster: SimCluster) -> SimCluster:
        leader = await raft_leader(cluster)
        await cluster.call(leader, kv.PutRequest(key="x"), timeout_ms=1000)
        cluster.crash_now(leader)
        await cluster.sleep(2000)
        await raft_leader(cluster)
        return cluster

    cluster = simulate(raft_spec(), program, options=SimOptions(record=True))
    names = (*cluster.nodes, "client")
    streams = [[event for event in cluster.timeline if event.node == name] for name in names]
    for stream in streams:
        assert [event.seq for event in stream] == list(range(1, len(stream) + 1))
        lamports = [event.lamport for event in stream]
        assert lamports == sorted(set(lamports))
    merged = merge(streams)
    sent: dict[object, int] = {}
    arrived = set()
    for event in merged:
        message = event.fields.get("message")
        if event.kind == SENT:
            sent[message] = event.lamport
        elif event.kind == RECEIVED:
            assert event.lamport > sent[message]
            arrived.add(message)
    responses = {message for message in arrived if str(message).endswith("r")}
    assert responses
    assert responses != arrived
    assert any(event.kind == FAILED for event in merged)
    for node in cluster.nodes:
        in_merged = [event.seq for event in merged if event.node == node]
        assert in_merged == sorted(in_merged)


def test_a_wiped_server_comes_back_as_a_new_member() -> None:
    """The whole way: disk lost, log sent again, removed, added anew, voting."""

    async def program(cluster: SimCluster) -> None:
        leader = await raft_leader(cluster)
        follower = next(node for node in cluster.nodes if node != leader)
        await cluster.call(leader, kv.PutRequest(key="x"), timeout_ms=1000)
        cluster.crash_now(follower)
        await cluster.wipe(follower)
        await cluster.start(follower)
        view = await cluster.view(follower)
        assert isinstance(view, pb.RaftView)
        assert view.recovering

        async def renewed() -> bool:
            view = await cluster.view(follower)
            assert isinstance(view, pb.RaftView)
            return not view.recovering and follower in view.voters and view.commit_index > 2

        await cluster.until("the wiped server votes again", renewed, within_ms=5000)

    simulate(raft_spec(), program)
