"""How fast the fuzzer is, and how soon it finds each planted bug.

`python -m tests.benchmarks.fuzz` measures schedules a minute; with `--mutants` it prints, for
each planted bug, the first seed that finds it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence

from labs.kit.fuzz.campaign import Campaign, Tally, run_campaign
from labs.kit.fuzz.shrink import smallest
from labs.kit.fuzz.target import Case, FuzzTarget, load_target
from labs.raft.mutants import MUTANTS

SEEDS_MAX = 2000
JOBS = os.cpu_count() or 1


def quiet(_tally: Tally) -> None:
    """Progress is of no interest here."""


def speed(lab: str, seeds: int) -> None:
    """Prints schedules a minute, of 20 virtual seconds each."""
    tally = run_campaign(Campaign(lab, 0, seeds, JOBS, keep_going=True), quiet)
    print(
        f"{seeds} schedules of {lab} on {JOBS} cores: {tally.per_minute:.0f} a minute, "
        f"{tally.faults} faults, {tally.count('failed')} failed, {tally.count('vacuous')} vacuous"
    )


def row(target: FuzzTarget, mutant: str) -> str:
    """One line of the table: when the bug was found, by what, and how little it takes."""
    began_s = time.monotonic()
    campaign = Campaign(target.lab, 0, SEEDS_MAX, JOBS, mutant=mutant)
    tally = run_campaign(campaign, quiet)
    found_s = time.monotonic() - began_s
    if not tally.failures:
        return f"| {mutant} | not found | - | - | - | {found_s:.1f} | - |"
    first = tally.failures[0]
    assert first.failure is not None, "it is among the failures"
    shrunk = smallest(target, Case(first.seed, mutant), first.failure)
    return (
        f"| {mutant} | {first.seed} | {first.failure.promise} | {shrunk.faults_before} | "
        f"{shrunk.faults} | {found_s:.1f} | {shrunk.elapsed_s:.1f} |"
    )


def table(lab: str, mutants: Sequence[str]) -> None:
    """Prints the table of planted bugs, in Markdown."""
    target = load_target(lab)
    print("| planted bug | first seed | caught by | faults | needed | found s | shrunk s |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for mutant in mutants:
        print(row(target, mutant), flush=True)


def main() -> None:
    """Runs what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--mutants", nargs="*", metavar="NAME", help="all, or only these")
    arguments = parser.parse_args()
    if arguments.mutants is not None:
        table("raft", arguments.mutants or tuple(MUTANTS))
    else:
        speed("raft", arguments.seeds)


if __name__ == "__main__":
    main()
