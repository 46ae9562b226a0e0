"""Which process is which: pids are reused, a pid with its start time is not."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Any

from nodes.cluster.process_start import start_time as start_time


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """One process, told apart from all later ones of the same pid by when it started."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessMark | None:
        """The mark of a process that lives now; None when there is none."""
        started = start_time(pid)
        return None if started is None else cls(pid, started)

    @classmethod
    def from_json(cls, raw: Any) -> ProcessMark | None:
        """None when the JSON is not a mark."""
        match raw:
            case {"pid": int(pid), "started": str(started)} if pid > 1:
                return cls(pid, started)
        return None

    def to_json(self) -> dict[str, Any]:
        """As kept in the session file."""
        return {"pid": self.pid, "started": self.started}

    def alive(self) -> bool:
        """Whether this very process still runs. A zombie does not."""
        return start_time(self.pid) == self.started

    def send(self, signal_number: int) -> None:
        """Signals the process if it still is this one; no harm if it is gone."""
        if self.alive():
            try:
                os.kill(self.pid, signal_number)
            except (ProcessLookupError, PermissionError):
                return

    def wait_gone(self, timeout_s: float) -> bool:
        """Whether the process ended within the time."""
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        return True


def end_processes(marks: list[ProcessMark]) -> list[ProcessMark]:
    """Kills those of the processes that still live, and returns them. Pids that belong to somebody
    else by now are left alone."""
    alive = [mark for mark in marks if mark.alive()]
    for mark in alive:
        # A stopped process takes SIGKILL as well, so paused nodes need nothing special.
        mark.send(signal.SIGKILL)
    for mark in alive:
        mark.wait_gone(5)
    return alive
