"""The guide itself: nothing is wrong with any of its pages."""

from __future__ import annotations

from labs.kit.guide.lint import problems
from labs.kit.guide.pages import load_guide


def test_nothing_is_wrong_with_the_guide() -> None:
    """Every part is there, every link leads somewhere, every claim names what an experiment has."""
    guide = load_guide()
    assert len(guide.questions) > 10
    assert [str(problem) for problem in problems(guide)] == []
