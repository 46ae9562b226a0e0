"""A node's named timers on the event loop.

A timer that is set again or cancelled while its TimerFired waits in the inbox must not fire any
more. Therefore every arming has a generation, and a TimerFired counts only while its generation is
the timer's current one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fired:
    """A timer ran out; whether that still counts is asked when its turn comes."""

    name: str
    generation: int


class Timers:
    """One timer a name. `deliver` takes what fired."""

    def __init__(self, deliver: Callable[[Fired], None]) -> None:
        self._deliver = deliver
        self._generations: dict[str, int] = {}
        self._running: dict[str, asyncio.TimerHandle] = {}
        self._armings = 0

    def arm(self, name: str) -> int:
        """From now on only this arming counts. Returns its generation, for `start`."""
        self.cancel(name)
        self._armings += 1
        self._generations[name] = self._armings
        return self._armings

    def start(self, name: str, generation: int, delay_ms: int) -> None:
        """Lets the delay of an arming begin, unless another has replaced it since."""
        if self._generations.get(name) != generation:
            return
        fired = Fired(name, generation)
        if delay_ms <= 0:
            self._deliver(fired)
            return
        loop = asyncio.get_running_loop()
        self._running[name] = loop.call_later(delay_ms / 1000, self._deliver, fired)

    def cancel(self, name: str) -> None:
        """No harm if it is not set."""
        self._generations.pop(name, None)
        handle = self._running.pop(name, None)
        if handle is not None:
            handle.cancel()

    def take(self, fired: Fired) -> bool:
        """Whether it still counts. If so it is used up."""
        if self._generations.get(fired.name) != fired.generation:
            return False
        self.cancel(fired.name)
        return True

    def close(self) -> None:
        """Cancels all."""
        for name in tuple(self._generations):
            self.cancel(name)
