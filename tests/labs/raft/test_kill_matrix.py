"""The kill matrix itself; that each of Raft's bugs is caught is tests/labs/test_courses.py's."""

from __future__ import annotations

import pytest

from labs.kit.errors import LabError
from labs.kit.grading.matrix import kill_matrix
from labs.raft.checks import COURSE


def test_a_matrix_tells_caught_from_missed() -> None:
    """Its rows are bugs and its columns checks; what is left after few schedules is tried on
    more."""
    checks = [COURSE.check(name) for name in ("few-calls-are-needed", "votes-survive-crashes")]
    mutants = ("answers-every-answer", "voted-for-not-persisted", "transfers-at-once")
    heard: list[tuple[int, int]] = []
    matrix = kill_matrix(
        COURSE, jobs=1, mutants=mutants, checks=checks, told=lambda *done: heard.append(done)
    )
    fates = {place: cell.fate for place, cell in matrix.cells.items()}
    assert fates["answers-every-answer", "few-calls-are-needed"] == "caught"
    assert fates["voted-for-not-persisted", "votes-survive-crashes"] == "caught"
    assert matrix.survivors == ("transfers-at-once",)
    assert not matrix.all_caught
    assert matrix.idle_checks == ()
    assert heard[5] == (6, 6)
    assert heard[-1] == (8, 8)  # The survivor alone was tried again.
    document = matrix.to_json()
    assert document["survivors"] == ["transfers-at-once"]
    assert [mutant["name"] for mutant in document["mutants"]] == list(mutants)
    shown = matrix.text()
    assert "transfers-at-once        . ." in shown
    assert "1 planted bug caught by no check" in shown


def test_a_matrix_of_an_unknown_bug_is_refused() -> None:
    """A name that is none is said so."""
    with pytest.raises(LabError, match="no planted bug nonsense"):
        kill_matrix(COURSE, jobs=1, mutants=("nonsense",))
