"""Makes one state out of another."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from google.protobuf.message import Message

from labs.kit.explore.state import Move, Node, Packet, State, digest_of, twin_of
from nodes.cluster.api import CLIENT
from nodes.core import (
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
from nodes.sim.cluster import Observer, SimCluster
from nodes.sim.disk import SimDisk

if TYPE_CHECKING:
    from labs.kit.explore.rules import Rules

FLUSHES_MAX: Final = 50  # timers without delay that one event may set off


class Violation(Exception):
    """What must never happen has happened; the cause is chained."""


class Step:
    """Of one move. Observers see it as they see a simulated cluster: its `params`, `view_now` and
    `between_steps`."""

    def __init__(self, rules: Rules, state: State) -> None:
        self.params = rules.params
        self._rules = rules
        self._before = state
        self._nodes = list(state.nodes)
        self._packets = list(state.packets)
        self._awaited = list(state.awaited)
        self._now_ms = state.now_ms
        self._calls = state.calls
        self._budget = state.budget
        self._observers: Sequence[Observer] = state.observers
        self._observed = state.observed
        self._disk = state.nodes[0].disk  # of the node that steps, once there is one

    def effects_of(self, move: Move) -> Sequence[Effect]:
        """What the core orders at the first event of this move; nothing when it raises, which is
        found when the move is followed."""
        core, event = self._prepare(move)
        try:
            return core.step(event, Now(self._now_ms, self._now_ms))
        except Exception:
            return ()

    def take(self, move: Move) -> State:
        """The state after the move. Raises Violation when an observer or a core does."""
        if move.kind == "crash":
            self._crash(move.node, self._nodes[move.node].disk)
        elif move.kind == "lose":
            self._budget = self._budget.less("losses")
            self._lost(self._packets.pop(move.packet))
        else:
            core, event = self._prepare(move)
            self._happen(move.node, core, event, move.keep)
        return State(
            tuple(self._nodes),
            tuple(self._packets),
            tuple(self._awaited),
            self._now_ms,
            self._calls,
            self._budget,
            self._observers,
            self._observed,
        )

    def view_now(self, node: NodeId) -> Message | None:
        """What the node shows; None while it is down."""
        core = self._nodes[self._rules.ids.index(node)].core
        return None if core is None else core.view()

    def between_steps(self, node: NodeId) -> bool:
        """Whether the node is up: here nobody is ever seen in the middle of a step."""
        return self._nodes[self._rules.ids.index(node)].core is not None

    # -------------------------------------------------------------------------------------- events

    def _prepare(self, move: Move) -> tuple[Core, Event]:
        """A core that may be stepped, and what happens to it."""
        number = move.node
        node = self._nodes[number]
        self._disk = copy.deepcopy(node.disk)
        if move.kind == "start":
            return self._rules.new_core(number), self._disk.load(amnesia=False)
        assert node.core is not None
        core = twin_of(node.core)
        if move.kind == "fire":
            timers = dict(node.timers)
            self._now_ms += timers.pop(move.timer)
            self._set_timers(number, timers)
            self._budget = self._budget.less("timers")
            return core, TimerFired(move.timer)
        if move.kind == "ask":
            request = self._rules.next_request(self._before)
            self._budget = self._budget.less("requests")
            self._calls += 1
            return core, Requested(Caller(CLIENT, self._calls), request)
        packet = self._packets.pop(move.packet)
        if packet.response is not None:
            return core, Responded(packet.call, packet.response)
        self._awaited.append(packet)
        return core, Requested(Caller(packet.source, packet.call_id), packet.call.request)

    def _lost(self, packet: Packet) -> None:
        """Whoever called hears that there will be no response."""
        caller = packet.source if packet.response is None else packet.target
        number = self._rules.ids.index(caller)
        node = self._nodes[number]
        if node.core is not None:
            self._disk = copy.deepcopy(node.disk)
            failed = CallFailed(packet.call, "lost")
            self._happen(number, twin_of(node.core), failed, None)

    def _happen(self, number: int, core: Core, event: Event, keep: int | None) -> None:
        """The event, and the timers without delay that it sets off."""
        name = self._rules.ids[number]
        for _ in range(FLUSHES_MAX):
            try:
                effects = core.step(event, Now(self._now_ms, self._now_ms))
            except Exception as error:
                raise Violation(f"{name} raised {type(error).__name__}: {error}") from error
            for effect in effects if keep is None else effects[:keep]:
                self._carry_out(number, effect)
            if keep is not None:
                self._crash(number, self._disk)
                return
            key = digest_of(core, self._disk, env=core.env)
            self._nodes[number] = self._nodes[number]._replace(core=core, disk=self._disk, key=key)
            self._observe(name, event, effects)
            timers = dict(self._nodes[number].timers)
            due = next((timer for timer, delay_ms in timers.items() if delay_ms == 0), None)
            if due is None:
                return
            del timers[due]
            self._set_timers(number, timers)
            event = TimerFired(due)
        raise Violation(f"{name} sets timers without delay for ever")

    def _observe(self, node: NodeId, event: Event, effects: Sequence[Effect]) -> None:
        if self._observers is self._before.observers:
            self._observers = copy.deepcopy(self._observers)
        for observer in self._observers:
            try:
                observer(cast(SimCluster, self), node, event, effects)
            except Exception as error:
                raise Violation(str(error)) from error
        self._observed = digest_of(self._observers)

    def _crash(self, number: int, disk: SimDisk) -> None:
        """Everything volatile is gone, and nobody waits for a response any more."""
        name = self._rules.ids[number]
        self._nodes[number] = Node(None, disk, digest_of(disk))
        self._packets = [one for one in self._packets if one.response is None or one.target != name]
        self._awaited = [one for one in self._awaited if name not in (one.source, one.target)]
        self._budget = self._budget.less("crashes")

    def _carry_out(self, number: int, effect: Effect) -> None:
        name = self._rules.ids[number]
        timers = dict(self._nodes[number].timers)
        match effect:
            case Call(peer):
                self._calls += 1
                self._packets.append(Packet(self._calls, name, peer, effect))
            case Respond(caller, response):
                self._respond(name, caller, response)
            case SetTimer(timer, delay_ms):
                self._set_timers(number, timers | {timer: delay_ms})
            case CancelTimer(timer):
                timers.pop(timer, None)
                self._set_timers(number, timers)
            case Save() | SaveAll() | Append() | Truncate() | Discard():
                self._disk.write(effect)
                self._disk.sync()
            case Note() | CrashPoint():
                pass

    def _respond(self, name: NodeId, caller: Caller, response: Message) -> None:
        """To a call that somebody still waits for; clients are heard and not answered."""
        for place, request in enumerate(self._awaited):
            if (request.call_id, request.source) == (caller.call_id, caller.node):
                del self._awaited[place]
                back = Packet(request.call_id, name, caller.node, request.call, response)
                self._packets.append(back)
                return

    def _set_timers(self, number: int, timers: Mapping[str, int]) -> None:
        ordered = tuple(sorted(timers.items()))
        self._nodes[number] = self._nodes[number]._replace(timers=ordered)
