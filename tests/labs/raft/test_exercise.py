"""The Raft exercise as a learner meets it: every method counts, and parts pass one by one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from labs.kit.grading.course import Part
from labs.kit.grading.grade import Graders, Order, Result
from labs.kit.grading.judge import Implementation, Judge, Run
from labs.kit.grading.learner import prepare
from labs.kit.grading.report import Silent
from labs.kit.grading.skeleton import Marked, marked_methods, skeleton
from labs.raft.checks import COURSE
from labs.raft.experiments import EXPERIMENTS
from nodes.cores.raft import Raft
from nodes.loading import core_name
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb

MARKED = marked_methods(Raft)
SEEDS = (1, 2, 3)
# What a method returns that does nothing; None where it returns nothing.
IDLE: dict[str, Any] = {
    "answer_pre_vote": pb.PreVoteResponse(),
    "request_vote": pb.RequestVoteResponse(),
    "append_entries": pb.AppendEntriesResponse(),
    "next_index_after": 1 << 20,
    "log_is_current": True,
    "install_snapshot": pb.InstallSnapshotResponse(),
    "apply_once": kv.CommandResult(put=kv.PutResponse()),
    "configuration_at": ("n1", "n2", "n3", "n4", "n5"),
    "why_not_change": "",
}


@pytest.fixture
def idle(request: pytest.FixtureRequest) -> Iterator[Marked]:
    """A marked method, for which the module `idle` has a Raft in which it does nothing."""
    method: Marked = request.param
    value = IDLE.get(method.name)

    def nothing(self: Raft, *_: object, **__: object) -> Any:
        return value

    vars(nothing).update(handlers_of(method.name))
    module = ModuleType("idle")
    module.Idle = type("Idle", (Raft,), {method.name: nothing})  # type: ignore[attr-defined]  # made here
    sys.modules["idle"] = module
    yield method
    del sys.modules["idle"]


def handlers_of(name: str) -> dict[str, Any]:
    """What the decorators of the reference's method left on it."""
    marks = vars(getattr(Raft, name))
    return {"_handles": list(marks["_handles"])} if "_handles" in marks else {}


@pytest.mark.parametrize("idle", MARKED, ids=lambda method: method.name, indirect=True)
def test_every_method_counts_in_its_part(idle: Marked) -> None:
    """Who leaves it empty loses points in the part that asks for it, and not only later."""
    checks = [check for check in COURSE.checks if check.part == idle.exercise.part]
    implementation = Implementation(idle.name, core="idle:Idle")
    with Judge(COURSE) as judge:
        verdicts = (
            judge.run(Run(check.id, seed, implementation)).verdict
            for seed in SEEDS
            for check in checks
        )
        assert "fail" in verdicts


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


# ------------------------------------------------------------------------------------------ course

README = (Path(__file__).parents[3] / "labs/raft/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", COURSE.parts, ids=lambda part: f"part-{part.number}")
def test_the_course_leads_through_every_method(part: Part) -> None:
    """Each part has its section, which says what to do about each of its methods."""
    title = f"\n## Part {part.number}: {part.title}\n"
    section = README.partition(title)[2].partition("\n## ")[0]
    for words in ("**Goal.**", "**Read.**", "**See it fail first.**", "**Steps**", "**Pitfalls.**"):
        assert words in section
    assert part.goal in section
    steps = section.partition("**Steps**")[2].partition("**Pitfalls.**")[0]
    names = [method.name for method in MARKED if method.exercise.part == part.number]
    assert [name for name in names if f"`{name}`" not in steps] == []


def test_the_course_counts_its_methods() -> None:
    """What it says of the file is so."""
    assert f"It has {len(MARKED)} methods" in README


@pytest.mark.parametrize(
    ("check_id", "mutant"), re.findall(r"lab check raft --check (\S+) --mutant (\S+)", README)
)
def test_what_the_course_shows_failing_fails(check_id: str, mutant: str) -> None:
    """Within the schedules that the command tries."""
    core = COURSE.mutants[mutant]
    planted = Implementation(mutant, core_name(core))
    seeds = range(1, COURSE.check(check_id).seeds + 1)
    with Judge(COURSE) as judge:
        assert "fail" in (judge.run(Run(check_id, seed, planted)).verdict for seed in seeds)


def test_the_course_names_experiments_that_there_are() -> None:
    """`lab run raft ...` finds them."""
    named = re.findall(r"lab run raft (\S+)", README)
    assert named
    assert set(named) <= {experiment.id for experiment in EXPERIMENTS}
