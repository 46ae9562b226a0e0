"""A learner's file before it runs: what is forbidden in it, what is not written yet, and what is
taken from the reference in the meantime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labs.kit.errors import LabError
from labs.kit.grading.course import Course
from labs.kit.grading.inspection import inspect
from labs.kit.grading.judge import Implementation
from nodes.loading import load_core

SOURCE_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Prepared:
    """`refusals` say by check why it cannot pass, and where; `given` by part what is taken from the
    reference while that part is judged."""

    implementation: Implementation
    refusals: Mapping[str, tuple[str, str]]
    given: Mapping[int, tuple[str, ...]]


def exercise_parts(reference: str) -> dict[str, int]:
    """The methods that a learner writes, by the part that asks for each."""
    core = load_core(reference)
    found = {
        name: member._exercise.part
        for name in dir(core)
        if hasattr(member := getattr(core, name), "_exercise")
    }
    return dict(sorted(found.items(), key=lambda item: item[1]))


def prepare(course: Course, file: Path, label: str = "") -> Prepared:
    """Looks at the file without running it. Raises LabError when it cannot be read."""
    source = _read(file)
    parts = exercise_parts(course.reference)
    shown = label or str(file)
    class_name = course.exercise.partition(":")[2]
    inspection = inspect(source, shown, class_name, parts)
    implementation = Implementation(shown, file=file.resolve(), class_name=class_name)
    refusals: dict[str, tuple[str, str]] = {}
    if inspection.problems:
        line, message = inspection.problems[0]
        refused = message, f"{shown}:{line}"
        return Prepared(implementation, {c.id: refused for c in course.checks}, {})
    blanks = inspection.blanks
    for check in course.checks:
        missing = [name for name in blanks if parts[name] <= check.part]
        if missing:
            first = min(missing, key=lambda name: (parts[name], blanks[name]))
            reason = f"part {parts[first]} is not written yet: {first}"
            refusals[check.id] = reason, f"{shown}:{blanks[first]}"
    given = {
        part.number: tuple(sorted(name for name in blanks if parts[name] > part.number))
        for part in course.parts
    }
    return Prepared(implementation, refusals, given)


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > SOURCE_BYTES_MAX:
            raise LabError(f"{file} is more than a megabyte: that is no exercise")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise LabError(
            f"{file} cannot be read: {error.strerror}; `lab reset` writes a fresh one"
        ) from None
    except UnicodeDecodeError as error:
        raise LabError(f"{file} is not UTF-8 text: {error}") from None
