"""A terminal in which `lab` commands are typed, in a working directory of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labs.kit.processes import ProcessMark
from labs.kit.session import Session, SessionFolder

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.02)


class Terminal:
    """Runs `lab` commands in a working directory of their own."""

    def __init__(self, folder: Path) -> None:
        self.cwd = folder
        self.folder = SessionFolder(folder / ".lab")
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "FAULTLAB_HOME"},
            "PYTHONPATH": str(PROJECT),
            "COLUMNS": "100",
        }

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "labs.kit.cli", *arguments],
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            **options,
        )

    def lab(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out.decode(), err.decode()

    def json(self, *arguments: str) -> Any:
        status, out, err = self.lab(*arguments, "--json")
        assert status == 0, err
        return json.loads(out)

    def session(self) -> Session:
        session = self.folder.read()
        assert session is not None
        return session

    def everyone(self) -> list[ProcessMark]:
        session = self.session()
        return [session.conductor, *session.processes]

    def assert_nothing_left(self, marks: list[ProcessMark]) -> None:
        wait_until(lambda: not any(mark.alive() for mark in marks), "all processes gone")
        wait_until(lambda: self.folder.read() is None, "session file gone")
        left = {path.name for path in self.folder.path.iterdir()}
        assert left <= {"lock", "conductor.log", "last"}, "the record of the last lab may stay"

    def end(self) -> None:
        """Ends whatever runs here, however it takes it."""
        session = self.folder.read()
        if session is None:
            return
        self.lab("down")
        for mark in [session.conductor, *session.processes]:
            mark.send(signal.SIGKILL)
