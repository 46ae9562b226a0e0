"""One simulated node: steps its core and carries out the effects in order.

A crash can fall between any two effects of a step. That is how "told but not saved" is found.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from nodes.cluster.api import NodeState
from nodes.core import (
    DURABLE,
    Append,
    Call,
    Caller,
    CallFailed,
    CancelTimer,
    Core,
    CrashPoint,
    Discard,
    Effect,
    Event,
    NodeId,
    Note,
    Now,
    Requested,
    Respond,
    Responded,
    Save,
    SaveAll,
    SetTimer,
    TimerFired,
    Truncate,
)
from nodes.sim.disk import SimDisk
from nodes.sim.loop import Timer

if TYPE_CHECKING:
    from nodes.sim.cluster import SimCluster

WALL_CLOCK_BEGAN_MS = 1_700_000_000_000


class SimNode:
    """Volatile: the core, its timers, what waits for it. Durable: the disk."""

    def __init__(self, world: SimCluster, node_id: NodeId, disk: SimDisk) -> None:
        self.world = world
        self.node_id = node_id
        self.disk = disk
        self.state = NodeState.DOWN
        self.core: Core | None = None
        self.incarnation = 0
        self.steps = 0
        self.viewed_at = -1  # how many steps came before `viewed`
        self.viewed: Message | None = None
        self.amnesia = False
        self.effects_until_crash: int | None = None
        self.boundaries = 0  # before and between effects, and before each sync: where it may crash
        self.crash_points: dict[str, int] = {}  # armed, and how many passes are let go first
        self.passed: dict[str, int] = {}  # how often the core came by, armed or not
        self.crashed_at: str | None = None  # the point at which the latest life ended
        self.crashed_before: Effect | None = None  # by `effects_until_crash`
        self.ended = asyncio.Event()
        self.ended.set()
        self.clock = (0, 0.0, 1.0)  # wall = mono + offset, drifting at a rate since a moment
        self._timers: dict[str, tuple[int, Timer]] = {}
        self._timer_generation = 0
        self._inbox: deque[tuple[Event, int]] = deque()
        self._busy = False
        self._frozen: Callable[[], None] | None = None  # what a paused node will go on with

    # ----------------------------------------------------------------------------- life and death

    def start(self, make_core: Callable[[], Core]) -> None:
        """Comes up with what the disk holds."""
        self.incarnation += 1
        self.viewed_at = -1
        self.crashed_at = None
        self.ended.clear()
        self.state = NodeState.UP
        self.core = make_core()
        self.take(self.disk.load(amnesia=self.amnesia))

    def crash(self, *, power_cut: bool) -> None:
        """Everything volatile is gone, in the middle of whatever it was."""
        self.state = NodeState.DOWN
        self.incarnation += 1
        self.core = None
        for _, handle in self._timers.values():
            handle.cancel()
        self._timers = {}
        self._inbox.clear()
        self._busy = False
        self._frozen = None
        self.effects_until_crash = None
        self.disk.crash(power_cut=power_cut)
        self.ended.set()

    def pause(self) -> None:
        """Stops between two instructions; the kernel goes on taking messages in."""
        self.state = NodeState.PAUSED

    def resume(self) -> None:
        """Goes on as if nothing had happened; no harm if it was not paused."""
        if self.state != NodeState.PAUSED:
            return
        self.state = NodeState.UP
        frozen, self._frozen = self._frozen, None
        if frozen:
            frozen()
        self._work()

    @property
    def between_steps(self) -> bool:
        """Up, and nothing is half done."""
        return self.state == NodeState.UP and not self._busy

    # -------------------------------------------------------------------------------------- events

    def take(self, event: Event, timer_generation: int = 0) -> None:
        """Puts an event into the inbox."""
        if self.state != NodeState.DOWN:
            self._inbox.append((event, timer_generation))
            self._work()

    def now(self) -> Now:
        """The node's own clocks."""
        mono_ms = self.world.now_ms()
        offset_ms, since_ms, rate = self.clock
        drift_ms = (mono_ms - since_ms) * (rate - 1)
        return Now(mono_ms, WALL_CLOCK_BEGAN_MS + mono_ms + offset_ms + int(drift_ms))

    def _work(self) -> None:
        while self._inbox and self.state == NodeState.UP and not self._busy:
            event, generation = self._inbox.popleft()
            if isinstance(event, TimerFired):
                current = self._timers.get(event.name)
                if current is None or current[0] != generation:
                    continue  # Cancelled or set anew while it waited.
                del self._timers[event.name]
            self._step(event)

    def _step(self, event: Event) -> None:
        assert self.core is not None
        effects = self.world.step(self, self.core, event)
        self._busy = True
        self._carry_out(event, effects, 0, written=False)

    def _carry_out(self, event: Event, effects: list[Effect], start: int, *, written: bool) -> None:
        for position in range(start, len(effects)):
            effect = effects[position]
            if self._crashes_here(effect):
                return
            if isinstance(effect, CrashPoint):
                if self.crash_points.get(effect.name) != 0:
                    self._pass(effect.name)
                    continue
                if written:  # What was ordered before is durable.
                    self._sync_then(event, effects, position)
                    return
                self._die_at(effect.name)
                return
            if isinstance(effect, DURABLE):
                self.disk.write(effect)
                written = True
                continue
            if written and isinstance(effect, Call | Respond):
                self._sync_then(event, effects, position)
                return
            self._carry_out_volatile(effect)
        if written:
            if not self._crashes_here(None):
                self._sync_then(event, effects, len(effects))
            return
        self._busy = False
        self.amnesia = False  # What the node made of it, if anything, is durable by now.
        self.world.stepped(self, event, effects)

    def _sync_then(self, event: Event, effects: list[Effect], position: int) -> None:
        """Later effects wait for the disk, and so does the next event."""
        incarnation = self.incarnation

        def synced() -> None:
            if incarnation != self.incarnation:
                return
            if self.state == NodeState.PAUSED:
                self._frozen = synced
                return
            self.disk.sync()
            self._carry_out(event, effects, position, written=False)
            self._work()

        delay_ms = self.world.sync_ms()
        if delay_ms:
            self.world.loop.after(delay_ms / 1000, synced)
        else:
            self.disk.sync()
            self._carry_out(event, effects, position, written=False)

    def _pass(self, point: str) -> None:
        self.passed[point] = self.passed.get(point, 0) + 1
        if point in self.crash_points:
            self.crash_points[point] -= 1

    def _die_at(self, point: str) -> None:
        """A point that was died of is spent."""
        self._pass(point)
        del self.crash_points[point]
        self.world.crash_now(self.node_id, point=point)
        self.crashed_at = point

    def _crashes_here(self, before: Effect | None) -> bool:
        self.boundaries += 1
        if self.effects_until_crash is None:
            return False
        self.effects_until_crash -= 1
        if self.effects_until_crash >= 0:
            return False
        self.crashed_before = before
        self.world.crash_now(self.node_id)
        return True

    def _carry_out_volatile(self, effect: Effect) -> None:
        match effect:
            case Call():
                self._call(effect)
            case Respond(caller, response):
                self.world.respond(self.node_id, caller, response)
            case SetTimer(name, delay_ms):
                self._set_timer(name, delay_ms)
            case CancelTimer(name):
                _, handle = self._timers.pop(name, (0, None))
                if handle:
                    handle.cancel()
            case Note(kind, fields):
                self.world.noted(self.node_id, kind, fields)
            case Save() | SaveAll() | Append() | Truncate() | Discard() | CrashPoint():
                raise AssertionError("they are seen to where effects are taken in order")

    def _call(self, call: Call) -> None:
        incarnation = self.incarnation

        def complete(response: Message | None, reason: str) -> None:
            if incarnation == self.incarnation:
                ended = CallFailed(call, reason) if response is None else Responded(call, response)
                self.take(ended)

        self.world.call_peer(self.node_id, call, complete)

    def _set_timer(self, name: str, delay_ms: int) -> None:
        _, old = self._timers.pop(name, (0, None))
        if old:
            old.cancel()
        self._timer_generation += 1
        generation = self._timer_generation
        fired = TimerFired(name)
        handle = self.world.loop.after(delay_ms / 1000, self.take, fired, generation)
        self._timers[name] = (generation, handle)


def describe(event: Event) -> tuple[str, Message | None]:
    """What an event is, for digests and timelines."""
    match event:
        case Requested(Caller(node, _), request):
            return f"requested {node}", request
        case Responded(call, response):
            return f"responded {call.peer}", response
        case CallFailed(call, reason):
            return f"failed {call.peer} {reason}", call.request
        case TimerFired(name):
            return f"timer {name}", None
        case _:
            return "started", None
