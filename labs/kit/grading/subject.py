"""Who is judged: the reference, a planted bug, or somebody's file; and what is remembered of it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from labs.kit.errors import LabError, nearest
from labs.kit.grading.course import Check, Course
from labs.kit.grading.grade import Order
from labs.kit.grading.judge import Implementation
from labs.kit.grading.learner import prepare
from labs.kit.grading.progress import Progress
from labs.kit.grading.skeleton import exercise_path
from labs.kit.session import home_folder
from labs.kit.text import from_here
from nodes.loading import core_name


class Subject:
    """Who is judged, and what is remembered about it."""

    def __init__(
        self, course: Course, *, mine: bool, file: Path | None, mutant: str | None
    ) -> None:
        self.course, self.file = course, file
        self.progress: Progress | None = None
        self.suffix = ""
        if mine:
            self.progress = Progress.load(home_folder())
            self.file = exercise_path(course)
            self.suffix = " --mine"
        elif file is not None:
            self.suffix = f" --file {shlex.quote(str(file))}"
        self.mutant = mutant
        if mutant is not None:
            self.suffix = f" --mutant {mutant}"
            if mutant not in course.mutants:
                raise LabError(
                    f"--mutant {mutant}: {course.lab} has no such planted bug; "
                    f"{nearest(mutant, course.mutants)}"
                )

    @property
    def label(self) -> str:
        """For people and documents."""
        if self.file is not None:
            return from_here(self.file)
        return "reference" if self.mutant is None else f"mutant {self.mutant}"

    def watched_file(self) -> Path:
        """What watch mode watches. Raises LabError when there is none."""
        if self.file is None:
            raise LabError("--watch is for your own code: add --mine, or --file FILE")
        return self.file

    def order(
        self,
        checks: list[Check],
        runtime: str,
        *,
        seeds: int | None = None,
        first_seed: int = 1,
    ) -> Order:
        """What to grade. Raises LabError when the file cannot be read."""
        made = Order(self.course, self._ours(), checks, runtime, first_seed=first_seed, seeds=seeds)
        if self.file is None:
            return made
        prepared = prepare(self.course, self.file, self.label)
        again = {}
        if self.progress is not None and runtime == "sim":
            again = {c.id: self.progress.failed_seeds(self.course.lab, c.id) for c in checks}
        return replace(
            made,
            implementation=prepared.implementation,
            refusals=prepared.refusals,
            given=prepared.given,
            again=again,
        )

    def _ours(self) -> Implementation:
        if self.mutant is None:
            return Implementation("reference", self.course.reference)
        core = self.course.mutants[self.mutant]
        return Implementation(self.label, core_name(core))
