"""Clients of the bank and the shop, and what their answers are held against.

A client makes transfers and places orders, one transaction at a time. Since every answer says what
was committed, the final amounts are known: what they opened with, and every committed change once.
Where nobody could say what became of a transaction, the client asks again, under the same name and
at the same node, until it is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from labs.kit.appends import History, HistoryWrong, Operation
from labs.kit.registry import wait_unit_ms
from nodes.cluster.api import Cluster, Indeterminate, Refused
from nodes.core import NodeId
from nodes.cores.commit.ledger import ITEMS, SHOP, SLOTS, customers, opening_amounts
from protos import commit_pb2 as pb

TRIES = 3  # of a transaction that was aborted


@dataclass(slots=True)
class Transaction:
    """One transaction as its client knows it."""

    name: str
    node: NodeId  # that was asked, and is asked again
    changes: Mapping[str, int]
    since_ms: int = 0
    outcome: pb.Outcome = pb.UNDECIDED
    reason: str = ""

    def request(self) -> pb.TransactRequest:
        """As it is sent, each time."""
        changes = [pb.Change(resource=one, delta=delta) for one, delta in self.changes.items()]
        return pb.TransactRequest(transaction=self.name, changes=changes, since_ms=self.since_ms)


@dataclass(slots=True)
class Ledger:
    """What all clients did, and when."""

    transactions: list[Transaction] = field(default_factory=list)
    history: History = field(default_factory=History)  # commits are appends

    def count(self, outcome: pb.Outcome) -> int:
        """How many transactions ended so; UNDECIDED: nobody could say."""
        return sum(one.outcome == outcome for one in self.transactions)

    def unknown(self) -> list[Transaction]:
        """Those of which nobody could say what became of them."""
        return [one for one in self.transactions if one.outcome == pb.UNDECIDED]


def transfer(source: str, target: str, amount: int) -> dict[str, int]:
    """What a transfer changes."""
    return {f"account/{source}": -amount, f"account/{target}": amount}


def order(item: str, customer: str, quantity: int, price: int) -> dict[str, int]:
    """What an order changes: goods, money, and a slot of the shipping department. The price is of
    all together."""
    return {
        f"stock/{item}": -quantity,
        f"account/{customer}": -price,
        SHOP: price,
        SLOTS: -1,
    }


class Teller:
    """A closed-loop client: one transaction at a time, and now and then a look at an amount."""

    def __init__(self, cluster: Cluster, number: int, ledger: Ledger, seed: int) -> None:
        self.cluster = cluster
        self.number = number
        self.ledger = ledger
        self.rng = Random(f"{seed}:teller{number}")
        self.timeout_ms = 2 * wait_unit_ms(cluster.spec)
        self.made = 0

    async def run(self, stop: asyncio.Event, pause_ms: int) -> None:
        """Works until told to stop."""
        while not stop.is_set():
            if self.rng.random() < 0.2:
                await self.read(self.rng.choice(sorted(opening_amounts(self.cluster.params))))
            else:
                await self.persist(self.draw())
            await self.cluster.sleep(self.rng.randint(0, pause_ms))

    def draw(self) -> dict[str, int]:
        """A transfer or an order; sometimes of more than there is."""
        known = customers(int(self.cluster.params["accounts"]))
        customer, other = self.rng.choice(known), self.rng.choice(known)
        if customer != other and self.rng.random() < 0.6:
            return transfer(customer, other, self.rng.choice([1, 5, 20, 150]))
        return order(
            self.rng.choice(ITEMS), customer, self.rng.randint(1, 3), self.rng.choice([2, 7, 14])
        )

    async def persist(self, changes: Mapping[str, int]) -> None:
        """Tries anew what was aborted, under another name, as old as it was."""
        node, since_ms = self.rng.choice(self.cluster.nodes), 0
        for _ in range(TRIES):
            self.made += 1
            one = Transaction(f"t{self.number}-{self.made}", node, changes, since_ms)
            await self.send(one)
            if one.outcome != pb.ABORTED or "lock" not in one.reason:
                return
            since_ms = one.since_ms
            await self.cluster.sleep(self.rng.randint(1, self.timeout_ms // 10))

    async def send(self, one: Transaction) -> None:
        """Asks for it, and keeps what was said."""
        self.ledger.transactions.append(one)
        token = one.name.encode()
        operation = Operation(self.number, "append", "bank", token, self.cluster.now_ms())
        self.ledger.history.operations.append(operation)
        await ask(self.cluster, one, self.timeout_ms)
        operation.completed_ms = self.cluster.now_ms()
        if one.outcome != pb.UNDECIDED:
            operation.outcome = "ok" if one.outcome == pb.COMMITTED else "fail"

    async def read(self, resource: str) -> None:
        """Looks at an amount, at whatever node holds it."""
        began_ms = self.cluster.now_ms()
        operation = Operation(self.number, "read", resource, b"", began_ms)
        self.ledger.history.operations.append(operation)
        node = self.rng.choice(self.cluster.nodes)
        try:
            amount = await read_amount(self.cluster, node, resource, self.timeout_ms)
        except (Refused, Indeterminate):
            operation.outcome = "fail"
        else:
            operation.outcome, operation.value = "ok", str(amount).encode()
        operation.completed_ms = self.cluster.now_ms()


async def ask(cluster: Cluster, one: Transaction, timeout_ms: int) -> None:
    """Sends a transaction once; its outcome stays open if nobody can say."""
    try:
        response = await cluster.call(one.node, one.request(), timeout_ms=timeout_ms)
    except Refused as refusal:
        one.outcome, one.reason = pb.ABORTED, refusal.reason
    except Indeterminate as unknown:
        one.reason = unknown.reason
    else:
        assert isinstance(response, pb.TransactResponse)
        one.outcome, one.reason = response.outcome, response.reason
        one.since_ms = response.since_ms


async def read_amount(cluster: Cluster, node: NodeId, resource: str, timeout_ms: int) -> int:
    """The last committed amount: whoever does not hold it names who does. Raises Refused and
    Indeterminate."""
    request = pb.ReadRequest(resource=resource)
    try:
        response = await cluster.call(node, request, timeout_ms=timeout_ms)
    except Refused as refusal:
        if not refusal.hint:
            raise
        response = await cluster.call(refusal.hint, request, timeout_ms=timeout_ms)
    assert isinstance(response, pb.ReadResponse)
    return response.amount


async def resolve(cluster: Cluster, unknown: Iterable[Transaction]) -> None:
    """Asks again for whatever nobody could tell of. Runs until everything is known; the caller
    bounds it."""
    timeout_ms = 2 * wait_unit_ms(cluster.spec)

    async def insist(one: Transaction) -> None:
        while one.outcome == pb.UNDECIDED:
            await ask(cluster, one, timeout_ms)

    await asyncio.gather(*map(insist, unknown))


async def at_rest(cluster: Cluster) -> bool:
    """No node has a lock, a doubt, or somebody to tell an outcome."""
    for node in cluster.nodes:
        view = await cluster.view(node)
        if not isinstance(view, pb.CommitView):
            return False
        if view.locks or view.in_doubt or view.coordinated:
            return False
    return True


async def amounts(cluster: Cluster) -> dict[str, int]:
    """Every amount, by the node that holds it."""
    found: dict[str, int] = {}
    for node in cluster.nodes:
        view = await cluster.view(node)
        assert isinstance(view, pb.CommitView), f"{node} does not answer"
        found |= view.amounts
    return found


def judge(
    opening: Mapping[str, int], transactions: Iterable[Transaction], final: Mapping[str, int]
) -> None:
    """Every committed change once, and nothing else. Raises HistoryWrong."""
    expected = dict(opening)
    for one in transactions:
        if one.outcome == pb.COMMITTED:
            for resource, delta in one.changes.items():
                expected[resource] += delta
    for resource, amount in expected.items():
        if final.get(resource) != amount:
            raise HistoryWrong(
                "amounts add up",
                f"{resource} opened with {opening[resource]}, should be {amount} by all that was "
                f"committed, and is {final.get(resource)}",
            )
