"""What is made of a trial once its cluster has ended, and of all trials together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from labs.kit.check import Failed, Vacuous
from labs.kit.experiment import open_loop
from labs.kit.experiment.definition import Experiment
from labs.kit.experiment.evidence import require_faults, require_judgement
from labs.kit.experiment.figures import Figures, tidy
from labs.kit.experiment.trial import Trial
from labs.kit.text import counted, visible

Status = Literal["pass", "fail", "unknown", "invalid"]
JUDGE_LIMIT_S = 20.0  # a history; past it the verdict is unknown


@dataclass(slots=True)
class Outcome:
    """One trial: what it measured, what it lacked, what went wrong."""

    variant: str
    number: int
    seed: int
    samples: dict[str, list[float]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # promises, each in a sentence
    unknown: list[str] = field(default_factory=list)
    history: dict[str, Any] | None = None  # the checker's verdict
    history_expected: bool = True

    @property
    def good(self) -> bool:
        """It counts, and nothing was wrong."""
        return not (self.missing or self.broken or self.unknown)

    def to_json(self) -> dict[str, Any]:
        """As in a report."""
        document: dict[str, Any] = {
            "variant": self.variant,
            "trial": self.number,
            "seed": self.seed,
            "samples": {
                name: [tidy(value) for value in values] for name, values in self.samples.items()
            },
        }
        lists = {"missing": self.missing, "broken": self.broken, "unknown": self.unknown}
        document |= {name: values for name, values in lists.items() if values}
        return document | ({"history": self.history} if self.history is not None else {})


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict of a report; `holds` None when nobody could tell."""

    id: str
    claim: str
    holds: bool | None
    observed: str

    def to_json(self) -> dict[str, Any]:
        """As in a report."""
        return {
            "id": self.id,
            "claim": self.claim,
            "holds": self.holds,
            "observed": self.observed,
        }


def conclude(experiment: Experiment, trial: Trial, error: Exception | None) -> Outcome:
    """Analyses, judges and asks for evidence."""
    outcome = Outcome(trial.variant, trial.number, trial.seed)
    trial.end_phase()
    if error is None:
        try:
            experiment.analyse(trial)
        except (Vacuous, Failed, TimeoutError) as raised:
            error = raised
    match error:
        case Vacuous():
            trial.evidence.require(False, error.reason)
        case None:
            pass
        case _:
            outcome.broken.append(visible(f"{type(error).__name__}: {error}"))
    require_faults(trial, experiment.faults)
    if trial.model and error is None:
        _judge(trial, outcome)
    open_loop.measure(trial)
    outcome.missing = list(trial.evidence.missing)
    if outcome.missing:
        # Whatever went wrong in a run that lacks its premise, it says nothing about the promise.
        outcome.missing += outcome.broken if isinstance(error, TimeoutError) else []
        outcome.broken = [] if isinstance(error, TimeoutError) else outcome.broken
    outcome.samples = {} if outcome.missing else trial.samples
    return outcome


def _judge(trial: Trial, outcome: Outcome) -> None:
    from labs.kit.checkers import judge

    verdict = judge(trial.recorder.entries, trial.model, time_limit_s=JUDGE_LIMIT_S)
    trial.verdict = verdict
    outcome.history, outcome.history_expected = verdict.to_json(), trial.must_be_valid
    require_judgement(trial, trial.operations())
    trial.measure_variant("linearizable", 1.0 if verdict.valid else 0.0)
    if verdict.valid is None:
        outcome.unknown.append(f"the history could not be judged: {verdict.reason}")
    elif not verdict.valid and trial.must_be_valid:
        why = verdict.counterexample.explanation if verdict.counterexample else "no reason given"
        outcome.broken.append(f"the history is not linearizable: {why}")


def findings(
    experiment: Experiment, outcomes: Sequence[Outcome], figures: Figures
) -> list[Finding]:
    """The verdicts of a run: on its trials, on its histories, on what was expected of figures."""
    found = [_trials_finding(outcomes)]
    judged = [one for one in outcomes if one.history is not None and one.history_expected]
    if judged:
        found.append(_histories_finding(judged))
    loops = [one for one in outcomes if open_loop.DUE in one.samples]
    if loops:
        found.append(_open_loop_finding(loops))
    for expectation in experiment.expectations:
        if expectation.asked(figures):
            observed = ", ".join(
                f"{name} = {tidy(figures.value(name))}" for name in expectation.needs
            )
            holds = expectation.holds(figures)
            found.append(Finding(expectation.id, expectation.claim, holds, observed))
    return found


def _trials_finding(outcomes: Sequence[Outcome]) -> Finding:
    wrong = [f"{one.variant} {one.number}: {why}" for one in outcomes for why in one.broken]
    observed = "; ".join(wrong[:3]) or f"{counted(len(outcomes), 'trial')}, nothing broken"
    claim = "every trial ran to its end, and no promise or invariant was broken"
    return Finding("trials", claim, not wrong, observed)


def _histories_finding(judged: Sequence[Outcome]) -> Finding:
    valid = [one.history["valid"] for one in judged if one.history is not None]
    unknown = sum(value is None for value in valid)
    holds = None if unknown else all(valid)
    operations = sum(one.history["operations"] for one in judged if one.history is not None)
    observed = f"{sum(map(bool, valid))} of {len(valid)} histories, {operations} operations"
    if unknown:
        observed += f", {unknown} could not be judged within their limits"
    claim = "what clients saw is linearizable, wherever that is promised"
    return Finding("linearizable", claim, False if False in valid else holds, observed)


def _open_loop_finding(loops: Sequence[Outcome]) -> Finding:
    """Whether latencies can be believed. If not, that is no failure of the system under test: the
    run cannot tell, and says why."""
    counts = [
        (int(one.samples[open_loop.SHED][0]), int(one.samples[open_loop.DUE][0])) for one in loops
    ]
    shed, due = max(counts, key=lambda count: count[0] / count[1])
    observed = f"at most {tidy(100 * shed / due)} % of a trial ({shed} of {due} operations)"
    few = shed <= open_loop.SHED_SHARE_MAX * due
    if not few:
        observed += (
            ": the latencies of this run are too good, since what was shed would have waited"
            " longest (coordinated omission)"
        )
    most = f"{open_loop.SHED_SHARE_MAX:.0%}"
    claim = f"open-loop clients shed at most {most} of the operations that were due"
    return Finding("open-loop", claim, True if few else None, observed)


def status_of(outcomes: Sequence[Outcome], found: Sequence[Finding]) -> Status:
    """A broken promise is a failure whatever else; without its premise a run is INVALID."""
    if any(one.broken for one in outcomes):
        return "fail"
    if any(one.missing for one in outcomes) or not outcomes:
        return "invalid"
    if any(one.holds is False for one in found):
        return "fail"
    return "unknown" if any(one.holds is None for one in found) else "pass"
