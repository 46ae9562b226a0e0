"""The scenarios of all labs, as tests want them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from labs.kit.grading.scenario import Scenario, sim_options
from labs.kit.registry import lab_names
from nodes.sim.cluster import Observer, simulate


class Offered(NamedTuple):
    """A scenario, and the folder of its lab."""

    folder: str
    scenario: Scenario[Any]

    @property
    def id(self) -> str:
        """As a parameter of a test."""
        return f"{self.folder}/{self.scenario.id}"


def all_scenarios() -> Iterator[Offered]:
    """Of every lab."""
    for folder in lab_names():
        for scenario in import_module(f"labs.{folder}.scenarios").SCENARIOS:
            yield Offered(folder, scenario)


def holds_on_schedules(
    scenario: Scenario[Any], seeds: int, observers: Callable[[], Sequence[Observer]]
) -> None:
    """Runs a scenario with that many seeds in simulation, under fresh invariants each time. Raises
    what the first that fails raises, with its seed."""
    for seed in range(seeds):
        try:
            simulate(
                scenario.spec(seed, simulated=True),
                scenario.function,
                options=sim_options(seed),
                observers=observers(),
            )
        except Exception as error:
            error.add_note(f"{scenario.id}, seed {seed}: {scenario.title}")
            raise
