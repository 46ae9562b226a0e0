"""The measured experiments of the quorum lab; `lab run quorum-store` lists them."""

from __future__ import annotations

from labs.kit.experiment import Experiment
from labs.quorum_store.experiments import (
    availability,
    conflicts,
    latency,
    placement,
    quorums,
    repair,
)

EXPERIMENTS: tuple[Experiment, ...] = (
    *quorums.EXPERIMENTS,
    *conflicts.EXPERIMENTS,
    *latency.EXPERIMENTS,
    *availability.EXPERIMENTS,
    *repair.EXPERIMENTS,
    *placement.EXPERIMENTS,
)
