"""The reaper of a session, from the side of its conductor; nodes/cluster/reaper.py is its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from typing import Final

from nodes.cluster.reaper import DONE
from nodes.cluster.surroundings import PROJECT_ROOT

_ENDED_S_MAX: Final = 5.0


class ReaperProcess:
    """Started before anything is made that it might have to remove."""

    def __init__(self, session: str, engine_host: str) -> None:
        environment = dict(os.environ) | {"DOCKER_HOST": engine_host}
        environment["PYTHONPATH"] = str(PROJECT_ROOT)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "nodes.cluster.reaper", session],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )

    async def dismiss(self) -> None:
        """There is nothing left to remove: it ends. No harm if it has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(f"{DONE}\n".encode())
        self.let_go()
        try:
            await asyncio.to_thread(self._process.wait, _ENDED_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def let_go(self) -> None:
        """From here on it removes by itself what is left. No harm if called twice."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
