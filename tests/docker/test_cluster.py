"""The compose runtime without a conductor: what it does to containers and to their disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.cluster.api import (
    ClusterSpec,
    Indeterminate,
    NodeSpec,
    NodeState,
    Refused,
    RuntimeFailure,
)
from nodes.cluster.compose import ComposeCluster
from nodes.cluster.engine import SESSION_LABEL, Engine
from nodes.core import Param
from tests.support import ping_pb2 as pb
from tests.support.containers import NOTHING, inspect, things_left

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

CALL_MS = 5_000


def spec_of(core: str = "tests.support.ping_core:Ping", **params: Param) -> ClusterSpec:
    """Two nodes that the image knows nothing of."""
    nodes = tuple(NodeSpec(node, core) for node in ("n1", "n2"))
    return ClusterSpec("ping", ("tests.support.ping_pb2",), nodes, params, seed=7)


async def total(cluster: ComposeCluster, node: str) -> int:
    view = await cluster.view(node)
    assert isinstance(view, pb.PingView)
    return view.total


async def add(cluster: ComposeCluster, node: str, amount: int) -> None:
    """Patient while the client's link reconnects: a request that is refused did not happen."""

    async def done() -> bool:
        try:
            await cluster.call(node, pb.AddRequest(amount=amount), timeout_ms=CALL_MS)
        except Refused as refused:
            if "cannot be reached" not in refused.reason:
                raise
            return False
        return True

    await cluster.until(f"{node} is reached", done, within_ms=CALL_MS)


async def test_one_cluster_from_start_to_end(engine: Engine, tmp_path: Path) -> None:
    """A core outside the image runs from its mounted file; disks survive kills and power cuts, not
    wipes; paused nodes can be killed; a core that raises is reported; nothing is left."""
    cluster = ComposeCluster(spec_of(), folder=tmp_path)
    async with cluster:
        label = f"{SESSION_LABEL}={cluster.session}"
        assert len(things_left(label)["containers"]) == 3
        await add(cluster, "n1", 5)
        relay = pb.RelayRequest(peer="n2", text="hello")
        response = await cluster.call("n1", relay, timeout_ms=CALL_MS)
        assert isinstance(response, pb.RelayResponse)
        assert response.text == "hello", response.failure

        await cluster.world.kill("n1")
        assert cluster.node_state("n1") is NodeState.DOWN
        assert cluster.how_it_ended("n1") == "was ended by SIGKILL"
        with pytest.raises(RuntimeFailure, match="n1 is down; start it with lab fault restart n1"):
            await cluster.world.kill("n1")
        await cluster.world.start("n1")
        assert await total(cluster, "n1") == 5
        await add(cluster, "n1", 1)
        with pytest.raises(RuntimeFailure, match="n1 is running; kill it"):
            await cluster.world.wipe("n1")

        await cluster.world.pause("n1")
        assert cluster.node_state("n1") is NodeState.PAUSED
        assert inspect(cluster.container_id("n1"))["State"]["Paused"] is True
        assert await cluster.view("n1") is None
        with pytest.raises(Indeterminate, match="no response from n1 within 100 ms"):
            await cluster.call("n1", pb.EchoRequest(text="?"), timeout_ms=100)
        await cluster.world.power_cut("n1")
        await cluster.world.start("n1")
        assert await total(cluster, "n1") == 6, "it was synced"

        await cluster.world.kill("n1")
        await cluster.world.wipe("n1")
        await cluster.world.start("n1")
        assert await total(cluster, "n1") == 0

        with pytest.raises(Indeterminate):
            await cluster.call("n2", pb.BreakRequest(), timeout_ms=CALL_MS)

        async def is_down() -> bool:
            return cluster.node_state("n2") is NodeState.DOWN

        await cluster.until("n2 is down", is_down, within_ms=CALL_MS)
        how = cluster.how_it_ended("n2") or ""
        assert how.startswith("ended with 70: Ping raised RuntimeError("), how
        assert "\x1b" not in how
        events = cluster.events_path("n1").read_text()
        assert '"kind":"started"' in events
    assert things_left(label) == NOTHING


async def test_power_cut_loses_what_was_not_synced(engine: Engine, tmp_path: Path) -> None:
    """With fsync off a kill loses nothing; a power cut does, and leaves the disk consistent."""
    async with ComposeCluster(spec_of(fsync="off"), folder=tmp_path, events=False) as cluster:
        await add(cluster, "n1", 5)
        await cluster.world.kill("n1")
        await cluster.world.start("n1")
        assert await total(cluster, "n1") == 5
        # Paused, the node cannot sync behind our back; it may have done so just before.
        while True:
            await add(cluster, "n1", 1)
            host = await cluster.host_view("n1")
            await cluster.world.pause("n1")
            assert host is not None
            if host.unsynced_bytes:
                break
            await cluster.world.resume("n1")
        await cluster.world.resume("n1")
        before = await total(cluster, "n1")
        await add(cluster, "n1", 1)
        await cluster.world.power_cut("n1")
        await cluster.world.start("n1")
        view = await cluster.view("n1")
        assert isinstance(view, pb.PingView)
        assert 5 <= view.total <= before + 1
        assert view.logged_total == view.total


async def test_a_core_that_cannot_start(engine: Engine, tmp_path: Path) -> None:
    """What keeps a node from starting is told in one line, and nothing is left."""
    cluster = ComposeCluster(spec_of("tests.support.ping_core:Pong"), folder=tmp_path)
    with pytest.raises(RuntimeFailure, match="there is no core"):
        await cluster.start()
    assert things_left(f"{SESSION_LABEL}={cluster.session}") == NOTHING
