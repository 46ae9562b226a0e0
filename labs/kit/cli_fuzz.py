"""`lab fuzz LAB` looks for a schedule of faults that breaks a promise."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.kit.durations import parse_ms
from labs.kit.errors import ANSWER_IS_NO, COULD_NOT, DONE, LabError
from labs.kit.fuzz_options import (
    SEED_MAX,
    DurationOption,
    MutantOption,
    duration_ms_of,
)
from labs.kit.options import JobsOption, LabArgument
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.session import home_folder
from labs.kit.text import visible

if TYPE_CHECKING:
    from labs.kit.fuzz.campaign import Tally
    from labs.kit.fuzz.findings import Finding
    from labs.kit.fuzz.shrink import Shrunk
    from labs.kit.fuzz.target import FuzzTarget

SEEDS_DEFAULT, SEEDS_MAX = 300, 10_000_000


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(fuzz)


def fuzz(
    lab: LabArgument,
    seeds: Annotated[
        int, typer.Option(min=1, max=SEEDS_MAX, help="How many to try.", metavar="N")
    ] = SEEDS_DEFAULT,
    first: Annotated[
        int, typer.Option("--from", min=0, max=SEED_MAX, help="The first seed.", metavar="S")
    ] = 0,
    jobs: JobsOption = None,
    limit: Annotated[
        str | None,
        typer.Option("--time", help="Begin no seed after this, as 5min.", metavar="DURATION"),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Run the seeds on this Dask cluster.", metavar="ADDRESS"),
    ] = None,
    duration: DurationOption = None,
    mutant: MutantOption = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Do not stop at the first failure.")
    ] = False,
    exhaustive: Annotated[
        bool,
        typer.Option("--exhaustive", help="Instead: every course of events, a few moves deep."),
    ] = False,
    depth: Annotated[
        int | None, typer.Option(min=1, max=100, help="With --exhaustive: moves.", metavar="MOVES")
    ] = None,
    nodes: Annotated[
        int, typer.Option(min=1, max=3, help="With --exhaustive: nodes.", metavar="N")
    ] = 3,
    json: JsonFlag = False,
) -> int:
    """Run a lab in simulation under random faults until a promise is broken.

    Each seed draws its own cluster, load and faults. The first failure is made as small as it gets
    and saved. Examples: lab fuzz raft; lab fuzz raft --mutant vote-without-log-check
    """
    from labs.kit.fuzz.campaign import Campaign, run_campaign
    from labs.kit.fuzz.target import load_target

    target = load_target(lab)
    if mutant == "list":
        return _list_mutants(target, as_json=json)
    target.check_mutant(mutant)
    limit_ms = parse_ms(limit, "--time") if limit is not None else None
    if limit_ms is not None and limit_ms <= 0:
        raise LabError(f"--time {limit}: expected more than nothing, as in 5min")
    if exhaustive:
        from labs.kit.cli_explore import run_exhaustive

        limit_s = None if limit_ms is None else limit_ms / 1000
        return run_exhaustive(
            lab, nodes=nodes, depth=depth, mutant=mutant, limit_s=limit_s, as_json=json
        )
    campaign = Campaign(
        lab=target.lab,
        first=first,
        seeds=seeds,
        jobs=jobs or os.cpu_count() or 1,
        time_limit_s=None if limit_ms is None else limit_ms / 1000,
        mutant=mutant,
        keep_going=keep_going,
        duration_ms=duration_ms_of(duration),
        scheduler=scheduler,
    )
    progress = _Progress(seeds)
    try:
        tally = run_campaign(campaign, progress.told)
    except KeyboardInterrupt:
        raise LabError(f"interrupted; {progress.last}") from None
    progress.told(tally, at_end=True)
    document: dict[str, Any] = {"lab": lab, "mutant": mutant, "from": first, "jobs": campaign.jobs}
    document |= tally.document() | {"failed_seeds": [one.seed for one in tally.failures]}
    if tally.failures:
        document["failure"] = _show_failure(target, campaign.mutant, tally, campaign.duration_ms)
    if json:
        print_json(document)
    return _status(tally)


class _Progress:
    """How far it is, on stderr: one line that is written over on a terminal."""

    def __init__(self, seeds: int) -> None:
        self.seeds = seeds
        self.live = sys.stderr.isatty()
        self.last = "no seed was finished"

    def told(self, tally: Tally, *, at_end: bool = False) -> None:
        """Says it."""
        done = len(tally.outcomes)
        self.last = (
            f"{done:,} of {self.seeds:,} seeds, {tally.per_minute:,.0f} a minute, "
            f"{tally.faults:,} faults, {tally.count('failed')} failed"
        )
        if vacuous := tally.count("vacuous"):
            self.last += f", {vacuous} vacuous (nothing happened: not counted as passed)"
        if self.live:
            end = "\n" if at_end else ""
            sys.stderr.write(f"\r\x1b[K{self.last}{end}")
            sys.stderr.flush()
        else:
            tell(self.last)


def _show_failure(
    target: FuzzTarget, mutant: str | None, tally: Tally, duration_ms: int
) -> dict[str, Any]:
    """Shrinks the first failure, saves it, shows it; its part of the document."""
    from labs.kit.fuzz.findings import Finding, picture
    from labs.kit.fuzz.run import record_case
    from labs.kit.fuzz.shrink import smallest
    from labs.kit.fuzz.target import Case

    first = tally.failures[0]
    assert first.failure is not None, "it is among the failures"
    tell(f"seed {first.seed} failed: {visible(first.failure.message)}")
    tell("looking for the smallest schedule that fails in the same way ...")
    shrunk = smallest(target, Case(first.seed, mutant, duration_ms), first.failure)
    finding = Finding(target.lab, shrunk.case, shrunk.failure)
    path = _relative(finding.save(home_folder() / "fuzz"))
    sys.stderr.write(picture(target.lab, record_case(target, shrunk.case)))
    tell(f"{target.lab}, seed {first.seed}: {visible(shrunk.failure.message)}")
    tell(_shrunk_line(shrunk))
    tell(f"schedule: {path}")
    tell(f"see it again: {finding.command(path)}")
    return _failure_document(finding, shrunk, path)


def _failure_document(finding: Finding, shrunk: Shrunk, path: Path) -> dict[str, Any]:
    return {
        "seed": finding.case.seed,
        "promise": finding.failure.promise,
        "message": finding.failure.message,
        "at_ms": finding.failure.at_ms,
        "schedule": str(path),
        "faults": shrunk.faults,
        "faults_before": shrunk.faults_before,
        "minimal": shrunk.minimal,
        "shrink_runs": shrunk.runs,
        "shrink_s": round(shrunk.elapsed_s, 3),
        "replay": finding.command(path),
    }


def _shrunk_line(shrunk: Shrunk) -> str:
    needed = {0: "none is needed", 1: "1 is needed"}
    kept = needed.get(shrunk.faults, f"{shrunk.faults} are needed")
    line = f"of {shrunk.faults_before} faults {kept} ({shrunk.runs} runs, {shrunk.elapsed_s:.1f} s)"
    return line if shrunk.minimal else f"{line}; ended by its limit, fewer may do"


def _status(tally: Tally) -> int:
    if tally.failures:
        return ANSWER_IS_NO
    if not tally.count("passed"):
        tell("no run proved anything: give it more seeds, or more time")
        return COULD_NOT
    return DONE


def _list_mutants(target: FuzzTarget, *, as_json: bool) -> int:
    described = {name: _first_line(core.__doc__) for name, core in target.mutants.items()}
    if as_json:
        print_json(described)
        return DONE
    width = max(map(len, described), default=0)
    for name, what in described.items():
        print(f"{name:{width}}  {what}")
    return DONE


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _relative(path: Path) -> Path:
    """As short as it can be written from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
