"""Watch mode: on every save the quick checks, up to the first that does not pass; first the one
that failed before."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labs.kit.errors import DONE, LabError
from labs.kit.grading.course import Check, Course
from labs.kit.grading.grade import Graders, Order, Result
from labs.kit.grading.learner import prepare
from labs.kit.grading.report import explanation
from labs.kit.text import visible

if TYPE_CHECKING:
    from labs.kit.grading.progress import Progress

LOOK_EVERY_S: Final = 0.2  # files are looked at by their time and size: that works everywhere
CLEAR: Final = "\x1b[2J\x1b[H"
KEYS: Final = "h a hint, c check again, q quit"


def watch_file(
    course: Course,
    file: Path,
    checks: Sequence[Check],
    progress: Progress | None,
    *,
    jobs: int,
    suffix: str = "",
) -> int:
    """Goes on until q, Ctrl-C or the end of stdin. Raises LabError when the file is not there at
    the beginning."""
    if not file.is_file():
        raise LabError(f"{file} is not there; `lab reset {course.lab}` writes a fresh one")
    view = _View(course, progress, suffix)
    simulated = [check for check in checks if check.runs_in("sim")]
    pressed = ""
    try:
        # The processes stay from save to save: to start them takes longer than to check.
        with Graders(course, jobs) as graders, _single_keys() as keys:
            while pressed != "q":
                stamp = _stamp(file)
                order = _order(course, file, view.in_turn(simulated), progress)
                view.show(file, simulated, graders.grade(order, view))
                pressed = _wait(file, stamp, keys)
                while pressed == "h":
                    view.hint()
                    pressed = _wait(file, stamp, keys)
    except KeyboardInterrupt:
        raise LabError("interrupted; nothing is left running") from None
    return DONE


def _order(course: Course, file: Path, checks: Sequence[Check], progress: Progress | None) -> Order:
    prepared = prepare(course, file, file.name)
    again = {}
    if progress is not None:
        again = {check.id: progress.failed_seeds(course.lab, check.id) for check in checks}
    return Order(
        course,
        prepared.implementation,
        checks,
        quick=True,
        again=again,
        refusals=prepared.refusals,
        given=prepared.given,
    )


class _View:
    """What is on the screen: how far one is, the check that does not pass yet, the keys."""

    def __init__(self, course: Course, progress: Progress | None, suffix: str) -> None:
        self._course, self._progress, self._suffix = course, progress, suffix
        self._hints = 0
        self._current: Check | None = None
        self._passed: set[str] = set()

    def in_turn(self, checks: Sequence[Check]) -> list[Check]:
        """The one that failed goes first: that is what was worked on."""
        return sorted(checks, key=lambda check: check is not self._current)

    def begins(self, check: Check, runs: int) -> None:
        """See Audience."""
        if runs and sys.stdout.isatty():
            print(f"\r\x1b[Kchecking {check.id} ...", end="", flush=True)

    def goes_on(self, check: Check, done: int, failed: int) -> None:
        """See Audience."""

    def ended(self, result: Result) -> None:
        """See Audience."""
        if result.verdict == "pass":
            self._passed.add(result.check.id)
        else:
            self._passed.discard(result.check.id)

    def show(self, file: Path, checks: Sequence[Check], results: Sequence[Result]) -> None:
        """After a save."""
        passed = sum(check.id in self._passed for check in checks)
        width = 40
        filled = width * passed // max(1, len(checks))
        lines = [
            f"{self._course.lab}: {file.name}  [{'#' * filled}{'.' * (width - filled)}] "
            f"{passed}/{len(checks)} checks",
            "",
        ]
        failed = next((result for result in results if result.verdict != "pass"), None)
        if failed is None:
            lines += [
                "All of them pass on a few schedules. Now on many, and on real processes:",
                f"    lab check {self._course.lab}{self._suffix} --runtime full",
            ]
            self._current = None
        else:
            if self._current is not failed.check:
                self._current, self._hints = failed.check, 0
            part = self._course.part(failed.check.part)
            lines += [f"part {part.number}: {part.title}", f"FAIL  {failed.check.id}"]
            lines += [f"  {line}" for line in explanation(self._course, failed, self._suffix)]
        took = sum(result.elapsed_s for result in results)
        lines += ["", f"{time.strftime('%H:%M:%S')}, {took:.1f} s; {KEYS}"]
        print((CLEAR if sys.stdout.isatty() else "") + "\n".join(lines), flush=True)

    def hint(self) -> None:
        """The next level for the current check."""
        if self._current is None:
            print("nothing fails: there is nothing to hint at", flush=True)
            return
        level = min(self._hints, len(self._current.hints) - 1)
        self._hints += 1
        if self._progress is not None:
            self._progress.hint_taken(self._course.lab, self._current.id)
            self._progress.save()
        print(
            f"hint {level + 1} of {len(self._current.hints)}: "
            f"{visible(self._current.hints[level])}",
            flush=True,
        )


def _stamp(file: Path) -> tuple[int, int, int]:
    """Changes with every save, also by an editor that replaces the file; zeros while it is gone."""
    try:
        found = file.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


def _wait(file: Path, stamp: tuple[int, int, int], keys: int | None) -> str:
    """Until the file was saved ("") or a key was pressed, which is returned."""
    while True:
        now = _stamp(file)
        if now != stamp and now != (0, 0, 0):
            return ""
        if keys is None:
            time.sleep(LOOK_EVERY_S)
            continue
        ready, _, _ = select.select([keys], [], [], LOOK_EVERY_S)
        if ready:
            pressed = os.read(keys, 1).decode("latin-1").lower()
            if pressed in ("q", "\x04", ""):
                return "q"
            if pressed in ("h", "c"):
                return pressed


@contextmanager
def _single_keys() -> Iterator[int | None]:
    """Stdin, a key at a time where it is a terminal. None when there is nothing to read from."""
    try:
        stdin = sys.stdin.fileno()
    except (OSError, ValueError):
        yield None
        return
    if not os.isatty(stdin):
        yield None if stdin_is_empty(stdin) else stdin
        return
    import termios
    import tty

    before = termios.tcgetattr(stdin)
    try:
        tty.setcbreak(stdin)
        yield stdin
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def stdin_is_empty(stdin: int) -> bool:
    """It is /dev/null, or ended: no key will come, and that is not a wish to quit."""
    return os.fstat(stdin).st_rdev == os.stat(os.devnull).st_rdev
