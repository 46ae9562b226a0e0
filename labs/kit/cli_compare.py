"""`lab compare`: what the guide claims beside what was measured here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from labs.kit.errors import Interrupted, LabError
from labs.kit.options import LAB_HELP, full_lab_name, require_runtime
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.table import Table

    from labs.kit.guide.compare import Row
    from labs.kit.guide.pages import Guide

MEASUREMENTS_SHOWN = 4


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(compare)


def compare(
    lab: Annotated[
        str | None,
        typer.Argument(
            metavar="LAB", help=f"{LAB_HELP} Without it, all labs.", callback=full_lab_name
        ),
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Run what no kept run answers.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything again.")] = False,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="Only runs in it: sim, local, compose, auto. Without it, new ones are simulated.",
            metavar="NAME",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of new runs.", metavar="S", min=0)] = 1,
    short: Annotated[
        bool, typer.Option("--short", help="New runs do less, unless that cannot tell.")
    ] = False,
    json: JsonFlag = False,
) -> int:
    """Hold the guide's claims against your latest runs. Examples: lab compare raft; lab compare
    raft --run; lab compare --fresh --runtime local

    Exit status: 0 all agree, 1 something differs, 2 something was not run or could not be told.
    """
    from labs.kit.guide.compare import status_of, summary
    from labs.kit.guide.pages import load_guide

    chosen = _runtime(runtime, runs=run or fresh)
    guide = load_guide()
    found = _rows(guide, lab, chosen)
    if not found:
        raise LabError(f"the guide claims nothing{f' of the {lab} lab' if lab else ''} yet")
    if run or fresh:
        found = _after_running(guide, lab, chosen, seed, found, fresh=fresh, short=short)
    if json:
        document = {"lab": lab, "rows": [row.to_json() for row in found]}
        print_json(document | {"status": status_of(found)})
    else:
        _show(found)
    _tell_what_is_missing(found)
    tell(summary(found))
    return status_of(found)


def _runtime(requested: str | None, *, runs: bool) -> str:
    """Empty when any will do. Raises LabError when it has to run something and cannot."""
    if requested is None:
        return ""
    require_runtime(requested)
    if requested != "auto" and not runs:
        return requested
    from labs.kit.measured_run import told_runtime

    return told_runtime(requested)


def _rows(
    guide: Guide, lab: str | None, runtime: str, only: Collection[str] | None = None
) -> list[Row]:
    from labs.kit.guide.compare import kept_runs, rows
    from labs.kit.runs import run_folders
    from labs.kit.session import home_folder

    folders = [one for one in run_folders(home_folder()) if only is None or one.name in only]
    return list(rows(guide.questions, kept_runs(folders, runtime), lab or ""))


def _after_running(
    guide: Guide,
    lab: str | None,
    runtime: str,
    seed: int,
    found: Sequence[Row],
    *,
    fresh: bool,
    short: bool,
) -> list[Row]:
    """The rows once everything that had to be run was; what short runs leave open is run in full.
    Fresh ones are held against new runs only: one that could not be made leaves its claims
    unanswered."""
    from labs.kit.guide.compare import to_run

    made = _run_all(to_run(found, fresh=fresh), runtime or "sim", seed, short=short)
    rows = _rows(guide, lab, runtime, made if fresh else None)
    left = to_run(rows, fresh=False)
    if not (short and left):
        return rows
    tell("what the short runs could not tell, in full")
    made |= _run_all(left, runtime or "sim", seed, short=False)
    return _rows(guide, lab, runtime, made if fresh else None)


def _run_all(
    wanted: Sequence[tuple[str, str]], runtime: str, seed: int, *, short: bool
) -> set[str]:
    """Runs each, lab and experiment; the names of the folders. What cannot be run is said."""
    from labs.kit.experiment.registry import load_experiments
    from labs.kit.measured_run import carry_out, order_of
    from labs.kit.registry import load_lab

    made: set[str] = set()
    for number, (lab_id, name) in enumerate(wanted, 1):
        tell(f"{number} of {len(wanted)}: lab run {lab_id} {name}")
        try:
            lab = load_lab(lab_id)
            order = order_of(lab, load_experiments(lab), name, runtime, seed, (), None, short)
            folder, _ = carry_out(order)
        except Interrupted:
            raise
        except LabError as error:
            tell(f"{lab_id}/{name}: {visible(error.message)}")
            continue
        made.add(folder.name)
    return made


def _show(found: Sequence[Row]) -> None:
    from labs.kit.run_lists import print_tables

    print_tables(_table(found))


def _table(found: Sequence[Row]) -> Table:
    from rich.table import Table

    table = Table(title="The guide's claims, and your runs")
    table.add_column("", no_wrap=True)
    for column in ("claim", "measured", "experiment", "question"):
        table.add_column(column)
    table.add_column("where", no_wrap=True)
    for row in found:
        table.add_row(
            {"differ": "DIFFERS", "agree": "agrees", "unknown": "unknown"}.get(row.verdict, "-"),
            visible(row.says()),
            visible(first_of(row.observed)),
            visible(row.claim.experiment),
            visible(row.question.title),
            "" if row.run is None else visible(str(row.run.report.get("runtime", ""))),
        )
    return table


def first_of(observed: str) -> str:
    """As many measurements as one reads in a table; --json has all."""
    parts = observed.split(", ")
    left_out = len(parts) - MEASUREMENTS_SHOWN
    if left_out < 2:
        return observed
    return f"{', '.join(parts[:MEASUREMENTS_SHOWN])} and {left_out} more"


def _tell_what_is_missing(found: Sequence[Row]) -> None:
    for row in found:
        if row.verdict in ("differ", "unknown"):
            tell(f"{row.claim.experiment}: {visible(row.says())}: {visible(row.reason)}")
            for place in row.look():
                tell(f"    {visible(place)}")
    names = dict.fromkeys(row.claim.experiment for row in found if row.verdict == "not run")
    if names:
        tell(f"not run yet: {', '.join(names)}; `lab compare LAB --run` runs them")
