"""Exercises as somebody might hand them in: each loses points where it is wrong, and hears why."""

from __future__ import annotations

import pytest

from labs.kit.grading.judge import Judge
from labs.raft.checks import COURSE
from nodes.cores.raft import Raft
from tests.support.plausible import HastyRaft, LongestLogRaft, first_failure
from tests.support.seeds import is_full

# By check: what its failure must speak of.
LONGEST_LOG = {
    "longer-log-of-earlier-term-cannot-win": "leader completeness (5.4)",
    "old-terms-commit-with-own-term": "leaders commit entries of their own term (5.4.2)",
    "crashing-leaders-with-lost-calls-lose-nothing": "(5.4",
    "leader-removes-itself": "does not count itself",
}
HASTY = {
    "votes-survive-crashes": "votes are durable before they are given (5.2)",
    "acknowledged-entries-survive-crashes": "before they are",
    "late-and-doubled-calls-do-no-harm": "before they are",
    "crashing-leaders-lose-nothing": "before they are",
}
# What the misunderstanding does not touch: its author is not told off for it.
LONGEST_LOG_KEEPS = (
    "one-leader-is-elected",
    "writes-commit-in-order",
    "returning-follower-catches-up",
    "votes-survive-crashes",
    "acknowledged-entries-survive-crashes",
    "logs-stay-short",
    "lost-responses-repeat-nothing",
)


@pytest.mark.parametrize(("core", "says"), [(LongestLogRaft, LONGEST_LOG), (HastyRaft, HASTY)])
def test_a_plausible_raft_loses_points_for_the_right_reason(
    core: type[Raft], says: dict[str, str]
) -> None:
    """The failure names the rule that was misunderstood."""
    with Judge(COURSE) as judge:
        for check_id, words in says.items():
            seeds = COURSE.check(check_id).seeds
            assert words in first_failure(judge, core, check_id, seeds), check_id


def test_a_plausible_raft_keeps_the_points_of_what_it_does_right() -> None:
    """What a misunderstanding of logs does not touch passes."""
    with Judge(COURSE) as judge:
        for check_id in LONGEST_LOG_KEEPS:
            check = COURSE.check(check_id)
            seeds = check.seeds if is_full() else check.quick_seeds
            assert first_failure(judge, LongestLogRaft, check_id, seeds) == "", check_id
