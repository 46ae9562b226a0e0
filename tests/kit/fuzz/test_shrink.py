"""Shrinking, against a run that is only a rule: what is needed stays, what is not goes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from labs.kit.fuzz import shrink as shrinking
from labs.kit.fuzz.run import Failure, Outcome
from labs.kit.fuzz.shrink import shrink
from labs.kit.fuzz.target import Case
from labs.kit.schedule import Schedule, Step
from nodes.cluster import fault_kinds as kinds

MANY = Schedule(tuple(Step(100 * n, kinds.Lose(n)) for n in range(1, 65)))


class Rule:
    """Fails when all `needed` percents are in the schedule, and the clients and time suffice."""

    def __init__(self, needed: Iterable[int], *, clients: int = 1, until_ms: int = 0) -> None:
        self.needed = set(needed)
        self.clients = clients
        self.until_ms = until_ms
        self.runs = 0

    def __call__(self, case: Case) -> Outcome:
        self.runs += 1
        assert case.schedule is not None
        faults = [step.fault for step in case.schedule.steps]
        there = {fault.percent for fault in faults if isinstance(fault, kinds.Lose)}
        clients = 4 if case.clients is None else case.clients
        fails = (
            self.needed <= there and clients >= self.clients and case.duration_ms >= self.until_ms
        )
        # With too little it fails as well, but in another way.
        promise = "kept" if fails else "other" if len(there) < 2 else None
        failure = Failure(promise, f"{promise}!", 6400) if promise else None
        verdict = "failed" if failure else "passed"
        return Outcome(case.seed, verdict, failure, "", len(there), 1, 1, 1, 1)  # type: ignore[arg-type]  # one of the two


def shrunk_by(rule: Rule) -> shrinking.Shrunk:
    """The whole schedule, made small."""
    case = Case(7, schedule=MANY)
    failure = rule(case).failure
    assert failure is not None
    return shrink(rule, case, failure, clients=4)


@pytest.mark.parametrize("needed", [{3}, {1, 64}, {2, 31, 32, 33}, {5, 17, 18, 40, 41, 42, 63}])
def test_only_what_is_needed_stays(needed: set[int]) -> None:
    """Wherever it lies in the schedule, in order of time."""
    found = shrunk_by(Rule(needed))
    assert found.case.schedule is not None
    kept = [step.fault for step in found.case.schedule.steps]
    assert kept == [kinds.Lose(n) for n in sorted(needed)]
    assert (found.faults, found.faults_before, found.minimal) == (len(needed), 64, True)


def test_failure_stays_the_same() -> None:
    """A schedule that fails in another way is no smaller version of this one."""
    found = shrunk_by(Rule({3, 4}))
    assert found.failure.promise == "kept"
    assert found.faults == 2


def test_clients_and_time_shrink_too() -> None:
    """As few clients as will do; the end as early as will do."""
    found = shrunk_by(Rule({3}, clients=2, until_ms=250))
    assert found.case.clients == 2
    assert found.case.duration_ms == 301


def test_seed_and_planted_bug_are_kept() -> None:
    """What is drawn besides the faults stays as it was."""
    case = Case(7, "some-bug", schedule=MANY)
    rule = Rule({3})
    failure = rule(case).failure
    assert failure is not None
    found = shrink(rule, case, failure, clients=4).case
    assert (found.seed, found.mutant) == (7, "some-bug")


def test_limit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that ends early has found something, and says that it may not be the smallest."""
    monkeypatch.setattr(shrinking, "RUNS_MAX", 20)
    rule = Rule({2, 31, 32, 33, 50})
    found = shrunk_by(rule)
    assert not found.minimal
    assert found.runs == 20
    assert 5 <= found.faults < 64
