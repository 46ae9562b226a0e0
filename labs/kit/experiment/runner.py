"""Runs an experiment: all trials of all its variants, and then the verdicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labs.kit.check import Failed, Vacuous
from labs.kit.errors import LabError, nearest
from labs.kit.experiment import open_loop
from labs.kit.experiment.calibration import Calibration, calibrate
from labs.kit.experiment.definition import Experiment, Variant
from labs.kit.experiment.ending import look_at_the_end
from labs.kit.experiment.figures import Figures
from labs.kit.experiment.judging import Finding, Outcome, Status, conclude, findings, status_of
from labs.kit.experiment.trial import Trial
from labs.kit.experiment.worlds import Program, TrialEnded, in_simulation, on_processes
from labs.kit.lab import Lab, Value
from labs.kit.registry import load_lab
from labs.kit.runs import LOGS
from nodes.cluster.api import Cluster, ClusterSpec, NodeSpec, RuntimeFailure
from nodes.sim.cluster import Observer
from nodes.timeline import TimelineEvent

Progress = Callable[[str], None]
# Errors that say something about the system under test; any other is ours.
OUTCOMES = (Failed, Vacuous, TimeoutError)


@dataclass(frozen=True, slots=True)
class Order:
    """What to run. `settings` are the experiment's, `params` the lab's that the user chose;
    `faults_disabled` is for tests: such a run must come out INVALID."""

    lab: Lab
    experiment: Experiment
    runtime: str = "sim"
    seed: int = 1
    settings: Mapping[str, Value] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    trials: int | None = None
    short: bool = False
    variants: tuple[str, ...] = ()  # only these; empty: all
    faults_disabled: bool = False

    @property
    def simulated(self) -> bool:
        """In virtual time."""
        return self.runtime == "sim"

    def trial_count(self) -> int:
        """Of each variant."""
        usual = self.experiment.trials(simulated=self.simulated, short=self.short)
        return self.trials if self.trials is not None else usual

    def fixed_params(self) -> dict[str, Value]:
        """The lab's settings that the experiment decides."""
        real = {} if self.simulated else self.experiment.params_real
        return {**self.experiment.params, **real}

    def chosen_variants(self) -> tuple[Variant, ...]:
        """Those that take part."""
        offered = self.experiment.chosen_variants(simulated=self.simulated, short=self.short)
        return tuple(one for one in offered if not self.variants or one.name in self.variants)

    def own_settings(self) -> dict[str, Value]:
        """The experiment's settings: defaults, short ones, the user's."""
        defaults = {setting.name: setting.default for setting in self.experiment.settings}
        return {**defaults, **(self.experiment.short if self.short else {}), **self.settings}

    def observers(self, variant: Variant) -> Sequence[Observer]:
        """The invariants that watch this variant in simulation; they know the lab's own cores."""
        watched = variant.invariants and variant.lab is None
        return self.experiment.observers() if watched else ()

    def spec(self, variant: Variant, seed: int) -> ClusterSpec:
        """The cluster of one trial. Raises LabError for settings that do not go together."""
        decided = sorted(set(self.params) & set(variant.params))
        if decided:
            raise LabError(
                f"--set {decided[0]}: the variants of {self.experiment.id} decide it; leave it out"
            )
        lab = load_lab(variant.lab) if variant.lab is not None else self.lab
        # What the experiment and the user decide are settings of the experiment's own lab.
        decided_here = {**self.fixed_params(), **variant.params, **self.params}
        params = {
            **lab.defaults(simulated=self.simulated),
            **(decided_here if lab is self.lab else variant.params),
        }
        count = variant.nodes or self.experiment.nodes
        verdict = lab.validate(params, count)
        if verdict.errors:
            raise LabError("; ".join(verdict.errors))
        nodes = tuple(NodeSpec(f"n{number}", lab.core) for number in range(1, count + 1))
        return ClusterSpec(lab.id, lab.protos, nodes, params, seed)


@dataclass(slots=True)
class Run:
    """What came of it. `shown` is the trial whose history, events and faults are kept: the first
    that was not good, else the first."""

    order: Order
    calibration: Calibration
    started_at: float
    outcomes: list[Outcome] = field(default_factory=list)
    shown: Trial | None = None
    shown_outcome: Outcome | None = None
    elapsed_s: float = 0.0
    figures: Figures = field(default_factory=lambda: Figures((), {}))
    findings: list[Finding] = field(default_factory=list)
    status: Status = "invalid"

    def add(self, trial: Trial, outcome: Outcome) -> None:
        """One more trial has ended."""
        self.outcomes.append(outcome)
        if self.shown_outcome is None or (self.shown_outcome.good and not outcome.good):
            self.shown, self.shown_outcome = trial, outcome

    def finish(self) -> None:
        """All trials have ended."""
        samples: dict[str, list[float]] = {}
        for outcome in self.outcomes:
            for name, values in outcome.samples.items():
                samples.setdefault(name, []).extend(values)
        experiment = self.order.experiment
        self.figures = Figures((*experiment.measurements, *open_loop.MEASUREMENTS), samples)
        self.findings = findings(experiment, self.outcomes, self.figures)
        self.status = status_of(self.outcomes, self.findings)
        if self.status == "pass":
            self._require_all_measured()
        self.elapsed_s = time.time() - self.started_at

    def _require_all_measured(self) -> None:
        """What is declared is measured: the guide names it."""
        experiment = self.order.experiment
        unmeasured = [one.name for one in experiment.measurements if one.name not in self.figures]
        if unmeasured and not self.order.short:
            self.status = "invalid"
            self.outcomes[-1].missing.append(f"not measured: {', '.join(unmeasured)}")


def find_experiment(experiments: Sequence[Experiment], name: str) -> Experiment:
    """The one of this name. Raises LabError with the nearest names."""
    known = {one.id: one for one in experiments}
    if name not in known:
        raise LabError(f"no experiment is called {name!r}; {nearest(name, known)}")
    return known[name]


def run_in_simulation(order: Order, tell: Progress = lambda _: None) -> Run:
    """Every trial in virtual time."""
    run = Run(order, calibrate(), time.time())
    for variant, number, seed in _trials(order, tell):
        trial: list[Trial] = []
        program = _program(order, run, variant, number, seed, trial)
        error: Exception | None = None
        try:
            events = in_simulation(
                order.spec(variant, seed),
                program,
                options=order.experiment.options,
                observers=order.observers(variant),
            )
        except TrialEnded as ended:
            events, error = ended.events, ended.error
        _conclude(run, trial, events, error)
    run.finish()
    return run


async def run_on_processes(order: Order, folder: Path, tell: Progress = lambda _: None) -> Run:
    """Every trial on real nodes, one after the other. Raises RuntimeFailure."""
    run = Run(order, calibrate(), time.time())
    for variant, number, seed in _trials(order, tell):
        trial: list[Trial] = []
        error: Exception | None = None
        try:
            events = await on_processes(
                order.runtime,
                order.spec(variant, seed),
                _program(order, run, variant, number, seed, trial),
                folder=folder / "nodes",
                logs=folder / LOGS / f"{variant.name}-{number}",
                happened=lambda trial=trial: [  # type: ignore[misc]  # one list a trial
                    (one.at_ms, one.to_event()) for made in trial for one in made.injections
                ],
            )
        except TrialEnded as ended:
            events, error = ended.events, ended.error
        _conclude(run, trial, events, error)
    run.finish()
    return run


def _trials(order: Order, tell: Progress) -> Iterator[tuple[Variant, int, int]]:
    """In turn, so that what the machine does meanwhile hits all variants alike."""
    if order.runtime not in order.experiment.runtimes:
        runtimes = ", ".join(order.experiment.runtimes)
        raise LabError(f"{order.experiment.id} runs in {runtimes}, not in {order.runtime}")
    variants = order.chosen_variants()
    count = order.trial_count()
    for number in range(1, count + 1):
        for variant in variants:
            what = "" if len(variants) == 1 else f", {variant.name}"
            tell(f"{order.experiment.id}: trial {number} of {count}{what}")
            yield variant, number, order.seed * 10_000 + number


def _program(
    order: Order, run: Run, variant: Variant, number: int, seed: int, made: list[Trial]
) -> Program:
    async def program(cluster: Cluster) -> None:
        trial = Trial(
            cluster,
            order.own_settings(),
            variant.name,
            number,
            seed,
            slowness=1.0 if order.simulated else run.calibration.slowness,
            faults_disabled=order.faults_disabled,
        )
        made.append(trial)
        try:
            await order.experiment.trial(trial)
        except OUTCOMES:
            # What nodes hold by then may say why.
            await _end(trial)
            raise
        finally:
            for workload in trial.workloads:
                await workload.cancel()
        await _end(trial)

    return program


async def _end(trial: Trial) -> None:
    """No phase goes on while the nodes are looked at."""
    trial.end_phase()
    trial.ending = await look_at_the_end(trial)


def _conclude(
    run: Run, made: Sequence[Trial], events: Sequence[TimelineEvent], error: Exception | None
) -> None:
    if not made:
        raise error or RuntimeFailure("the cluster did not start")
    (trial,) = made
    if error is not None and not isinstance(error, (*OUTCOMES, *run.order.experiment.violations)):
        raise error
    trial.events = sorted(events, key=lambda event: event.at_ms)
    outcome = conclude(run.order.experiment, trial, error)
    run.add(trial, outcome)
    if run.shown is not trial:
        trial.events = ()
