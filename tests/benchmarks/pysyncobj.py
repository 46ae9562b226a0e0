"""PySyncObj as a peer: its client is a node, and it never syncs a disk.

The nodes are programs of tests/benchmarks/pysyncobj_node.py.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from labs.kit.bench.contender import ContenderFailed, Left, Load, Work
from labs.kit.bench.processes import Program, end_all, free_addresses, rss_mib
from labs.raft.bench import ELECTION_MS_MAX, ELECTION_MS_MIN, HEARTBEAT_MS

NODE_MODULE = "tests.benchmarks.pysyncobj_node"
TICK_MS = 5
TIMES_MS = {
    "tick": TICK_MS,
    "heartbeat": HEARTBEAT_MS,
    "election_min": ELECTION_MS_MIN,
    "election_max": ELECTION_MS_MAX,
}
RESPONDS_S_MAX = 35.0  # a node that attempts a first write gives up a little earlier
SERVES_S_MAX = 30.0


class PySyncObj:
    """A cluster of `nodes` such nodes."""

    name = "pysyncobj"
    elects = True

    def __init__(self, nodes: int) -> None:
        self.note = (
            "NOT durable (no fsync), client inside the leader's process, no proxy; "
            "appendEntriesUseBatch=False"
        )
        self._count = nodes
        self._programs: dict[str, Program] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._random = Random(0)

    async def start(self) -> float:
        """As Contender says."""
        self._folder = tempfile.TemporaryDirectory(prefix="faultlab-pysyncobj-")
        addresses = free_addresses(self._count)
        self._programs = {}
        began_s = time.monotonic()
        await asyncio.gather(*(self._run(address, addresses) for address in addresses))
        return (await self._first_acknowledged(list(self._programs)) - began_s) * 1000

    async def _run(self, address: str, addresses: Sequence[str]) -> None:
        assert self._folder is not None
        others = [other for other in addresses if other != address]
        log = Path(self._folder.name) / f"{address.rpartition(':')[2]}.log"
        self._programs[address] = await Program.spawn_module(
            NODE_MODULE, [json.dumps(TIMES_MS), address, *others], log
        )

    async def stop(self) -> None:
        """As Contender says."""
        await end_all(list(self._programs.values()))
        if self._folder is not None:
            self._folder.cleanup()
        self._programs, self._folder = {}, None

    async def _ask(self, address: str, within_s: float, **command: Any) -> dict[str, Any]:
        program = self._programs[address]
        await program.say(json.dumps(command))
        response: dict[str, Any] = json.loads(await program.hear(within_s))
        return response

    async def _first_acknowledged(self, addresses: Sequence[str]) -> float:
        """When the first of these nodes had a write acknowledged; all have had one afterwards."""
        times_s = []

        async def attempt(address: str) -> None:
            if (await self._ask(address, RESPONDS_S_MAX, do="attempt"))["acknowledged"]:
                times_s.append(time.monotonic())

        await asyncio.gather(*(attempt(address) for address in addresses))
        if not times_s:
            raise ContenderFailed(f"no write was acknowledged within {SERVES_S_MAX:g} s")
        return min(times_s)

    async def _leader(self) -> str:
        deadline = time.monotonic() + SERVES_S_MAX
        while time.monotonic() < deadline:
            for address in self._programs:
                if (await self._ask(address, 5, do="leads"))["leads"]:
                    return address
            await asyncio.sleep(0.01)  # it tells nobody when it has a leader
        raise ContenderFailed(f"PySyncObj has no leader within {SERVES_S_MAX:g} s")

    async def load(self, work: Work) -> Load:
        """As Contender says."""
        within_s = work.seconds + RESPONDS_S_MAX
        result = await self._ask(await self._leader(), within_s, do="load", **asdict(work))
        return Load(**result)

    def memory_mib(self) -> Sequence[float]:
        """As Contender says."""
        sizes = [rss_mib(program.pid) for program in self._programs.values()]
        return [size for size in sizes if size is not None]

    async def failover(self) -> float:
        """As Contender says."""
        leader = await self._leader()
        await asyncio.sleep(self._random.randint(200, 400) / 1000)  # any phase of the heartbeat
        survivors = [address for address in self._programs if address != leader]
        began_s = time.monotonic()
        await self._programs[leader].kill()
        first_s = await self._first_acknowledged(survivors)
        await self._run(leader, list(self._programs))
        await self._first_acknowledged([leader])
        return (first_s - began_s) * 1000


def contenders(nodes: int) -> list[PySyncObj]:
    """As a benchmark finds its peers. Raises Left."""
    if find_spec("pysyncobj") is None:
        raise Left("PySyncObj is not installed; pip install 'faultlab[bench]' brings it")
    return [PySyncObj(nodes)]
