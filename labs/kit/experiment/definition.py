"""What an experiment is: a question, the trials that answer it, and what we expect of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labs.kit.experiment.figures import Figures, Measurement
from labs.kit.lab import Setting, Value
from nodes.sim.cluster import Observer, SimOptions

if TYPE_CHECKING:
    from labs.kit.experiment.trial import Trial

RUNTIMES = ("sim", "local", "compose")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of running the experiment: settings of the lab that differ from the experiment's.

    Names of measurements end in the variant's where each variant is measured by itself. `lab` names
    another lab whose cluster the same trial drives, with that lab's settings, for a comparison.
    """

    name: str
    params: Mapping[str, Value] = field(default_factory=dict)
    nodes: int | None = None
    lab: str | None = None
    invariants: bool = True  # in simulation; not where the variant breaks one on purpose
    short: bool = True  # takes part in short runs, too
    short_real: bool = True  # and in short ones on real processes, which take their time


@dataclass(frozen=True, slots=True)
class Expectation:
    """A claim about what was measured, in the words of the guide.

    It is asked only when everything in `needs` was measured, each with at least `samples` samples:
    a distribution is no matter of three trials.
    """

    id: str
    claim: str
    holds: Callable[[Figures], bool]
    needs: tuple[str, ...]
    samples: int = 1

    def asked(self, figures: Figures) -> bool:
        """There is enough to judge it by."""
        return all(name in figures and figures[name].count >= self.samples for name in self.needs)


def _no_analysis(trial: Trial) -> None:
    """For experiments that measure all while the cluster runs."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment of a lab.

    `trial` drives one cluster; `analyse` measures what only the events of all nodes tell, once the
    cluster has ended. `faults` are the kinds that must have been seen to act in every trial.
    `params` are settings of the lab that differ from its defaults, on real processes together with
    `params_real`; `settings` are the experiment's
    own, with `short` values for a quick run; `trials` are numbers by (runtime is sim, short).
    """

    id: str
    title: str
    question: str
    trial: Callable[[Trial], Coroutine[Any, Any, None]]
    measurements: tuple[Measurement, ...]
    analyse: Callable[[Trial], None] = _no_analysis
    expectations: tuple[Expectation, ...] = ()
    faults: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = (Variant("only"),)
    nodes: int = 5
    params: Mapping[str, Value] = field(default_factory=dict)
    params_real: Mapping[str, Value] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    short: Mapping[str, Value] = field(default_factory=dict)
    trials_sim: int = 20
    trials_sim_short: int = 1
    trials_real: int = 3
    trials_real_short: int = 1
    runtimes: tuple[str, ...] = RUNTIMES
    options: SimOptions = field(default_factory=SimOptions)
    observers: Callable[[], Sequence[Observer]] = tuple
    violations: tuple[type[Exception], ...] = ()  # what the observers raise

    def trials(self, *, simulated: bool, short: bool) -> int:
        """How many trials of each variant, unless the user says."""
        if simulated:
            return self.trials_sim_short if short else self.trials_sim
        return self.trials_real_short if short else self.trials_real

    def chosen_variants(self, *, simulated: bool, short: bool) -> tuple[Variant, ...]:
        """Those that take part."""
        if not short:
            return self.variants
        return tuple(one for one in self.variants if one.short and (simulated or one.short_real))
