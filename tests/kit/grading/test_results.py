"""What is made of outcomes: verdicts, rates, reports, JUnit."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.kit.errors import LabError
from labs.kit.grading.course import Check, Course, Part
from labs.kit.grading.flakes import rate_in_words, wilson
from labs.kit.grading.grade import Result, combined, summed_up
from labs.kit.grading.judge import Implementation, Outcome, Run, Verdict
from labs.kit.grading.junit import suite, write
from labs.kit.grading.report import Console, explanation, replay_command, summary
from nodes.cluster.api import Cluster
from tests.support.ping_core import Ping


async def nothing(cluster: Cluster) -> None:
    """A check that demands nothing."""


CHECK = Check(
    "quorum-holds", "A majority decides", 1, 5, "5.3", ("look", "rule", "nearly"),
    "guide/raft.md#quorums", 3, nothing,
)  # fmt: skip
REFERENCE = Implementation("reference", f"{Ping.__module__}:{Ping.__qualname__}")


def outcome(seed: int, verdict: Verdict) -> Outcome:
    """Of one seed."""
    seen = "" if verdict == "pass" else f"seen \x1b[2J with {seed}"
    return Outcome(Run(CHECK.id, seed, REFERENCE), verdict, "one leader", seen)


def result(verdicts: Sequence[Verdict], runtime: str = "sim") -> Result:
    """Of seeds 0, 1, 2 ..."""
    found = {seed: outcome(seed, verdict) for seed, verdict in enumerate(verdicts)}
    return summed_up(CHECK, runtime, found)


def course() -> Course:
    """With this one check."""
    return Course(
        "ping", (Part(1, "Votes", "count them", "5.3"),), (CHECK,),
        lambda *_: pytest.fail("no cluster is needed"), lambda seed: pytest.fail("nor a network"),
        lambda check: [], (), REFERENCE.core, "labs.ping.exercise:Mine", "exercise.py", {},
    )  # fmt: skip


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_holds_the_rate_and_narrows(tried: tuple[int, int]) -> None:
    """The interval lies within 0 and 1, holds what was seen, and four times as many tries of the
    same rate make it narrower."""
    passed, count = tried
    low, high = wilson(passed, count)
    assert 0 <= low <= passed / count + 1e-12
    assert passed / count - 1e-12 <= high <= 1
    narrow_low, narrow_high = wilson(4 * passed, 4 * count)
    assert narrow_high - narrow_low < high - low


def test_interval_is_the_textbooks() -> None:
    """8 of 10: 0.49 to 0.943 (Brown, Cai and DasGupta 2001 give the formula)."""
    low, high = wilson(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert rate_in_words(8, 10) == "passes 8 of 10 schedules, 80 % (49-94 %)"
    with pytest.raises(ValueError, match="expected part"):
        wilson(0, 0)


def test_one_failure_fails() -> None:
    """However many schedules pass; and it earns nothing."""
    verdicts: list[Verdict] = ["pass"] * 99
    failed = result([*verdicts, "fail"])
    assert (failed.verdict, failed.points, failed.failed_seeds) == ("fail", 0, (99,))


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["pass"] * 9 + ["unknown"], "pass"),
        (["pass"] * 3 + ["unknown"], "unknown"),
        (["unknown"], "unknown"),
        ([], "unknown"),
        (["unknown", "fail"], "fail"),
    ],
)
def test_unknown_never_passes(verdicts: list[Verdict], expected: str) -> None:
    """A few schedules may prove nothing; if more do, or all, nothing is proved and nothing
    earned."""
    found = result(verdicts)
    assert found.verdict == expected
    assert found.points == (5 if expected == "pass" else 0)


def test_worst_runtime_counts() -> None:
    """What passes in simulation and fails on processes has failed, and counts once."""
    simulated, real = result(["pass"]), result(["fail"], "local")
    assert combined([simulated, real]) == [real]
    assert combined([simulated, simulated]) == [simulated]


def test_explanation_says_everything() -> None:
    """Expected, observed without control characters, how often, how to see it again, what to
    read."""
    failed = result(["pass", "fail", "pass", "fail"])
    text = "\n".join(explanation(course(), failed, " --mine"))
    for words in (
        "A majority decides (5.3)",
        "expected: one leader",
        "observed: seen \\x1b[2J with 1",
        "passes 2 of 4 schedules, 50 %",
        "seed 1, 3",
        "lab replay ping --check quorum-holds --seed 1 --mine",
        "guide/raft.md#quorums",
        "lab hint ping quorum-holds",
    ):
        assert words in text
    assert replay_command("ping", result(["pass"]), "") == ""


def test_console_tells_part_points_and_verdict() -> None:
    """A heading a part, a line a check, nothing that moves where there is no terminal."""
    out = io.StringIO()
    console = Console(course(), suffix="", expected_s={}, out=out)
    console.begins(CHECK, 2)
    console.goes_on(CHECK, 1, 0)
    console.ended(result(["pass", "pass"]))
    assert out.getvalue() == (
        "\npart 1: Votes (5 points)\n  pass    5/5  quorum-holds  2 in 0.0 s\n"
    )


def test_summary_counts_points_and_says_what_is_next() -> None:
    """Points of all, verdicts by kind, and the first thing to do."""
    assert summary(course(), [result(["pass"])]) == "ping: 5 of 5 points; 1 passed"
    assert summary(course(), [result(["unknown"])]) == (
        "ping: 0 of 5 points; 0 passed, 1 not known; next: quorum-holds (part 1)"
    )


def test_junit_is_what_platforms_read(tmp_path: Path) -> None:
    """Failures are failures, unknowns are errors, and the document is well-formed whatever the
    nodes said."""
    path = tmp_path / "results.xml"
    write(path, [suite("ping.mine", [result(["fail"]), result(["unknown"]), result(["pass"])])])
    (found,) = ElementTree.parse(path).getroot()
    assert (found.get("tests"), found.get("failures"), found.get("errors")) == ("3", "1", "1")
    cases = found.findall("testcase")
    assert [case.get("classname") for case in cases] == ["ping.mine.part1"] * 3
    assert cases[0].find("failure") is not None
    assert cases[1].find("error") is not None
    assert [p.get("value") for p in cases[2].iter("property")] == ["5", "5"]
    with pytest.raises(LabError, match="cannot be written"):
        write(tmp_path / "none" / "results.xml", [])
