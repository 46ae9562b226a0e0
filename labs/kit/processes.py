"""Which process is which: pids are reused, a pid with its start time is not."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


def start_time(pid: int) -> str | None:
    """When the process started, in whatever form the system tells it; None when it is not there."""
    if Path("/proc/self/stat").exists():
        return _start_time_linux(pid)
    result = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = result.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def _start_time_linux(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets and may hold anything, brackets included.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    return f"{fields[19]} after boot {_boot_id()}"


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


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
