"""The Raft course: what is graded, what it is worth, and what a learner is told about it."""

from __future__ import annotations

import re
from pathlib import Path

from labs.kit.grading.course import load_course
from labs.raft.advice import ADVICE
from labs.raft.checks import ALL, BY_ID, CHEAP, COURSE, DEAR
from labs.raft.scenarios import SIM_SCENARIOS

ROOT = Path(__file__).parents[3]


def test_the_lab_offers_its_course() -> None:
    """`lab check raft` finds it by name."""
    assert load_course("raft") is COURSE


def test_points_sum_to_a_hundred() -> None:
    """Each check is worth something, each part some of it, and all together 100."""
    assert COURSE.points_max == 100
    assert all(check.points > 0 for check in COURSE.checks)
    assert {check.part for check in COURSE.checks} == {part.number for part in COURSE.parts}


def test_every_scenario_is_a_check() -> None:
    """None is left out, and advice is given about nothing else; those that count single calls run
    in simulation only."""
    scenarios = {scenario.id: scenario for scenario in ALL}
    assert {check.id for check in COURSE.checks} == set(scenarios) == set(ADVICE)
    assert all(check.real == scenarios[check.id].real for check in COURSE.checks)
    assert not any(COURSE.check(scenario.id).real for scenario in SIM_SCENARIOS)
    numbers = [check.part for check in COURSE.checks]
    assert numbers == sorted(numbers)


def test_every_check_has_three_hints_of_its_own() -> None:
    """From where to look to nearly the answer; and each says in which section to read."""
    hints = [hint for check in COURSE.checks for hint in check.hints]
    assert len(hints) == 3 * len(COURSE.checks) == len(set(hints))
    for check in COURSE.checks:
        assert all(len(hint) > 30 for hint in check.hints), check.id
        assert re.search(r"\d", check.paper), check.id


def test_names_in_hints_exist() -> None:
    """What looks like a method or field in a hint is one of the reference, of its messages or of
    its tools."""
    folders = (ROOT / "nodes", ROOT / "protos")
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".proto")
    )
    known = set(re.findall(r"\w+", sources))
    for check in COURSE.checks:
        for hint in check.hints:
            for name in re.findall(r"\b[A-Za-z]+(?:_[A-Za-z0-9]+)+\b", hint):
                assert name in known, f"{check.id} speaks of {name}"


def test_guide_sections_exist() -> None:
    """Each check names a page of the guide, and a section only if that page has it."""
    for check in COURSE.checks:
        page, _, section = check.guide.partition("#")
        text = (ROOT / page).read_text(encoding="utf-8")
        assert not section or f"{{#{section}}}" in text, check.guide


def test_seeds_are_within_bounds() -> None:
    """Enough schedules to mean something, few while one writes, and no more than a minute of
    them."""
    for check in COURSE.checks:
        assert 20 <= check.seeds <= 200, check.id
        assert 2 <= check.quick_seeds <= 5, check.id
    assert set(BY_ID) > CHEAP | DEAR


def test_a_check_runs_the_core_that_is_named() -> None:
    """The cluster of a check is the scenario's, with another implementation at every node."""
    check = COURSE.check("split-votes-are-settled")
    spec = COURSE.spec_of(check, "somewhere:Else", 7, True)
    assert {node.core for node in spec.nodes} == {"somewhere:Else"}
    assert (len(spec.nodes), spec.seed) == (check.nodes, 7)
    assert spec.params["election_timeout_ms_min"] == 290
