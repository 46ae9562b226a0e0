"""Run folders: `.lab/runs/NAME/` with all that a measured run left, and the report in it.

    report.json  report.html  history.jsonl  events.jsonl  schedule.yaml  logs/

History, events and schedule are those of one trial, which the report names: the first that was not
as it should be, else the first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.kit.history import write_history
from labs.kit.text import visible

if TYPE_CHECKING:
    from labs.kit.experiment.runner import Order, Run

RUNS_NAME = "runs"
REPORT, PAGE, HISTORY = "report.json", "report.html", "history.jsonl"
EVENTS, SCHEDULE, LOGS = "events.jsonl", "schedule.yaml", "logs"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run that was kept."""

    path: Path

    @property
    def name(self) -> str:
        """By which `lab timeline --run` knows it."""
        return self.path.name

    def report(self) -> dict[str, Any]:
        """What was found; empty when the run was cut short before it could tell."""
        try:
            found = json.loads((self.path / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def new_run_folder(home: Path, lab: str, experiment: str, runtime: str, seed: int) -> RunFolder:
    """An empty folder of this user's own, named by when and what."""
    runs = home / RUNS_NAME
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    wanted = f"{moment}-{lab}-{experiment}-{runtime}-{seed}"
    for name in (wanted, *(f"{wanted}-{number}" for number in range(2, 100))):
        try:
            (runs / name).mkdir(mode=0o700)
        except FileExistsError:
            continue
        return RunFolder(runs / name)
    raise FileExistsError(f"{runs} holds a hundred runs called {wanted}")


def run_folders(home: Path) -> list[RunFolder]:
    """Every run that was kept, the oldest first."""
    paths = (home / RUNS_NAME).glob("*")
    return [RunFolder(path) for path in sorted(paths) if path.is_dir() and not path.is_symlink()]


def report_of(run: Run) -> dict[str, Any]:
    """The report, as people and other commands read it."""
    order, experiment = run.order, run.order.experiment
    shown = run.shown_outcome
    document: dict[str, Any] = {
        "lab": order.lab.id,
        "experiment": experiment.id,
        "title": experiment.title,
        "question": experiment.question,
        "runtime": order.runtime,
        "seed": order.seed,
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.started_at)),
        "elapsed_s": round(run.elapsed_s, 2),
        "status": run.status,
        "short": order.short,
        "settings": {**order.fixed_params(), **order.params, **order.own_settings()},
        "calibration": run.calibration.to_json(),
        "measurements": {name: figure.to_json() for name, figure in run.figures.items()},
        "verdicts": [finding.to_json() for finding in run.findings],
        "invalid": _invalid(run),
        "command": command_of(order),
        "history": HISTORY,
        "events": EVENTS,
        "schedule": SCHEDULE,
    }
    if shown is not None:
        document["shown"] = {"variant": shown.variant, "trial": shown.number, "seed": shown.seed}
        if shown.history is not None:
            document["shown_history"] = shown.history
    document["trials"] = [outcome.to_json() for outcome in run.outcomes]
    return document


def command_of(order: Order) -> str:
    """What to type to run it again."""
    words = ["lab run", order.lab.id, order.experiment.id, "--runtime", order.runtime]
    words += ["--seed", str(order.seed)]
    words += [f"--set {name}={value}" for name, value in {**order.params, **order.settings}.items()]
    words += [f"--trials {order.trials}"] if order.trials is not None else []
    return " ".join([*words, *(["--short"] if order.short else [])])


def _invalid(run: Run) -> list[str]:
    """What was missing, each clause once, with how many trials lacked it."""
    counts: dict[str, int] = {}
    for outcome in run.outcomes:
        for clause in outcome.missing:
            counts[visible(clause)] = counts.get(visible(clause), 0) + 1
    total = len(run.outcomes)
    return [f"{clause} ({count} of {total} trials)" for clause, count in counts.items()]


def keep(folder: RunFolder, run: Run) -> dict[str, Any]:
    """Writes everything into the run's folder and returns the report."""
    report = report_of(run)
    path = folder.path
    (path / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    trial = run.shown
    if trial is not None:
        from labs.kit.schedule import Schedule, Step
        from nodes.timeline import merge

        write_history(path / HISTORY, trial.recorder.entries)
        events = merge([trial.events])
        with (path / EVENTS).open("w", encoding="utf-8") as file:
            file.writelines(event.to_json() + "\n" for event in events)
        steps = tuple(Step(int(one.at_ms), one.fault) for one in trial.injections)
        Schedule(steps).save(path / SCHEDULE)
        _write_page(path / PAGE, run, report)
    return report


def _write_page(path: Path, run: Run, report: Mapping[str, Any]) -> None:
    from labs.kit.pictures import pictures_of
    from labs.kit.registry import load_lab
    from labs.kit.report_page import page
    from labs.kit.timeline import diagram, svg

    trial = run.shown
    assert trial is not None
    lab = load_lab(trial.cluster.spec.lab)  # a variant may be of another
    picture = svg(
        diagram(
            trial.events,
            trial.recorder.entries,
            lab=lab,
            nodes=trial.cluster.nodes,
            violation=_violation(run),
        )
    )
    # What each trial measured is in report.json; on a page it would bury the rest.
    shown = {name: value for name, value in report.items() if name != "trials"}
    path.write_text(
        page(
            shown,
            picture,
            pictures=pictures_of(lab, trial.ending),
            events=trial.events,
            lab=lab,
            title=str(report["title"]),
        ),
        encoding="utf-8",
    )


def _violation(run: Run) -> Any:
    from labs.kit.timeline import Violation

    outcome, trial = run.shown_outcome, run.shown
    if outcome is None or trial is None or not (outcome.broken or trial.verdict is not None):
        return None
    counterexample = trial.verdict.counterexample if trial.verdict is not None else None
    if counterexample is not None:
        number = counterexample.stuck
        return Violation(counterexample.explanation, operation=number)
    return Violation(outcome.broken[0]) if outcome.broken else None


def listed(folders: list[RunFolder]) -> Iterator[dict[str, Any]]:
    """What there is to say about each of them in one line."""
    for folder in folders:
        report = folder.report()
        yield {
            "name": folder.name,
            "status": report.get("status", "cut short"),
            "folder": str(folder.path),
        }
