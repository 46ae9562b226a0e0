"""Client operations: hints are followed, retries are safe, the unknown is called unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labs.kit.errors import LabError
from labs.kit.operations import KeyValueClient, Operation, Outcome
from nodes.cluster.api import ClusterSpec, NodeSpec, NodeState
from protos import kv_pb2 as kv
from tests.kit.fake_cluster import FakeCluster

WAIT_UNIT_MS = 20


@pytest.fixture
async def cluster(tmp_path: Path) -> FakeCluster:
    nodes = tuple(NodeSpec(f"n{number}", "a:B") for number in (1, 2, 3))
    cluster = FakeCluster(ClusterSpec("raft", (), nodes), tmp_path)
    await cluster.start()
    return cluster


@pytest.fixture
def client(cluster: FakeCluster) -> KeyValueClient:
    return KeyValueClient(cluster, WAIT_UNIT_MS, lambda: None)


async def do(client: KeyValueClient, verb: str, key: str = "x", **fields: Any) -> Outcome:
    return await client.run(Operation(verb, key, **fields))


async def test_put_get_append_delete(client: KeyValueClient) -> None:
    """The plain case of every verb."""
    assert (await do(client, "put", value=b"a")).ok
    assert (await do(client, "append", value=b"\xff")).ok
    got = await do(client, "get")
    assert (got.ok, got.value, got.found) == (True, b"a\xff", True)
    assert (await do(client, "delete")).found is True
    assert (await do(client, "delete")).found is False
    gone = await do(client, "get")
    assert (gone.ok, gone.value, gone.found) == (True, None, False)


async def test_cas(client: KeyValueClient) -> None:
    """A cas that does not fit says no, and what is there instead."""
    assert (await do(client, "cas", value=b"1")).ok
    refused = await do(client, "cas", value=b"2", expected=b"7")
    assert (refused.ok, refused.value, refused.found) == (False, b"1", True)
    assert (await do(client, "cas", value=b"2", expected=b"1")).ok
    absent = await do(client, "cas", "other", value=b"2", expected=b"1")
    assert (absent.ok, absent.value, absent.found) == (False, None, False)


async def test_follows_hints(cluster: FakeCluster, client: KeyValueClient) -> None:
    """A follower's hint leads to the leader."""
    cluster.leader = "n3"
    outcome = await do(client, "put", value=b"1")
    assert (outcome.ok, outcome.node) == (True, "n3")


async def test_finds_leader_without_hints(cluster: FakeCluster, client: KeyValueClient) -> None:
    """Without hints the nodes are asked in turn."""
    cluster.leader, cluster.hints = "n3", False
    assert (await do(client, "put", value=b"1")).node == "n3"


async def test_lost_response_takes_effect_once(
    cluster: FakeCluster, client: KeyValueClient
) -> None:
    """An append whose response got lost is sent again under the same id, and counts once."""
    await do(client, "put", value=b"")
    cluster.lose_responses = 2
    outcome = await do(client, "append", value=b"a", timeout_ms=5000)
    assert outcome.ok
    assert cluster.values["x"] == b"a"
    ids = {
        (request.id.session, request.id.sequence)
        for _, request in cluster.sent
        if isinstance(request, kv.AppendRequest)
    }
    assert len(ids) == 1


async def test_acknowledged_below_moves_on(cluster: FakeCluster, client: KeyValueClient) -> None:
    """Every write tells the cluster which responses it may forget."""
    for _ in range(3):
        await do(client, "put", value=b"1")
    ids = [request.id for _, request in cluster.sent if isinstance(request, kv.PutRequest)]
    assert [(one.sequence, one.acknowledged_below) for one in ids] == [(1, 1), (2, 2), (3, 3)]
    sessions = [
        request for _, request in cluster.sent if isinstance(request, kv.OpenSessionRequest)
    ]
    assert len(sessions) == 1


async def test_expired_session_is_replaced(cluster: FakeCluster, client: KeyValueClient) -> None:
    """A write that met an expired session at its first attempt did nothing: a new one is opened."""
    await do(client, "put", value=b"1")
    cluster.sessions[9] = cluster.sessions.pop(1)
    assert (await do(client, "put", value=b"2")).ok
    assert cluster.values["x"] == b"2"


async def test_unknown_is_null(cluster: FakeCluster, client: KeyValueClient) -> None:
    """When the deadline passes after an attempt that may have worked, the outcome is unknown."""
    await do(client, "put", value=b"1")
    cluster.lose_responses = 10**6
    outcome = await do(client, "put", value=b"2")
    assert outcome.ok is None
    assert "gave up after 200 ms" in str(outcome.error)


async def test_nobody_leads(cluster: FakeCluster, client: KeyValueClient) -> None:
    """Refusals until the deadline mean a definite no; so does a session that never opened."""
    cluster.leader = None
    outcome = await do(client, "put", value=b"1")
    assert outcome.ok is False
    assert "refused: not the leader" in str(outcome.error)
    cluster.silent = set(cluster.nodes)
    assert (await do(client, "put", value=b"1")).ok is False
    assert (await do(client, "get")).ok is False


async def test_silent_leader_does_not_use_up_the_time(
    cluster: FakeCluster, client: KeyValueClient
) -> None:
    """A leader that keeps silent is left in time for another one."""
    cluster.silent = {"n1"}
    cluster.leader = "n2"
    assert (await do(client, "put", value=b"1", timeout_ms=5000)).node == "n2"


async def test_one_node_only(cluster: FakeCluster, client: KeyValueClient) -> None:
    """With a node named, it alone is asked, once, and no hint is followed."""
    outcome = await do(client, "put", value=b"1", node="n2")
    assert (outcome.ok, outcome.node) == (False, "n2")
    assert [node for node, _ in cluster.sent] == ["n2"]
    cluster.silent = {"n1"}
    assert (await do(client, "put", value=b"1", node="n1", timeout_ms=20)).ok is None
    assert (await do(client, "get", node="n1", timeout_ms=20)).ok is False
    cluster.states["n3"] = NodeState.DOWN
    down = await do(client, "put", value=b"1", node="n3")
    assert (down.ok, down.error) == (False, "n3 is down, nothing was sent to it")


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"key": ""}, "1 to 1024 bytes"),
        ({"key": "é" * 513}, "not 1026"),
        ({"key": "\udcff"}, "must be UTF-8"),
        ({"value": b"x" * (2**20 + 1)}, "at most 1048576 bytes"),
        ({"node": "n9"}, "did you mean"),
        ({"timeout_ms": 0}, "expected 1 ms to 10 minutes"),
        ({"timeout_ms": 700_000}, "expected 1 ms to 10 minutes"),
        ({"consistency": "lenient"}, "--consistency lenient"),
        ({"verb": "increment"}, "no such operation"),
    ],
)
async def test_refused_before_any_node(
    cluster: FakeCluster, client: KeyValueClient, fields: dict[str, Any], cause: str
) -> None:
    """Operations that make no sense reach no node."""
    with pytest.raises(LabError, match=cause):
        await client.run(Operation(**{"verb": "put", "key": "x", **fields}))
    assert cluster.sent == []


async def test_largest_key_and_value(client: KeyValueClient) -> None:
    """The limits themselves are allowed."""
    key = "k" * 1024
    assert (await do(client, "put", key, value=b"\x00" * 2**20, timeout_ms=5000)).ok
    assert (await do(client, "get", key)).value == b"\x00" * 2**20
