"""Clients that go on while nodes fail, and what must be true of what they were told."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from labs.kit.check import expect, require
from labs.kit.checkers import judge
from labs.kit.history import Recorder
from labs.quorum_store.scenarios.store import Ended, Store

PAUSE_UNITS = 0.02  # between two operations of a client
TIME_LIMIT_S = 10.0  # of the search for an order; a history of this size takes milliseconds


class Clients(ABC):
    """Each does one operation after the other, through one node after the other."""

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        self.store = store
        self.keys = tuple(keys)
        self.done = 0  # operations that succeeded
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    @abstractmethod
    async def operation(self, client: int, turn: int, node: str, key: str) -> bool:
        """Does one operation of a client, whose `turn` counts from 1; whether it succeeded."""

    def start(self, count: int) -> None:
        """Lets so many clients begin."""
        self._tasks = [asyncio.ensure_future(self._run(client)) for client in range(count)]

    async def _run(self, client: int) -> None:
        turn = 0
        nodes = self.store.cluster.nodes
        while not self._stopped:
            turn += 1
            node = nodes[(client + turn) % len(nodes)]
            key = self.keys[(client + turn // 2) % len(self.keys)]
            self.done += await self.operation(client, turn, node, key)
            await self.store.wait(PAUSE_UNITS)

    async def progress(self, count: int) -> None:
        """Waits until so many more operations have succeeded."""
        goal = self.done + count

        async def reached() -> bool:
            failed = [task for task in self._tasks if task.done() and task.exception()]
            return bool(failed) or self.done >= goal

        await self.store.until(f"{count} more operations succeed", reached, units=40)

    async def stop(self) -> None:
        """Heals everything, and ends the clients. Raises what any of them raised."""
        await self.store.heal()
        await self.progress(2)
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def cancel(self) -> None:
        """Ends the clients in the middle of what they do; no harm if they are done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Collectors(Clients):
    """Clients that collect a set under each key: they read, take the union of the siblings, add an
    element of their own, and write that with the context of the read. Nothing is ever taken out, so
    what was acknowledged must be there in the end."""

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        super().__init__(store, keys)
        self.acknowledged: dict[str, list[str]] = {key: [] for key in keys}

    async def operation(self, client: int, turn: int, node: str, key: str) -> bool:
        """See Clients.operation."""
        read = await self.store.get(node, key)
        if not read.acknowledged:
            return False
        element = f"{client}.{turn}"
        elements = sorted({*union(read), element})
        ended = await self.store.put(node, key, " ".join(elements), context=read.context)
        if ended.acknowledged:
            self.acknowledged[key].append(element)
        return ended.acknowledged

    async def settle(self) -> None:
        """Heals everything, and looks for what was acknowledged, through every node."""
        await self.stop()
        require(all(self.acknowledged.values()), "a key was never written")
        for key in self.keys:
            for node in self.store.cluster.nodes:
                found = union(await self.store.read(node, key))
                missing = [one for one in self.acknowledged[key] if one not in found]
                expect(
                    not missing,
                    f"every acknowledged element of {key} is found through {node}",
                    f"{len(missing)} of {len(self.acknowledged[key])} are missing, the first of "
                    f"them {min(missing, default='none')}",
                )


def union(read: Ended) -> set[str]:
    """The elements of all siblings."""
    return {element for value in read.values for element in value.split()}


class Registers(Clients):
    """Clients that read registers and write values of their own; the history is judged."""

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        super().__init__(store, keys)
        self.recorder = Recorder(lambda: store.cluster.now_ms() * 1_000_000)
        self._process: dict[int, int] = {}  # of each client; a new one after an unknown outcome

    async def operation(self, client: int, turn: int, node: str, key: str) -> bool:
        """See Clients.operation."""
        if client not in self._process:
            self._process[client] = self.recorder.process()
        process = self._process[client]
        if turn % 2:
            value = f"{client}.{turn}"
            pending = self.recorder.invoke(process, "write", value, key)
            ended = await self.store.put(node, key, value)
            if ended.acknowledged:
                pending.ok(value)
        else:
            pending = self.recorder.invoke(process, "read", None, key)
            ended = await self.store.get(node, key)
            if ended.acknowledged:
                pending.ok(ended.values[0] if ended.values else None)
        if ended.verdict == "refused":
            pending.fail(ended.reason)
        elif ended.verdict == "unknown":
            pending.info(ended.reason)
            del self._process[client]
        return ended.acknowledged

    async def settle(self) -> None:
        """Heals everything, reads each register through each node, and judges the history."""
        await self.stop()
        reader = self.recorder.process()
        for key in self.keys:
            for node in self.store.cluster.nodes:
                pending = self.recorder.invoke(reader, "read", None, key)
                read = await self.store.read(node, key)
                pending.ok(read.values[0] if read.values else None)
        verdict = judge(self.recorder.entries, "register", time_limit_s=TIME_LIMIT_S)
        require(verdict.valid is not None, f"the history could not be judged: {verdict.reason}")
        expect(
            verdict.valid is True,
            "the history is linearizable",
            verdict.counterexample.explanation if verdict.counterexample else "it is not",
        )
