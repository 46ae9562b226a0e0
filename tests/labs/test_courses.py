"""What holds for the graded course of every lab: points, hints, README, and planted bugs.

A lab adds tables: tests/labs/NAME/catches.py says which check must notice which bug (CATCHES), and
what its methods return when they do nothing (IDLE).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from labs.kit.grading.course import Course, Part, load_course
from labs.kit.grading.judge import Implementation, Judge, Run
from labs.kit.grading.scenario import Scenario
from labs.kit.grading.skeleton import Marked, exercise_path, marked_methods, skeleton
from labs.kit.registry import lab_names
from nodes.loading import core_name, load_core
from tests.support.catches import Catch
from tests.support.seeds import repeats

ROOT = Path(__file__).parents[2]
LABS = ROOT / "labs"
REPEATS = 5  # with seeds that no other repeat has
SEEDS_APART = 10_000
SEEDS = (1, 2, 3)


class Graded(NamedTuple):
    """A lab that grades, by its folder."""

    folder: str
    course: Course

    @property
    def readme(self) -> str:
        """The course as it is written."""
        return (LABS / self.folder / "README.md").read_text(encoding="utf-8")

    @property
    def marked(self) -> list[Marked]:
        """The methods that a learner writes."""
        return marked_methods(load_core(self.course.reference))

    @property
    def scenarios(self) -> list[Scenario[Any]]:
        """All that its checks are made of, also those that only a simulation can play."""
        module = import_module(f"labs.{self.folder}.scenarios")
        return [*module.SCENARIOS, *getattr(module, "SIM_SCENARIOS", ())]

    @property
    def checks(self) -> ModuleType:
        """Where the lab makes its course."""
        return import_module(f"labs.{self.folder}.checks")

    @property
    def tables(self) -> ModuleType:
        """What its tests say of it."""
        return import_module(f"tests.labs.{self.folder}.catches")


GRADED = [
    Graded(folder, load_course(folder.replace("_", "-")))
    for folder in lab_names()
    if (LABS / folder / "checks.py").exists()
]
BY_FOLDER = {graded.folder: graded for graded in GRADED}
of_each_lab = pytest.mark.parametrize("graded", GRADED, ids=lambda graded: graded.folder)


# ------------------------------------------------------------------------------------------ checks


@of_each_lab
def test_every_scenario_is_a_check(graded: Graded) -> None:
    """None is left out, each is there once, and advice is given about nothing else."""
    scenarios = sorted(graded.scenarios, key=lambda scenario: scenario.part)
    real = {scenario.id: scenario.real for scenario in scenarios}
    assert [check.id for check in graded.course.checks] == [one.id for one in scenarios]
    assert len(real) == len(scenarios)
    assert {check.id: check.real for check in graded.course.checks} == real
    assert set(import_module(f"labs.{graded.folder}.advice").ADVICE) == set(real)
    assert set(real) > getattr(graded.checks, "DEAR", frozenset())


@of_each_lab
def test_points_sum_to_a_hundred(graded: Graded) -> None:
    """Each check is worth something, each part some of it, and all together 100."""
    course = graded.course
    assert course.points_max == 100
    assert all(check.points > 0 for check in course.checks)
    assert {check.part for check in course.checks} == {part.number for part in course.parts}
    numbers = [check.part for check in course.checks]
    assert numbers == sorted(numbers)


@of_each_lab
def test_every_check_has_three_hints_of_its_own(graded: Graded) -> None:
    """From where to look to nearly the answer; and each says in which section to read."""
    checks = graded.course.checks
    hints = [hint for check in checks for hint in check.hints]
    assert len(hints) == 3 * len(checks) == len(set(hints))
    for check in checks:
        assert all(len(hint) > 30 for hint in check.hints), check.id
        assert re.search(r"\d", check.paper), check.id


@of_each_lab
def test_names_in_hints_exist(graded: Graded) -> None:
    """What looks like a method or field in a hint is one of the reference, of its messages or of
    its tools."""
    folders = (ROOT / "nodes", ROOT / "protos")
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".proto")
    )
    known = set(re.findall(r"\w+", sources))
    for check in graded.course.checks:
        for hint in check.hints:
            for name in re.findall(r"\b[A-Za-z]+(?:_[A-Za-z0-9]+)+\b", hint):
                assert name in known, f"{check.id} speaks of {name}"


@of_each_lab
def test_guide_sections_exist(graded: Graded) -> None:
    """Each check names a page of the guide, and a section only if that page has it; and so does the
    README."""
    named = {check.guide for check in graded.course.checks}
    named |= {f"guide/{link}" for link in re.findall(r"\.\./\.\./guide/([^)\s]+)", graded.readme)}
    for place in named:
        page, _, section = place.partition("#")
        text = (ROOT / page).read_text(encoding="utf-8")
        assert not section or f"{{#{section}}}" in text, place


# ----------------------------------------------------------------------------------- planted bugs

CATCHES: list[tuple[str, str, Catch]] = [
    (graded.folder, mutant, catch) for graded in GRADED for mutant, catch in graded.tables.CATCHES
]


@pytest.mark.parametrize(
    ("folder", "mutant", "catch"),
    CATCHES,
    ids=[f"{folder}-{mutant}-{catch.check}" for folder, mutant, catch in CATCHES],
)
def test_a_planted_bug_is_caught_again_and_again(folder: str, mutant: str, catch: Catch) -> None:
    """Whichever seeds a grade takes, the check that is about the bug fails, and says why."""
    course = BY_FOLDER[folder].course
    with Judge(course) as judge:
        for repeat in range(repeats(REPEATS)):
            said = first_failure(course, judge, mutant, catch.check, 1 + repeat * SEEDS_APART)
            assert catch.named_in(said), f"repeat {repeat}: {said or 'not caught'}"


def first_failure(course: Course, judge: Judge, mutant: str, check: str, first_seed: int) -> str:
    """What a normal grade says about a planted bug; nothing when every schedule passes."""
    bug = Implementation(mutant, core_name(course.mutants[mutant]))
    for seed in range(first_seed, first_seed + course.check(check).seeds):
        outcome = judge.run(Run(check, seed, bug))
        if outcome.verdict == "fail":
            return f"expected {outcome.expected}; observed {outcome.observed}"
    return ""


@of_each_lab
def test_every_planted_bug_has_its_check(graded: Graded) -> None:
    """None is forgotten, there are enough of them, and every part of the course has some."""
    course, caught_by = graded.course, graded.tables.CAUGHT_BY
    assert set(caught_by) == set(course.mutants)
    assert len(caught_by) >= 25
    parts = {course.check(catch.check).part for catch in caught_by.values()}
    assert parts == {part.number for part in course.parts}


@of_each_lab
def test_every_check_catches_a_planted_bug(graded: Graded) -> None:
    """A check that catches none would be no check."""
    catches = [catch for _, catch in graded.tables.CATCHES]
    assert {catch.check for catch in catches} == {check.id for check in graded.course.checks}
    assert all(catch.words for catch in catches)


# ------------------------------------------------------------------------------------- the exercise

MARKED = [(graded.folder, method) for graded in GRADED for method in graded.marked]


@pytest.fixture
def idle(request: pytest.FixtureRequest) -> Iterator[tuple[Graded, Marked]]:
    """A marked method, for which the module `idle` has a core in which it does nothing."""
    folder, method = request.param
    graded = BY_FOLDER[folder]
    reference = load_core(graded.course.reference)
    value = graded.tables.IDLE.get(method.name)

    def nothing(self: Any, *_: object, **__: object) -> Any:
        return value

    marks = vars(getattr(reference, method.name))
    # What the decorators of the reference's method left on it.
    vars(nothing).update({"_handles": list(marks["_handles"])} if "_handles" in marks else {})
    module = ModuleType("idle")
    module.Idle = type("Idle", (reference,), {method.name: nothing})  # type: ignore[attr-defined]  # made here
    sys.modules["idle"] = module
    yield graded, method
    del sys.modules["idle"]


@pytest.mark.parametrize("idle", MARKED, ids=lambda one: f"{one[0]}-{one[1].name}", indirect=True)
def test_every_method_counts_in_its_part(idle: tuple[Graded, Marked]) -> None:
    """Who leaves it empty loses points in the part that asks for it, and not only later."""
    graded, method = idle
    checks = [one for one in graded.course.checks if one.part == method.exercise.part]
    implementation = Implementation(method.name, core="idle:Idle")
    with Judge(graded.course) as judge:
        verdicts = (
            judge.run(Run(check.id, seed, implementation)).verdict
            for seed in SEEDS
            for check in checks
        )
        assert "fail" in verdicts


@of_each_lab
def test_the_exercise_is_as_it_would_be_made(graded: Graded) -> None:
    """The file that learners get has drifted from the reference in nothing."""
    file = exercise_path(graded.course)
    assert file.read_text(encoding="utf-8") == skeleton(graded.course)


# --------------------------------------------------------------------------------------- the README

PARTS = [(graded, part) for graded in GRADED for part in graded.course.parts]


@pytest.mark.parametrize(
    ("graded", "part"), PARTS, ids=[f"{graded.folder}-{part.number}" for graded, part in PARTS]
)
def test_the_course_leads_through_every_method(graded: Graded, part: Part) -> None:
    """Each part has its section, which says what to do about each of its methods."""
    title = f"\n## Part {part.number}: {part.title}\n"
    section = graded.readme.partition(title)[2].partition("\n## ")[0]
    for words in ("**Goal.**", "**Read.**", "**See it fail first.**", "**Steps**", "**Pitfalls.**"):
        assert words in section
    assert part.goal in section
    steps = section.partition("**Steps**")[2].partition("**Pitfalls.**")[0]
    names = [method.name for method in graded.marked if method.exercise.part == part.number]
    assert [name for name in names if f"`{name}`" not in steps] == []


@of_each_lab
def test_the_course_counts_its_methods(graded: Graded) -> None:
    """What it says of the file is so."""
    assert f"It has {len(graded.marked)} methods" in graded.readme


SHOWN = [
    (graded.folder, check, mutant)
    for graded in GRADED
    for check, mutant in re.findall(r"lab check \S+ --check (\S+) --mutant (\S+)", graded.readme)
]


@pytest.mark.parametrize(("folder", "check", "mutant"), SHOWN)
def test_what_the_course_shows_failing_fails(folder: str, check: str, mutant: str) -> None:
    """Within the schedules that the command tries."""
    course = BY_FOLDER[folder].course
    with Judge(course) as judge:
        assert first_failure(course, judge, mutant, check, 1)


@of_each_lab
def test_the_course_names_experiments_that_there_are(graded: Graded) -> None:
    """`lab run LAB ...` finds them."""
    named = re.findall(r"lab run \S+ ([a-z0-9-]+)", graded.readme)
    experiments = import_module(f"labs.{graded.folder}.experiments").EXPERIMENTS
    assert named
    assert set(named) <= {experiment.id for experiment in experiments}
