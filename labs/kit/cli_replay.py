"""`lab replay LAB --seed S` runs one seed of `lab fuzz` again, or of a check with --check."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.kit.errors import ANSWER_IS_NO, COULD_NOT, DONE, LabError
from labs.kit.fuzz_options import (
    SEED_MAX,
    DurationOption,
    MutantOption,
    duration_ms_of,
)
from labs.kit.options import LabArgument
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import visible

if TYPE_CHECKING:
    from labs.kit.fuzz.run import Outcome, Record

CLIENTS_MAX = 100


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(replay)


def replay(
    lab: LabArgument,
    seed: Annotated[int, typer.Option(min=0, max=SEED_MAX, help="Which run.", metavar="S")],
    schedule: Annotated[
        Path | None,
        typer.Option(help="These faults instead of those that the seed draws.", metavar="FILE"),
    ] = None,
    mutant: MutantOption = None,
    clients: Annotated[
        int | None,
        typer.Option(
            min=1, max=CLIENTS_MAX, help="Default: as the seed draws it.", metavar="COUNT"
        ),
    ] = None,
    duration: DurationOption = None,
    events: Annotated[
        Path | None, typer.Option(help="Write the timeline into this file.", metavar="FILE")
    ] = None,
    check: Annotated[
        str | None, typer.Option("--check", help="A seed of this check.", metavar="CHECK")
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help="With --check: your own code.")] = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="With --check: somebody's.", metavar="FILE")
    ] = None,
    runtime: Annotated[
        str, typer.Option(help="With --check: sim, local or compose.", metavar="RUNTIME")
    ] = "sim",
    json: JsonFlag = False,
) -> int:
    """Run one seed of `lab fuzz` or of a check again, and show how it ends.

    Examples: lab replay raft --seed 17; lab replay raft --seed 17 --schedule
    .lab/fuzz/raft-17.yaml; lab replay raft --check votes-survive-crashes --seed 3 --mine
    """
    if check is not None:
        if schedule or clients or duration or events:
            raise LabError("a check brings its own faults and clients: leave their options out")
        from labs.kit.cli_check import replay_check

        return replay_check(
            lab, check, seed, mine=mine, file=file, mutant=mutant, runtime=runtime, as_json=json
        )
    if mine or file is not None or runtime != "sim":
        raise LabError("--mine, --file and --runtime go with --check: lab replay LAB --check CHECK")
    from labs.kit.fuzz.findings import expected_promise, picture
    from labs.kit.fuzz.run import record_case
    from labs.kit.fuzz.target import Case, load_target
    from labs.kit.registry import load_lab
    from labs.kit.schedule import Schedule

    target = load_target(lab)
    target.check_mutant(mutant)
    given = Schedule.load(schedule) if schedule is not None else None
    if given is not None:
        given.check(target.draw(seed).spec.node_ids, load_lab(target.lab))
    record = record_case(target, Case(seed, mutant, duration_ms_of(duration), clients, given))
    if events is not None:
        _write_events(events, record)
    expected = expected_promise(schedule) if schedule is not None else None
    outcome = record.outcome
    failure = outcome.failure
    same = failure is not None and failure.promise == expected if expected is not None else None
    if json:
        print_json(_replayed(lab, mutant, outcome, expected, same))
    else:
        sys.stdout.write(picture(lab, record))
        print(_verdict(outcome))
        if expected is not None:
            print(
                "it fails in the same way as when it was saved"
                if same
                else f"it does not fail as when it was saved: {visible(expected)}"
            )
    return {"failed": ANSWER_IS_NO, "passed": DONE, "vacuous": COULD_NOT}[outcome.verdict]


def _verdict(outcome: Outcome) -> str:
    did = (
        f"{outcome.faults} faults, {outcome.acknowledged} writes, {outcome.reads} reads, "
        f"{outcome.virtual_ms / 1000:.1f} virtual seconds"
    )
    if outcome.failure is not None:
        return f"failed at {outcome.failure.at_ms} ms: {visible(outcome.failure.message)}"
    if outcome.verdict == "vacuous":
        return f"proves nothing: {outcome.why_vacuous} ({did})"
    return f"passed: {did}"


def _replayed(
    lab: str, mutant: str | None, outcome: Outcome, expected: str | None, same: bool | None
) -> dict[str, Any]:
    failure = outcome.failure
    return {
        "lab": lab,
        "seed": outcome.seed,
        "mutant": mutant,
        "verdict": outcome.verdict,
        "promise": failure.promise if failure else None,
        "message": failure.message if failure else outcome.why_vacuous or None,
        "at_ms": failure.at_ms if failure else None,
        "faults": outcome.faults,
        "writes": outcome.acknowledged,
        "reads": outcome.reads,
        "steps": outcome.steps,
        "virtual_ms": outcome.virtual_ms,
        "expected": expected,
        "same": same,
    }


def _write_events(path: Path, record: Record) -> None:
    lines = "".join(f"{event.to_json()}\n" for event in record.events)
    try:
        path.write_text(lines, encoding="utf-8")
    except OSError as error:
        raise LabError(f"--events {path}: cannot be written: {error.strerror}") from None
    tell(f"events: {visible(str(path))}")
