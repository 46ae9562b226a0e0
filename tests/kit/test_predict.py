"""Predictions before runs and checks: asked, settled, remembered."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from labs.kit import predict
from labs.kit.cli import run
from labs.kit.errors import LabError
from labs.kit.grading.progress import Progress
from labs.kit.predict import (
    Measured,
    Prediction,
    ask,
    ask_before_checks,
    chosen,
    guaranteed,
    measured_choice,
    outcome_lines,
    prediction_for,
    predictions_for_check,
)


def _by_count(m: Measured) -> int | None:
    return {0: 0, 1: 1}.get(int(m["count"]))


ONE = Prediction(
    "how-many", "counting", "How many?", ("none", "one"), _by_count, "It was put there."
)
CHECK = Prediction("who", "check:a-check", "Who?", ("n1", "n2"), guaranteed(1), "It has the log.")


class Terminal(io.StringIO):
    """Somebody who types this."""

    def isatty(self) -> bool:
        """See io."""
        return True


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.lab` of this test's own."""
    folder = tmp_path / "lab"
    monkeypatch.setenv("FAULTLAB_HOME", str(folder))
    return folder


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab whose predictions are those above."""
    monkeypatch.setattr(predict, "predictions_of", lambda _lab: (ONE, CHECK))


def report(status: str, **measured: float) -> dict[str, Any]:
    """As far as predictions read it."""
    measurements = {name: {"value": value, "unit": "x"} for name, value in measured.items()}
    return {"status": status, "measurements": measurements}


# ---------------------------------------------------------------------------------------- asking


def test_the_question_comes_with_its_choices(capsys: pytest.CaptureFixture[str]) -> None:
    """What is no choice is asked again; the answer counts from 0. Nothing of it is on stdout."""
    assert ask(ONE, Terminal("both\n0\n 2 \n")) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("How many?\n  1  none\n  2  one\n")
    assert err.count("a number from 1 to 2") == 2


@pytest.mark.parametrize("typed", ["", "x\n", "3\n\n-1\n2\n"])
def test_no_answer_is_no_prediction(typed: str) -> None:
    """The end of what is typed, or three wrong answers, end it without a run."""
    with pytest.raises(LabError, match="no prediction was made"):
        ask(ONE, Terminal(typed))


def test_nobody_is_asked_where_nobody_sits() -> None:
    """Without a terminal one line says the question, and how to answer it; nothing is read."""
    pipe = io.StringIO("1\n")
    with pytest.raises(LabError) as caught:
        ask(ONE, pipe)
    assert "How many? --predict 1 (none), 2 (one)" in caught.value.message
    assert "\n" not in caught.value.message
    assert pipe.tell() == 0


@pytest.mark.parametrize("text", ["0", "3", "-1", "", "one", "1.0", "²", "١", "9" * 5000])
def test_only_a_choice_is_one(text: str) -> None:
    """On the command line, too."""
    assert chosen(ONE, "2") == 1
    with pytest.raises(LabError, match="How many"):
        chosen(ONE, text)


# -------------------------------------------------------------------------------------- settling


@pytest.mark.parametrize(
    ("found", "choice"),
    [
        (report("pass", count=1), 1),
        (report("fail", count=0), 0),
        (report("invalid", count=1), None),
        (report("unknown", count=1), None),
        (report("pass", other=1), None),
        (report("pass", count=5), None),
    ],
)
def test_the_measurements_decide(found: dict[str, Any], choice: int | None) -> None:
    """A run that is not valid, or did not measure it, cannot tell; nor can a strange value."""
    assert measured_choice(ONE, found) == choice


def test_the_reason_comes_with_the_outcome() -> None:
    """Prediction and outcome side by side, and why; who cannot tell gives nothing away."""
    assert outcome_lines(ONE, 1, 1) == [
        "you predicted: one",
        "what happened: one (right)",
        ONE.why,
    ]
    assert "none (not what you predicted)" in outcome_lines(ONE, 1, 0)[1]
    assert ONE.why not in outcome_lines(ONE, 1, None)
    assert "neither as right nor as wrong" in outcome_lines(ONE, 1, None)[1]


# ----------------------------------------------------------------------------------------- checks


@pytest.mark.usefixtures("known")
def test_a_check_tells_once_it_passes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason of a check that fails would be a hint; a verdict is told once."""
    progress = Progress.load(home)
    made = ask_before_checks("raft", ["other", "a-check"], progress, Terminal("2\n"))
    assert "How many" not in capsys.readouterr().err
    for check in ("other", "a-check", "a-check"):
        made.ended(check, "pass")
    assert capsys.readouterr().out.count(CHECK.why) == 1
    assert Progress.load(home).predictions("raft") == (1, 1)
    made = ask_before_checks("raft", ["a-check"], progress, Terminal("1\n"))
    made.ended("a-check", "fail")
    assert capsys.readouterr().out == ""
    assert Progress.load(home).predictions("raft") == (1, 1)


@pytest.mark.usefixtures("known")
def test_checks_are_asked_about_at_a_terminal() -> None:
    """Else one line says so; and where there is nothing to ask, what can be asked about."""
    with pytest.raises(LabError, match="no terminal"):
        ask_before_checks("raft", ["a-check"], None, io.StringIO("1\n"))
    with pytest.raises(LabError, match="there is of a-check"):
        ask_before_checks("raft", ["other"], None, Terminal("1\n"))
    assert predictions_for_check("raft", "a-check") is CHECK
    assert predictions_for_check("raft", "counting") is None
    with pytest.raises(LabError, match="nothing to predict about a-check"):
        prediction_for("raft", "a-check")


# -------------------------------------------------------------------------------------- lab run


def test_a_run_is_predicted_and_remembered(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The document has the prediction beside the outcome; `lab list` counts it."""
    words = ["run", "raft", "figure-8", "--trials", "1", "--json", "--predict"]
    assert run([*words, "1"]) == 0
    made = json.loads(capsys.readouterr().out)["prediction"]
    assert (made["answer"], made["outcome"], made["right"]) == (1, 2, False)
    assert run([*words, "2"]) == 0
    assert json.loads(capsys.readouterr().out)["prediction"]["right"] is True
    assert Progress.load(home).predictions("raft") == (1, 2)
    assert run(["list", "raft"]) == 0
    assert "1 of 2 predictions right" in capsys.readouterr().out


def test_a_run_asks_first(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where somebody sits, before anything is measured, and the outcome is shown last."""
    monkeypatch.setattr("sys.stdin", Terminal("2\n"))
    assert run(["run", "--predict", "raft", "figure-8", "--trials", "1"]) == 0
    out, err = capsys.readouterr()
    assert err.index("Can another leader overwrite") < err.index("trial 1 of 1")
    assert out.index("every trial ran to its end") < out.index("(right)")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["raft", "figure-8", "--predict"], "no terminal"),
        (["raft", "figure-8", "--predict", "9"], "--predict 9"),
        (["raft", "figure-8", "--predict=no"], "--predict no"),
        (["raft", "--predict"], "about an experiment"),
    ],
)
def test_a_prediction_that_cannot_be_made_runs_nothing(
    words: list[str],
    said: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, and no folder is left."""
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n"))
    assert run(["run", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not home.exists()
