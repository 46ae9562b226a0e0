"""A grade: checks, one after the other, each on many seeds over several worker processes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from labs.kit.errors import LabError
from labs.kit.grading.course import Check, Course
from labs.kit.grading.flakes import wilson
from labs.kit.grading.judge import Implementation, Outcome, Run, Verdict, begin
from labs.kit.workers import TaskFailed, WorkerDied, Workers

AFTER_FAILURE: Final = 20  # schedules in all, so that one learns how often it fails
FAILED_MAX: Final = 5  # then it fails often enough
VACUOUS_SHARE_MAX: Final = 0.2  # of the schedules may prove nothing
TOLD_EVERY_S: Final = 0.5
SEEDS_KEPT: Final = 20  # failed ones, in reports


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a check. `first` is the failure, or the reason of an unknown; with a picture
    when that was asked for."""

    check: Check
    verdict: Verdict
    runtime: str
    tried: int = 0
    passed: int = 0
    vacuous: int = 0
    failed_seeds: tuple[int, ...] = ()
    elapsed_s: float = 0.0
    first: Outcome | None = None

    @property
    def points(self) -> int:
        """All or nothing: a guarantee that holds now and then is none."""
        return self.check.points if self.verdict == "pass" else 0

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the true pass rate; None when too little was tried."""
        judged = self.tried - self.vacuous
        return wilson(self.passed, judged) if judged else None

    def to_json(self, replay: str) -> dict[str, Any]:
        """As `lab check --json` has it."""
        document: dict[str, Any] = {
            "id": self.check.id,
            "title": self.check.title,
            "part": self.check.part,
            "points": self.points,
            "points_max": self.check.points,
            "verdict": self.verdict,
            "runtime": self.runtime,
            "seeds": self.tried,
            "failed_seeds": list(self.failed_seeds[:SEEDS_KEPT]),
            "elapsed_s": round(self.elapsed_s, 3),
            "replay": replay if self.failed_seeds else None,
        }
        if self.first is not None:
            document["expected"] = self.first.expected
            document["observed"] = self.first.observed
            document["where"] = self.first.where or None
            document["views"] = list(self.first.views)
        if self.interval is not None:
            document["pass_rate"] = [round(end, 4) for end in self.interval]
        return document


@dataclass(frozen=True, slots=True)
class Order:
    """What to grade: these checks of one implementation, in one runtime.

    `seeds` replaces what the checks ask for; `again` are seeds by check that failed before, and
    come first. `quick`: few seeds, and no more than the first failure. `refusals` say by check why
    it need not be run, such as a part that is not written yet.
    """

    course: Course
    implementation: Implementation
    checks: Sequence[Check]
    runtime: str = "sim"
    first_seed: int = 1
    seeds: int | None = None
    quick: bool = False
    pictures: bool = True
    again: Mapping[str, Sequence[int]] = field(default_factory=dict)
    refusals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    given: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def seeds_of(self, check: Check) -> list[int]:
        """Those that failed before, and then one after the other."""
        count = self.seeds
        if count is None:
            count = check.quick_seeds if self.quick else check.seeds
            if self.runtime != "sim":
                count = 1
        again = [seed for seed in self.again.get(check.id, ()) if seed >= 0][:SEEDS_KEPT]
        fresh = (self.first_seed + number for number in range(count))
        return list(dict.fromkeys((*again, *fresh)))

    def implementation_for(self, check: Check) -> Implementation:
        """With what later parts would bring, where those are not written yet."""
        given = self.given.get(check.part, ())
        return replace(self.implementation, given=given) if given else self.implementation


class Audience(Protocol):
    """Who hears how it goes."""

    def begins(self, check: Check, runs: int) -> None:
        """A check is about to be tried on so many seeds."""

    def goes_on(self, check: Check, done: int, failed: int) -> None:
        """So many seeds are done."""

    def ended(self, result: Result) -> None:
        """Its verdict."""


class Graders:
    """Worker processes for any number of orders; they begin when there is something to run. Use as
    a context manager."""

    def __init__(self, course: Course, jobs: int) -> None:
        self._course, self._jobs = course, jobs
        self._workers: Workers[Run, Outcome] | None = None

    def __enter__(self) -> Graders:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends them at once."""
        if self._workers is not None:
            self._workers.__exit__()

    def grade(self, order: Order, audience: Audience) -> list[Result]:
        """Every check's result, in order. Raises LabError when a worker process fails."""
        if order.runtime != "sim":
            return self._side_by_side(order, audience)
        results: list[Result] = []
        for check in order.checks:
            began_s = time.monotonic()
            if check.id in order.refusals:
                audience.begins(check, 0)
                result = _refused(order, check)
            else:
                result = _tried(order, check, self._running(), audience)
                # One picture is looked at; ten are scrolled past.
                drawn = any(one.first and one.first.picture for one in results)
                if order.pictures and result.failed_seeds and not drawn:
                    result = _with_picture(result, self._running())
            result = replace(result, elapsed_s=time.monotonic() - began_s)
            results.append(result)
            audience.ended(result)
            if order.quick and result.verdict != "pass":
                break
        return results

    def _side_by_side(self, order: Order, audience: Audience) -> list[Result]:
        """Checks on real nodes wait more than they compute, so the next ones go on beside them."""
        wanted = {
            check.id: order.seeds_of(check)
            for check in order.checks
            if check.id not in order.refusals
        }
        found: dict[str, dict[int, Outcome]] = {id: {} for id in wanted}
        results: list[Result] = []

        def tell_what_is_known() -> None:
            for check in order.checks[len(results) :]:
                if len(found.get(check.id, ())) < len(wanted.get(check.id, ())):
                    audience.begins(check, len(wanted[check.id]))
                    return
                if check.id in order.refusals:
                    result = _refused(order, check)
                else:
                    result = summed_up(check, order.runtime, found[check.id])
                audience.begins(check, 0)
                audience.ended(result)
                results.append(result)

        runs = (
            Run(check.id, seed, order.implementation_for(check), order.runtime)
            for check in order.checks
            for seed in wanted.get(check.id, ())
        )
        tell_what_is_known()
        if wanted:
            for outcome in _outcomes(self._running(), runs):
                if outcome is not None:
                    found[outcome.run.check][outcome.run.seed] = outcome
                    tell_what_is_known()
        return results

    def _running(self) -> Workers[Run, Outcome]:
        if self._workers is None:
            self._workers = Workers(begin, (self._course.lab,), self._jobs)
        return self._workers


def combined(results: Sequence[Result]) -> list[Result]:
    """One result a check, in the first order: where it was judged in several runtimes, the worst
    counts."""
    worst = {"fail": 0, "unknown": 1, "pass": 2}
    found: dict[str, Result] = {}
    for result in results:
        known = found.setdefault(result.check.id, result)
        if worst[result.verdict] < worst[known.verdict]:
            found[result.check.id] = result
    return list(found.values())


def _refused(order: Order, check: Check) -> Result:
    reason, where = order.refusals[check.id]
    run = Run(check.id, order.first_seed, order.implementation, order.runtime)
    first = Outcome(run, "fail", "it is written", reason, where)
    return Result(check, "fail", order.runtime, first=first)


def _tried(
    order: Order, check: Check, workers: Workers[Run, Outcome], audience: Audience
) -> Result:
    seeds = order.seeds_of(check)
    audience.begins(check, len(seeds))
    found: dict[int, Outcome] = {}
    implementation = order.implementation_for(check)

    def enough() -> bool:
        failed = sum(one.verdict == "fail" for one in found.values())
        if order.quick:
            return failed > 0
        return failed >= FAILED_MAX or (failed > 0 and len(found) >= AFTER_FAILURE)

    def runs() -> Iterator[Run]:
        for seed in seeds:
            if enough():
                return
            yield Run(check.id, seed, implementation, order.runtime)

    for outcome in _outcomes(workers, runs()):
        if outcome is not None:
            found[outcome.run.seed] = outcome
        failed = sum(one.verdict == "fail" for one in found.values())
        audience.goes_on(check, len(found), failed)
    return summed_up(check, order.runtime, found)


def summed_up(check: Check, runtime: str, found: Mapping[int, Outcome]) -> Result:
    """The verdict over all seeds: one failure fails, and too little proof proves nothing."""
    failures = sorted(seed for seed, one in found.items() if one.verdict == "fail")
    unknown = sorted(seed for seed, one in found.items() if one.verdict == "unknown")
    passed = len(found) - len(failures) - len(unknown)
    verdict: Verdict = "pass"
    first = None
    if failures:
        verdict, first = "fail", found[failures[0]]
    elif not passed or len(unknown) > VACUOUS_SHARE_MAX * len(found):
        verdict, first = "unknown", found[unknown[0]] if unknown else None
    return Result(
        check,
        verdict,
        runtime,
        tried=len(found),
        passed=passed,
        vacuous=len(unknown),
        failed_seeds=tuple(failures),
        first=first,
        elapsed_s=sum(one.elapsed_s for one in found.values()),
    )


def _with_picture(result: Result, workers: Workers[Run, Outcome]) -> Result:
    """The first failure again, drawn."""
    assert result.first is not None, "a failed check has a failure"
    again = replace(result.first.run, picture=True)
    for outcome in _outcomes(workers, iter([again])):
        if outcome is not None and outcome.verdict == "fail":
            return replace(result, first=outcome)
    return result


def _outcomes(workers: Workers[Run, Outcome], runs: Iterator[Run]) -> Iterator[Outcome | None]:
    try:
        yield from workers.results(runs, timeout_s=lambda: TOLD_EVERY_S)
    except WorkerDied as died:
        raise LabError(
            f"the process that judged {died.task.check}, seed {died.task.seed}, ended with status "
            f"{died.exit_code}; try again with --jobs 1"
        ) from None
    except TaskFailed as failed:
        raise LabError(
            f"{failed.task.check}, seed {failed.task.seed}, could not be judged: {failed.reason}"
        ) from None
