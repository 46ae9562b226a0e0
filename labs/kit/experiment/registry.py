"""A lab's experiments are found by its folder: `labs/NAME/experiments` with an `EXPERIMENTS`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from labs.kit.errors import LabError
from labs.kit.experiment.definition import Experiment
from labs.kit.lab import Lab


def load_experiments(lab: Lab) -> tuple[Experiment, ...]:
    """All of this lab. Raises LabError when it has none."""
    name = f"labs.{lab.id.replace('-', '_')}.experiments"
    if find_spec(name) is None:
        raise LabError(f"the {lab.id} lab has no experiments; `lab list` shows what it has")
    found: tuple[Experiment, ...] = import_module(name).EXPERIMENTS
    return found
