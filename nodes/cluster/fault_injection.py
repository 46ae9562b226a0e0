"""Brings faults about in a `World`, remembers which are in force, and heals them.

The injector is declarative: from the list of active faults it computes how every link, clock and
call should be. So faults overlap without disturbing each other, and healing cannot forget one.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from nodes.cluster import fault_kinds as kinds
from nodes.cluster.api import CLIENT, NodeState, RpcFault, RuntimeFailure, World
from nodes.cluster.fault_base import Fault, FaultRefused, Nodes, listed
from nodes.cluster.fault_rules import raise_all, state_refusal, wanted_links
from nodes.cluster.link_faults import LinkFault
from nodes.cluster.node_faults import CallFault, Heal, NodeFault, Skew
from nodes.core import NodeId

T = TypeVar("T")

# What acts on a stream of bytes has nothing to act on where messages are objects.
_BYTE_STREAM_KINDS: Final = frozenset({"slice", "slow-close", "limit", "reset", "bandwidth"})


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault in force, and since when (milliseconds since the cluster began)."""

    fault: Fault
    since_ms: int


class Injector:
    """What `Faults` does, one fault at a time; the caller sees to that."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self.active: list[ActiveFault] = []
        self._injected_count = 0
        # Nodes that may have call faults or a wrong clock set, also when the list forgot why.
        self._calls_touched: set[NodeId] = set()
        self._clocks_touched: set[NodeId] = set()
        self._armed: set[NodeId] = set()  # may have crash points set

    def check(self, fault: Fault) -> None:
        """Raises FaultRefused when the fault makes no sense, or cannot act here and now."""
        fault.check(self._world.nodes)
        if fault.kind not in self._world.supports and not isinstance(fault, Heal):
            runtimes = "local or compose" if fault.kind in _BYTE_STREAM_KINDS else "local"
            raise FaultRefused(
                f"{fault.kind} cannot act in this runtime; it can with --runtime {runtimes}"
            )
        if isinstance(fault, NodeFault):
            for node in fault.nodes:
                refusal = state_refusal(fault, node, self._state(node))
                if refusal is not None:
                    raise FaultRefused(refusal)
        if isinstance(fault, kinds.CrashAt):
            for node in fault.nodes:
                if self._world.crashed_at(node) == fault.point:
                    raise FaultRefused(
                        f"{node} is down, since it died at {fault.point}; "
                        f"`lab fault restart {node}` starts it"
                    )

    async def bring_about(self, fault: Fault) -> list[str]:
        """Does it, and returns what there is to say beyond the fault's own sentence."""
        self._injected_count += 1
        match fault:
            case LinkFault():
                return await self._inject_on_links(fault)
            case Skew():
                return await self._inject_skew(fault)
            case kinds.CrashAt():
                return await self._inject_crash_points(fault)
            case CallFault():
                return await self._inject_on_calls(fault)
            case Heal():
                await self._heal()
            case kinds.Kill() | kinds.PowerCut():
                await self._take_down(fault)
            case kinds.Pause():
                await self._each(fault.nodes, self._world.pause, self._world.resume)
                self._remember(fault)
            case kinds.Resume():
                await self._each(fault.nodes, self._resume)
            case kinds.Restart():
                await self._together(fault.nodes, self._restart)
            case kinds.Wipe():
                await self._together(fault.nodes, self._wipe)
        return []

    def _remember(self, fault: Fault) -> None:
        self.active.append(ActiveFault(fault, self._world.now_ms()))

    async def _inject_on_links(self, fault: LinkFault) -> list[str]:
        if any(entry.fault == fault for entry in self.active):
            return ["it was in force already"]
        others = [e.fault for e in self.active if isinstance(e.fault, LinkFault)]
        before, _ = wanted_links(others, self._world.nodes)
        wanted, replaced = wanted_links([*others, fault], self._world.nodes)
        try:
            await self._world.set_links(wanted)
        except BaseException:
            await self._quietly(self._world.set_links(before))
            raise
        self._remember(fault)
        extra = [f"it replaces what an earlier fault set on {replaced}"] if replaced else []
        if others:
            extra.append(f"still in force: {', '.join(other.kind for other in others)}")
        return extra

    async def _inject_skew(self, fault: Skew) -> list[str]:
        earlier = list(self.active)
        self._forget_nodes(fault.nodes, Skew)
        self._remember(fault)
        return await self._apply_or_restore(fault.nodes, self._set_clock, earlier)

    async def _inject_crash_points(self, fault: kinds.CrashAt) -> list[str]:
        earlier = list(self.active)
        for node in fault.nodes:
            self._forget_crash(node)
        self._forget_where(
            lambda other: isinstance(other, kinds.CrashAt) and other.point == fault.point,
            fault.nodes,
        )
        self._remember(fault)
        tried: list[NodeId] = []
        try:
            for node in fault.nodes:
                tried.append(node)
                await self._set_crash_points(node)
        except BaseException:
            self.active = earlier
            for node in tried:
                await self._quietly(self._set_crash_points(node))
            raise
        down = tuple(node for node in fault.nodes if self._state(node) is NodeState.DOWN)
        return [f"for {listed(down)}, down now, it holds from the next start"] if down else []

    async def _inject_on_calls(self, fault: CallFault) -> list[str]:
        earlier = list(self.active)
        self.active = [entry for entry in self.active if entry.fault != fault]
        self._remember(fault)
        callers = fault.callers(self._world.nodes)
        return await self._apply_or_restore(callers, self._set_calls, earlier)

    async def _apply_or_restore(
        self,
        nodes: Nodes,
        apply: Callable[[NodeId], Awaitable[None]],
        earlier: list[ActiveFault],
    ) -> list[str]:
        """Applies what the list says to nodes that run; on failure the list is `earlier` again."""
        running = [node for node in nodes if self._state(node) is NodeState.UP]
        tried: list[NodeId] = []
        try:
            for node in running:
                tried.append(node)
                await apply(node)
        except BaseException:
            self.active = earlier
            for node in tried:
                await self._quietly(apply(node))
            raise
        waiting = tuple(node for node in nodes if node not in running)
        return [f"for {listed(waiting)}, not running now, it begins later"] if waiting else []

    async def _take_down(self, fault: kinds.Kill | kinds.PowerCut) -> None:
        world = self._world
        take_down = world.kill if isinstance(fault, kinds.Kill) else world.power_cut
        paused = tuple(n for n in fault.nodes if self._state(n) is NodeState.PAUSED)
        await self._each(fault.nodes, take_down, self._start)
        self._forget_nodes(paused, kinds.Pause)
        self._remember(fault)

    async def _each(
        self,
        nodes: Nodes,
        act: Callable[[NodeId], Awaitable[None]],
        undo: Callable[[NodeId], Awaitable[None]] | None = None,
    ) -> None:
        done: list[NodeId] = []
        try:
            for node in nodes:
                await act(node)
                done.append(node)
        except BaseException:
            if undo is not None:
                for node in reversed(done):
                    await self._quietly(undo(node))
            raise

    async def _together(self, nodes: Nodes, act: Callable[[NodeId], Awaitable[None]]) -> None:
        outcomes = await asyncio.gather(*map(act, nodes), return_exceptions=True)
        raise_all(dict(zip(nodes, outcomes, strict=True)))

    async def _resume(self, node: NodeId) -> None:
        await self._world.resume(node)
        self._forget_nodes((node,), kinds.Pause)
        await self._reapply(node)
        if node in self._armed and not self._crash_points_of(node):
            await self._set_crash_points(node)  # healed while it stood still

    async def _restart(self, node: NodeId) -> None:
        await self._end(node)
        await self._start(node)

    async def _wipe(self, node: NodeId) -> None:
        await self._end(node)
        await self._world.wipe(node)
        await self._start(node)

    async def _end(self, node: NodeId) -> None:
        if self._state(node) is not NodeState.DOWN:
            await self._world.kill(node)
            self._forget_nodes((node,), kinds.Pause)
            self._remember(kinds.Kill((node,)))  # listed until it is up again, should that fail

    async def _start(self, node: NodeId) -> None:
        self._forget_crash(node)
        await self._world.start(node)
        self._forget_nodes((node,), kinds.Kill, kinds.PowerCut, kinds.Pause)
        # A new process begins with a true clock and true calls.
        self._clocks_touched.discard(node)
        self._calls_touched.discard(node)
        await self._reapply(node)

    async def _reapply(self, node: NodeId) -> None:
        """A node that runs again gets the clock and the call faults that are in force."""
        if self._clock_of(node) is not None:
            await self._set_clock(node)
        if self._calls_of(node):
            await self._set_calls(node)

    # ----------------------------------------------------------------------- clocks and calls

    async def _set_clock(self, node: NodeId) -> None:
        self._clocks_touched.add(node)
        skew = self._clock_of(node)
        offset_ms, rate = (0, 1.0) if skew is None else (skew.offset_ms, skew.rate)
        await self._world.set_clock(node, offset_ms=offset_ms, rate=rate)
        if skew is None:
            self._clocks_touched.discard(node)

    async def _set_calls(self, node: NodeId) -> None:
        self._calls_touched.add(node)
        wanted = self._calls_of(node)
        seed = zlib.crc32(f"{self._seed}/{node}/{self._injected_count}".encode())
        await self._world.set_rpc_faults(node, wanted, seed)
        if not wanted:
            self._calls_touched.discard(node)

    async def _set_crash_points(self, node: NodeId) -> None:
        self._armed.add(node)
        wanted = self._crash_points_of(node)
        await self._world.set_crash_points(node, wanted)
        if not wanted:
            self._armed.discard(node)

    def _crash_points_of(self, node: NodeId) -> dict[str, int]:
        return {
            entry.fault.point: entry.fault.after
            for entry in self.active
            if isinstance(entry.fault, kinds.CrashAt) and node in entry.fault.nodes
        }

    def _forget_crash(self, node: NodeId) -> None:
        """What the node died of is over once it starts again."""
        point = self._world.crashed_at(node)
        if point is not None:
            self._forget_where(
                lambda fault: isinstance(fault, kinds.CrashAt) and fault.point == point, (node,)
            )

    def _clock_of(self, node: NodeId) -> Skew | None:
        for entry in reversed(self.active):
            if isinstance(entry.fault, Skew) and node in entry.fault.nodes:
                return entry.fault
        return None

    def _calls_of(self, node: NodeId) -> tuple[RpcFault, ...]:
        found: dict[tuple[str, NodeId | None], RpcFault] = {}
        for entry in self.active:
            fault = entry.fault
            if isinstance(fault, CallFault) and node in fault.callers(self._world.nodes):
                # A later fault of the same kind on the same calls replaces an earlier one.
                found |= {(rpc.kind, rpc.peer): rpc for rpc in fault.rpc_faults()}
        return tuple(found.values())

    # ----------------------------------------------------------------------------------- healing

    async def _heal(self) -> None:
        failures: dict[str, BaseException] = {}

        # Takes no coroutine: a task that is cancelled before it begins would never await that.
        async def attempt(what: str, act: Callable[[T], Awaitable[None]], on: T) -> None:
            try:
                await act(on)
            except Exception as failure:  # whatever it is, the rest has to be healed
                failures[what] = failure

        earlier, nodes = self.active, self._world.nodes
        self.active = [entry for entry in earlier if isinstance(entry.fault, NodeFault)]
        self._forget_nodes(nodes, Skew, kinds.CrashAt)
        for node in nodes:
            # Before anything runs again: it must not die of what is healed.
            if node in self._armed and self._state(node) is not NodeState.PAUSED:
                await attempt(f"{node} (crash points)", self._set_crash_points, node)
        await attempt("links", self._world.set_links, {})
        for node in nodes:
            if self._state(node) is NodeState.PAUSED:
                await attempt(f"{node} (resume)", self._resume, node)
        down = [node for node in nodes if self._state(node) is NodeState.DOWN]
        await asyncio.gather(*(attempt(f"{node} (start)", self._start, node) for node in down))
        for node in (*nodes, CLIENT):
            if node in self._calls_touched:
                await attempt(f"{node} (calls)", self._set_calls, node)
            if node in self._clocks_touched:
                await attempt(f"{node} (clock)", self._set_clock, node)
        up = tuple(node for node in nodes if self._state(node) is NodeState.UP)
        self._forget_nodes(up, kinds.Kill, kinds.PowerCut, kinds.Pause)
        self._keep_unhealed(earlier, links_failed="links" in failures)
        raise_all(failures, "could not heal ")

    def _keep_unhealed(self, earlier: list[ActiveFault], *, links_failed: bool) -> None:
        """What could not be healed stays listed, so that the next heal tries again."""
        nodes = self._world.nodes
        unhealed = [
            entry
            for entry in earlier
            if (links_failed and isinstance(entry.fault, LinkFault))
            or (
                isinstance(entry.fault, CallFault)
                and self._calls_touched.intersection(entry.fault.callers(nodes))
            )
            or (
                isinstance(entry.fault, kinds.CrashAt)
                and self._armed.intersection(entry.fault.nodes)
            )
            or (
                isinstance(entry.fault, Skew)
                and self._clocks_touched.intersection(entry.fault.nodes)
            )
        ]
        self.active = unhealed + self.active

    # ----------------------------------------------------------------------------------- details

    def _state(self, node: NodeId) -> NodeState:
        if node == CLIENT:
            return NodeState.UP
        return self._world.node_state(node)

    def _forget_nodes(self, nodes: Nodes, *fault_types: type[NodeFault]) -> None:
        """Takes nodes out of the active faults of these types; an empty one leaves the list."""
        self._forget_where(lambda fault: isinstance(fault, fault_types), nodes)

    def _forget_where(self, chosen: Callable[[NodeFault], bool], nodes: Nodes) -> None:
        kept = []
        for entry in self.active:
            fault = entry.fault
            if isinstance(fault, NodeFault) and chosen(fault):
                rest = tuple(node for node in fault.nodes if node not in nodes)
                if not rest:
                    continue
                entry = ActiveFault(replace(fault, nodes=rest), entry.since_ms)
            kept.append(entry)
        self.active = kept

    @staticmethod
    async def _quietly(action: Awaitable[None]) -> None:
        """Part of a rollback: the first failure is the one to tell."""
        with contextlib.suppress(RuntimeFailure):
            await action
