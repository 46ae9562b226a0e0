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


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time starts at 0 and moves only when everything that is ready has run.

    Timers are kept here and not by asyncio: those of one moment run in the order in which they were
    set, and a heap of tuples is several times faster than one of handles.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
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

    def jump(self) -> None:
        """Moves on to the next timer, and makes all timers of that moment ready."""
        ready: list[asyncio.Handle] = self._ready  # type: ignore[attr-defined]  # asyncio's own queue
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        if not timers:
            raise Deadlock("nothing is scheduled, and the program waits")
        self._now_s = max(self._now_s, timers[0][0])
        while timers and timers[0][0] <= self._now_s:
            ready.append(heappop(timers)[2])


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
