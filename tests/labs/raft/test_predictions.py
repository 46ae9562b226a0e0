"""The questions of the Raft lab: about what exists, and answered by what is measured."""

from __future__ import annotations

import pytest

from labs.kit.experiment.runner import Order, run_in_simulation
from labs.kit.predict import OF_A_CHECK, Prediction, measured_choice
from labs.kit.runs import report_of
from labs.raft.experiments import EXPERIMENTS
from labs.raft.lab import LAB
from labs.raft.predictions import PREDICTIONS

BY_ID = {experiment.id: experiment for experiment in EXPERIMENTS}
OF_CHECKS = [one for one in PREDICTIONS if one.about.startswith(OF_A_CHECK)]
OF_RUNS = [one for one in PREDICTIONS if one not in OF_CHECKS]

TRIALS_MAX = 5  # enough for a median of elections

# What the Raft of the paper does; a run in which this changes changed what we teach.
EXPECTED = {
    "leader-crash": 0, "election-timeouts": 2, "split-vote": 2, "partition-minority": 1,
    "partition-leader": 1, "asymmetric-partition": 1, "stale-read": 2, "read-cost": 2,
    "slow-follower": 0, "packet-loss": 2, "figure-8": 1, "snapshot-catch-up": 2, "lost-fsync": 1,
}  # fmt: skip


@pytest.mark.parametrize("one", OF_RUNS, ids=lambda one: one.about)
def test_a_short_run_answers_it(one: Prediction) -> None:
    """Also with few trials, the measurements bear out what Raft does."""
    experiment = BY_ID[one.about]
    trials = min(TRIALS_MAX, experiment.trials_sim_short)
    run = run_in_simulation(Order(LAB, experiment, "sim", 1, {}, {}, trials, True))
    assert measured_choice(one, report_of(run)) == EXPECTED[one.about]


def test_right_answers_are_spread() -> None:
    """Whoever always says the same number is not right most of the time."""
    right = [
        EXPECTED.get(one.about, one.outcome({}) if one in OF_CHECKS else 0) for one in PREDICTIONS
    ]
    assert max(right.count(number) for number in range(4)) <= len(right) // 2
