"""What the nodes showed when a check failed is told with the failure."""

from __future__ import annotations

import re

import pytest

from labs.kit.grading.grade import summed_up
from labs.kit.grading.judge import Implementation, Judge, Outcome, Run
from labs.kit.grading.report import explanation
from labs.raft.checks import COURSE
from nodes.loading import core_name

LINE = re.compile(r"n\d  \w+, term \d+, commit \d+, applied \d+, log \d+")
DOWN = re.compile(r"n\d  shows nothing: it is down")


def judged(mutant: str, check: str, seed: int) -> Outcome:
    with Judge(COURSE) as judge:
        bug = Implementation(mutant, core_name(COURSE.mutants[mutant]))
        return judge.run(Run(check, seed, bug))


def test_a_check_that_waits_in_vain_shows_the_nodes() -> None:
    """A line for each: its role, term and log, or that it is down."""
    check = "clients-put-off-no-election"
    outcome = judged("timer-reset-on-any-rpc", check, 1)
    assert outcome.verdict == "fail"
    assert len(outcome.views) == 3
    assert sum(bool(LINE.fullmatch(line)) for line in outcome.views) == 2
    assert sum(bool(DOWN.fullmatch(line)) for line in outcome.views) == 1
    result = summed_up(COURSE.check(check), "sim", {1: outcome})
    told = explanation(COURSE, result, "")
    assert [f"  {line}" for line in outcome.views] == told[told.index("the nodes then:") + 1 :][:3]
    assert result.to_json("")["views"] == list(outcome.views)


@pytest.mark.parametrize(
    ("mutant", "check"),
    [("votes-twice", "split-votes-are-settled"), ("ack-before-fsync", "restarts-lose-nothing")],
)
def test_a_broken_invariant_shows_the_nodes(mutant: str, check: str) -> None:
    """It ends the run between two steps, and what they showed then is kept."""
    outcomes = (judged(mutant, check, seed) for seed in range(1, 41))
    failed = next(outcome for outcome in outcomes if outcome.verdict == "fail")
    assert any(LINE.fullmatch(line) for line in failed.views)


def test_a_pass_shows_nothing() -> None:
    """There is nothing to explain."""
    with Judge(COURSE) as judge:
        run = Run("one-leader-is-elected", 1, Implementation("reference", COURSE.reference))
        assert judge.run(run).views == ()
