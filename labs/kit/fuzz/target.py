"""What a lab offers so that it can be fuzzed: `labs/NAME/fuzz.py` with a `FUZZ` in it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module, util
from typing import Any, Final

from labs.kit.appends import History
from labs.kit.errors import LabError, nearest
from labs.kit.registry import load_lab
from labs.kit.schedule import Schedule
from nodes.cluster.api import ClusterSpec
from nodes.core import Core, Effect, Event, NodeId
from nodes.loading import core_name
from nodes.sim.cluster import Observer, SimCluster, SimOptions

DURATION_MS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that a run depends on: equal cases run equally. What is None is drawn from the
    seed."""

    seed: int
    mutant: str | None = None
    duration_ms: int = DURATION_MS
    clients: int | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a seed decides besides the faults: the cluster, its settings, and how busy it is."""

    spec: ClusterSpec
    options: SimOptions
    clients: int
    pause_ms: int  # the longest that a client waits between two operations


@dataclass(slots=True)
class Evidence:
    """What happened in a run; filled in while it goes on, so that it is there when it fails."""

    history: History = field(default_factory=History)
    faults: int = 0  # that acted, without heals
    acknowledged_under_faults: int = 0
    reads: int = 0


class NotLive(Exception):
    """After everything was healed, something did not happen in time. `what` says what."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what


@dataclass(frozen=True, slots=True)
class Load:
    """What the program of a lab is asked to do: faults for that long, under that many clients.

    Without `recover` it ends there, before the heal: enough for what fails under faults.
    """

    seed: int
    schedule: Schedule
    duration_ms: int
    clients: int
    pause_ms: int
    recover: bool = True


@dataclass(frozen=True)
class FuzzTarget:
    """One lab as the fuzzer sees it.

    `draw` decides everything but the faults from a seed. `program` runs the clients, replays the
    schedule, heals, demands that everything comes back (NotLive) and holds what clients saw against
    the final state (HistoryWrong). `observers` are fresh invariants for one run, which raise
    InvariantViolated. `mutants` are its planted bugs; `crash_points` are what a fault `crash-at`,
    if it is among `faults`, may name. `survives` says which of the faults a cluster with these
    settings claims to survive; None: all of them.
    """

    lab: str
    draw: Callable[[int], Drawn]
    program: Callable[[SimCluster, Load, Evidence], Coroutine[Any, Any, None]]
    observers: Callable[[], list[Observer]]
    faults: tuple[str, ...]
    mutants: Mapping[str, type[Core]]
    crash_points: tuple[str, ...] = ()
    survives: Callable[[ClusterSpec], tuple[str, ...]] | None = None

    def faults_for(self, spec: ClusterSpec) -> tuple[str, ...]:
        """What may be drawn for this cluster."""
        return self.faults if self.survives is None else self.survives(spec)

    def spec_with(self, spec: ClusterSpec, mutant: str | None) -> ClusterSpec:
        """The cluster with this planted bug in every node."""
        if mutant is None:
            return spec
        core = self.mutants[mutant]
        name = core_name(core)
        return replace(spec, nodes=tuple(replace(node, core=name) for node in spec.nodes))

    def check_mutant(self, mutant: str | None) -> None:
        """Raises LabError for a planted bug that there is not."""
        if mutant is not None and mutant not in self.mutants:
            raise LabError(
                f"--mutant {mutant}: {self.lab} has no such planted bug; "
                f"{nearest(mutant, self.mutants)}"
            )


def load_target(name: str) -> FuzzTarget:
    """What the lab offers. Raises LabError when there is no such lab, or it offers nothing."""
    lab = load_lab(name)
    module = f"labs.{lab.id.replace('-', '_')}.fuzz"
    if util.find_spec(module) is None:
        raise LabError(
            f"the {lab.id} lab cannot be fuzzed: it has no {module.replace('.', '/')}.py"
        )
    target = import_module(module).FUZZ
    assert isinstance(target, FuzzTarget)
    return target


def observers_of(target: FuzzTarget) -> Sequence[Observer]:
    """The invariants, and an end for a run that goes round in circles."""
    return [*target.observers(), StepLimit()]


class Livelock(Exception):
    """The nodes step for ever and get nowhere."""


class StepLimit:
    """A run of 20 virtual seconds takes a few thousand steps; one that takes a hundred times as
    many never ends."""

    STEPS_MAX: Final = 1_000_000

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        if cluster.steps > self.STEPS_MAX:
            raise Livelock(f"more than {self.STEPS_MAX:,} steps in {cluster.now_ms():,} ms")
