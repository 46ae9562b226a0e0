"""`lab compare`: claims of the guide held against kept runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labs.kit import cli_compare
from labs.kit.cli import run
from labs.kit.guide import compare
from labs.kit.guide.claims import Claim, hold, parse_claim
from labs.kit.guide.pages import Fence
from labs.kit.runs import new_run_folder, run_folders

Keep = Callable[..., None]
pytestmark = pytest.mark.usefixtures("home", "small_guide")


def report(**changes: Any) -> dict[str, Any]:
    """A run of leader-crash that lost nothing."""
    figure = {"value": 0, "unit": "writes", "samples": 20, "min": 0, "max": 0}
    return {
        "lab": "raft",
        "experiment": "leader-crash",
        "runtime": "sim",
        "seed": 7,
        "status": "pass",
        "short": False,
        "command": "lab run raft leader-crash --runtime sim --seed 7",
        "measurements": {"acknowledged_writes_lost": figure},
        "verdicts": [
            {"id": "trials", "claim": "to the end", "holds": True, "observed": "20 trials"},
            {"id": "quick", "claim": "it is quick", "holds": True, "observed": "x = 1"},
        ],
        "invalid": [],
    } | changes


def lost(count: int, **changes: Any) -> dict[str, Any]:
    """The same, but it lost something."""
    figure = {"value": count, "unit": "writes", "samples": 20, "min": 0, "max": count}
    return report(measurements={"acknowledged_writes_lost": figure}, **changes)


@pytest.fixture
def keep(home: Path) -> Keep:
    """Keeps reports as runs, the oldest first."""

    def kept(*reports: dict[str, Any]) -> None:
        for number, one in enumerate(reports):
            folder = new_run_folder(home, "raft", "leader-crash", "sim", 7 + number)
            (folder.path / "report.json").write_text(json.dumps(one))

    return kept


def claim(text: str) -> Claim:
    """The claim of a block about leader-crash."""
    return parse_claim(Fence(1, "expect", f"experiment: raft/leader-crash\n{text}", closed=True))


@pytest.mark.parametrize(
    ("text", "value", "answer"),
    [
        ("equals: 3", 3, "agree"),
        ("equals: 3", 4, "differ"),
        ("at_most: 3", 3, "agree"),
        ("at_most: 3", 3.1, "differ"),
        ("at_least: 3", 3, "agree"),
        ("at_least: 3", 2.9, "differ"),
        ("between: [1, 3]", 1, "agree"),
        ("between: [1, 3]", 3.5, "differ"),
        ("between: -1 3.4", 3.5, "differ"),
        ("between: -1 3.6", 3.5, "agree"),
        ("about: 100", 81, "agree"),
        ("about: 100", 79, "differ"),
        ("about: -100\nwithin: 5%", -104, "agree"),
        ("about: 100\nwithin: 5%", 94, "differ"),
    ],
)
def test_measurements_are_compared(text: str, value: float, answer: str) -> None:
    """Each comparison on either side of its bound."""
    made = claim(f"measurement: acknowledged_writes_lost\n{text}")
    assert hold(made, lost(0) | {"measurements": _figure(value)}).answer == answer


def _figure(value: float) -> dict[str, Any]:
    return {"acknowledged_writes_lost": {"value": value, "unit": "", "samples": 1}}


@pytest.mark.parametrize(
    ("changes", "answer", "reason"),
    [
        ({}, "agree", ""),
        ({"status": "invalid", "invalid": ["no traffic"]}, "unknown", "no traffic"),
        ({"status": "unknown"}, "unknown", "the run was unknown"),
        ({"verdicts": []}, "unknown", "did not measure it; run it again"),
        ({"verdicts": [], "short": True}, "unknown", "without --short"),
    ],
)
def test_an_expectation_is_what_the_experiment_found(
    changes: dict[str, Any], answer: str, reason: str
) -> None:
    """A run that proves nothing answers nothing."""
    answered = hold(claim("expectation: quick"), report(**changes))
    assert answered.answer == answer
    assert reason in answered.reason


def test_a_broken_promise_outweighs_figures() -> None:
    """The figure agrees, but of a run that went wrong."""
    verdict = {"id": "trials", "claim": "", "holds": False, "observed": "two leaders in term 3"}
    answered = hold(
        claim("measurement: acknowledged_writes_lost\nequals: 0"),
        report(status="fail", verdicts=[verdict]),
    )
    assert (answered.answer, "two leaders" in answered.reason) == ("differ", True)


@pytest.mark.parametrize(
    ("reports", "verdict", "status"),
    [
        ([], "not run", 2),
        ([report()], "agree", 0),
        ([report(), lost(2)], "differ", 1),
        ([lost(2), report()], "agree", 0),
        ([report(), lost(2, command="lab run raft leader-crash --set x=1")], "agree", 0),
        ([report(), report(status="invalid")], "agree", 0),
        ([report(status="invalid")], "unknown", 2),
        ([{}], "not run", 2),
    ],
)
def test_the_latest_run_that_can_tell_counts(
    keep: Keep,
    capsys: pytest.CaptureFixture[str],
    reports: list[dict[str, Any]],
    verdict: str,
    status: int,
) -> None:
    """Not one with other settings, nor one that proves nothing; the exit status says what came."""
    keep(*reports)
    assert run(["compare", "raft", "--json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == status
    assert {row["question"] for row in document["rows"]} == {"why-so", "why-not"}
    assert {row["verdict"] for row in document["rows"]} == {verdict}


def test_what_differs_says_where_to_look(keep: Keep, capsys: pytest.CaptureFixture[str]) -> None:
    """The spread, the diagram, the page, another seed."""
    keep(lost(2))
    assert run(["compare", "raft"]) == 1
    printed = capsys.readouterr()
    assert "DIFFERS" in printed.out
    assert "more than 0; 20 samples were 0 to 2" in printed.err
    assert "lab timeline --run" in printed.err
    assert "--runtime sim --seed 8" in printed.err
    assert "2 claims: 2 differ" in printed.err


def test_what_was_not_run_is_named_and_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once an experiment, in simulation; after that its claims are answered."""
    assert run(["compare", "raft"]) == 2
    assert "not run yet: raft/leader-crash" in capsys.readouterr().err
    assert run(["compare", "raft", "--run", "--short"]) == 0
    assert "1 of 1: lab run raft leader-crash" in capsys.readouterr().err
    (folder,) = run_folders(home)
    assert folder.report()["runtime"] == "sim"
    assert run(["compare", "raft", "--runtime", "local"]) == 2
    assert run(["compare", "raft", "--fresh", "--short", "--seed", "2"]) == 0
    assert len(run_folders(home)) == 2


def test_a_table_shows_what_one_reads() -> None:
    """Four measurements of many, and never "and 1 more"."""
    many = [f"m{number} = {number}" for number in range(9)]
    assert cli_compare.first_of(", ".join(many)) == "m0 = 0, m1 = 1, m2 = 2, m3 = 3 and 5 more"
    assert cli_compare.first_of(", ".join(many[:5])) == ", ".join(many[:5])


def test_runs_of_a_runtime_are_kept_apart(keep: Keep, home: Path) -> None:
    """What holds in simulation says nothing about processes."""
    keep(report(), lost(1, runtime="local"))
    kept = compare.kept_runs(run_folders(home), "local")
    assert [one.report["runtime"] for one in kept["raft/leader-crash"]] == ["local"]


def test_a_lab_without_claims_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to compare is no agreement."""
    assert run(["compare", "quorum-store"]) == 2
    assert "claims nothing of the quorum-store lab yet" in capsys.readouterr().err


def test_a_run_names_its_questions(capsys: pytest.CaptureFixture[str]) -> None:
    """Those that claim something of this experiment, and no others."""
    assert run(["run", "raft", "leader-crash", "--short", "--trials", "1"]) == 0
    assert "bears on: Why so? (lab guide why-so)" in capsys.readouterr().err
    assert run(["run", "raft", "partition-leader", "--short", "--trials", "1"]) == 0
    assert "bears on" not in capsys.readouterr().err


def test_what_a_short_run_leaves_open_is_run_in_full(
    monkeypatch: pytest.MonkeyPatch, keep: Keep, capsys: pytest.CaptureFixture[str]
) -> None:
    """Short first, and only where that does not answer once more."""
    ordered: list[bool] = []

    def run_all(wanted: object, runtime: str, seed: int, *, short: bool) -> set[str]:
        ordered.append(short)
        keep(report(measurements={}, short=True) if short else report())
        return set()

    monkeypatch.setattr(cli_compare, "_run_all", run_all)
    assert run(["compare", "raft", "--run", "--short"]) == 0
    assert ordered == [True, False]
    assert "what the short runs could not tell, in full" in capsys.readouterr().err
