"""Injects faults into a cluster, lists them, and heals them. The same in every runtime.

`fault_kinds` has the faults as plain data, `fault_injection` brings them about. Nothing here knows
a runtime, a socket or the real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from nodes.cluster import fault_kinds as kinds
from nodes.cluster.api import World
from nodes.cluster.fault_injection import Injector
from nodes.cluster.fault_kinds import (
    FAULTS,
    Fault,
    FaultRefused,
    Heal,
    Nodes,
    Skew,
    Which,
    fault_from_dict,
)
from nodes.core import NodeId

__all__ = ["FAULTS", "Fault", "FaultRefused", "Faults", "Injected", "fault_from_dict"]


@dataclass(frozen=True, slots=True)
class Injected:
    """What was done: the fault, a sentence for people, and one line on what to look for."""

    fault: Fault
    sentence: str
    watch_for: str


class Faults:
    """The faults of one cluster.

    `on_event` is told ("fault", details) of each fault and ("heal", details) of each healing;
    `seed` feeds the draws of call faults. All coroutines raise FaultRefused (a ValueError) for what
    makes no sense or cannot act now, and RuntimeFailure for what the runtime could not do; a fault
    that failed half way is rolled back.
    """

    def __init__(
        self,
        world: World,
        on_event: Callable[[str, dict[str, Any]], None] | None = None,
        seed: int = 0,
    ) -> None:
        self._world = world
        self._on_event = on_event
        self._injector = Injector(world, seed)
        self._lock = asyncio.Lock()

    def active(self) -> list[dict[str, Any]]:
        """The faults in force, oldest first.

        Each is `{"kind", "nodes", "since_ms", "sentence", "fault"}`; the last one as in a schedule.
        """
        return [
            {
                "kind": entry.fault.kind,
                "nodes": list(entry.fault.named()),
                "since_ms": entry.since_ms,
                "sentence": self._sentence(entry.fault),
                "fault": entry.fault.to_dict(),
            }
            for entry in self._injector.active
        ]

    def _sentence(self, fault: Fault) -> str:
        """With what has become of it."""
        said = fault.sentence(self._world.nodes)
        if not isinstance(fault, kinds.CrashAt):
            return said
        died = tuple(n for n in fault.nodes if self._world.crashed_at(n) == fault.point)
        if not died:
            return f"{said}; not reached so far"
        return f"{said}; {kinds.listed(died)} {'has' if len(died) == 1 else 'have'} died there"

    async def inject(self, fault: Fault) -> Injected:
        """Brings the fault about and returns once it has been read back."""
        async with self._lock:
            self._injector.check(fault)
            extra = await self._injector.bring_about(fault)
            nodes = self._world.nodes
            sentence = "; ".join([fault.sentence(nodes), *extra])
            self._tell("heal" if isinstance(fault, Heal) else "fault", fault, sentence)
            return Injected(fault, sentence, fault.watch_for(nodes))

    async def heal(self) -> Injected:
        """Undoes everything, also what others did: a node that ended by itself is started.

        Does what it can, and then raises one RuntimeFailure that names what could not be healed.
        """
        return await self.inject(Heal())

    def _tell(self, kind: str, fault: Fault, sentence: str) -> None:
        if self._on_event is not None:
            details = {"fault": fault.to_dict(), "nodes": list(fault.named())}
            self._on_event(kind, details | {"sentence": sentence, "at_ms": self._world.now_ms()})

    # ------------------------------------------------------------------------------ conveniences

    async def partition(self, *groups: Iterable[NodeId] | NodeId) -> Injected:
        """No message between the groups; a single group is parted from the rest."""
        return await self.inject(kinds.Partition(tuple(_group(group) for group in groups)))

    async def isolate(self, node: NodeId) -> Injected:
        """No message between this node and any other."""
        return await self.inject(kinds.Isolate(node))

    async def cut(self, a: NodeId, b: NodeId, *, one_way: bool = False) -> Injected:
        """No packet between a and b, or none from a to b."""
        return await self.inject(kinds.Cut(a, b, one_way))

    async def sever(self, a: NodeId, b: NodeId) -> Injected:
        """Connections between a and b are refused."""
        return await self.inject(kinds.Sever(a, b))

    async def delay(
        self, a: NodeId, b: NodeId, delay_ms: int, jitter_ms: int = 0, *, one_way: bool = False
    ) -> Injected:
        """Packets between a and b are late."""
        return await self.inject(kinds.Delay(a, b, delay_ms, jitter_ms, one_way))

    async def kill(self, *nodes: NodeId) -> Injected:
        """Ends nodes without a goodbye."""
        return await self.inject(kinds.Kill(nodes))

    async def crash_at(self, point: str, *nodes: NodeId, after: int = 0) -> Injected:
        """Ends nodes when their core comes to that point, and has passed it `after` times."""
        return await self.inject(kinds.CrashAt(nodes, point, after))

    async def power_cut(self, *nodes: NodeId) -> Injected:
        """Ends nodes, and what was not synced is gone."""
        return await self.inject(kinds.PowerCut(nodes))

    async def pause(self, *nodes: NodeId) -> Injected:
        """Stops nodes where they stand."""
        return await self.inject(kinds.Pause(nodes))

    async def resume(self, *nodes: NodeId) -> Injected:
        """Lets paused nodes go on."""
        return await self.inject(kinds.Resume(nodes))

    async def restart(self, *nodes: NodeId) -> Injected:
        """Kills nodes that are up, and starts them."""
        return await self.inject(kinds.Restart(nodes))

    async def wipe(self, *nodes: NodeId) -> Injected:
        """Restarts nodes with an empty disk."""
        return await self.inject(kinds.Wipe(nodes))

    async def skew(self, *nodes: NodeId, offset_ms: int = 0, rate: float = 1.0) -> Injected:
        """Sets wall clocks off, or lets them drift."""
        return await self.inject(Skew(nodes, offset_ms, rate))

    async def lose(
        self, percent: float, *nodes: NodeId, peer: NodeId | None = None, which: Which = "both"
    ) -> Injected:
        """Loses that share of the nodes' calls; no nodes means all."""
        return await self.inject(kinds.Lose(percent, nodes, peer, which))

    async def duplicate(
        self, percent: float, *nodes: NodeId, peer: NodeId | None = None
    ) -> Injected:
        """Sends that share of the nodes' requests twice; no nodes means all."""
        return await self.inject(kinds.Duplicate(percent, nodes, peer))

    async def reorder(
        self, percent: float, *nodes: NodeId, peer: NodeId | None = None, hold_ms: int = 50
    ) -> Injected:
        """Holds back that share of the nodes' requests; no nodes means all."""
        return await self.inject(kinds.Reorder(percent, nodes, peer, hold_ms))


def _group(group: Iterable[NodeId] | NodeId) -> Nodes:
    return (group,) if isinstance(group, str) else tuple(group)
