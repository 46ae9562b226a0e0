"""The exercise of every lab as a learner meets it: parts pass one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labs.kit.grading.course import Course, load_course
from labs.kit.grading.grade import Graders, Order, Result
from labs.kit.grading.judge import Implementation
from labs.kit.grading.learner import prepare
from labs.kit.grading.report import Silent
from labs.kit.grading.skeleton import marked_methods, skeleton
from labs.kit.registry import LABS_FOLDER, lab_names
from nodes.loading import load_core

COURSES = [
    load_course(name.replace("_", "-"))
    for name in lab_names()
    if (LABS_FOLDER / name / "checks.py").exists()
]
of_each_lab = pytest.mark.parametrize("course", COURSES, ids=lambda course: course.lab)


def graded(course: Course, part: int, file: Path | None = None, *, seeds: int = 2) -> list[Result]:
    """A quick grade of one part of a learner's file, or of the reference."""
    checks = [check for check in course.checks if check.part == part]
    order = Order(course, Implementation("reference", course.reference), checks, seeds=seeds)
    if file is not None:
        prepared = prepare(course, file)
        order = replace(
            order,
            implementation=prepared.implementation,
            refusals=prepared.refusals,
            given=prepared.given,
        )
    with Graders(course, jobs=1) as graders:
        return graders.grade(order, Silent())


def half(course: Course, folder: Path) -> Path:
    """An exercise file of which parts 1 and 2 are done."""
    return written(course, folder, 3)


def whole(course: Course, folder: Path) -> Path:
    """An exercise file of which all parts are done, in the reference's words."""
    return written(course, folder, len(course.parts) + 1)


def written(course: Course, folder: Path, first_blank: int) -> Path:
    """An exercise file that is blank from this part on."""
    file = folder / "exercise.py"
    file.write_text(skeleton(course, first_blank), encoding="utf-8")
    return file


@pytest.mark.parametrize("part", [1, 2])
@of_each_lab
def test_a_part_passes_before_the_next_is_begun(course: Course, part: int, tmp_path: Path) -> None:
    """With what the reference lends, it does in every check as the reference does."""
    ours, reference = (
        {result.check.id: (result.verdict, result.passed) for result in graded(course, part, file)}
        for file in (half(course, tmp_path), None)
    )
    assert ours == reference
    assert [verdict for verdict, _ in ours.values()].count("pass") >= len(ours) - 1


@of_each_lab
def test_a_part_that_is_not_written_says_which_method_is_next(
    course: Course, tmp_path: Path
) -> None:
    """And where: not a test that hangs or raises."""
    file = half(course, tmp_path)
    marked = marked_methods(load_core(course.reference))
    blank = next(method.name for method in marked if method.exercise.part == 3)
    lines = file.read_text(encoding="utf-8").splitlines()
    line = next(at for at, text in enumerate(lines, 1) if f"def {blank}(" in text)
    for result in graded(course, 3, file):
        assert result.verdict == "fail"
        assert result.first is not None
        assert result.first.observed == f"part 3 is not written yet: {blank}"
        assert result.first.where.endswith(f"exercise.py:{line}")


@pytest.mark.parametrize(
    ("course", "part"),
    [
        pytest.param(course, part.number, id=f"{course.lab}-{part.number}")
        for course in COURSES
        for part in course.parts
    ],
)
def test_the_reference_may_be_handed_in(course: Course, part: int, tmp_path: Path) -> None:
    """What the reference says in its methods, a learner may say: nothing of it is refused, and in
    the cage it passes every check."""
    file = whole(course, tmp_path)
    assert not prepare(course, file).refusals
    results = graded(course, part, file, seeds=1)
    assert {result.check.id: result.verdict for result in results} == {
        check.id: "pass" for check in course.checks if check.part == part
    }
