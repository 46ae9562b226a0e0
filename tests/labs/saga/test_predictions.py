"""What the measurements say to each question of the saga lab."""

from __future__ import annotations

import pytest

from labs.kit.experiment.runner import Order, run_in_simulation
from labs.kit.predict import Prediction, measured_choice
from labs.kit.runs import report_of
from labs.saga.experiments import EXPERIMENTS
from labs.saga.lab import LAB
from labs.saga.predictions import PREDICTIONS

BY_ID = {experiment.id: experiment for experiment in EXPERIMENTS}
TRIALS_MAX = 5

# What the papers say; a run in which this changes changed what we teach.
EXPECTED = {
    "crash-matrix": 2, "duplicate-and-lost-replies": 2, "compensation-fails": 1,
    "isolation-anomalies": 1, "orchestration-vs-choreography": 0, "outbox-vs-dual-write": 1,
    "saga-vs-2pc": 1,
}  # fmt: skip
OF_RUNS = [one for one in PREDICTIONS if one.about in BY_ID]


@pytest.mark.parametrize("one", OF_RUNS, ids=lambda one: one.about)
def test_a_short_run_answers_it(one: Prediction) -> None:
    """Also with few trials, the measurements bear out what the papers say."""
    experiment = BY_ID[one.about]
    trials = min(TRIALS_MAX, experiment.trials_sim_short)
    run = run_in_simulation(Order(LAB, experiment, "sim", 1, {}, {}, trials, True))
    assert measured_choice(one, report_of(run)) == EXPECTED[one.about]


def test_right_answers_are_spread() -> None:
    """Whoever always says the same number is not right most of the time."""
    right = [
        EXPECTED[one.about] if one.about in EXPECTED else one.outcome({}) for one in PREDICTIONS
    ]
    assert max(right.count(number) for number in range(4)) <= len(right) // 2
