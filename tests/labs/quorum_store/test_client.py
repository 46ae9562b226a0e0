"""The client of the quorum lab: what it sends, what it tells, and how that is said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from labs.kit.errors import LabError
from labs.kit.operations import Operation, Outcome, client_class
from labs.quorum_store.client import QuorumStoreClient, token_of
from labs.quorum_store.lab import LAB
from labs.quorum_store.outcome_text import outcome_text
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.sim.cluster import SimCluster, simulate
from protos import quorum_store_pb2 as pb

T = TypeVar("T")
Program = Callable[[SimCluster, QuorumStoreClient], Awaitable[T]]


def played(program: Program[T], **params: int | str) -> T:
    """Runs it against three simulated nodes, each of which keeps every key."""
    nodes = tuple(NodeSpec(f"n{number}", LAB.core) for number in (1, 2, 3))
    settings = {**LAB.defaults(simulated=True), **params}
    spec = ClusterSpec(LAB.id, LAB.protos, nodes, settings, seed=1)

    async def main(cluster: SimCluster) -> T:
        return await program(cluster, QuorumStoreClient(cluster, 1000, lambda: None))

    return simulate(spec, main)


async def do(client: QuorumStoreClient, verb: str, key: str = "x", **fields: Any) -> Outcome:
    return await client.run(Operation(verb, key, **fields))


async def two_siblings(client: QuorumStoreClient) -> None:
    for value in (b"red", b"blue"):
        assert (await do(client, "put", value=value)).ok


def test_the_lab_names_it() -> None:
    """The conductor loads it by name."""
    assert client_class(LAB) is QuorumStoreClient


def test_put_get_delete() -> None:
    """The plain case: each write gives the context by which the next one replaces it."""

    async def program(cluster: SimCluster, client: QuorumStoreClient) -> None:
        missing = await do(client, "get")
        assert (missing.ok, missing.value, missing.found) == (True, None, False)
        first = await do(client, "put", value=b"\xff")
        got = await do(client, "get")
        assert (got.ok, got.value, got.found, got.values) == (True, b"\xff", True, (b"\xff",))
        assert got.details["context"] == first.details["context"] != ""
        second = await do(client, "put", value=b"2", context=got.details["context"])
        assert (await do(client, "get")).values == (b"2",)
        assert (await do(client, "delete", context=second.details["context"])).ok
        assert (await do(client, "get")).found is False

    played(program)


def test_siblings_are_told_and_replaced_by_their_context() -> None:
    """Two writes that did not know of each other stay; one that saw both replaces them."""

    async def program(cluster: SimCluster, client: QuorumStoreClient) -> None:
        await two_siblings(client)
        got = await do(client, "get")
        assert (got.value, got.found) == (None, True)
        assert sorted(got.values) == [b"blue", b"red"]
        versions = {one["version"] for one in got.details["siblings"]}
        assert len(versions) == 2
        assert (await do(client, "put", value=b"green", context=got.details["context"])).ok
        assert (await do(client, "get")).values == (b"green",)

    played(program)


def test_replicas_are_told() -> None:
    """Who was asked, and what each of them held."""

    async def program(cluster: SimCluster, client: QuorumStoreClient) -> list[Outcome]:
        await do(client, "put", value=b"1")
        await cluster.sleep(100)
        everyone = await do(client, "get", r=3)
        await cluster.faults.kill("n3")
        return [everyone, await do(client, "get", node="n1", r=2)]

    everyone, two = played(program)
    answers = everyone.details["answers"]
    assert sorted(one["replica"] for one in answers) == ["n1", "n2", "n3"]
    version = everyone.details["siblings"][0]["version"]
    assert [(one["kind"], one["held"]) for one in answers] == [("answered", [version])] * 3
    kinds = {one["replica"]: one["kind"] for one in two.details["answers"]}
    assert kinds["n1"] == kinds["n2"] == "answered"
    assert kinds["n3"] in ("waiting", "failed")


def test_another_node_serves() -> None:
    """A node that is down is passed over; one that was named is not replaced."""

    async def program(cluster: SimCluster, client: QuorumStoreClient) -> None:
        await cluster.faults.kill("n1")
        served = await do(client, "put", value=b"1")
        assert (served.ok, served.node) == (True, "n2")
        named = await do(client, "get", node="n1")
        assert (named.ok, named.error) == (False, "n1 is down, nothing was sent to it")

    played(program)


def test_a_refusal_says_more_than_that_others_are_down() -> None:
    """Of several nodes that did not do it, the first that said why is quoted."""

    async def program(cluster: SimCluster, client: QuorumStoreClient) -> Outcome:
        await cluster.faults.kill("n1", "n3")
        return await do(client, "put", value=b"1", w=9)

    outcome = played(program)
    assert (outcome.ok, outcome.node) == (False, "n2")
    assert "n2 refused: a key has 3 replicas" in str(outcome.error)


def test_too_few_replicas() -> None:
    """A read is refused; a write that was sent to anyone may have happened, is not sent again, and
    tells who has it."""

    async def program(cluster: SimCluster, client: QuorumStoreClient) -> None:
        await cluster.faults.isolate("n1")
        written = await do(client, "put", value=b"1", node="n1")
        assert written.ok is None
        kinds = {one["replica"]: one["kind"] for one in written.details["answers"]}
        assert kinds["n1"] == "answered"
        assert {kinds["n2"], kinds["n3"]} <= {"waiting", "failed"}
        assert (await do(client, "get", node="n1")).ok is False
        again = await do(client, "put", value=b"2")
        assert (again.ok, again.node) == (None, "n1")

    played(program)


def test_a_read_goes_on_where_another_coordinator_may_serve() -> None:
    """It has no effect, so that it may be asked again elsewhere."""

    async def program(cluster: SimCluster, client: QuorumStoreClient) -> Outcome:
        await cluster.faults.isolate("n1")
        return await do(client, "get")

    outcome = played(program)
    assert (outcome.ok, outcome.node, outcome.found) == (True, "n2", False)


@pytest.mark.parametrize(
    ("params", "fields", "cause"),
    [
        ({}, {"context": "?"}, "that is none"),
        ({}, {"context": "AAAA"}, "that is none"),
        ({"versions": "lww"}, {"context": "Cg"}, "for versions=siblings"),
        ({}, {"node": "n9"}, "no node is called"),
        ({}, {"w": -1}, "--w -1"),
        ({}, {"verb": "join"}, "join which node"),
    ],
)
def test_refused_before_any_node(
    params: dict[str, str], fields: dict[str, Any], cause: str
) -> None:
    """What makes no sense is refused in one line."""

    async def program(cluster: SimCluster, client: QuorumStoreClient) -> str:
        with pytest.raises(LabError) as caught:
            await client.run(Operation(**{"verb": "put", "key": "x", **fields}))
        return caught.value.message

    message = played(program, **params)
    assert cause in message
    assert "\n" not in message


def test_the_token_stands_for_the_context() -> None:
    """Letters that need no quotes in a shell; nothing for nothing."""
    assert token_of(pb.VersionVector()) == ""
    entries = [pb.Dot(actor=f"n{number}#0", counter=number) for number in range(1, 8)]
    assert token_of(pb.VersionVector(entries=entries)).replace("-", "").replace("_", "").isalnum()


# ------------------------------------------------------------------------------------------- lines


def test_lines_of_a_read() -> None:
    """Values alone go to stdout; versions, replicas and the context to stderr."""

    async def program(cluster: SimCluster, client: QuorumStoreClient) -> Outcome:
        await two_siblings(client)
        await cluster.sleep(100)
        return await do(client, "get", r=3)

    outcome = played(program)
    text = outcome_text("get", outcome.to_json())
    assert sorted(text.out) == ["blue", "red"]
    head, *lines = text.err
    assert head.endswith("2 siblings, none of which was written knowing the others")
    first, second = (one["version"] for one in outcome.details["siblings"])
    assert all(version in line for version, line in zip((first, second), lines, strict=False))
    assert sum(f"answered: {first}, {second}" in line for line in lines) == 3
    assert lines[-1].startswith(f"context {outcome.details['context']}, or --context last")


def test_lines_of_a_hint_and_of_failures() -> None:
    """A stand-in is told as one; so is who has a write that may have happened."""
    answers = [
        {"replica": "n1", "kind": "answered", "stands_in_for": None, "held": None},
        {"replica": "n4", "kind": "answered", "stands_in_for": "n2", "held": None},
        {"replica": "n3", "kind": "waiting", "stands_in_for": None, "held": []},
    ]
    outcome = {"ok": True, "node": "n1", "elapsed_ms": 2.0, "siblings": [], "answers": answers}
    assert outcome_text("put", outcome).err == (
        "ok (n1, 2.0 ms)",
        "  n1                      answered",
        "  n4 keeps a hint for n2  answered",
        "  n3                      silent so far: holds nothing",
    )
    unknown = outcome_text("put", {**outcome, "ok": None, "error": "n1: too few"})
    assert unknown.err[0] == "unknown: it may have happened, or may yet. n1: too few"
    assert len(unknown.err) == 4


@pytest.mark.parametrize("verb", ["join", "leave"])
def test_lines_of_a_change_of_the_ring(verb: str) -> None:
    """It has begun, and where to look for its end."""
    outcome = {"ok": True, "node": "n4", "elapsed_ms": 2.0, "error": None}
    (line,) = outcome_text(verb, outcome).err
    assert line.startswith(f"n4 is {verb[:-1] if verb == 'leave' else verb}ing the ring (n4, 2.0")
