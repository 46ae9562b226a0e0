"""How a conductor is asked to end: by a signal, by `lab down`, by whoever started it going away."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

GONE_POLL_S = 0.2
SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}


class Stopped(Exception):
    """Somebody asked for the end; carries who."""


class Stopping:
    """Whether somebody asked for the end, and whether they asked twice. Made on a running loop."""

    def __init__(self) -> None:
        self.asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.in_a_hurry = asyncio.Event()

    def request(self, who: str) -> None:
        """Ends the lab soon; asked a second time, faster."""
        if self.asked.done():
            self.in_a_hurry.set()
        else:
            self.asked.set_result(who)

    @contextlib.contextmanager
    def by_signals(self) -> Iterator[None]:
        """Takes signals as requests while the block runs."""
        loop = asyncio.get_running_loop()
        for number, name in SIGNALS.items():
            loop.add_signal_handler(number, self.request, name)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    async def unless_asked(
        self, work: Coroutine[Any, Any, None], nobody_there: Callable[[], bool]
    ) -> None:
        """Awaits the work; gives it up and raises Stopped as soon as somebody asks for the end, or
        nobody is there any more for whom it is done."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                either: set[asyncio.Future[Any]] = {task, self.asked}
                await asyncio.wait(either, timeout=GONE_POLL_S, return_when=asyncio.FIRST_COMPLETED)
                if nobody_there():
                    self.request("the command that started it went away")
                if self.asked.done():
                    raise Stopped(self.asked.result())
            await task
        finally:
            if not task.done():
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
