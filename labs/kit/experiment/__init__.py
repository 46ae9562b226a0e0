"""Measured experiments: what one is, how it is run, and when its result counts."""

from __future__ import annotations

from labs.kit.experiment.definition import Expectation, Experiment, Variant
from labs.kit.experiment.figures import Figure, Figures, Measurement
from labs.kit.experiment.trial import Trial

__all__ = [
    "Expectation",
    "Experiment",
    "Figure",
    "Figures",
    "Measurement",
    "Trial",
    "Variant",
]
