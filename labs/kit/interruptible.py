"""Work of one command that starts processes: Ctrl-C and SIGTERM both end them, and then us."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from labs.kit.errors import Interrupted

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Runs it on a loop of its own. Raises Interrupted, once it has cleaned up, when it was
    interrupted."""
    received: list[signal.Signals] = []

    async def run() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

        def interrupt(number: signal.Signals) -> None:
            # Once: a second signal, such as what `timeout` passes on, must not stop the clean-up.
            if not received:
                task.cancel()
            received.append(number)

        for number in SIGNALS:
            loop.add_signal_handler(number, interrupt, number)
        return await task

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        if not received:
            raise  # nobody asked for it: a bug, which must not look like Ctrl-C
        by = received[0].name
        raise Interrupted(f"interrupted by {by}; everything that it started has ended") from None
