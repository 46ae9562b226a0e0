"""Closed-loop and open-loop clients against any cluster, in the cluster's time.

A closed-loop client waits for each answer before it asks again, so it slows down with the system
it measures. An open loop sends at a fixed rate whatever comes back, as the world outside does.

Outcomes are recorded as they are: ok; fail only when every attempt was refused, which is definite;
info when nobody can say. After an info the client goes on as a new process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from google.protobuf.message import Message

from labs.kit.history import Pending, Recorder
from labs.kit.workloads.clock import now_ns
from labs.kit.workloads.dialect import KEY_VALUE, Dialect
from labs.kit.workloads.generators import Generator, Operation
from nodes.cluster.api import Cluster, Indeterminate, Refused
from nodes.core import NodeId
from protos import kv_pb2 as kv

BACKOFF_MS = 10  # before a client asks again while nobody serves
IN_FLIGHT_MAX = 500  # of an open loop; what would be more is counted as shed


@dataclass(slots=True)
class Sample:
    """One operation as its client saw it. `ended_ns` is None while it is under way."""

    f: str
    key: str
    argument: Any
    began_ns: int
    ended_ns: int | None = None
    outcome: Literal["ok", "fail", "info"] = "info"
    result: Any = None
    node: NodeId = ""  # who was asked last

    @property
    def ok(self) -> bool:
        """It certainly happened."""
        return self.outcome == "ok"

    @property
    def took_ms(self) -> float:
        """From the invocation to the answer; of one that has ended."""
        assert self.ended_ns is not None
        return (self.ended_ns - self.began_ns) / 1e6


@dataclass(slots=True)
class _Client:
    number: int  # stays when the process has to be given up
    process: int
    guess: NodeId
    rng: Random


class Workload:
    """Clients of one kind. `at` pins them to one node, `among` are the nodes that they know, all if
    it is empty; `timeout_ms` is of one attempt, and `patience_ms` of all attempts that were
    refused; `dialect` is the service's."""

    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        generator: Generator,
        *,
        seed: int,
        timeout_ms: int,
        patience_ms: int | None = None,
        consistency: kv.Consistency = kv.DEFAULT,
        at: NodeId | None = None,
        among: Sequence[NodeId] = (),
        dialect: Dialect = KEY_VALUE,
    ) -> None:
        self.cluster = cluster
        self.recorder = recorder
        self.generator = generator
        self.dialect = dialect
        self.samples: list[Sample] = []
        self.due = 0  # operations that an open loop had to send
        self.shed = 0  # of these, those that it could not
        self._rng = Random(f"{seed}:workload")
        self._timeout_ms = timeout_ms
        self._patience_ms = timeout_ms * 10 if patience_ms is None else patience_ms
        self._consistency = consistency
        self._at = at
        self._nodes = tuple(among) or cluster.nodes
        self._clients = 0
        self._suspects: dict[NodeId, int] = {}  # until when a node that kept silent is avoided
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    # ---------------------------------------------------------------------------------- life

    def closed_loop(self, clients: int, *, pause_ms: float = 5) -> None:
        """Starts clients that each pause about so long between two operations."""
        for _ in range(clients):
            self._begin(self._closed(self._client(), pause_ms))

    def open_loop(self, per_s: float) -> None:
        """Starts operations at random moments, so many a second on average (Poisson)."""
        self._begin(self._open(per_s))

    async def stop(self) -> None:
        """Lets everyone finish what they are at. Raises what any of them raised."""
        self._stopped = True
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def cancel(self) -> None:
        """Ends everyone in the middle of what they do; no harm if they are done."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def count(self, outcome: str = "ok", f: str | None = None) -> int:
        """How many operations (of one kind) ended so."""
        return sum(
            sample.outcome == outcome and sample.ended_ns is not None and f in (None, sample.f)
            for sample in self.samples
        )

    async def progress(self, count: int, *, within_ms: int, f: str | None = None) -> None:
        """Waits until `count` more operations have succeeded. Raises TimeoutError."""
        goal = self.count(f=f) + count

        async def reached() -> bool:
            return self._failure is not None or self.count(f=f) >= goal

        await self.cluster.until(f"{count} more operations", reached, within_ms=within_ms)
        if self._failure is not None:
            raise self._failure

    async def once(self, operation: Operation, consistency: kv.Consistency | None = None) -> Sample:
        """One operation, now, by a client of its own; at another consistency if asked for."""
        return await self._operate(self._client(), operation, consistency, alone=True)

    # ------------------------------------------------------------------------------- plumbing

    def _client(self) -> _Client:
        rng = Random(self._rng.random())
        self._clients += 1
        process = self.recorder.process()
        return _Client(self._clients, process, rng.choice(self._nodes), rng)

    def _begin(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = self._failure or task.exception()

    async def _closed(self, client: _Client, pause_ms: float) -> None:
        while not self._stopped:
            await self._operate(client, self.generator.next())
            await _sleep(self.cluster, client.rng.uniform(0, 2 * pause_ms))

    async def _open(self, per_s: float) -> None:
        while not self._stopped:
            await _sleep(self.cluster, self._rng.expovariate(per_s) * 1000)
            self.due += 1
            if len(self._tasks) > IN_FLIGHT_MAX:
                self.shed += 1
                continue
            self._begin(self._one())

    async def _one(self) -> None:
        await self._operate(self._client(), self.generator.next())

    async def _operate(
        self,
        client: _Client,
        operation: Operation,
        consistency: kv.Consistency | None = None,
        *,
        alone: bool = False,  # asked for by name, so that no `stop` is meant for it
    ) -> Sample:
        argument = None if operation.f == "read" else operation.value
        sample = Sample(operation.f, operation.key, argument, now_ns(self.cluster))
        self.samples.append(sample)
        pending = self.recorder.invoke(client.process, operation.f, argument, operation.key)
        request = self.dialect.request(operation, consistency or self._consistency, client.number)
        give_up_ms = self.cluster.now_ms() + self._patience_ms
        while True:
            sample.node = node = self._at or client.guess
            try:
                response = await self.cluster.call(node, request, timeout_ms=self._timeout_ms)
            except Refused as refused:
                if self.cluster.now_ms() >= give_up_ms or (self._stopped and not alone):
                    self._end(sample, "fail", pending.fail, refused.reason)
                    return sample
                await self._elsewhere(client, node, refused.hint)
            except Indeterminate as unknown:
                self._end(sample, "info", pending.info, unknown.reason)
                client.process = self.recorder.process()
                self._suspects[node] = self.cluster.now_ms() + 2 * self._timeout_ms
                await self._elsewhere(client, node, None)
                return sample
            else:
                self._suspects.pop(node, None)
                self._take(sample, operation, pending, client, response)
                return sample

    def _take(
        self,
        sample: Sample,
        operation: Operation,
        pending: Pending,
        client: _Client,
        response: Message,
    ) -> None:
        decode = self.generator.result
        told = self.dialect.outcome(operation, response, decode, client.number)
        if told.outcome == "fail":
            self._end(sample, "fail", pending.fail, told.result)
            return
        sample.result = told.result
        self._end(sample, "ok", pending.ok, sample.result)
        self.generator.seen(operation, sample.result)

    def _end(
        self,
        sample: Sample,
        outcome: Literal["ok", "fail", "info"],
        tell: Callable[[Any], None],
        what: Any,
    ) -> None:
        sample.ended_ns, sample.outcome = now_ns(self.cluster), outcome
        tell(what)

    async def _elsewhere(self, client: _Client, node: NodeId, hint: NodeId | None) -> None:
        """Follows a hint at once, unless it leads to one that kept silent a moment ago."""
        now_ms, nodes = self.cluster.now_ms(), self._nodes
        if hint in nodes and hint != node and self._suspects.get(hint or "", 0) <= now_ms:
            client.guess = hint or node
            return
        others = [other for other in nodes if other != node]
        trusted = [other for other in others if self._suspects.get(other, 0) <= now_ms]
        client.guess = client.rng.choice(trusted or others or list(nodes))
        await _sleep(self.cluster, client.rng.uniform(0.5, 1.5) * BACKOFF_MS)


async def _sleep(cluster: Cluster, ms: float) -> None:
    """As `cluster.sleep`, which takes whole milliseconds: asyncio's clock is the cluster's."""
    await asyncio.sleep(ms / 1000)
