"""Clients of a scenario: what they were told, and whether the servers kept to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from google.protobuf.message import Message

from labs.kit.check import expect, require
from labs.kit.operations import KeyValueClient, Operation
from labs.raft.scenarios.watch import Watch
from nodes.cluster.api import Indeterminate, Refused
from nodes.core import NodeId
from protos import kv_pb2 as kv

Verdict = Literal["acknowledged", "refused", "unknown"]


class Writes:
    """Puts, each of a key of its own, each sent once to one node. Remembers how each ended."""

    def __init__(self, watch: Watch, value_bytes: int = 8) -> None:
        self.watch = watch
        self.value_bytes = value_bytes
        self.verdicts: dict[str, Verdict] = {}

    def value(self, key: str) -> bytes:
        """What is written under a key: tells the key, filled up to the size."""
        return f"={key}".encode().ljust(self.value_bytes, b".")

    async def put(self, node: NodeId, key: str = "", *, timeouts: float = 4) -> Verdict:
        """Writes one key (a new one by default) through one node, and says how it ended."""
        key = key or f"k{len(self.verdicts)}"
        assert key not in self.verdicts, "each key is written once"
        self.verdicts[key] = "unknown"
        request = kv.PutRequest(key=key, value=self.value(key))
        self.verdicts[key] = await attempt(self.watch, node, request, timeouts=timeouts)
        return self.verdicts[key]

    async def commit(self, node: NodeId, count: int = 1) -> None:
        """Writes `count` keys at once through the leader; all must be acknowledged."""
        keys = [f"k{len(self.verdicts) + number}" for number in range(count)]
        ends = await asyncio.gather(*(self.put(node, key) for key in keys))
        for key, verdict in zip(keys, ends, strict=True):
            expect(
                verdict == "acknowledged",
                f"{node}, which leads a majority, acknowledges every write",
                f"the write of {key} ended {verdict}",
            )

    async def commit_anyhow(self, count: int = 1) -> None:
        """Writes through whoever leads, again by the next leader while it must be."""
        for _ in range(count):
            for _ in range(50):
                leader = await self.watch.leader_now()
                if await self.put(leader) == "acknowledged":
                    break
            else:
                expect(False, "a healthy majority acknowledges writes", "50 attempts in vain")

    def count(self, verdict: Verdict) -> int:
        """How many ended so."""
        return sum(1 for ended in self.verdicts.values() if ended == verdict)

    async def settle(self) -> None:
        """Heals everything, writes once more, waits until all servers agree, and reads each key on
        each of them."""
        await self.watch.cluster.faults.heal()
        await self.commit_anyhow()
        await self.watch.converged()
        first, *others = self.watch.cluster.nodes
        await self.check_at(first)
        for node in others:
            await self.check_at(node, keys_max=8)

    async def check_at(self, node: NodeId, *, keys_max: int = 40) -> None:
        """Every acknowledged write is there, no refused one is, and no value was invented. Looks at
        so many keys at most, evenly spread."""
        require(self.count("acknowledged") > 0, "no write was acknowledged")
        keys = list(self.verdicts)[:: len(self.verdicts) // keys_max + 1]
        reads = (read_at(self.watch, node, key) for key in keys)
        found = dict(zip(keys, await asyncio.gather(*reads), strict=True))
        for key in keys:
            verdict = self.verdicts[key]
            allowed = {
                "acknowledged": (self.value(key),),
                "refused": (None,),
                "unknown": (None, self.value(key)),
            }[verdict]
            expect(
                found[key] in allowed,
                f"the write of {key}, which ended {verdict}, holds at {node}",
                f"{node} has {found[key]!r}",
            )


async def attempt(watch: Watch, node: NodeId, request: Message, *, timeouts: float = 4) -> Verdict:
    """Sends one request once and says how it ended."""
    try:
        await watch.cluster.call(node, request, timeout_ms=int(timeouts * watch.timeout_ms))
    except Refused:
        return "refused"
    except Indeterminate:
        return "unknown"
    return "acknowledged"


async def read_at(watch: Watch, node: NodeId, key: str) -> bytes | None:
    """What this one server has applied to a key; None if there is no such key."""
    request = kv.GetRequest(key=key, consistency=kv.STALE)
    response = await watch.cluster.call(node, request, timeout_ms=4 * watch.timeout_ms)
    assert isinstance(response, kv.GetResponse)
    return response.value if response.found else None


@dataclass(frozen=True, slots=True)
class _Read:
    """A read that ended: what it saw, and what had been settled before it began."""

    value: bytes
    acknowledged_before: int
    longest_before: int


class Appends:
    """Clients that append tokens of their own to shared keys, and read them.

    From that alone linearizability can be judged: the final value is the order in which the
    appends took effect, and every read must be a beginning of it.
    """

    def __init__(self, watch: Watch, keys: Iterable[str] = ("x",)) -> None:
        self.watch = watch
        self.keys = tuple(keys)
        self.stopped = False
        self.acknowledged: dict[str, list[str]] = {key: [] for key in self.keys}
        self._unknown: dict[str, set[str]] = {key: set() for key in self.keys}
        self._began_after: dict[str, int] = {}  # by token: how many were acknowledged before
        self._reads: dict[str, list[_Read]] = {key: [] for key in self.keys}
        self._longest: dict[str, int] = dict.fromkeys(self.keys, 0)
        self._clients: list[asyncio.Task[None]] = []

    def start(self, clients: int, *, pause_timeouts: float = 0.1) -> None:
        """Lets clients begin; each waits that long between two operations."""
        for number in range(clients):
            self._clients.append(asyncio.ensure_future(self._run(number, pause_timeouts)))

    @property
    def count(self) -> int:
        """Appends acknowledged so far."""
        return sum(map(len, self.acknowledged.values()))

    async def progress(self, count: int = 1) -> None:
        """Waits until `count` more appends were acknowledged."""
        goal = self.count + count

        async def reached() -> bool:
            failed = [task for task in self._clients if task.done() and task.exception()]
            return bool(failed) or self.count >= goal

        await self.watch.cluster.until(
            f"{count} more appends acknowledged", reached, within_ms=40 * self.watch.timeout_ms
        )

    async def stop(self) -> None:
        """Lets the clients finish what they are at. Raises what any of them raised."""
        self.stopped = True
        await asyncio.gather(*self._clients)

    async def cancel(self) -> None:
        """Ends the clients in the middle of what they do; no harm if they are done."""
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _run(self, number: int, pause_timeouts: float) -> None:
        client = self._client()
        turn = 0
        while not self.stopped:
            turn += 1
            key = self.keys[(number + turn) % len(self.keys)]
            if turn % 4 == 0:
                await self._read(client, key)
            else:
                await self._append(client, key, f"{number}.{turn}")
            await self.watch.wait(pause_timeouts)

    def _client(self) -> KeyValueClient:
        return KeyValueClient(self.watch.cluster, self.watch.timeout_ms, lambda: None)

    async def _append(self, client: KeyValueClient, key: str, token: str) -> None:
        self._began_after[token] = len(self.acknowledged[key])
        self._unknown[key].add(token)
        timeout_ms = 40 * self.watch.timeout_ms
        operation = Operation("append", key, f"{token};".encode(), timeout_ms=timeout_ms)
        outcome = await client.run(operation)
        if outcome.ok is not None:
            self._unknown[key].remove(token)
        if outcome.ok:
            self.acknowledged[key].append(token)

    async def _read(self, client: KeyValueClient, key: str) -> None:
        before, longest = len(self.acknowledged[key]), self._longest[key]
        operation = Operation("get", key, timeout_ms=40 * self.watch.timeout_ms)
        outcome = await client.run(operation)
        if outcome.ok:
            value = outcome.value or b""
            self._reads[key].append(_Read(value, before, longest))
            self._longest[key] = max(self._longest[key], len(value))

    # ------------------------------------------------------------------------------------ judging

    async def settle(self) -> None:
        """Heals everything, ends the clients, waits until all servers agree, and judges what was
        seen against the final value on each of them."""
        await self.watch.cluster.faults.heal()
        await self.progress(2)
        await self.stop()
        await self.watch.leader()
        client = self._client()
        for key in self.keys:
            await self._read(client, key)
        await self.watch.converged()
        require(all(self._reads.values()), "a key was never read")
        for key in self.keys:
            finals = {n: await read_at(self.watch, n, key) for n in self.watch.cluster.nodes}
            final = finals[self.watch.cluster.nodes[0]] or b""
            for node, value in finals.items():
                expect((value or b"") == final, f"{key} is the same everywhere", f"{node} differs")
            self._judge(key, final)

    def _judge(self, key: str, final: bytes) -> None:
        tokens = final.decode().split(";")[:-1]
        place = {token: position for position, token in enumerate(tokens)}
        expect(len(place) == len(tokens), "each append takes effect once", f"{key} is {final!r}")
        acknowledged = self.acknowledged[key]
        for token in acknowledged:
            expect(token in place, f"append {token} to {key} was acknowledged", "it is gone")
        for token in tokens:
            known = token in self._unknown[key] or token in acknowledged
            expect(known, f"{token} never took effect", f"{key} is {final!r}")
            for earlier in acknowledged[: self._began_after[token]]:
                expect(
                    place[earlier] < place[token],
                    f"{earlier} was acknowledged before {token} began, and so comes first",
                    f"{key} is {final!r}",
                )
        for read in self._reads[key]:
            self._judge_read(key, final, read)

    def _judge_read(self, key: str, final: bytes, read: _Read) -> None:
        shown = f"a read of {key} saw {read.value!r}"
        expect(final.startswith(read.value), f"reads see beginnings of {final!r}", shown)
        expect(len(read.value) >= read.longest_before, "no read sees less than one before", shown)
        seen = set(read.value.decode().split(";"))
        for token in self.acknowledged[key][: read.acknowledged_before]:
            expect(token in seen, f"reads see {token}, acknowledged before they began", shown)
