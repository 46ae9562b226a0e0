"""Random faults, and everything is decided afterwards, no lock is left, and the money adds up."""

from __future__ import annotations

import pytest

from labs.commit.fuzz import CRASHES, FUZZ
from labs.kit.fuzz.run import run_case
from labs.kit.fuzz.target import Case, load_target
from tests.support.seeds import share_of_clusters

SEEDS = 500
CHUNK = 5


def test_the_lab_offers_it() -> None:
    """`lab fuzz commit` finds its target."""
    assert load_target("commit") is FUZZ


@pytest.mark.parametrize("first", range(0, share_of_clusters(SEEDS), CHUNK))
def test_random_faults_break_nothing(first: int) -> None:
    """No violation, nothing undecided, no money lost or made, no double effect, whatever fails."""
    outcomes = [run_case(FUZZ, Case(seed)) for seed in range(first, first + CHUNK)]
    failures = [(one.seed, one.failure) for one in outcomes if one.failure is not None]
    assert not failures
    assert any(one.verdict == "passed" for one in outcomes), "runs that prove nothing"


def test_three_phase_commit_is_only_met_with_crashes() -> None:
    """It takes silence for a crash, so that nothing else may make a node silent."""
    seeds = [seed for seed in range(50) if FUZZ.draw(seed).spec.params["protocol"] == "3pc"]
    assert seeds
    for seed in seeds:
        assert set(FUZZ.faults_for(FUZZ.draw(seed).spec)) == set(CRASHES)


def test_a_seed_runs_the_same_again() -> None:
    """Equal cases run equally."""
    assert run_case(FUZZ, Case(3)) == run_case(FUZZ, Case(3))


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        ("majority-decides", "commit only if all voted yes (AC3)"),
        ("yes-in-memory-only", "a yes is durable before it is said"),
        ("holds-its-locks", "recovers after a heal"),
        ("forgets-in-a-crash", "amounts add up"),
    ],
)
def test_random_faults_find_planted_bugs(mutant: str, promise: str) -> None:
    """What breaks a promise to clients or to other nodes shows within a few seeds."""
    failures = (run_case(FUZZ, Case(seed, mutant=mutant)).failure for seed in range(8))
    assert any(failure is not None and promise in failure.promise for failure in failures)
