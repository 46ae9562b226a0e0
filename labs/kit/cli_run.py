"""`lab run LAB EXPERIMENT`: a measured experiment on a cluster of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from labs.kit.errors import ANSWER_IS_NO, COULD_NOT, DONE, LabError, nearest
from labs.kit.options import LAB_HELP, full_lab_name
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.run_lists import list_experiments, list_kept, print_tables
from labs.kit.run_progress import progress_lines, sigterm_interrupts
from labs.kit.text import counted, visible

if TYPE_CHECKING:
    from labs.kit.experiment import Experiment
    from labs.kit.experiment.runner import Order, Run
    from labs.kit.lab import Lab, Value
    from labs.kit.predict import PredictedRun
    from labs.kit.runs import RunFolder

CHOICES = ("sim", "auto", "local", "compose")
TRIALS_MAX = 100_000
ASK = "ask"  # instead of the number of a choice
STATUS_OF = {"pass": DONE, "fail": ANSWER_IS_NO, "unknown": COULD_NOT, "invalid": COULD_NOT}
_SAID = {
    "pass": "every claim holds",
    "fail": "a claim does not hold",
    "unknown": "it could not be told whether every claim holds",
    "invalid": "INVALID: this run proves nothing",
}


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command(cls=_Predicting)(run)


class _Predicting(TyperCommand):
    """`--predict` may stand alone or before a number, which typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click's Command."""
        after = [*args[1:], ""]
        words = [
            f"{word}={ASK}" if word == "--predict" and not after[place].isdecimal() else word
            for place, word in enumerate(args)
        ]
        return super().parse_args(ctx, words)


def run(
    lab: Annotated[
        str | None, typer.Argument(metavar="LAB", help=LAB_HELP, callback=full_lab_name)
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Argument(metavar="EXPERIMENT", help="Which one; without it, they are listed."),
    ] = None,
    runtime: Annotated[
        str, typer.Option(help="sim, local, compose, or auto.", metavar="NAME")
    ] = "sim",
    seed: Annotated[int, typer.Option(help="Decides all that is random.", metavar="S")] = 1,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A setting of the experiment or of the lab.", metavar="KEY=VALUE"
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Trials of each variant.", metavar="N")] = None,
    short: Annotated[bool, typer.Option("--short", help="Less of everything.")] = False,
    predict: Annotated[
        str | None,
        typer.Option(
            help="Say first what will happen: be asked, or give the number of a choice.",
            metavar="[CHOICE]",
        ),
    ] = None,
    kept: Annotated[bool, typer.Option("--list", help="Instead: runs that were kept.")] = False,
    json: JsonFlag = False,
) -> int:
    """Run a measured experiment. Examples: lab run raft; lab run raft leader-crash --runtime local

    Every run leaves a folder below .lab/runs with its report, history, events and schedule.
    """
    if kept:
        return list_kept(lab, json=json)
    if lab is None:
        raise LabError("name a lab, as in `lab run raft`; `lab list` shows them")
    from labs.kit.experiment.registry import load_experiments
    from labs.kit.registry import load_lab

    found = load_lab(lab)
    experiments = load_experiments(found)
    if experiment is None:
        if predict is not None:
            raise LabError(f"--predict is about an experiment; `lab run {lab}` lists them")
        return list_experiments(found, experiments, json=json)
    _refuse_nonsense(runtime, seed, trials)
    order = _order(found, experiments, experiment, runtime, seed, settings or [], trials, short)
    predicted = None if predict is None else _predicted(order, predict)
    folder, report = _carry_out(order)
    if not json:
        _show(report)
    extra = {} if predicted is None else _settle(predicted, report, as_json=json)
    if json:
        print_json(report | {"folder": str(folder.path)} | extra)
    _tell_end(report, folder)
    return STATUS_OF[str(report["status"])]


def _order(
    lab: Lab,
    experiments: Sequence[Experiment],
    name: str,
    runtime: str,
    seed: int,
    assignments: Sequence[str],
    trials: int | None,
    short: bool,
) -> Order:
    from labs.kit.experiment.runner import Order, find_experiment

    chosen = find_experiment(experiments, name)
    own, params = _settings(lab, chosen, assignments)
    order = Order(lab, chosen, _runtime(runtime), seed, own, params, trials, short)
    for variant in order.chosen_variants():
        order.spec(variant, seed)  # what does not go together is refused before anything starts
    return order


def _predicted(order: Order, answer: str) -> PredictedRun:
    """Before anything runs. Raises LabError when nobody answers."""
    from labs.kit.predict import PredictedRun, ask, chosen, prediction_for

    prediction = prediction_for(order.lab.id, order.experiment.id)
    choice = ask(prediction) if answer == ASK else chosen(prediction, answer)
    return PredictedRun(order.lab.id, prediction, choice)


def _settings(
    lab: Lab, experiment: Experiment, assignments: Sequence[str]
) -> tuple[dict[str, Value], dict[str, Value]]:
    """The experiment's own settings, and the lab's. Raises LabError for what is neither."""
    from dataclasses import replace

    from labs.kit.settings import parse_assignments

    both = replace(lab, settings=(*experiment.settings, *lab.settings))
    values = parse_assignments(both, assignments)
    names = {setting.name for setting in experiment.settings}
    own = {name: value for name, value in values.items() if name in names}
    return own, {name: value for name, value in values.items() if name not in names}


def _runtime(requested: str) -> str:
    if requested == "sim":
        return requested
    from labs.kit.runtime import choose_runtime

    choice = choose_runtime(requested)
    tell(choice.sentence())
    return choice.name


def _carry_out(order: Order) -> tuple[RunFolder, dict[str, Any]]:
    from labs.kit.runs import keep, new_run_folder
    from labs.kit.session import home_folder

    folder = new_run_folder(
        home_folder(), order.lab.id, order.experiment.id, order.runtime, order.seed
    )
    try:
        with progress_lines() as progress:
            done = _run(order, folder, progress)
    except BaseException:
        _remove_if_empty(folder)
        raise
    return folder, keep(folder, done)


def _run(order: Order, folder: RunFolder, progress: Callable[[str], None]) -> Run:
    from nodes.cluster.api import RuntimeFailure
    from nodes.cluster.faults import FaultRefused

    try:
        if order.simulated:
            from labs.kit.experiment.runner import run_in_simulation

            with sigterm_interrupts():
                return run_in_simulation(order, progress)
        return _on_processes(order, folder, progress)
    except (RuntimeFailure, FaultRefused) as error:
        raise LabError(str(error)) from error
    except KeyboardInterrupt:  # or typer would end us without a word
        raise LabError("interrupted; no result was kept") from None


def _on_processes(order: Order, folder: RunFolder, progress: Callable[[str], None]) -> Run:
    from labs.kit.experiment.runner import run_on_processes
    from labs.kit.interruptible import run_interruptible

    return run_interruptible(run_on_processes(order, folder.path, progress))


def _remove_if_empty(folder: RunFolder) -> None:
    """A run that was interrupted leaves only what there is to read."""
    import shutil

    shutil.rmtree(folder.path / "nodes", ignore_errors=True)
    if not any(folder.path.iterdir()):
        folder.path.rmdir()


# ---------------------------------------------------------------------------------- what is shown


def _show(report: dict[str, Any]) -> None:
    from labs.kit.experiment.table import measurements_table, verdicts_table

    print_tables(measurements_table(report), verdicts_table(report))


def _settle(predicted: PredictedRun, report: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    """Remembers the prediction and shows it beside what came true; the field for the document."""
    from labs.kit.grading.progress import Progress
    from labs.kit.predict import tell_outcome, to_json
    from labs.kit.session import home_folder

    prediction, answer = predicted.prediction, predicted.answer
    actual = predicted.settle(report, Progress.load(home_folder()))
    if not as_json:
        tell_outcome(prediction, answer, actual)
    return {"prediction": to_json(prediction, answer, actual)}


def _tell_end(report: dict[str, Any], folder: RunFolder) -> None:
    status = str(report["status"])
    for clause in report["invalid"]:
        tell(f"missing: {visible(clause)}")
    for one in report["verdicts"]:
        if one["holds"] is not True:
            tell(f"{one['id']}: {visible(one['claim'])}: {visible(one['observed'])}")
    factor = report["calibration"]["cpu_factor"]
    trials = counted(len(report["trials"]), "trial")
    tell(
        f"{_SAID[status]}; {trials} in {report['elapsed_s']:.0f} s "
        f"on a machine {factor} times as slow as the reference"
    )
    tell(f"again: {visible(str(report['command']))}")
    tell(f"folder: {visible(str(folder.path))}")


def _refuse_nonsense(runtime: str, seed: int, trials: int | None) -> None:
    if runtime not in CHOICES:
        raise LabError(f"--runtime {visible(runtime)}: {nearest(runtime, CHOICES)}")
    if seed < 0:
        raise LabError(f"--seed {seed}: expected 0 or more")
    if trials is not None and not 1 <= trials <= TRIALS_MAX:
        raise LabError(f"--trials {trials}: expected 1 to {TRIALS_MAX}")
