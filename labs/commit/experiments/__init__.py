"""The measured experiments of the commit lab; `lab run commit` lists them."""

from __future__ import annotations

from labs.commit.experiments import blocking, contention, cost, crashes, partition
from labs.kit.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    *crashes.EXPERIMENTS,
    *blocking.EXPERIMENTS,
    *partition.EXPERIMENTS,
    *cost.EXPERIMENTS,
    *contention.EXPERIMENTS,
)
