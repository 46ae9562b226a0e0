"""An asyncio event loop whose time is virtual: it never waits, it jumps to the next timer.

Checks and workloads are plain async code; on this loop ten seconds of theirs take milliseconds, and
the same program takes the same course every time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(Exception):
    """The program waits, and nothing is left that could ever happen."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time starts at 0 and moves only when everything that is ready has run."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_NoSelector(self))
        self._clock_resolution = 1e-9  # What is due now runs now; asyncio needs a positive value.

    def time(self) -> float:
        return self._now_s

    def jump(self) -> None:
        """Moves on to the next timer."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if not scheduled:
            raise Deadlock("nothing is scheduled, and the program waits")
        self._now_s = max(self._now_s, scheduled[0].when())


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
