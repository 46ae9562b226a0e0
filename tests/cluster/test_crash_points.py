"""Crash points on real processes and in containers: the node dies there, and what came before is
done."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nodes.cluster.api import ClusterSpec, Indeterminate, NodeSpec, NodeState, RuntimeFailure
from nodes.cluster.compose import ComposeCluster
from nodes.cluster.local import LocalCluster
from nodes.host.transports import TRANSPORTS
from nodes.timeline import CRASHED, POINT
from protos import node_pb2
from tests.support import ping_pb2 as pb
from tests.support.runtimes import RUNTIMES, cluster_of

WITHIN_MS = 15_000
MOVE = pb.TransferRequest(source="a", target="b", amount=30)
REPEATS = 3

Cluster = LocalCluster | ComposeCluster


@contextlib.asynccontextmanager
async def running(
    runtime: str, folder: Path, count: int = 1, **params: int | str
) -> AsyncIterator[Cluster]:
    nodes = tuple(
        NodeSpec(f"n{number}", "tests.support.ping_core:Ping") for number in range(1, count + 1)
    )
    spec = ClusterSpec("ping", ("tests.support.ping_pb2",), nodes, params, seed=7)
    async with cluster_of(runtime, spec, folder) as cluster:
        yield cluster


async def move(cluster: Cluster) -> bool:
    """Whether the client was told."""
    try:
        await cluster.call("n1", MOVE, timeout_ms=2_000)
    except Indeterminate:
        return False
    return True


async def dead(cluster: Cluster, node: str = "n1") -> None:
    async def is_down() -> bool:
        return cluster.node_state(node) is NodeState.DOWN

    await cluster.until(f"{node} is down", is_down, within_ms=WITHIN_MS)


def deaths(cluster: Cluster, node: str = "n1") -> list[str]:
    """The crash points at which it died, as its timeline tells."""
    lines = cluster.events_path(node).read_text().splitlines()
    return [event[POINT] for event in map(json.loads, lines) if event["kind"] == CRASHED]


def balances(folder: Path) -> dict[str, int]:
    """What is on the disk, read as a learner would."""
    path = folder / "nodes/n1/n1.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE name='accounts'")
        if not tables.fetchall():
            return {}
        return dict(database.execute("SELECT key, balance FROM accounts"))


@pytest.mark.real
@pytest.mark.parametrize("fsync", ["on", "off"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_node_dies_exactly_there(tmp_path: Path, transport: str, fsync: str) -> None:
    """Before the save nothing is on disk; after it both accounts are; after the response the client
    has it, too. Each of them several times over."""
    moved = 0
    points = [("transfer-decided", 0, False), ("transfer-saved", 1, False)]
    points.append(("transfer-answered", 1, True))
    async with running("local", tmp_path, transport=transport, fsync=fsync) as cluster:
        for point, saved, told in points * REPEATS:
            await cluster.faults.crash_at(point, "n1")
            assert await move(cluster) is told
            await dead(cluster)
            moved += saved
            assert cluster.how_it_ended("n1") == f"died at its crash point {point}"
            assert deaths(cluster)[-1] == point
            await cluster.faults.restart("n1")
            assert cluster.world.crashed_at("n1") is None
            expected = {"a": -30 * moved, "b": 30 * moved} if moved else {}
            if fsync == "on":
                assert balances(tmp_path) == expected
            if moved:
                response = await cluster.call("n1", MOVE, timeout_ms=5_000)
                moved += 1
                assert isinstance(response, pb.TransferResponse)
                assert response.balance == -30 * moved
        assert deaths(cluster) == [point for point, _, _ in points] * REPEATS


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_was_sent_before_has_left(tmp_path: Path, runtime: str, transport: str) -> None:
    """A call made just before the point reaches the peer."""
    async with running(runtime, tmp_path, 2, transport=transport) as cluster:
        for number in range(1, REPEATS + 1):
            await cluster.faults.crash_at("relay-sent", "n1")
            relay = pb.RelayRequest(peer="n2", text="x", timeout_ms=5_000)
            with pytest.raises(Indeterminate):
                await cluster.call("n1", relay, timeout_ms=2_000)
            await dead(cluster)
            assert cluster.world.crashed_at("n1") == "relay-sent"
            view = await cluster.view("n2")
            assert isinstance(view, pb.PingView)
            assert view.echoes == number
            await cluster.faults.heal()


@pytest.mark.real
async def test_passes_and_what_is_armed_can_be_seen(tmp_path: Path) -> None:
    """In the host's view: how many passes are left, and whether the node came by at all."""
    async with running("local", tmp_path) as cluster:
        await cluster.faults.crash_at("transfer-saved", "n1", after=1)
        await cluster.faults.crash_at("never-reached", "n1")
        assert await move(cluster)
        host = await cluster.host_view("n1")
        assert host is not None
        assert list(host.crash_points) == [
            node_pb2.CrashPoint(name="transfer-saved", passed=1),
            node_pb2.CrashPoint(name="never-reached"),
        ]
        assert not await move(cluster)
        await dead(cluster)


@pytest.mark.real
async def test_healing_disarms(tmp_path: Path) -> None:
    """A node that is up lives on; one that died is started and lives on."""
    async with running("local", tmp_path) as cluster:
        await cluster.faults.crash_at("transfer-saved", "n1")
        await cluster.faults.heal()
        assert await move(cluster)
        await cluster.faults.crash_at("transfer-saved", "n1")
        await cluster.faults.crash_at("transfer-decided", "n1")
        assert not await move(cluster)
        await dead(cluster)
        await cluster.faults.heal()
        assert await move(cluster)


@pytest.mark.real
async def test_a_kill_after_a_death_at_a_crash_point_is_a_kill(tmp_path: Path) -> None:
    """The log of the life before is not read for the words of this one; and a point that is armed
    while the node is down, or was before it was killed, holds in the next life."""
    async with running("local", tmp_path) as cluster:
        await cluster.faults.crash_at("transfer-saved", "n1")
        assert not await move(cluster)
        await dead(cluster)
        await cluster.faults.restart("n1")
        await cluster.faults.kill("n1")
        assert cluster.how_it_ended("n1") == "was ended by SIGKILL"
        await cluster.faults.crash_at("transfer-decided", "n1")
        await cluster.faults.restart("n1")
        await cluster.faults.restart("n1")
        assert not await move(cluster)
        await dead(cluster)
        assert cluster.world.crashed_at("n1") == "transfer-decided"


@pytest.mark.real
async def test_crash_points_need_the_token(tmp_path: Path) -> None:
    """Who does not have it arms nothing."""
    from nodes.cluster.rpc_client import ControlClient
    from nodes.host.rpc import MessageTypes

    async with running("local", tmp_path) as cluster:
        stranger = ControlClient("wrong", cluster.world.channels, MessageTypes((pb,)))
        points = (node_pb2.CrashPoint(name="transfer-saved"),)
        with pytest.raises(RuntimeFailure, match="needs the lab session's token"):
            await stranger.set_crash_points(cluster.address("n1"), "n1", points, timeout_ms=5_000)
        assert await move(cluster)
