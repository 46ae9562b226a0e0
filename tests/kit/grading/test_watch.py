"""Watch mode in a terminal of its own: it checks on save, gives hints, and ends clean."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labs.kit.grading.course import load_course
from labs.kit.grading.skeleton import skeleton
from labs.kit.processes import ProcessMark
from tests.support.terminal import PATIENCE_S, PROJECT, wait_until


class Screen:
    """What a command shows on a terminal, and the keys that it gets."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self.descriptor, self.process = descriptor, process
        self.shown = ""

    def until(self, text: str) -> str:
        """Reads until it shows `text`; returns what came up to there, which is forgotten."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            assert time.monotonic() < deadline, f"no {text!r} in {self.shown!r}"
            ready, _, _ = select.select([self.descriptor], [], [], 0.1)
            if ready:
                try:
                    self.shown += os.read(self.descriptor, 65536).decode()
                except OSError:  # The terminal is closed: nothing more will come.
                    assert text in self.shown, f"it ended: {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def press(self, key: str) -> None:
        """One key."""
        os.write(self.descriptor, key.encode())


@contextmanager
def watching(file: Path) -> Iterator[Screen]:
    """`lab check raft --watch` on a file."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labs.kit.cli", "check", "raft", "--watch", "--file", str(file)],
        cwd=file.parent, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Screen(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def save(file: Path, text: str) -> None:
    """As an editor does: a new file in place of the old one."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def children(pid: int) -> list[ProcessMark]:
    """Of a process, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            mark = ProcessMark.of(child)
            found += ([mark] if mark is not None else []) + children(child)
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="children are read from /proc")
def test_checks_again_on_save(tmp_path: Path) -> None:
    """From blank over a mistake to right: the current check, hints by key, the next part, and
    nothing left at the end."""
    course = load_course("raft")
    file = tmp_path / "exercise.py"
    file.write_text(skeleton(course, 1))
    with watching(file) as screen:
        screen.until(f"0/{len(course.checks)} checks")
        screen.until("part 1 is not written yet: election_timed_out")
        screen.until("q quit")
        screen.press("h")
        screen.until("hint 1 of 3")
        screen.press("h")
        screen.until("hint 2 of 3")
        right = skeleton(course, 2)
        save(file, right.replace("self.current_term += 1", "self.current_term += 0", 1))
        screen.until("FAIL  one-leader-is-elected")
        screen.until("observed:")
        screen.until("q quit")
        save(file, right)
        passed = sum(check.part == 1 for check in course.checks)
        screen.until(f"{passed}/{len(course.checks)} checks")
        screen.until("part 2 is not written yet")
        screen.until("q quit")
        marks = children(screen.process.pid)
        assert marks, "workers wait for the next save"
        screen.press("q")
        assert screen.process.wait(PATIENCE_S) == 0
        wait_until(lambda: not any(mark.alive() for mark in marks), "all processes gone")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="children are read from /proc")
def test_ends_clean_by_interrupt_and_kill(tmp_path: Path) -> None:
    """Ctrl-C is one line; a killed judge takes its workers and the learner's process along."""
    file = tmp_path / "exercise.py"
    file.write_text(skeleton(load_course("raft"), 2))
    for number in (signal.SIGINT, signal.SIGKILL):
        with watching(file) as screen:
            screen.until("q quit")
            marks = children(screen.process.pid)
            assert marks, "workers and a player are there"
            screen.process.send_signal(number)
            if number == signal.SIGINT:
                assert "Traceback" not in screen.until("interrupted")
            screen.process.wait(PATIENCE_S)
            wait_until(
                lambda marks=marks: not any(mark.alive() for mark in marks),  # type: ignore[misc]  # bound now
                "all processes gone",
            )
