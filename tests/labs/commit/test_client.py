"""What a user of the lab meets: transfers, orders, balances, what is shown of them, and settings
that make no sense."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from labs.commit.client import CommitClient
from labs.commit.crash_matrix import commit_spec
from labs.commit.lab import CRASH_POINTS, LAB
from labs.kit.errors import LabError
from labs.kit.operations import Operation, Outcome
from labs.kit.sentences import sentence
from labs.kit.timeline.spans import spans
from labs.kit.views import view_to_json
from nodes.core import Param
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from nodes.timeline import TimelineEvent

Program = Callable[[SimCluster, CommitClient], Awaitable[Any]]


def on_lab(program: Program, *, record: bool = False, **params: Param) -> Any:
    """Runs a program with a client of a simulated cluster."""

    async def with_client(cluster: SimCluster) -> Any:
        client = CommitClient(cluster, LAB.wait_unit_ms(cluster.params), lambda: None)
        return await program(cluster, client)

    return simulate(commit_spec(params), with_client, options=SimOptions(record=record))


def transfer(source: str, target: str, amount: int, id: str = "t") -> Operation:
    value = json.dumps({"source": source, "target": target, "amount": amount}).encode()
    return Operation("transfer", id, value)


def place(item: str = "book", *, id: str = "o", quantity: int = 2, price: int = 30) -> Operation:
    fields = {"item": item, "customer": "bob", "quantity": quantity, "price": price}
    return Operation("order-place", id, json.dumps(fields | {"wait": True}).encode())


def told(verb: str, outcome: Outcome) -> str:
    """All lines, as `lab` prints them."""
    text = LAB.outcome_text(verb, outcome.to_json())
    return "\n".join((*text.out, *text.err))


async def balance(client: CommitClient, resource: str) -> int:
    outcome = await client.run(Operation("balance", resource))
    return int(outcome.to_json()["amounts"][0]["amount"])


def test_a_transfer_says_who_voted_and_what_it_changes() -> None:
    """All of it happens, and the outcome says so."""

    async def program(cluster: SimCluster, client: CommitClient) -> None:
        outcome = await client.run(transfer("alice", "bob", 10))
        assert outcome.ok
        text = told("transfer", outcome)
        assert "t is committed (n1" in text
        assert "n2  voted yes  (account/alice -10)" in text
        assert "n3  voted yes  (account/bob +10)" in text
        assert await balance(client, "account/alice") == 90
        assert await balance(client, "account/bob") == 110

    on_lab(program)


def test_the_same_id_is_the_same_transfer() -> None:
    """Asked again, it does not happen again."""

    async def program(cluster: SimCluster, client: CommitClient) -> None:
        for _ in range(3):
            assert (await client.run(transfer("alice", "bob", 10))).ok
        assert await balance(client, "account/alice") == 90

    on_lab(program)


def test_what_cannot_be_done_is_aborted_with_the_reason() -> None:
    """Nothing of it happens."""

    async def program(cluster: SimCluster, client: CommitClient) -> None:
        outcome = await client.run(transfer("alice", "bob", 101))
        assert outcome.ok is False
        assert "n2: not enough left of account/alice" in told("transfer", outcome)
        assert await balance(client, "account/bob") == 100
        nobody = await client.run(transfer("zoe", "bob", 1, "u"))
        assert "there is no account/zoe" in told("transfer", nobody)

    on_lab(program)


def test_an_order_is_one_transaction() -> None:
    """Goods, money and a place in the van: all of it or nothing."""

    async def program(cluster: SimCluster, client: CommitClient) -> None:
        assert (await client.run(place())).ok
        resources = ("stock/book", "account/bob", "account/shop", "shipping/slots")
        assert [await balance(client, one) for one in resources] == [98, 70, 30, 99]
        refused = await client.run(place(id="p", quantity=99))
        assert refused.ok is False
        assert [await balance(client, one) for one in resources] == [98, 70, 30, 99]
        status = await client.run(Operation("order-status", "o"))
        assert "its coordinator: committed" in told("order-status", status)
        assert "n3  has committed it" in told("order-status", status)
        unknown = await client.run(Operation("order-status", "nothing"))
        assert unknown.ok is False

    on_lab(program)


def test_blocked_by_a_dead_coordinator_it_says_so() -> None:
    """The client cannot know; the status tells who is in doubt, and the lab's picture who waits for
    whom."""

    async def program(cluster: SimCluster, client: CommitClient) -> None:
        await cluster.faults.crash_at("decision-logged", "n1")
        outcome = await client.run(transfer("alice", "bob", 10))
        assert outcome.ok is None
        assert "`lab order status t` asks every node" in told("transfer", outcome)
        text = told("order-status", await client.run(Operation("order-status", "t")))
        assert "n1  does not answer" in text
        assert "n2  voted yes, and is in doubt" in text
        amounts = told(
            "balance", await client.run(Operation("balance", "account/alice", node="n2"))
        )
        assert "100" in amounts
        assert "locked by t#" in amounts
        views = {
            node: view_to_json(view)
            for node in cluster.nodes
            if (view := await cluster.view(node)) is not None
        }
        picture = "\n".join(LAB.picture(views, cluster.params))
        assert "in doubt: 2" in picture
        assert "asks n1, which does not answer" in picture
        assert "account/alice at n2 by t#" in picture
        assert all(len(line) <= 80 for line in picture.splitlines())
        assert LAB.lagging(views, views, cluster.nodes) == ("n1", "n2", "n3")
        await cluster.faults.heal()
        await cluster.sleep(1000)
        assert await balance(client, "account/alice") == 90

    on_lab(program)


def test_all_balances() -> None:
    """Everything that there is, with the node that holds it."""

    async def program(cluster: SimCluster, client: CommitClient) -> None:
        outcome = await client.run(Operation("balance", "*"))
        assert outcome.ok
        lines = told("balance", outcome).splitlines()
        assert len(lines) == 8 + 3 + 2
        assert lines[0].split() == ["account/alice", "100", "at", "n2"]

    on_lab(program)


@pytest.mark.parametrize(
    "operation",
    [
        transfer("alice", "alice", 1),
        transfer("alice", "bob", 0),
        transfer("alice", "bob", 10**18),
        Operation("transfer", "t", b"no json"),
        Operation("transfer", "t", b'{"source": 1}'),
        place(quantity=0),
        Operation("put", "x", b"1"),
    ],
)
def test_what_makes_no_sense_is_refused(operation: Operation) -> None:
    """Before any node sees it."""

    async def program(cluster: SimCluster, client: CommitClient) -> None:
        with pytest.raises(LabError):
            await client.run(operation)

    on_lab(program)


def test_every_note_has_a_sentence_and_phases_and_locks_have_bars() -> None:
    """A transfer with a doubt in it, told and drawn."""

    async def program(cluster: SimCluster, client: CommitClient) -> list[TimelineEvent]:
        await cluster.faults.crash_at("decision-logged", "n1")
        await client.run(transfer("alice", "bob", 10))
        await cluster.faults.heal()
        await cluster.sleep(1000)
        return cluster.timeline

    events = on_lab(program, record=True)
    told_kinds = {event.kind for event in events} & set(LAB.sentences)
    assert {"began", "forced", "in_doubt", "resumed", "concluded", "ended"} <= told_kinds
    for event in events:
        if event.kind in LAB.sentences:
            words = {**event.fields, "node": event.node, "kind": event.kind}
            assert "{" not in sentence(LAB, words)
    found = spans(events, ("n1", "n2", "n3", "n4"), LAB.spans_in_note)
    held = [span for span in found if span.kind == "hold"]
    assert {span.node for span in held} == {"n2", "n3"}
    assert all(span.ended_ms is not None and span.ended_ms - span.began_ms > 500 for span in held)
    assert any(span.node == "n1" and "asks for votes" in span.label for span in found)


@pytest.mark.parametrize(
    ("change", "error", "warning"),
    [
        ({}, "", ""),
        ({"deadlocks": "timeout", "vote_timeout_ms": 400}, "vote_timeout_ms=400", ""),
        ({"deadlocks": "none"}, "", "deadlocks=none"),
        ({"protocol": "3pc", "presume": "nothing"}, "", "takes silence for a crash"),
        ({"protocol": "3pc"}, "", "presume=abort has no effect"),
    ],
)
def test_settings_that_make_no_sense_together(
    change: dict[str, Param], error: str, warning: str
) -> None:
    """Errors refuse them, warnings tell."""
    verdict = LAB.validate(LAB.defaults() | change, 4)
    assert bool(verdict.errors) == bool(error)
    assert error in "".join(verdict.errors)
    assert bool(verdict.warnings) == bool(warning)
    assert warning in "".join(verdict.warnings)


def test_every_crash_point_of_the_core_is_named_and_the_other_way_round() -> None:
    """Three ways through the core pass all of them."""
    passed: set[str] = set()

    async def program(cluster: SimCluster, client: CommitClient) -> None:
        await client.run(transfer("alice", "bob", 10))
        await cluster.sleep(1000)
        passed.update(*(cluster.crash_points_passed(node) for node in cluster.nodes))

    on_lab(program, presume="nothing")
    on_lab(program, protocol="3pc")
    assert passed == set(CRASH_POINTS)
