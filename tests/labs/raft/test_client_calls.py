"""Faults on the calls of clients: what is lost on the way back may have happened, and once only."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.kit.appends import SEPARATOR, Client, History
from labs.raft.torture import settled
from nodes.cluster.api import CLIENT, Cluster
from nodes.sim.cluster import simulate
from tests.support.runtimes import RUNTIMES, cluster_of
from tests.support.sim_bench import raft_spec


async def kept(client: Client, token: bytes) -> int:
    """How often the key holds what was appended."""
    read = await client.read("a")
    assert read.outcome == "ok"
    return read.value.split(SEPARATOR).count(token)


async def lose_and_repeat(cluster: Cluster) -> None:
    """A client appends while its responses get lost, and while its requests arrive twice."""
    await settled(cluster)
    client = Client(cluster, 1, ("a",), History(), seed=1)
    assert (await client.append("a")).outcome == "ok"
    await cluster.faults.lose(100, CLIENT, which="responses")
    lost = await client.append("a")
    assert lost.outcome == "info"
    assert [one["nodes"] for one in cluster.faults.active()] == [[]]
    await cluster.faults.heal()
    assert await kept(client, lost.value) == 1
    await cluster.faults.duplicate(100, CLIENT)
    repeated = await client.append("a")
    assert repeated.outcome == "ok"
    assert await kept(client, repeated.value) == 1


def test_in_simulation() -> None:
    """A lost response leaves an operation open; its session lets it happen once."""
    simulate(raft_spec(3, seed=1), lose_and_repeat)


@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_on_real_processes(runtime: str, tmp_path: Path) -> None:
    """The same on processes and containers."""
    async with cluster_of(runtime, raft_spec(3, seed=1), tmp_path / "lab") as cluster:
        await lose_and_repeat(cluster)
