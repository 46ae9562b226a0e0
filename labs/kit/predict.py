"""Say what will happen, and then see it: predictions before a measured run or a graded check.

A lab's are found by its folder: `labs/NAME/predictions.py` with a `PREDICTIONS`. Whoever had to
commit to an answer sees where the own picture of the system is wrong; so the question comes first,
and the reason together with the result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module, util
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeAlias

from labs.kit.errors import LabError
from labs.kit.output import tell
from labs.kit.text import visible

if TYPE_CHECKING:
    from labs.kit.grading.progress import Progress

TRIES: Final = 3  # at the terminal, before we take it that nobody wants to answer
OF_A_CHECK: Final = "check:"
WIDTH: Final = 100
TELLING: Final = ("pass", "fail")  # a run that ended otherwise says nothing about the question

Measured: TypeAlias = Mapping[str, float]  # values by the measurement's name


@dataclass(frozen=True, slots=True)
class Prediction:
    """A question about an experiment (`about` is its id) or a check (`check:ID`).

    `outcome` maps what was measured to the choice that came true, counted from 0, None when that
    cannot be told. A check measures nothing: its outcome is what it guarantees.
    """

    id: str
    about: str
    question: str
    choices: tuple[str, ...]
    outcome: Callable[[Measured], int | None]
    why: str


def guaranteed(choice: int) -> Callable[[Measured], int | None]:
    """The outcome of a prediction about a check: what is true of every Raft, or of none."""
    return lambda _measured: choice


# ---------------------------------------------------------------------------- to find one


def predictions_of(lab: str) -> tuple[Prediction, ...]:
    """All of a lab; empty when it asks for none."""
    module = f"labs.{lab.replace('-', '_')}.predictions"
    if util.find_spec(module) is None:
        return ()
    found: tuple[Prediction, ...] = import_module(module).PREDICTIONS
    return found


def prediction_for(lab: str, experiment: str) -> Prediction:
    """The one about this experiment. Raises LabError when there is none."""
    found = _about(lab, experiment)
    if found is None:
        raise LabError(f"there is nothing to predict about {experiment}; leave --predict out")
    return found


def predictions_for_check(lab: str, check_id: str) -> Prediction | None:
    """The one about this check, if there is one."""
    return _about(lab, OF_A_CHECK + check_id)


def _about(lab: str, about: str) -> Prediction | None:
    return next((one for one in predictions_of(lab) if one.about == about), None)


# ---------------------------------------------------------------------------- to ask


def chosen(prediction: Prediction, text: str) -> int:
    """The choice that was given on the command line, by its number from 1. Raises LabError."""
    choice = _number(prediction, text)
    if choice is None:
        raise LabError(f"--predict {visible(text)}: {_how_to_answer(prediction)}")
    return choice


def ask(prediction: Prediction, stdin: TextIO | None = None) -> int:
    """The choice of whoever sits at the terminal, counted from 0.

    Raises LabError when nobody does, or when no answer comes.
    """
    source = sys.stdin if stdin is None else stdin
    if not at_terminal(source):
        raise LabError(
            "--predict has nobody to ask here, since stdin is no terminal; "
            f"{_how_to_answer(prediction)}"
        )
    tell("\n".join(question_lines(prediction)))
    for _ in range(TRIES):
        sys.stderr.write("your prediction: ")
        sys.stderr.flush()
        answer = source.readline()
        if not answer:
            break
        choice = _number(prediction, answer)
        if choice is not None:
            return choice
        tell(f"a number from 1 to {len(prediction.choices)}, please")
    raise LabError("no prediction was made; leave --predict out to run without one")


def at_terminal(stdin: TextIO | None) -> bool:
    """Somebody can be asked."""
    return stdin is not None and not stdin.closed and stdin.isatty()


def question_lines(prediction: Prediction) -> list[str]:
    """The question and its numbered choices."""
    numbered = (f"  {number}  {choice}" for number, choice in enumerate(prediction.choices, 1))
    return [*wrap(prediction.question, WIDTH), *numbered]


def _number(prediction: Prediction, text: str) -> int | None:
    given = text.strip()
    if not (given.isascii() and given.isdecimal() and len(given) < 4):
        return None
    return int(given) - 1 if 1 <= int(given) <= len(prediction.choices) else None


def _how_to_answer(prediction: Prediction) -> str:
    choices = ", ".join(f"{number} ({text})" for number, text in enumerate(prediction.choices, 1))
    return f"answer the question on the command line: {prediction.question} --predict {choices}"


# ---------------------------------------------------------------------------- what came true


def measured_choice(prediction: Prediction, report: Mapping[str, Any]) -> int | None:
    """Which choice a run's report bears out. None when the run is not valid, or did not measure
    what was asked, as a short one may."""
    if report["status"] not in TELLING:
        return None
    measured = {name: float(one["value"]) for name, one in report["measurements"].items()}
    try:
        return prediction.outcome(measured)
    except KeyError:
        return None


def outcome_lines(prediction: Prediction, answer: int, actual: int | None) -> list[str]:
    """The prediction beside what came true, and why."""
    lines = [f"you predicted: {prediction.choices[answer]}"]
    if actual is None:
        return [*lines, "this run cannot tell, so it counts neither as right nor as wrong"]
    verdict = "right" if actual == answer else "not what you predicted"
    lines += [f"what happened: {prediction.choices[actual]} ({verdict})"]
    return lines + wrap(prediction.why, WIDTH)


def tell_outcome(
    prediction: Prediction, answer: int, actual: int | None, out: TextIO | None = None
) -> None:
    """Shows it: on stdout, unless a document goes there."""
    print("\n".join(outcome_lines(prediction, answer, actual)), file=out or sys.stdout, flush=True)


def remember(
    progress: Progress, lab: str, prediction: Prediction, answer: int, actual: int | None
) -> None:
    """Adds the answer to the learner's progress, unless nobody could tell whether it is right."""
    if actual is not None:
        progress.add_prediction(
            lab,
            prediction.about,
            prediction.question,
            prediction.choices[answer],
            right=actual == answer,
        )


def to_json(prediction: Prediction, answer: int, actual: int | None) -> dict[str, Any]:
    """As `lab run --predict --json` adds it to the report."""
    return {
        "id": prediction.id,
        "question": prediction.question,
        "choices": list(prediction.choices),
        "answer": answer + 1,
        "outcome": None if actual is None else actual + 1,
        "right": None if actual is None else actual == answer,
        "why": prediction.why,
    }


# ------------------------------------------------------------------------ around runs and checks


@dataclass(frozen=True, slots=True)
class PredictedRun:
    """An answer about an experiment that is about to run."""

    lab: str
    prediction: Prediction
    answer: int

    def settle(self, report: Mapping[str, Any], progress: Progress) -> int | None:
        """Which choice came true; remembers whether it was the predicted one."""
        actual = measured_choice(self.prediction, report)
        remember(progress, self.lab, self.prediction, self.answer, actual)
        progress.save()
        return actual


@dataclass(slots=True)
class Predicted:
    """What was predicted of checks that are about to be graded."""

    lab: str
    progress: Progress | None
    answers: dict[str, tuple[Prediction, int]] = field(default_factory=dict)  # by the check's id

    def ended(self, check_id: str, verdict: str, out: TextIO | None = None) -> None:
        """Once the check has its verdict. What it guarantees is seen only where it passes; before
        that, the reason would be a hint that nobody asked for."""
        found = self.answers.pop(check_id, None)
        if found is None or verdict != "pass":
            return
        prediction, answer = found
        actual = prediction.outcome({})
        tell_outcome(prediction, answer, actual, out)
        if self.progress is not None:
            remember(self.progress, self.lab, prediction, answer, actual)
            self.progress.save()


def ask_before_checks(
    lab: str,
    checks: Sequence[str],
    progress: Progress | None,
    stdin: TextIO | None = None,
) -> Predicted:
    """Asks about those of the checks that have a question; call `ended` with each verdict.

    Raises LabError when there is no question, or nobody to answer it.
    """
    asked = [one for one in _of_checks(lab, checks) if one is not None]
    if not asked:
        known = (one.about for one in predictions_of(lab) if one.about.startswith(OF_A_CHECK))
        names = ", ".join(sorted(name.removeprefix(OF_A_CHECK) for name in known))
        has = f"there is of {names}" if names else f"nor about any other of {lab}"
        raise LabError(f"there is nothing to predict about these checks; {has}")
    if not at_terminal(sys.stdin if stdin is None else stdin):
        raise LabError("--predict has nobody to ask here, since stdin is no terminal; leave it out")
    made = Predicted(lab, progress)
    for one in asked:
        made.answers[one.about.removeprefix(OF_A_CHECK)] = (one, ask(one, stdin))
    return made


def _of_checks(lab: str, checks: Iterable[str]) -> Iterable[Prediction | None]:
    return (predictions_for_check(lab, check) for check in checks)
