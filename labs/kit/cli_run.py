"""`lab run LAB EXPERIMENT`: a measured experiment on a cluster of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from labs.kit.errors import ANSWER_IS_NO, COULD_NOT, DONE, LabError
from labs.kit.options import LAB_HELP, full_lab_name, require_runtime
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.run_lists import list_experiments, list_kept, print_tables
from labs.kit.text import counted, visible

if TYPE_CHECKING:
    from labs.kit.experiment.runner import Order
    from labs.kit.predict import PredictedRun
    from labs.kit.runs import RunFolder

TRIALS_MAX = 100_000
QUESTIONS_NAMED = 5  # of those that a run bears on
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
    from labs.kit.measured_run import carry_out, order_of, told_runtime
    from labs.kit.registry import load_lab

    found = load_lab(lab)
    experiments = load_experiments(found)
    if experiment is None:
        if predict is not None:
            raise LabError(f"--predict is about an experiment; `lab run {lab}` lists them")
        return list_experiments(found, experiments, json=json)
    _refuse_nonsense(runtime, seed, trials)
    served = told_runtime(runtime)
    order = order_of(found, experiments, experiment, served, seed, settings or [], trials, short)
    predicted = None if predict is None else _predicted(order, predict)
    folder, report = carry_out(order)
    if not json:
        _show(report)
    extra = {} if predicted is None else _settle(predicted, report, as_json=json)
    if json:
        print_json(report | {"folder": str(folder.path)} | extra)
    _tell_end(report, folder)
    return STATUS_OF[str(report["status"])]


def _predicted(order: Order, answer: str) -> PredictedRun:
    """Before anything runs. Raises LabError when nobody answers."""
    from labs.kit.predict import PredictedRun, ask, chosen, prediction_for

    prediction = prediction_for(order.lab.id, order.experiment.id)
    choice = ask(prediction) if answer == ASK else chosen(prediction, answer)
    return PredictedRun(order.lab.id, prediction, choice)


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
    _tell_questions(str(report["lab"]), str(report["experiment"]))


def _tell_questions(lab: str, experiment: str) -> None:
    """What in the guide this run bears on."""
    from labs.kit.guide.claims import by_experiment
    from labs.kit.guide.pages import load_guide

    try:
        questions = by_experiment(load_guide().questions).get(f"{lab}/{experiment}", ())
    except LabError:  # an installed package has no guide beside it; the run counts all the same
        return
    for question in questions[:QUESTIONS_NAMED]:
        tell(f"bears on: {visible(question.title)} (lab guide {question.id})")
    if questions:
        more = len(questions) - QUESTIONS_NAMED
        others = f", and {counted(more, 'question')} more" if more > 0 else ""
        tell(f"held against the guide{others}: lab compare {lab}")


def _refuse_nonsense(runtime: str, seed: int, trials: int | None) -> None:
    require_runtime(runtime)
    if seed < 0:
        raise LabError(f"--seed {seed}: expected 0 or more")
    if trials is not None and not 1 <= trials <= TRIALS_MAX:
        raise LabError(f"--trials {trials}: expected 1 to {TRIALS_MAX}")
