"""`lab bench LAB`: measured beside its peers, in one run."""

from __future__ import annotations

import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.kit.errors import DONE, LabError
from labs.kit.options import LabArgument
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import visible

if TYPE_CHECKING:
    from rich.table import Table

ROUNDS_MAX = 100
NODES_MIN, NODES_MAX = 3, 9
SWEEP_S, SWEEP_QUICK_S = 1.5, 0.3  # of each combination
PROFILE_S, PROFILE_QUICK_S = 5.0, 1.5  # of each load
PLAIN_WIDTH = 160  # of a table that goes into a file or a pipe


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(bench)


def bench(
    lab: LabArgument,
    rounds: Annotated[
        int | None,
        typer.Option(help="Rounds, all in turn in each. Default: 3, with --quick 2.", metavar="N"),
    ] = None,
    nodes: Annotated[int, typer.Option(help="Nodes of each cluster.", metavar="N")] = 3,
    peers: Annotated[
        str | None,
        typer.Option(help="Of ceiling, etcd, pysyncobj; or none. Default: all.", metavar="NAMES"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Less of everything: a minute.")] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Instead: nodes, value sizes, clients; ours only.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Instead: where the time of a write goes; ours only.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option(help="Draw a chart into this file.", metavar="FILE")
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Measure a lab beside its peers. Examples: lab bench raft --quick; lab bench raft --svg b.svg

    Everything runs on this machine, one after the other, in turn; so quote the ratios.
    """
    _refuse_nonsense(rounds, nodes, svg, sweep=sweep, profile=profile)
    began = time.monotonic()
    if profile:
        outcome = _interruptible(_profile(lab, nodes, quick))
    elif sweep:
        outcome = _interruptible(_sweep(lab, rounds, quick))
    else:
        outcome = _interruptible(_compare(lab, rounds, nodes, peers, quick))
    if svg is not None:
        _write(svg, outcome.picture)
    if json:
        print_json(outcome.document)
    else:
        outcome.show()
    tell(f"took {time.monotonic() - began:.0f} s")
    return DONE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a benchmark found, in its three shapes."""

    document: dict[str, Any]
    picture: str
    tables: Sequence[Table]
    remarks: Sequence[str]

    def show(self) -> None:
        """For people: tables to stdout, remarks to stderr."""
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
        for table in self.tables:
            console.print(table)
        for remark in self.remarks:
            tell(visible(remark))


async def _compare(
    lab: str, rounds: int | None, nodes: int, peers: str | None, quick: bool
) -> Outcome:
    from labs.kit.bench.bench import chosen_peers, find_peers, load_bench
    from labs.kit.bench.chart import chart
    from labs.kit.bench.report import document, figures_table, ratios_table, remarks
    from labs.kit.bench.rounds import FULL, QUICK, run_rounds

    found = load_bench(lab)
    others, left_out = find_peers(chosen_peers(found, peers), nodes)
    if quick:
        left_out += [
            (one.name, "takes a run without --quick")
            for one in others
            if one.name in found.not_quick
        ]
        others = [one for one in others if one.name not in found.not_quick]
    contenders = [*found.own(nodes), *others]
    for name, reason in left_out:
        tell(f"left out: {name}: {visible(reason)}")
    effort = QUICK if quick else FULL
    effort = replace(effort, rounds=rounds or effort.rounds)
    results = await run_rounds(contenders, effort, _told)
    made = document(found, nodes, contenders, left_out, results)
    tables = [figures_table(made), ratios_table(made)]
    return Outcome(made, chart(made), tables, remarks(made))


async def _sweep(lab: str, rounds: int | None, quick: bool) -> Outcome:
    from labs.kit.bench import sizes
    from labs.kit.bench.bench import load_bench

    found = load_bench(lab)
    rounds = rounds or (1 if quick else 3)
    seconds = SWEEP_QUICK_S if quick else SWEEP_S
    cells = await sizes.run_sizes(found.as_learned, rounds=rounds, seconds=seconds, tell=_told)
    made = sizes.document(lab, cells, rounds)
    tables = [sizes.table(made, name) for name in made["contenders"]]
    return Outcome(made, sizes.chart(made), tables, sizes.remarks(made))


async def _profile(lab: str, nodes: int, quick: bool) -> Outcome:
    from labs.kit.bench.bench import load_bench
    from labs.kit.bench.profiling import profile, tables

    found = load_bench(lab)
    seconds = PROFILE_QUICK_S if quick else PROFILE_S
    documents = [
        await profile(contender, replicate=found.replicate, seconds=seconds, tell=_told)
        for contender in found.as_learned(nodes)
    ]
    made = [table for one in documents for table in tables(one)]
    return Outcome({"lab": lab, "nodes": nodes, "profiles": documents}, "", made, [])


def _told(line: str) -> None:
    tell(visible(line))


def _interruptible(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Runs it; what a contender or a runtime could not do is one line."""
    from labs.kit.bench.contender import ContenderFailed
    from labs.kit.interruptible import run_interruptible
    from nodes.cluster.api import RuntimeFailure

    try:
        return run_interruptible(work)
    except (ContenderFailed, RuntimeFailure) as error:
        raise LabError(str(error)) from error


def _refuse_nonsense(
    rounds: int | None, nodes: int, svg: Path | None, *, sweep: bool, profile: bool
) -> None:
    if rounds is not None and not 1 <= rounds <= ROUNDS_MAX:
        raise LabError(f"--rounds {rounds}: expected 1 to {ROUNDS_MAX}")
    if not NODES_MIN <= nodes <= NODES_MAX:
        raise LabError(
            f"--nodes {nodes}: expected {NODES_MIN} to {NODES_MAX}; fewer do not survive a kill"
        )
    if sweep and profile:
        raise LabError("give --sweep or --profile, not both")
    if profile and svg is not None:
        raise LabError("--svg: a profile is tables only; leave --svg out, or take --json")
    if svg is not None and (not svg.absolute().parent.is_dir() or svg.is_dir()):
        raise LabError(f"--svg {svg}: cannot be written; name a file in a folder that exists")


def _write(path: Path, picture: str) -> None:
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise LabError(f"--svg {path}: cannot be written: {error.strerror}") from None
    tell(f"chart: {visible(str(path))}")
