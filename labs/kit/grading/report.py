"""Results as people read them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from labs.kit.grading.course import Check, Course
from labs.kit.grading.flakes import rate_in_words
from labs.kit.grading.grade import Result
from labs.kit.text import visible

MARKS: Final = {"pass": "pass", "fail": "FAIL", "unknown": "????"}
SEEDS_SHOWN: Final = 8
PRINTED_LINES: Final = 12
INDENT: Final = "        "


class Console:
    """An audience at a terminal: a line a check, and under a failure what helps.

    `expected_s` is how long each check may take. `command` is what runs one seed again.
    """

    def __init__(
        self,
        course: Course,
        *,
        suffix: str,
        expected_s: Mapping[str, float],
        runs_word: str = "schedules",
        out: TextIO = sys.stdout,
    ) -> None:
        self._course, self._suffix, self._expected_s = course, suffix, expected_s
        self._runs_word, self._out = runs_word, out
        self._live = out.isatty()
        self._part = 0
        self._width = max((len(check.id) for check in course.checks), default=0)

    def begins(self, check: Check, runs: int) -> None:
        """See Audience."""
        if check.part != self._part:
            self._part = check.part
            part = self._course.part(check.part)
            points = sum(c.points for c in self._course.checks if c.part == part.number)
            self._say(f"\npart {part.number}: {part.title} ({points} points)")
        if runs:
            self._passing(f"  ....  {check.id}: {self._amount(check, runs)}")

    def goes_on(self, check: Check, done: int, failed: int) -> None:
        """See Audience."""
        if self._live:
            also = f", {failed} failed" if failed else ""
            self._passing(f"  ....  {check.id}: {done} {self._runs_word} done{also}")

    def ended(self, result: Result) -> None:
        """See Audience."""
        self._clear()
        check = result.check
        points = f"{result.points}/{check.points}"
        spent = f"{result.tried} in {result.elapsed_s:.1f} s" if result.tried else ""
        self._say(
            f"  {MARKS[result.verdict]}  {points:>5}  {check.id:{self._width}}  {spent}".rstrip()
        )
        if result.verdict != "pass":
            for line in explanation(self._course, result, self._suffix):
                self._say(f"{INDENT}{line}".rstrip())

    def _amount(self, check: Check, runs: int) -> str:
        expected_s = self._expected_s.get(check.id)
        about = "" if expected_s is None else f", about {max(1, round(expected_s))} s"
        return f"{runs} {self._runs_word}{about}"

    def _passing(self, text: str) -> None:
        """A line that the next one writes over; on what is no terminal it is left out."""
        if self._live:
            self._out.write(f"\r\x1b[K{text}")
            self._out.flush()

    def _clear(self) -> None:
        if self._live:
            self._out.write("\r\x1b[K")

    def _say(self, text: str) -> None:
        self._clear()
        self._out.write(f"{text}\n")
        self._out.flush()


class Silent:
    """An audience that does not listen."""

    def begins(self, check: Check, runs: int) -> None:
        """See Audience."""

    def goes_on(self, check: Check, done: int, failed: int) -> None:
        """See Audience."""

    def ended(self, result: Result) -> None:
        """See Audience."""


def explanation(course: Course, result: Result, suffix: str) -> list[str]:
    """What was expected and seen, how often, where to look, and what to do next."""
    check, first = result.check, result.first
    if first is not None and not result.tried:
        return [f"{visible(first.observed)} ({first.where})"]
    lines = [f"{check.title} ({check.paper})."]
    if first is None:
        return [*lines, "nothing was run: give it more seeds"]
    if result.verdict == "unknown":
        lines.append(f"not known: {visible(first.observed)}")
        lines.append("this earns nothing; try more seeds, as --seeds 500")
        return lines
    if first.expected:
        lines.append(f"expected: {visible(first.expected)}")
    lines.append(f"observed: {visible(first.observed)}")
    if first.where:
        lines.append(f"where:    {first.where}")
    if first.views:
        lines += ["the nodes then:", *(f"  {line}" for line in first.views)]
    if first.printed:
        lines.append("it printed:")
        shown = first.printed.splitlines()[-PRINTED_LINES:]
        lines += [f"  {visible(line)}" for line in shown]
    lines += ["", *first.picture.rstrip().splitlines(), ""] if first.picture else []
    if result.failed_seeds:
        shown_seeds = ", ".join(map(str, result.failed_seeds[:SEEDS_SHOWN]))
        lines.append(
            f"it {rate_in_words(result.passed, result.tried - result.vacuous)}; "
            f"it failed with seed {shown_seeds}"
        )
        lines.append(f"see it again: {replay_command(course.lab, result, suffix)}")
    lines.append(f"read: {check.guide}; a hint: lab hint {course.lab} {check.id}")
    return lines


def replay_command(lab: str, result: Result, suffix: str) -> str:
    """What runs the first failing seed again."""
    if not result.failed_seeds:
        return ""
    words = f"lab replay {lab} --check {result.check.id} --seed {result.failed_seeds[0]}"
    runtime = "" if result.runtime == "sim" else f" --runtime {result.runtime}"
    return f"{words}{runtime}{suffix}"


def summary(course: Course, results: Sequence[Result]) -> str:
    """One line: points, and what is left."""
    points = sum(result.points for result in results)
    points_max = sum(result.check.points for result in results)
    counted = dict.fromkeys(MARKS, 0)
    for result in results:
        counted[result.verdict] += 1
    parts = [f"{counted['pass']} passed"]
    parts += [f"{counted['fail']} failed"] if counted["fail"] else []
    parts += [f"{counted['unknown']} not known"] if counted["unknown"] else []
    line = f"{course.lab}: {points} of {points_max} points; {', '.join(parts)}"
    todo = next((result for result in results if result.verdict != "pass"), None)
    return line if todo is None else f"{line}; next: {todo.check.id} (part {todo.check.part})"
