"""A workload whose histories judge themselves: every write appends something unique.

Clients append to shared keys and read them. Since all values are unique and only ever grow, the
final value tells the order in which everything happened, and each answer can be held against it:
acknowledged appends are there once, unknown ones at most once, refused ones never, and reads are
prefixes that respect real time. For this data type that is linearizability.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from google.protobuf.message import Message

from labs.kit.registry import wait_unit_ms
from nodes.cluster.api import Cluster, Indeterminate, Refused
from nodes.core import NodeId
from protos import kv_pb2 as kv

SEPARATOR = b","


class HistoryWrong(Exception):
    """A promise to a client was broken; the message says which and by which operation.

    `promise` names it in a few words, the same for every history that breaks it; `operation` is the
    one that shows it.
    """

    def __init__(self, promise: str, message: str, operation: Operation | None = None) -> None:
        super().__init__(message)
        self.promise = promise
        self.operation = operation


@dataclass(slots=True)
class Operation:
    """One operation of one client; times in milliseconds of the cluster's clock."""

    client: int
    kind: Literal["append", "read"]
    key: str
    token: bytes  # what is appended
    invoked_ms: int
    completed_ms: int | None = None
    outcome: Literal["ok", "fail", "info"] = "info"
    value: bytes = b""  # what was read


@dataclass(slots=True)
class History:
    """Everything that the clients saw."""

    operations: list[Operation] = field(default_factory=list)

    def count(self, kind: str, outcome: str) -> int:
        """How many operations of that kind ended so."""
        return sum(op.kind == kind and op.outcome == outcome for op in self.operations)


class Client:
    """A closed-loop client: one operation at a time, exactly once by its session."""

    def __init__(
        self, cluster: Cluster, number: int, keys: tuple[str, ...], history: History, seed: int
    ) -> None:
        self.cluster = cluster
        self.number = number
        self.keys = keys
        self.history = history
        self.rng = Random(f"{seed}:client{number}")
        self.timeout_ms = wait_unit_ms(cluster.spec)
        self.session = 0
        self.sequence = 0
        self.guess: NodeId = self.rng.choice(cluster.nodes)

    async def run(self, stop: asyncio.Event, pause_ms: int) -> None:
        """Operations until told to stop."""
        while not stop.is_set():
            if self.rng.random() < 0.3:
                await self.read(self.rng.choice(self.keys))
            else:
                await self.append(self.rng.choice(self.keys))
            await self.cluster.sleep(self.rng.randint(0, pause_ms))

    async def append(self, key: str) -> Operation:
        """One append, tried again under the same number until it is certain or out of patience."""
        while not self.session:
            opened = await self.attempt(kv.OpenSessionRequest())
            if isinstance(opened, kv.OpenSessionResponse):
                self.session = opened.session
        self.sequence += 1
        token = b"%d.%d" % (self.number, self.sequence)
        operation = self.begin("append", key, token)
        request = kv.AppendRequest(key=key, suffix=token + SEPARATOR)
        request.id.session, request.id.sequence = self.session, self.sequence
        request.id.acknowledged_below = self.sequence
        maybe = False
        for _ in range(6):
            response = await self.attempt(request)
            if isinstance(response, kv.AppendResponse):
                return self.end(operation, "ok")
            maybe = maybe or response is None
        self.end(operation, "info" if maybe else "fail")
        # A number of unknown fate may not be followed by another in this session.
        self.session, self.sequence = 0, self.sequence
        return operation

    async def read(self, key: str) -> Operation:
        """One linearizable read; a read that nobody answers says nothing."""
        operation = self.begin("read", key, b"")
        request = kv.GetRequest(key=key, consistency=kv.LINEARIZABLE)
        for _ in range(3):
            response = await self.attempt(request)
            if isinstance(response, kv.GetResponse):
                operation.value = response.value
                return self.end(operation, "ok")
        return self.end(operation, "fail")

    async def attempt(self, request: Message) -> Message | Refused | None:
        """One try at the node we take for the leader. None: it may have happened."""
        node = self.guess
        try:
            return await self.cluster.call(node, request, timeout_ms=self.timeout_ms)
        except Refused as refused:
            self.guess = refused.hint or self.rng.choice(self.cluster.nodes)
            if not refused.hint:
                await self.cluster.sleep(self.timeout_ms // 8)
            return refused
        except Indeterminate:
            self.guess = self.rng.choice(self.cluster.nodes)
            await self.cluster.sleep(self.timeout_ms // 20)
            return None

    def begin(self, kind: Literal["append", "read"], key: str, token: bytes) -> Operation:
        """Puts an operation that is about to be sent into the history."""
        operation = Operation(self.number, kind, key, token, self.cluster.now_ms())
        self.history.operations.append(operation)
        return operation

    def end(self, operation: Operation, outcome: Literal["ok", "fail", "info"]) -> Operation:
        """Says how it ended; one that may have happened stays open for ever."""
        operation.outcome = outcome
        operation.completed_ms = None if outcome == "info" else self.cluster.now_ms()
        return operation


def judge(history: History, final: dict[str, bytes]) -> None:
    """Holds every operation against the final values.

    Raises HistoryWrong for the first promise that was broken.
    """
    for key, value in final.items():
        _judge_key(key, value, [op for op in history.operations if op.key == key])


def _judge_key(key: str, value: bytes, operations: list[Operation]) -> None:
    tokens = value.split(SEPARATOR)[:-1]
    place = {token: position for position, token in enumerate(tokens)}
    if len(place) != len(tokens):
        twice = next(token for token in tokens if tokens.count(token) > 1)
        raise HistoryWrong(
            "writes take effect once",
            f"{key}: append {twice!r} took effect more than once",
            next((op for op in operations if op.token == twice), None),
        )
    appends = {op.token: op for op in operations if op.kind == "append"}
    for token in tokens:
        if token not in appends:
            raise HistoryWrong(
                "nothing comes from nowhere", f"{key}: {token!r} was never appended by anyone"
            )
        if appends[token].outcome == "fail":
            raise HistoryWrong(
                "refused writes do not happen",
                f"{key}: append {token!r} was refused and took effect all the same",
                appends[token],
            )
    for op in appends.values():
        if op.outcome == "ok" and op.token not in place:
            raise HistoryWrong(
                "acknowledged writes are kept",
                f"{key}: append {op.token!r} was acknowledged and is lost",
                op,
            )
    _judge_order(key, value, place, operations)


def _judge_order(
    key: str, value: bytes, place: dict[bytes, int], operations: list[Operation]
) -> None:
    """Real-time order: what ended before something began comes before it."""
    moments: list[tuple[int, int, Operation, int]] = []  # time, ends before begins, op, position
    for op in operations:
        if op.kind == "read":
            if op.outcome != "ok":
                continue
            if not value.startswith(op.value) or (op.value and not op.value.endswith(SEPARATOR)):
                raise HistoryWrong(
                    "reads see what was written",
                    f"{key}: a read saw {op.value!r}, which was never the value",
                    op,
                )
            position = op.value.count(SEPARATOR)
        elif op.token in place:
            position = place[op.token] + 1
        else:
            continue
        moments.append((op.invoked_ms, 1, op, position))
        if op.completed_ms is not None:
            moments.append((op.completed_ms, 2, op, position))
    # Times are whole milliseconds: at equal times, ends count after begins, so that only what
    # surely came first is held against what came later.
    certain = 0
    for _, end, op, position in sorted(moments, key=lambda moment: moment[:2]):
        if end == 2:
            certain = max(certain, position)
        else:
            op_position = position if op.kind == "read" else position - 1
            floor = certain
            if op_position < floor:
                raise HistoryWrong(
                    "operations are linearizable",
                    f"{key}: {op.kind} {op.token or op.value!r} of client {op.client}, begun at "
                    f"{op.invoked_ms} ms, missed something that was certain before",
                    op,
                )
