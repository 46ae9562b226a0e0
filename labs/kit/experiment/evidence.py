"""Anti-vacuity: what a trial must show before its result counts.

A run without traffic, or whose fault did not act, proves nothing. It is INVALID: neither a pass nor
a failure. What was missing is said in one clause each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs.kit.experiment.acting import seen_to_act

if TYPE_CHECKING:
    from labs.kit.experiment.trial import Trial
    from labs.kit.workloads import Sample

RATE_MIN_PER_S = 50  # before the fault; less traffic could miss what a fault does


@dataclass(slots=True)
class Phase:
    """A stretch of a trial, on the cluster's clock."""

    name: str
    from_ms: float
    until_ms: float | None = None

    @property
    def took_ms(self) -> float:
        """How long it was; of a phase that is over."""
        assert self.until_ms is not None, f"phase {self.name} is not over"
        return self.until_ms - self.from_ms

    def holds(self, at_ms: float) -> bool:
        """The moment falls into it."""
        return self.from_ms <= at_ms and (self.until_ms is None or at_ms < self.until_ms)


@dataclass(slots=True)
class Evidence:
    """What was required and not found; empty means that the trial counts."""

    missing: list[str] = field(default_factory=list)

    def require(self, holds: bool, missing: str) -> bool:
        """Notes what is missing unless it holds; returns whether it holds."""
        if not holds and missing not in self.missing:
            self.missing.append(missing)
        return holds


def require_traffic(
    trial: Trial, kinds: Iterable[str], phases: Iterable[str], *, rate_before: str | None = None
) -> None:
    """Each kind of operation succeeded in each of the phases; and in the phase `rate_before`, which
    is the one before the fault, there were at least RATE_MIN_PER_S operations a second."""
    for phase in phases:
        done = trial.completed(phase)
        for kind in kinds:
            trial.evidence.require(
                any(sample.f == kind for sample in done), f"no {kind} succeeded {phase} the fault"
            )
    if rate_before is not None:
        took_s = trial.in_phase(rate_before).took_ms / 1000
        per_s = len(trial.completed(rate_before)) / took_s if took_s else 0.0
        # A machine that is three times as slow may do a third of the work.
        trial.evidence.require(
            per_s * trial.slowness >= RATE_MIN_PER_S,
            f"only {per_s:.0f} operations a second before the fault, fewer than {RATE_MIN_PER_S}",
        )


def require_overlap(trial: Trial, phase: str) -> None:
    """At least one operation was under way while the fault acted."""
    within = trial.in_phase(phase)
    overlapping = (_overlaps(sample, within) for sample in trial.operations())
    trial.evidence.require(any(overlapping), "no operation overlapped the fault")


def _overlaps(sample: Sample, phase: Phase) -> bool:
    ends_ms = None if sample.ended_ns is None else sample.ended_ns / 1e6
    until_ms = float("inf") if phase.until_ms is None else phase.until_ms
    return sample.began_ns / 1e6 < until_ms and (ends_ms is None or ends_ms > phase.from_ms)


def require_faults(trial: Trial, kinds: Iterable[str]) -> None:
    """Each kind of fault was injected, at least one of it was seen to act, and none was seen not
    to. A slow link that nobody used is no objection."""
    for kind in kinds:
        ours = [one for one in trial.injections if one.fault.kind == kind]
        if not trial.evidence.require(bool(ours), f"no {kind} was injected"):
            continue
        acted = [seen_to_act(one, trial.events, trial.cluster.nodes) for one in ours]
        for one, seen in zip(ours, acted, strict=True):
            trial.evidence.require(seen is not False, f"{one.fault.sentence()}: it did not act")
        trial.evidence.require(True in acted, f"no {kind} was seen to act")


def require_judgement(trial: Trial, sent: Sequence[Sample]) -> None:
    """The checker saw as many operations as the clients sent."""
    if trial.verdict is None:
        trial.evidence.require(False, "the history was not judged")
    elif trial.verdict.valid is not None:
        trial.evidence.require(
            trial.verdict.operations == len(sent),
            f"the checker saw {trial.verdict.operations} operations of {len(sent)}",
        )
