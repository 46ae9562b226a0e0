"""A guarantee as an async function on a cluster, before it is worth points: a scenario.

The same scenario is a test of the project, over many schedules, and with an advice a graded check.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, TypeVar

from labs.kit.grading.course import Check
from labs.kit.lab import Lab
from nodes.cluster.api import Cluster, ClusterSpec, NodeSpec
from nodes.core import Param
from nodes.sim.cluster import SimOptions

C = TypeVar("C", bound=Cluster)


@dataclass(frozen=True, slots=True)
class Scenario(Generic[C]):
    """One guarantee of a lab, and what it takes to see it hold.

    `sim_settings` are those of every simulated run of the lab, `params` what this scenario needs
    otherwise in all runtimes; `real` says that it makes sense on real processes too; `seeds` is how
    many schedules to try in simulation.
    """

    lab: Lab
    id: str
    title: str
    part: int
    nodes: int
    function: Callable[[C], Coroutine[Any, Any, None]]
    params: Mapping[str, Param] = field(default_factory=dict)
    sim_settings: Mapping[str, Param] = field(default_factory=dict)
    real: bool = True
    seeds: int = 200

    def spec(self, seed: int, *, simulated: bool, core: str = "") -> ClusterSpec:
        """A cluster for this scenario, whose nodes run `core`, by default the lab's."""
        settings: dict[str, Param] = {**self.lab.defaults(simulated=simulated)}
        if simulated:
            settings |= self.sim_settings
        core = core or self.lab.core
        nodes = tuple(NodeSpec(f"n{number}", core) for number in range(1, self.nodes + 1))
        return ClusterSpec(self.lab.id, self.lab.protos, nodes, {**settings, **self.params}, seed)


@dataclass(frozen=True, slots=True)
class Advice:
    """What a learner is told about one check, and what it is worth.

    `hints` go from where to look, over which rule, to nearly the answer. `guide` is a section of
    the lab's page of the guide; empty where that page as a whole is meant.
    """

    points: int
    paper: str
    hints: tuple[str, str, str]
    guide: str = ""


def named_after(function: Callable[..., object]) -> tuple[str, str]:
    """The id and the title of a scenario: its function's name, and its docstring's first
    sentence."""
    title = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
    return function.__name__.replace("_", "-"), title.rstrip(".")


def sim_options(seed: int) -> SimOptions:
    """The virtual network and disks of one schedule: from fast and even to slow and ragged."""
    random = Random(f"{seed}:options")
    slowest_ms = random.choice((1.0, 3.0, 10.0))
    sync_ms = random.choice((0.0, 2.0, 10.0))
    return SimOptions(latency_ms=(0.2, slowest_ms), sync_ms=(0.0, sync_ms))


def specs_of(
    scenarios: Iterable[Scenario[Any]],
) -> Callable[[Check, str, int, bool], ClusterSpec]:
    """The clusters of the checks that are made of these scenarios: see Course.spec_of."""
    by_id = {scenario.id: scenario for scenario in scenarios}

    def spec_of(check: Check, core: str, seed: int, simulated: bool) -> ClusterSpec:
        return by_id[check.id].spec(seed, simulated=simulated, core=core)

    return spec_of


def check_of(
    scenario: Scenario[Any], advice: Advice, *, page: str, seeds: int, quick_seeds: int
) -> Check:
    """What is graded about a scenario; `page` is the lab's in the guide."""
    return Check(
        id=scenario.id,
        title=scenario.title,
        part=scenario.part,
        points=advice.points,
        paper=advice.paper,
        hints=advice.hints,
        guide=f"{page}#{advice.guide}" if advice.guide else page,
        nodes=scenario.nodes,
        function=scenario.function,
        params=scenario.params,
        seeds=seeds,
        quick_seeds=quick_seeds,
        real=scenario.real,
    )
