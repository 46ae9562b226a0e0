"""Customers who order whatever comes to their mind, and what they were told held against the end.

Some want more than is in stock, some have no money, some ask for what there is not. Who gets no
answer asks again, for the same order.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Final, Literal

from labs.kit.appends import History, HistoryWrong, Operation
from labs.saga.orders import OVER, step_ms
from nodes.cluster.api import Cluster, Indeterminate
from protos import saga_pb2 as pb

ITEMS: Final = ("book", "book", "lamp", "pen", "cup")  # nobody sells cups
CUSTOMERS: Final = ("alice", "bob", "carol", "dave", "mallory")  # who has no account
ATTEMPTS_MAX: Final = 4


class Ledger:
    """Orders that were placed, and what clients were told of each."""

    def __init__(self, cluster: Cluster, history: History) -> None:
        self.cluster = cluster
        self.history = history
        self.placed: dict[str, Operation] = {}
        self.taken: set[str] = set()  # acknowledged: they must not be forgotten
        self.told: dict[str, tuple[pb.Status, Operation]] = {}  # that they are over, and how

    def hear(self, saga: pb.Saga, operation: Operation) -> None:
        """A node said how an order is."""
        order = saga.order.id
        operation.outcome, operation.completed_ms = "ok", self.cluster.now_ms()
        operation.value = pb.Status.Name(saga.status).lower().encode()
        if saga.status != pb.UNKNOWN:
            self.taken.add(order)
        elif order in self.taken:
            raise HistoryWrong(
                "an order that was taken is not forgotten", f"{order} is unknown", operation
            )
        if saga.status in OVER:
            self.told.setdefault(order, (saga.status, operation))

    def judge(self, sagas: dict[str, pb.Saga]) -> None:
        """Holds what was told against the end. Raises HistoryWrong."""
        for order, (status, operation) in self.told.items():
            if sagas[order].status != status:
                raise HistoryWrong(
                    "what was told to be over stays so",
                    f"{order} was told to be {pb.Status.Name(status).lower()}, and is "
                    f"{pb.Status.Name(sagas[order].status).lower()}",
                    operation,
                )
        for order in sorted(self.taken):
            if sagas[order].status not in OVER:
                raise HistoryWrong(
                    "an order that was taken comes to an end",
                    f"{order} is {pb.Status.Name(sagas[order].status).lower()}",
                    self.placed[order],
                )


class Customer:
    """Places one order after the other, and looks after the earlier ones."""

    def __init__(self, ledger: Ledger, number: int, seed: int) -> None:
        self.ledger = ledger
        self.cluster = ledger.cluster
        self.number = number
        self.rng = Random(f"{seed}:customer{number}")
        self.orders: list[str] = []
        self.patience_ms = step_ms(self.cluster.params)

    async def run(self, stop: asyncio.Event, pause_ms: int) -> None:
        """Orders and questions until told to stop."""
        while not stop.is_set():
            if self.orders and self.rng.random() < 0.4:
                await self.look(self.rng.choice(self.orders))
            else:
                await self.order()
            await self.cluster.sleep(self.rng.randint(0, pause_ms))

    def draw(self) -> pb.Order:
        """One in five is for more than there is, or than the customer has."""
        rng, params = self.rng, self.cluster.params
        stock, balance = int(params["opening_stock"]), int(params["opening_balance"])
        return pb.Order(
            id=f"c{self.number}-{len(self.orders) + 1}",
            item=rng.choice(ITEMS),
            customer=rng.choice(CUSTOMERS),
            quantity=rng.randint(1, max(1, stock // 10)) if rng.random() < 0.9 else stock + 1,
            price=rng.randint(1, max(1, balance // 10)) if rng.random() < 0.9 else balance + 1,
        )

    async def order(self) -> None:
        """One order, asked for again while nobody answers."""
        order = self.draw()
        self.orders.append(order.id)
        operation = self.begin("append", order.id)
        self.ledger.placed[order.id] = operation
        request = pb.PlaceRequest(order=order, wait=self.rng.random() < 0.5)
        for _ in range(ATTEMPTS_MAX):
            try:
                response = await self.cluster.call(
                    self.cluster.nodes[0], request, timeout_ms=self.patience_ms
                )
            except Indeterminate:
                await self.cluster.sleep(self.rng.randint(0, self.patience_ms // 4))
                continue
            assert isinstance(response, pb.PlaceResponse)
            self.ledger.hear(response.saga, operation)
            return

    async def look(self, order: str) -> None:
        """How far is it?"""
        operation = self.begin("read", order)
        try:
            response = await self.cluster.call(
                self.cluster.nodes[0], pb.StatusRequest(order=order), timeout_ms=self.patience_ms
            )
        except Indeterminate:
            operation.outcome, operation.completed_ms = "fail", self.cluster.now_ms()
            return
        assert isinstance(response, pb.StatusResponse)
        saga = response.saga
        saga.order.id = order  # An order that nobody knows has no name.
        self.ledger.hear(saga, operation)

    def begin(self, kind: Literal["append", "read"], order: str) -> Operation:
        """Puts an operation that is about to be sent into the history."""
        operation = Operation(self.number, kind, order, order.encode(), self.cluster.now_ms())
        self.ledger.history.operations.append(operation)
        return operation
