"""A core as a running process: one inbox, one step at a time, group commit.

The host steps every event that waits, makes all that they want durable in one transaction with one
fsync, and only then lets go what came behind the first durable effect. What came before it goes out
at once: so a leader's messages travel while its own disk works.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from google.protobuf.message import Message

from nodes import timeline
from nodes.core import (
    DURABLE,
    Call,
    Caller,
    CancelTimer,
    Core,
    CrashPoint,
    DurableEffect,
    Effect,
    Event,
    NodeId,
    Note,
    Requested,
    Respond,
    SetTimer,
    Started,
    TimerFired,
    saves_of,
)
from nodes.host.causality import Causality
from nodes.host.clock import SkewedClock
from nodes.host.crash_points import CrashPoints, kill_this_process
from nodes.host.peers import Transport
from nodes.host.rpc import Method
from nodes.host.text import printable
from nodes.host.timers import Fired, Timers

BATCH_EVENTS_MAX = 512
SYNC_S = 1.0  # how long a node with fsync off leaves data unsynced

# A commit as quick as this runs on the loop: handing it to the disk's thread and back costs as much
# as it takes. A slower disk keeps its thread, so that the node hears the network meanwhile; and so
# does a busy node, since what comes in during a commit is the next batch.
INLINE_COMMIT_MS_MAX = 3.0
INLINE_CALLS_MAX = 1  # that wait for a response
INLINE_SLOT_BYTES_MAX = 256 * 1024  # of one Save; a snapshot may be many megabytes
COMMIT_WEIGHT = 0.2  # of the latest commit in the running mean


class CoreFailed(Exception):
    """The protocol raised. One line: what, and where; the cause is chained."""


class Stopped(Exception):
    """The host ended before it had a response."""


class DurableStorage(Protocol):
    """Where a host keeps what must survive it. Used from one thread at a time."""

    @property
    def unsynced_bytes(self) -> int: ...
    def commit(self, effects: Sequence[DurableEffect]) -> None:
        """Makes all durable, in order."""

    def sync(self) -> None:
        """Makes durable what a commit without fsync left behind."""

    def size_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Answered:
    """A core's response on its way to the caller, with the metadata that it carries."""

    response: Message
    lamport: int
    message: str


Die: TypeAlias = Callable[[str], Awaitable[None]]


async def die_at_once(_: str) -> None:
    """Without seeing off what was sent."""
    kill_this_process()


class Waiter(Protocol):
    """Who waits for a response; a future is one. It is told once, unless it is done before."""

    def done(self) -> bool: ...
    def set_result(self, result: Answered, /) -> None: ...
    def set_exception(self, error: Stopped, /) -> None: ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    method: Method
    message: str
    answered: Waiter


@dataclass(frozen=True, slots=True)
class _StartTimer:
    """A SetTimer whose generation is drawn already; only its delay has not begun."""

    name: str
    generation: int
    delay_ms: int


_Outward: TypeAlias = Call | Respond | Note | _StartTimer


class Host:
    """Steps a core and carries out its effects. Everything but the disk runs on one loop."""

    def __init__(
        self,
        core: Core,
        *,
        storage: DurableStorage,
        transport: Transport,
        clock: SkewedClock,
        causality: Causality,
        crash_points: CrashPoints | None = None,
        die: Die = die_at_once,
        inline_commit_ms_max: float = INLINE_COMMIT_MS_MAX,
    ) -> None:
        self.core = core
        self._node = core.env.node_id
        self._storage = storage
        self._transport = transport
        self._clock = clock
        self._causality = causality
        self.crash_points = crash_points or CrashPoints()
        self._die = die  # ends the process at the crash point of that name
        self._dies_at: str | None = None
        self._inbox: deque[Event | Fired] = deque()
        self._wake = asyncio.Event()
        self._timers = Timers(self._deliver)
        self._waiting: dict[int, _Waiting] = {}
        self._calls = 0
        self._stopping = False
        self._sync_due = False
        self._sync_timer: asyncio.TimerHandle | None = None
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk")
        self._inline_commit_ms_max = inline_commit_ms_max
        self._commit_ms = 0.0  # running mean
        self.recovered = asyncio.Event()  # the core has digested what was on disk
        self.steps = 0
        self.commits = 0

    @property
    def inbox_length(self) -> int:
        """Events that wait."""
        return len(self._inbox)

    # ------------------------------------------------------------------------------- from outside

    def submit(
        self, node: NodeId, method: Method, request: Message, message: str
    ) -> tuple[Caller, asyncio.Future[Answered]]:
        """A request came in. The future ends in the response, or in Stopped."""
        answered: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        return self.accept(node, method, request, message, answered), answered

    def accept(
        self, node: NodeId, method: Method, request: Message, message: str, answered: Waiter
    ) -> Caller:
        """The same, for any waiter; it may be told Stopped before this returns."""
        self._calls += 1
        caller = Caller(node, self._calls)
        if self._stopping:
            answered.set_exception(Stopped())
            return caller
        self._waiting[caller.call_id] = _Waiting(method, message, answered)
        self._deliver(Requested(caller, request))
        return caller

    def abandon(self, caller: Caller) -> None:
        """The caller is gone: a later response to it is dropped."""
        self._waiting.pop(caller.call_id, None)

    def stop(self) -> None:
        """`run` returns after the batch at hand. No harm if called twice."""
        self._stopping = True
        self._wake.set()

    async def run(self, started: Started) -> None:
        """Until `stop`. Raises CoreFailed when the core raises, StorageFailed when the disk fails;
        in both cases nothing of the step at hand goes out."""
        self._deliver(started)
        del started  # a log may be large, and this frame lives as long as the node
        try:
            while not self._stopping:
                await self._wake.wait()
                durable, outward = self._step_waiting()
                if durable:
                    await self._commit(durable)
                for order in outward:
                    self._carry_out(order)
                if self._dies_at is not None:
                    await self._die(self._dies_at)
                    return
                self.recovered.set()
                if self._sync_due:
                    await self._sync()
                if not self._inbox and not self._stopping:
                    self._wake.clear()
                elif not durable:
                    await asyncio.sleep(0)  # a core that is never idle must not starve the server
            await self._sync()
        finally:
            self._close()

    def _close(self) -> None:
        self._stopping = True
        self._timers.close()
        if self._sync_timer is not None:
            self._sync_timer.cancel()
        for waiting in self._waiting.values():
            if not waiting.answered.done():
                waiting.answered.set_exception(Stopped())
        self._waiting.clear()
        self._disk.shutdown()

    # ------------------------------------------------------------------------------------ stepping

    def _deliver(self, event: Event | Fired) -> None:
        self._inbox.append(event)
        self._wake.set()

    def _step_waiting(self) -> tuple[list[DurableEffect], list[_Outward]]:
        """Steps what waits. Returns what must be durable, and what may go out only then."""
        durable: list[DurableEffect] = []
        outward: list[_Outward] = []
        for _ in range(BATCH_EVENTS_MAX):
            if not self._inbox or self._dies_at is not None:
                break
            event = self._inbox.popleft()
            if isinstance(event, Fired):
                if not self._timers.take(event):
                    continue
                self._causality.happened(timeline.TIMER, {"name": event.name})
                event = TimerFired(event.name)
            for effect in self._step(event):
                if isinstance(effect, CrashPoint):
                    if self.crash_points.ends_here(effect.name):
                        self._dies_at = effect.name
                        break
                    continue
                if isinstance(effect, DURABLE):
                    durable.append(effect)
                    continue
                order = self._prepare(effect)
                if order is None:
                    continue
                if durable:
                    outward.append(order)
                else:
                    self._carry_out(order)
        return durable, outward

    def _step(self, event: Event) -> list[Effect]:
        self.steps += 1
        try:
            return self.core.step(event, self._clock.now())
        except BaseException as error:
            raise CoreFailed(
                f"{self._node}: {describe_failure(self.core, event, error)}"
            ) from error

    def _prepare(self, effect: Effect) -> _Outward | None:
        """Timers change hands at once, since a timer that is replaced or cancelled must not fire
        meanwhile; only the delay of a new one begins in its turn."""
        match effect:
            case SetTimer(name, delay_ms):
                generation = self._timers.arm(name)
                if delay_ms > 0:
                    return _StartTimer(name, generation, delay_ms)
                self._timers.start(name, generation, 0)
                return None
            case CancelTimer(name):
                self._timers.cancel(name)
                return None
            case Call() | Respond() | Note():
                return effect
        raise CoreFailed(f"{self._node}: {type(self.core).__name__} ordered {effect!r}: no effect")

    def _carry_out(self, order: _Outward) -> None:
        match order:
            case Call():
                try:
                    self._transport.send(order, self._deliver)
                except LookupError as error:
                    name = type(self.core).__name__
                    raise CoreFailed(f"{self._node}: {name} called in vain: {error}") from error
            case Respond(caller, response):
                self._respond(caller, response)
            case _StartTimer(name, generation, delay_ms):
                self._timers.start(name, generation, delay_ms)
            case Note(kind, fields):
                self._causality.happened(kind, fields)

    def _respond(self, caller: Caller, response: Message) -> None:
        waiting = self._waiting.pop(caller.call_id, None)
        if waiting is None or waiting.answered.done():
            return  # its deadline passed, or its connection broke
        if type(response) is not waiting.method.response_type:
            raise CoreFailed(
                f"{self._node}: {type(self.core).__name__} responds to {waiting.method.path} with "
                f"{response.DESCRIPTOR.full_name}"
            )
        message = f"{waiting.message}r"
        lamport = self._causality.sent(message, caller.node, waiting.method.name, "response")
        waiting.answered.set_result(Answered(response, lamport, message))

    # ------------------------------------------------------------------------------------ the disk

    async def _commit(self, durable: list[DurableEffect]) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._commits_inline(durable):
                await asyncio.sleep(0)  # what was sent before travels while the disk works
                self._timed_commit(durable)
            else:
                await loop.run_in_executor(self._disk, self._timed_commit, durable)
        except ValueError as error:
            name = type(self.core).__name__
            raise CoreFailed(printable(f"{self._node}: {name} ordered an {error}")) from error
        self.commits += 1
        self._causality.happened(timeline.SAVED, {"effects": len(durable)})
        if self._storage.unsynced_bytes and self._sync_timer is None:
            self._sync_timer = loop.call_later(SYNC_S, self._ask_to_sync)

    def _commits_inline(self, durable: list[DurableEffect]) -> bool:
        if self._commit_ms >= self._inline_commit_ms_max or len(self._waiting) > INLINE_CALLS_MAX:
            return False
        return not any(
            save.state.ByteSize() > INLINE_SLOT_BYTES_MAX
            for effect in durable
            for save in saves_of(effect)
        )

    def _timed_commit(self, durable: list[DurableEffect]) -> None:
        began_s = time.monotonic()
        self._storage.commit(durable)
        took_ms = (time.monotonic() - began_s) * 1000
        self._commit_ms += COMMIT_WEIGHT * (took_ms - self._commit_ms)

    def _ask_to_sync(self) -> None:
        self._sync_timer = None
        self._sync_due = True
        self._wake.set()

    async def _sync(self) -> None:
        self._sync_due = False
        if self._storage.unsynced_bytes:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._storage.sync)


def describe_failure(core: Core, event: Event, error: BaseException) -> str:
    """One line: the exception, where it was raised, and at which event."""
    place = ""
    if frames := traceback.extract_tb(error.__traceback__):
        place = f" ({frames[-1].filename}:{frames[-1].lineno})"
    match event:
        case Requested(caller, request):
            what = f"{request.DESCRIPTOR.name} from {caller.node}"
        case TimerFired(name):
            what = f"timer {name}"
        case _:
            what = type(event).__name__
    return printable(f"{type(core).__name__} raised {error!r:.300}{place} at {what}")
