"""An asyncio event loop whose time is virtual: it never waits, it jumps to the next timer.

Checks and workloads are plain async code; on this loop ten seconds of theirs take milliseconds, and
the same program takes the same course every time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class Deadlock(Exception):
    """The program waits, and nothing is left that could ever happen."""


class Timer:
    """What `VirtualLoop.after` returns: a timer without asyncio's extras, for what the simulator
    does by the hundred thousand."""

    __slots__ = ("_args", "_callback", "_cancelled", "_loop")

    def __init__(
        self, loop: VirtualLoop, callback: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False

    def cancel(self) -> None:
        """It will not run; no harm if it has."""
        self._cancelled = True

    def cancelled(self) -> bool:
        """As asyncio's handles say it."""
        return self._cancelled

    def _run(self) -> None:
        try:
            self._callback(*self._args)
        except Exception as error:
            context = {"message": "a timer raised", "exception": error, "handle": self}
            self._loop.call_exception_handler(context)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time starts at 0 and moves only when everything that is ready has run.

    Timers are kept here and not by asyncio: those of one moment run in the order in which they were
    set, and a heap of tuples is several times faster than one of handles.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle | Timer]] = []
        self._timers_set = 0
        super().__init__(_NoSelector(self))

    def time(self) -> float:
        return self._now_s

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_set += 1
        heappush(self._timers, (when, self._timers_set, handle))
        return handle

    def after(self, delay_s: float, callback: Callable[..., object], *args: object) -> Timer:
        """As `call_later`, at a fraction of the price."""
        timer = Timer(self, callback, args)
        self._timers_set += 1
        heappush(self._timers, (self._now_s + delay_s, self._timers_set, timer))
        return timer

    def jump(self) -> None:
        """Moves on to the next timer, and makes all timers of that moment ready.

        One that is alone and cheap is run on the spot; if nothing came of it, so is the next.
        """
        ready: list[asyncio.Handle] = self._ready  # type: ignore[attr-defined]  # asyncio's own queue
        timers = self._timers
        while not ready:
            while timers and timers[0][2].cancelled():
                heappop(timers)
            if not timers:
                raise Deadlock("nothing is scheduled, and the program waits")
            when, _, first = heappop(timers)
            self._now_s = now_s = max(self._now_s, when)
            if isinstance(first, Timer) and not (timers and timers[0][0] <= now_s):
                first._run()
                continue
            ready.append(first)  # type: ignore[arg-type]  # has all that the loop asks of a handle
            while timers and timers[0][0] <= now_s:
                ready.append(heappop(timers)[2])  # type: ignore[arg-type]  # likewise handed on as it came


class _NoSelector(selectors.SelectSelector):
    """Instead of waiting for sockets, moves the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._loop.jump()
        return []


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs `main` on a loop of its own in virtual time and returns its result.

    Raises Deadlock when the program waits for something that cannot happen.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
