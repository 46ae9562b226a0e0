"""Many seeds on several processes. What is found does not depend on how many there are.

Seeds are handed out in order. When one fails, those below it are still finished, and those above it
do not count: the first failure is the smallest seed that fails, and the tally ends with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from labs.kit.fuzz.pool import CaseWorkers
from labs.kit.fuzz.remote import RemoteWorkers
from labs.kit.fuzz.run import Outcome
from labs.kit.fuzz.target import DURATION_MS, Case

TOLD_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is asked for: `seeds` from `first` on, or as many as fit into `time_limit_s`; on `jobs`
    processes, or on the workers of the Dask `scheduler`."""

    lab: str
    first: int
    seeds: int
    jobs: int
    time_limit_s: float | None = None
    mutant: str | None = None
    keep_going: bool = False
    duration_ms: int = DURATION_MS
    scheduler: str | None = None

    def workers(self) -> CaseWorkers | RemoteWorkers:
        """What runs the seeds."""
        if self.scheduler is not None:
            return RemoteWorkers(self.lab, self.scheduler)
        return CaseWorkers(self.lab, min(self.jobs, self.seeds))


@dataclass(slots=True)
class Tally:
    """What became of the seeds that count."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    elapsed_s: float = 0.0

    def count(self, verdict: str) -> int:
        """How many ended so."""
        return sum(one.verdict == verdict for one in self.outcomes.values())

    @property
    def failures(self) -> list[Outcome]:
        """By seed."""
        return [one for _, one in sorted(self.outcomes.items()) if one.failure is not None]

    @property
    def faults(self) -> int:
        """How many faults acted, in all runs together."""
        return sum(one.faults for one in self.outcomes.values())

    @property
    def per_minute(self) -> float:
        """Seeds."""
        return len(self.outcomes) / self.elapsed_s * 60 if self.elapsed_s else 0.0

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "seeds": len(self.outcomes),
            "passed": self.count("passed"),
            "failed": self.count("failed"),
            "vacuous": self.count("vacuous"),
            "faults": self.faults,
            "operations": sum(one.acknowledged + one.reads for one in self.outcomes.values()),
            "steps": sum(one.steps for one in self.outcomes.values()),
            "elapsed_s": round(self.elapsed_s, 3),
            "seeds_per_minute": round(self.per_minute, 1),
        }


def run_campaign(campaign: Campaign, told: Callable[[Tally], None]) -> Tally:
    """Runs it; `told` hears now and then how far it is."""
    tally, began_s, told_s = Tally(), time.monotonic(), time.monotonic()
    first_failed: list[int] = []

    def over(seed: int) -> bool:
        late = (
            campaign.time_limit_s is not None
            and time.monotonic() - began_s >= campaign.time_limit_s
        )
        return late or bool(first_failed and not campaign.keep_going and seed > first_failed[0])

    def below_done() -> bool:
        return all(seed in tally.outcomes for seed in range(campaign.first, first_failed[0]))

    def cases() -> Iterator[Case]:
        for seed in range(campaign.first, campaign.first + campaign.seeds):
            if over(seed):
                return
            yield Case(seed, campaign.mutant, campaign.duration_ms)

    with campaign.workers() as workers:
        for outcome in workers.outcomes(cases(), timeout_s=lambda: TOLD_EVERY_S):
            if outcome is not None:
                tally.outcomes[outcome.seed] = outcome
                if outcome.failure is not None:
                    first_failed[:] = [min([outcome.seed, *first_failed])]
            if first_failed and not campaign.keep_going and below_done():
                break  # The rest is ended where it is.
            if time.monotonic() - told_s >= TOLD_EVERY_S:
                told_s = time.monotonic()
                tally.elapsed_s = told_s - began_s
                told(tally)
    tally.elapsed_s = time.monotonic() - began_s
    if first_failed and not campaign.keep_going:
        beyond = [seed for seed in tally.outcomes if seed > first_failed[0]]
        for seed in beyond:
            del tally.outcomes[seed]
    return tally
