"""`lab grade DIR...` grades what a class has handed in: one table, each submission by itself."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.kit.errors import DONE, LabError
from labs.kit.options import JobsOption, full_lab_name
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import visible

if TYPE_CHECKING:
    from labs.kit.grading.course import Course
    from labs.kit.grading.grade import Graders, Result

SUBMISSIONS_MAX = 5000


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(grade)


@dataclass(frozen=True, slots=True)
class Graded:
    """One submission: its results, or why there are none."""

    name: str
    file: Path
    results: Sequence[Result] = ()
    error: str = ""

    @property
    def points(self) -> int:
        """Of all checks."""
        return sum(result.points for result in self.results)

    def points_of(self, part: int) -> int:
        """Of one part."""
        return sum(result.points for result in self.results if result.check.part == part)

    @property
    def first_failed(self) -> str:
        """The check to look at first, or why there is none."""
        for result in self.results:
            if result.verdict != "pass":
                return result.check.id
        return self.error


def grade(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Submissions, or folders of submissions."),
    ],
    lab: Annotated[
        str,
        typer.Option(
            "--lab", help="What they have implemented.", metavar="LAB", callback=full_lab_name
        ),
    ] = "raft",
    runtime: Annotated[
        str, typer.Option(help="sim, or full: sim, then local processes.", metavar="RUNTIME")
    ] = "sim",
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Schedules a check. Default: its own.", metavar="N"),
    ] = None,
    jobs: JobsOption = None,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Write the table as CSV as well.", metavar="FILE")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write JUnit XML as well.", metavar="FILE")
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Grade many submissions into one table.

    A submission is a folder with an exercise.py in it, or a .py file; it is named by that. All are
    judged on the same schedules. Examples: lab grade submissions/; lab grade alice/ bob.py --csv
    grades.csv
    """
    from labs.kit.grading.course import load_course
    from labs.kit.grading.grade import Graders

    course = load_course(lab)
    if runtime not in ("sim", "full"):
        raise LabError(f"--runtime {runtime}: expected sim or full")
    found = submissions(folders, course.exercise_file)
    tell(f"{course.lab}: {len(found)} submissions, {len(course.checks)} checks each")
    runtimes = ("sim", "local") if runtime == "full" else ("sim",)
    graded: list[Graded] = []
    try:
        with Graders(course, jobs or os.cpu_count() or 1) as graders:
            for number, (name, file) in enumerate(found, 1):
                one = _graded(course, graders, name, file, runtimes, seeds)
                graded.append(one)
                tell(f"{number}/{len(found)}  {visible(name)}: {_line(course, one)}")
    except KeyboardInterrupt:
        raise LabError(f"interrupted after {len(graded)} of {len(found)} submissions") from None
    _write(course, graded, table, junit)
    if json:
        print_json([_document(course, one) for one in graded])
    else:
        _print_table(course, graded)
    return DONE


def submissions(folders: Sequence[Path], file_name: str) -> list[tuple[str, Path]]:
    """Names and files, by name. Raises LabError when there is none, or two have one name."""
    found: dict[str, Path] = {}
    for folder in folders:
        files = list(_files_in(folder, file_name))
        if not files:
            raise LabError(f"{folder}: there is no {file_name} in it, nor folders that have one")
        for name, file in files:
            if found.setdefault(name, file) != file:
                raise LabError(f"{file} and {found[name]} are both called {name}: rename one")
    if len(found) > SUBMISSIONS_MAX:
        raise LabError(f"{len(found)} submissions at once: expected at most {SUBMISSIONS_MAX}")
    return sorted(found.items())


def _files_in(folder: Path, file_name: str) -> Iterator[tuple[str, Path]]:
    if folder.is_file():
        yield folder.stem, folder
    elif (folder / file_name).is_file():
        yield folder.resolve().name, folder / file_name
    elif folder.is_dir():
        for inner in sorted(folder.iterdir()):
            if inner.is_symlink():
                continue  # It may lead to somebody else's.
            if (inner / file_name).is_file():
                yield inner.name, inner / file_name
            elif inner.suffix == ".py" and inner.is_file():
                yield inner.stem, inner
    else:
        raise LabError(f"{folder} is not there")


def _graded(
    course: Course,
    graders: Graders,
    name: str,
    file: Path,
    runtimes: Sequence[str],
    seeds: int | None,
) -> Graded:
    from labs.kit.grading.grade import Order, combined
    from labs.kit.grading.learner import prepare
    from labs.kit.grading.report import Silent

    try:
        prepared = prepare(course, file, f"{name}/{file.name}")
    except LabError as error:  # This one cannot be read: the others still can.
        return Graded(name, file, error=error.message)
    results: list[Result] = []
    for runtime in runtimes:
        fitting = [check for check in course.checks if check.runs_in(runtime)]
        order = Order(
            course,
            prepared.implementation,
            fitting,
            runtime,
            seeds=seeds if runtime == "sim" else None,
            pictures=False,
            refusals=prepared.refusals,
            given=prepared.given,
        )
        results += graders.grade(order, Silent())
    return Graded(name, file, combined(results))


def _line(course: Course, one: Graded) -> str:
    if one.error:
        return one.error
    rest = f", first: {one.first_failed}" if one.first_failed else ""
    points_max = sum(result.check.points for result in one.results)
    return f"{one.points} of {points_max} points{rest}"


def _print_table(course: Course, graded: Sequence[Graded]) -> None:
    width = max(len(visible(one.name)) for one in graded)
    heads = "".join(f"{f'part {part.number}':>8}" for part in course.parts)
    print(f"{'':{width}}  points{heads}  first that fails")
    for one in graded:
        parts = "".join(f"{one.points_of(part.number):8}" for part in course.parts)
        print(f"{visible(one.name):{width}}  {one.points:6}{parts}  {one.first_failed}".rstrip())


def _write(
    course: Course, graded: Sequence[Graded], table: Path | None, junit: Path | None
) -> None:
    if table is not None:
        try:
            with table.open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file)
                parts = [f"part {part.number}" for part in course.parts]
                rows.writerow(["name", "points", *parts, "first that fails"])
                for one in graded:
                    points = [one.points_of(part.number) for part in course.parts]
                    # A spreadsheet must not take a name for a formula.
                    name = f"'{one.name}" if one.name[:1] in "=+-@\t\r" else one.name
                    rows.writerow([name, one.points, *points, one.first_failed])
        except OSError as error:
            raise LabError(f"--csv {table}: cannot be written: {error.strerror}") from None
    if junit is not None:
        from labs.kit.grading.junit import suite, write

        write(junit, [suite(f"{course.lab}.{one.name}", one.results) for one in graded])


def _document(course: Course, one: Graded) -> dict[str, Any]:
    from labs.kit.cli_check import document_of

    document = {"name": one.name, "file": str(one.file), "error": one.error or None}
    return document | document_of(course, one.name, list(one.results), f" --file {one.file}")
