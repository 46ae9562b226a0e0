"""What holds for the questions of every lab; what the measurements say to them is in its own
tests."""

from __future__ import annotations

import re
from importlib import import_module
from typing import NamedTuple

import pytest

from labs.kit.experiment import Experiment
from labs.kit.experiment.registry import load_experiments
from labs.kit.grading.course import load_course
from labs.kit.lab import Lab
from labs.kit.predict import OF_A_CHECK, Prediction, predictions_of
from labs.kit.registry import all_labs


class Asked(NamedTuple):
    """A lab with its questions."""

    lab: Lab
    predictions: tuple[Prediction, ...]

    @property
    def of_checks(self) -> list[Prediction]:
        """Those about a graded check."""
        return [one for one in self.predictions if one.about.startswith(OF_A_CHECK)]

    @property
    def of_runs(self) -> list[Prediction]:
        """Those about an experiment."""
        return [one for one in self.predictions if not one.about.startswith(OF_A_CHECK)]

    @property
    def experiments(self) -> list[Experiment]:
        """Those that the lab has."""
        return list(load_experiments(self.lab))


ASKED = [Asked(lab, found) for lab in all_labs() if (found := predictions_of(lab.id))]
ALL = [(one.lab.id, question) for one in ASKED for question in one.predictions]
OF_CHECKS = [(one.lab.id, question) for one in ASKED for question in one.of_checks]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.lab.id)
def test_every_experiment_and_part_has_a_question(asked: Asked) -> None:
    """Each experiment once, each part at least once, and no question about what does not exist."""
    about = sorted(one.about for one in asked.of_runs)
    assert about == sorted(experiment.id for experiment in asked.experiments)
    tests = import_module(f"tests.labs.{asked.lab.id.replace('-', '_')}.test_predictions")
    assert about == sorted(tests.EXPECTED)
    course = load_course(asked.lab.id)
    checks = [course.check(one.about.removeprefix(OF_A_CHECK)) for one in asked.of_checks]
    assert {check.part for check in checks} == {part.number for part in course.parts}
    ids = [one.id for one in asked.predictions]
    assert len(ids) == len(set(ids)) == len({one.about for one in asked.predictions})


@pytest.mark.parametrize(("lab", "one"), ALL, ids=[f"{lab}-{one.id}" for lab, one in ALL])
def test_a_question_can_be_answered(lab: str, one: Prediction) -> None:
    """Three or four different choices, and a reason that names where the paper says it."""
    assert one.question.endswith("?"), lab
    assert 3 <= len(set(one.choices)) == len(one.choices) <= 4
    assert re.search(r"\b\d(\.\d)*\b|\b(19|20)\d\d\b", one.why)


@pytest.mark.parametrize(
    ("lab", "one"), OF_CHECKS, ids=[f"{lab}-{one.id}" for lab, one in OF_CHECKS]
)
def test_a_check_guarantees_one_choice(lab: str, one: Prediction) -> None:
    """Whatever was measured."""
    choice = one.outcome({})
    assert choice is not None, lab
    assert 0 <= choice < len(one.choices)
