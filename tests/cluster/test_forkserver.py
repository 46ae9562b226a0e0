"""Nodes that are forked: processes like those that were executed, only sooner."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from nodes.cluster import local_world
from nodes.cluster.api import ClusterSpec, NodeSpec, RuntimeFailure
from nodes.cluster.forkserver import ForkServer, can_fork, modules_of, start_early, take_or_start
from nodes.cluster.local import LocalCluster
from tests.cluster.test_local import add, exists, gone, running, spec_of, view

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not can_fork(), reason="this system has no pidfd: nodes are executed"),
]


def parent_of(pid: int) -> int:
    """Who forked it."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children_of(pid: int) -> list[str]:
    """Those it has not waited for yet."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def name_of(pid: int) -> str:
    """As `ps -o comm` prints it."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def descriptors_of(pid: int) -> set[str]:
    """What a process has open, as the kernel names it."""
    return {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir() if one.exists()}


async def test_a_forked_node_is_a_process_of_its_own(tmp_path: Path) -> None:
    """It leads a session, has its name, and shares no socket or pipe with another node."""
    async with running(tmp_path, 2) as cluster:
        one, other = cluster.pid("n1"), cluster.pid("n2")
        assert (os.getsid(one), os.getsid(other)) == (one, other)
        assert (name_of(one), name_of(other)) == ("node n1", "node n2")
        shared = descriptors_of(one) & descriptors_of(other)
        assert not [name for name in shared if name.startswith(("socket:", "pipe:"))]
        assert parent_of(one) == parent_of(other) in cluster.process_ids()


async def test_without_a_fork_server_nodes_are_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a system cannot fork them, nodes are started one by one, killed and started again."""
    monkeypatch.setattr(local_world, "can_fork", lambda: False)
    async with running(tmp_path) as cluster:
        assert parent_of(cluster.pid("n1")) == os.getpid()
        assert await add(cluster, "n1", 5) == 5
        await cluster.world.kill("n1")
        assert await gone(cluster, "n1") == "was ended by SIGKILL"
        await cluster.world.start("n1")
        assert (await view(cluster, "n1")).total == 5


async def test_the_end_of_the_fork_server_is_the_end_of_its_nodes(tmp_path: Path) -> None:
    """They show as killed, paused or not, and start again with what they had."""
    async with running(tmp_path, 2) as cluster:
        await add(cluster, "n1", 5)
        await cluster.world.pause("n2")
        os.kill(parent_of(cluster.pid("n1")), signal.SIGKILL)
        for node in cluster.nodes:
            assert await gone(cluster, node) == "was ended by SIGKILL"
            await cluster.world.start(node)
        assert (await view(cluster, "n1")).total == 5


async def test_a_node_that_is_not_wanted_any_more_is_ended(tmp_path: Path) -> None:
    """Who gives up waiting for a fork leaves no process, and takes nobody else's."""
    server = ForkServer(())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        streams = [theirs.fileno()] * 3
        unwanted = asyncio.create_task(server.fork("n1", streams))
        wanted = asyncio.create_task(server.fork("n2", streams))
        await asyncio.sleep(0)
        unwanted.cancel()
        forked = await wanted
        only_one_is_left = [str(forked.pid)]
        while children_of(server.pid) != only_one_is_left:  # noqa: ASYNC110  # the kernel is silent
            await asyncio.sleep(0.001)
        await server.stop()
    assert not exists(forked.pid)
    assert await forked.wait() == -signal.SIGKILL
    with pytest.raises(RuntimeFailure, match="n3 could not be forked: the cluster has been closed"):
        await server.fork("n3", streams)
    await server.stop()


async def test_a_fork_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own last words, in one line."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    server = ForkServer(())
    with pytest.raises(RuntimeFailure, match="n1 could not be forked: its parent ended with 1"):
        await server.fork("n1", [1, 1, 2])
    assert not server.alive()
    await server.stop()


async def test_one_that_was_started_early_is_taken_once(tmp_path: Path) -> None:
    """By the first cluster whose nodes need the same."""
    start_early(modules_of(spec_of(1)))
    early = take_or_start(modules_of(spec_of(1)))
    other = take_or_start(modules_of(spec_of(1)))
    assert early is not other
    for server in (early, other):
        await server.stop()
    start_early(modules_of(spec_of(1)))
    async with LocalCluster(spec_of(1), folder=tmp_path, proxy=False) as cluster:
        assert await add(cluster, "n1", 1) == 1


def test_what_users_write_is_left_to_each_node() -> None:
    """A node that is started again runs the core as it is by then."""
    cores = (NodeSpec("n1", "work.raft:Mine"), NodeSpec("n2", "nodes.cores.raft:Raft"))
    spec = ClusterSpec("raft", ("protos.raft_pb2", "work.my_pb2"), cores)
    assert modules_of(spec) == ("protos.raft_pb2", "nodes.cores.raft")
