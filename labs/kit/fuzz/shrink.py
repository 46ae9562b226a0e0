"""From a case that fails to the smallest that still fails in the same way.

Delta debugging over the faults (Zeller and Hildebrandt): whole chunks are left out first, then
smaller ones, until no single fault can be spared. Then the clients and the duration are tried with
less. Each candidate is a run of its own, from the same seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations
from random import Random
from typing import Final

from labs.kit.fuzz.run import Failure, Outcome, run_case, schedule_of
from labs.kit.fuzz.target import Case, FuzzTarget
from labs.kit.schedule import Schedule, Step

RUNS_MAX: Final = 1000
TIME_LIMIT_S: Final = 180.0
FEW: Final = 6  # not worth a throw
THROWS: Final = 60
PAIRS_STEPS_MAX: Final = 15  # beyond it, to try all pairs takes too many runs
TAIL_MS: Final = 1  # a fault of the very last millisecond still acts


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest case that was found, how it fails, and what that took. Not `minimal`: the limit
    of runs or of time ended the search."""

    case: Case
    failure: Failure
    faults_before: int
    runs: int
    elapsed_s: float
    minimal: bool

    @property
    def faults(self) -> int:
        """How many faults the case still needs."""
        return len(self.case.schedule.steps) if self.case.schedule else 0


class _Spent(Exception):
    """The limit of runs or of time is reached."""


@dataclass(slots=True)
class _Search:
    run: Callable[[Case], Outcome]
    case: Case
    failure: Failure
    told: Callable[[str], None]
    until_s: float
    runs: int = 0
    tried: set[Case] = field(default_factory=set)

    def still_fails(self, candidate: Case) -> bool:
        """Takes the candidate for the new best if it fails in the same way."""
        if candidate in self.tried:
            return False
        if self.runs >= RUNS_MAX or time.monotonic() >= self.until_s:
            raise _Spent
        self.tried.add(candidate)
        self.runs += 1
        failure = self.run(candidate).failure
        if failure is None or not failure.same_kind(self.failure):
            return False
        self.case, self.failure = candidate, failure
        steps = candidate.schedule.steps if candidate.schedule else ()
        self.told(f"{len(steps)} faults, {self.runs} runs")
        return True

    @property
    def steps(self) -> tuple[Step, ...]:
        """The faults of the best case."""
        assert self.case.schedule is not None, "a case that is shrunk has its faults written out"
        return self.case.schedule.steps

    def with_steps(self, steps: tuple[Step, ...]) -> Case:
        """The best case with other faults."""
        return replace(self.case, schedule=Schedule(steps))

    def cut_tail(self) -> None:
        """What came after the failure did not cause it."""
        early = tuple(step for step in self.steps if step.at_ms <= self.failure.at_ms)
        if len(early) < len(self.steps):
            self.still_fails(self.with_steps(early))

    def drop_faults(self) -> None:
        """Delta debugging, down to pairs: a fault and the heal after it often go together only."""
        if self.steps and self.still_fails(self.with_steps(())):
            return
        self.drop_chunks(max(1, len(self.steps) // 2))
        while (len(self.steps) > FEW and self.drop_half_at_random()) or (
            len(self.steps) <= PAIRS_STEPS_MAX and self.drop_pair()
        ):
            self.drop_chunks(1)

    def drop_chunks(self, chunk: int) -> None:
        """Neighbours first, fewer and fewer, until no single fault can be spared."""
        while True:
            start, dropped = 0, False
            while start < len(self.steps):
                rest = self.steps[:start] + self.steps[start + chunk :]
                if self.still_fails(self.with_steps(rest)):
                    dropped = True
                else:
                    start += chunk
            if chunk == 1 and not dropped:
                return
            chunk = max(1, chunk // 2)

    def drop_half_at_random(self) -> bool:
        """A failure that also takes luck, such as a message lost at the right moment, has its luck
        with other faults, too: where no single one can be spared, a throw of many may."""
        rng = Random(f"{self.case.seed}:shrink")
        for _ in range(THROWS):
            kept = tuple(step for step in self.steps if rng.random() < 0.5)
            if self.still_fails(self.with_steps(kept)):
                return True
        return False

    def drop_pair(self) -> bool:
        """Two at once, wherever they are."""
        for first, second in combinations(range(len(self.steps)), 2):
            rest = self.steps[:first] + self.steps[first + 1 : second] + self.steps[second + 1 :]
            if self.still_fails(self.with_steps(rest)):
                return True
        return False

    def shorten(self) -> None:
        """The heal comes as early as it can: with the last fault, or else with the failure."""
        last_ms = self.steps[-1].at_ms if self.steps else 0
        for end_ms in sorted({last_ms + TAIL_MS, self.failure.at_ms + TAIL_MS}):
            shorter = replace(self.case, duration_ms=end_ms)
            if end_ms < self.case.duration_ms and self.still_fails(shorter):
                return

    def fewer_clients(self, drawn: int) -> None:
        """As few as will do."""
        now = drawn if self.case.clients is None else self.case.clients
        for clients in range(1, now):
            if self.still_fails(replace(self.case, clients=clients)):
                return


def shrink(
    run: Callable[[Case], Outcome],
    case: Case,
    failure: Failure,
    *,
    clients: int,
    told: Callable[[str], None] = lambda _line: None,
) -> Shrunk:
    """Makes `case`, whose faults are written out and which fails with `failure`, small.

    `clients` is how many it has. The result fails with the same promise.
    """
    assert case.schedule is not None, "a case that is shrunk has its faults written out"
    began_s = time.monotonic()
    search = _Search(run, case, failure, told, began_s + TIME_LIMIT_S)
    minimal = True
    try:
        search.cut_tail()
        search.shorten()  # First: all that follows takes less time then.
        search.fewer_clients(clients)
        search.drop_faults()
        search.shorten()
        search.drop_faults()  # With less load, less may be enough.
    except _Spent:
        minimal = False
    elapsed_s = time.monotonic() - began_s
    before = len(case.schedule.steps)
    return Shrunk(search.case, search.failure, before, search.runs, elapsed_s, minimal)


def smallest(target: FuzzTarget, case: Case, failure: Failure) -> Shrunk:
    """Makes a case that fails so small; its faults may still be those that its seed draws."""
    drawn = target.draw(case.seed)
    case = replace(case, schedule=schedule_of(target, case, drawn.spec))
    # What failed under faults is looked for under faults: recovery would take most of the time.
    recover = not failure.at_once or failure.at_ms > case.duration_ms
    clients = drawn.clients if case.clients is None else case.clients
    return shrink(
        lambda one: run_case(target, one, recover=recover), case, failure, clients=clients
    )
