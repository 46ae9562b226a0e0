"""Runs of experiments, as tests want them: short, in simulation, and with every reason why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from labs.kit.experiment import Experiment, Figures
from labs.kit.experiment.registry import load_experiments
from labs.kit.experiment.runner import Order, Run, find_experiment, run_in_simulation
from labs.kit.lab import Lab
from labs.kit.registry import all_labs

SEED = 1


class Offered(NamedTuple):
    """An experiment and its lab."""

    lab: Lab
    experiment: Experiment

    @property
    def id(self) -> str:
        """As a parameter of a test."""
        return f"{self.lab.id}/{self.experiment.id}"


def all_experiments() -> Iterator[Offered]:
    """Of every lab."""
    for lab in all_labs():
        for experiment in load_experiments(lab):
            yield Offered(lab, experiment)


def run(lab: Lab, experiment_id: str, **choices: object) -> Run:
    """A short run in simulation."""
    order = Order(lab, find_experiment(load_experiments(lab), experiment_id), seed=SEED, short=True)
    return run_in_simulation(replace(order, **choices))  # type: ignore[arg-type]  # by name


def wrong_with(done: Run) -> list[object]:
    """Why a run is no pass: claims that do not hold, and evidence that is missing."""
    return [
        *(finding for finding in done.findings if finding.holds is not True),
        *(clause for outcome in done.outcomes for clause in outcome.missing),
    ]


def passed(lab: Lab, experiment_id: str) -> Figures:
    """The figures of a run that counts and in which every claim that was asked holds."""
    done = run(lab, experiment_id)
    assert done.status == "pass", wrong_with(done)
    assert len(done.findings) >= 2, "nothing was claimed"
    return done.figures
