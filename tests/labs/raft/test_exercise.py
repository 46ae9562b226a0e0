"""The Raft exercise as a learner meets it: parts pass one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labs.kit.grading.grade import Graders, Order, Result
from labs.kit.grading.judge import Implementation
from labs.kit.grading.learner import prepare
from labs.kit.grading.report import Silent
from labs.kit.grading.skeleton import marked_methods, skeleton
from labs.raft.checks import COURSE
from nodes.cores.raft import Raft

MARKED = marked_methods(Raft)


def graded(part: int, file: Path | None = None) -> list[Result]:
    """A quick grade of one part of a learner's file, or of the reference."""
    checks = [check for check in COURSE.checks if check.part == part]
    order = Order(COURSE, Implementation("reference", COURSE.reference), checks, seeds=2)
    if file is not None:
        prepared = prepare(COURSE, file)
        order = replace(
            order,
            implementation=prepared.implementation,
            refusals=prepared.refusals,
            given=prepared.given,
        )
    with Graders(COURSE, jobs=1) as graders:
        return graders.grade(order, Silent())


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """An exercise file of which parts 1 and 2 are done."""
    file = tmp_path / "exercise.py"
    file.write_text(skeleton(COURSE, 3), encoding="utf-8")
    return file


@pytest.mark.parametrize("part", [1, 2])
def test_a_part_passes_before_the_next_is_begun(half: Path, part: int) -> None:
    """With what the reference lends, it does in every check as the reference does."""
    ours, reference = (
        {result.check.id: (result.verdict, result.passed) for result in graded(part, file)}
        for file in (half, None)
    )
    assert ours == reference
    assert [verdict for verdict, _ in ours.values()].count("pass") >= len(ours) - 1


def test_a_part_that_is_not_written_says_which_method_is_next(half: Path) -> None:
    """And where: not a test that hangs or raises."""
    blank = next(method.name for method in MARKED if method.exercise.part == 3)
    lines = half.read_text(encoding="utf-8").splitlines()
    line = next(at for at, text in enumerate(lines, 1) if f"def {blank}(" in text)
    for result in graded(3, half):
        assert result.verdict == "fail"
        assert result.first is not None
        assert result.first.observed == f"part 3 is not written yet: {blank}"
        assert result.first.where.endswith(f"exercise.py:{line}")
