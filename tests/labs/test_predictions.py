"""What holds for the questions of every lab: about what exists, and answered by what is measured.

A lab adds its answers: tests/labs/NAME/answers.py says which is right about each experiment
(EXPECTED), and how many trials of a short run it takes at most to see that (TRIALS_MAX).
"""

from __future__ import annotations

import re
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

import pytest

from labs.kit.experiment import Experiment
from labs.kit.experiment.registry import load_experiments
from labs.kit.experiment.runner import Order, find_experiment, run_in_simulation
from labs.kit.grading.course import load_course
from labs.kit.lab import Lab
from labs.kit.predict import OF_A_CHECK, Prediction, measured_choice, predictions_of
from labs.kit.registry import all_labs
from labs.kit.runs import report_of


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
    def answers(self) -> ModuleType:
        """What its tests say is right."""
        return import_module(f"tests.labs.{self.lab.id.replace('-', '_')}.answers")

    @property
    def experiments(self) -> list[Experiment]:
        """Those that the lab has."""
        return list(load_experiments(self.lab))


ASKED = [Asked(lab, found) for lab in all_labs() if (found := predictions_of(lab.id))]
ALL = [(one.lab.id, question) for one in ASKED for question in one.predictions]
OF_RUNS = [(one, question) for one in ASKED for question in one.of_runs]
OF_CHECKS = [(one.lab.id, question) for one in ASKED for question in one.of_checks]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.lab.id)
def test_every_experiment_and_part_has_a_question(asked: Asked) -> None:
    """Each experiment once, each part at least once, and no question about what does not exist."""
    about = sorted(one.about for one in asked.of_runs)
    assert about == sorted(experiment.id for experiment in asked.experiments)
    assert about == sorted(asked.answers.EXPECTED)
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


@pytest.mark.parametrize(
    ("asked", "one"), OF_RUNS, ids=[f"{asked.lab.id}-{one.about}" for asked, one in OF_RUNS]
)
def test_a_short_run_answers_it(asked: Asked, one: Prediction) -> None:
    """Also with few trials, the measurements bear out what the papers say."""
    experiment = find_experiment(asked.experiments, one.about)
    trials = min(asked.answers.TRIALS_MAX, experiment.trials_sim_short)
    run = run_in_simulation(Order(asked.lab, experiment, "sim", 1, {}, {}, trials, True))
    assert measured_choice(one, report_of(run)) == asked.answers.EXPECTED[one.about]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.lab.id)
def test_right_answers_are_spread(asked: Asked) -> None:
    """Whoever always says the same number is not right most of the time."""
    right = [asked.answers.EXPECTED[one.about] for one in asked.of_runs]
    right += [one.outcome({}) for one in asked.of_checks]
    assert max(right.count(number) for number in range(4)) <= len(right) // 2
