"""Signals to child processes that asyncio watches."""

from __future__ import annotations

import os
import signal
from asyncio.subprocess import Process


def send(process: Process, number: signal.Signals) -> None:
    """Sends a signal to a child, and leaves it to asyncio to hear how it ended.

    The child's own `kill` and `send_signal` first ask whether it has ended. If it just has, they
    take its exit status, and asyncio reports 255 instead of the signal. Raises ProcessLookupError
    when the child is gone.
    """
    if process.returncode is not None:
        raise ProcessLookupError(f"process {process.pid} has ended")
    os.kill(process.pid, number)
