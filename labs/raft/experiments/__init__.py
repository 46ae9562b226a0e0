"""The measured experiments of the Raft lab; `lab run raft` lists them."""

from __future__ import annotations

from labs.kit.experiment import Experiment
from labs.raft.experiments import elections, figure_8, logs, partitions, reads, slowness

EXPERIMENTS: tuple[Experiment, ...] = (
    *elections.EXPERIMENTS,
    *partitions.EXPERIMENTS,
    *reads.EXPERIMENTS,
    *slowness.EXPERIMENTS,
    *figure_8.EXPERIMENTS,
    *logs.EXPERIMENTS,
)
