"""`lab run` as its users meet it, and the folder that it leaves."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from labs.kit.cli import run
from labs.kit.history import read_history
from labs.kit.runs import new_run_folder, run_folders
from labs.kit.schedule import Schedule
from nodes.timeline import TimelineEvent

FILES = {"report.json", "report.html", "history.jsonl", "events.jsonl", "schedule.yaml"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.lab` of this test's own."""
    folder = tmp_path / "lab"
    monkeypatch.setenv("FAULTLAB_HOME", str(folder))
    return folder


def test_a_run_leaves_its_folder(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Report, page, history, events and schedule, for this user only; the run can be listed."""
    words = ["run", "raft", "partition-leader", "--short", "--trials", "1", "--json"]
    assert run(words) == 0
    report = json.loads(capsys.readouterr().out)
    folder = Path(report["folder"])
    assert {path.name for path in folder.iterdir()} == FILES
    assert folder.parent == home / "runs"
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in (folder, folder.parent))
    assert json.loads((folder / "report.json").read_text()) == {
        name: value for name, value in report.items() if name != "folder"
    }
    assert report["status"] == "pass"
    assert report["measurements"]["acknowledged_writes_lost"]["value"] == 0
    assert len(read_history(folder / "history.jsonl")) > 50
    events = [
        TimelineEvent.from_json(x) for x in (folder / "events.jsonl").read_text().split("\n") if x
    ]
    assert {"fault", "leader", "sent"} <= {event.kind for event in events}
    steps = Schedule.load(folder / "schedule.yaml").steps
    assert [step.fault.kind for step in steps] == ["partition", "heal"]
    assert "<svg" in (folder / "report.html").read_text()
    assert run(["run", "--list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert (row["name"], row["status"]) == (folder.name, "pass")


def test_without_a_name_it_lists_questions(capsys: pytest.CaptureFixture[str]) -> None:
    """Every experiment with the question that it answers, its settings and its measurements."""
    assert run(["run", "raft", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["experiments"]
    assert {"leader-crash", "figure-8", "read-cost"} <= {one["id"] for one in found}
    assert all(one["question"].endswith("?") and one["measurements"] for one in found)
    assert run(["run", "raft"]) == 0
    assert "How long does nobody serve" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["raft", "leader-crsh"], "did you mean leader-crash"),
        (["rafft", "leader-crash"], "did you mean raft?"),
        ([], "name a lab"),
        (["raft", "leader-crash", "--set", "nonsense=1"], "no such setting"),
        (["raft", "leader-crash", "--set", "heartbeat_ms=200"], "must be less than"),
        (["raft", "split-vote", "--set", "election_timeout_ms_max=400"], "variants"),
        (["raft", "packet-loss", "--set", "during_ms=1"], "100 to"),
        (["raft", "leader-crash", "--runtime", "dokcer"], "known: auto, compose, local, sim"),
        (["raft", "leader-crash", "--trials", "0"], "expected 1 to"),
        (["raft", "leader-crash", "--seed", "-1"], "expected 0 or more"),
    ],
)
def test_nonsense_is_refused(
    words: list[str], said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names the way out, exit status 2, and no folder is left."""
    assert run(["run", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (home / "runs").exists()


def test_folders_of_one_moment_differ(tmp_path: Path) -> None:
    """Old runs are kept, also when two begin in one second."""
    made = [new_run_folder(tmp_path, "raft", "x", "sim", 1) for _ in range(3)]
    assert len({folder.path for folder in made}) == 3
    assert {folder.path for folder in run_folders(tmp_path)} == {folder.path for folder in made}


def test_a_run_that_was_cut_short_is_listed_as_such(tmp_path: Path) -> None:
    """A folder without a readable report has no result."""
    folder = new_run_folder(tmp_path, "raft", "x", "sim", 1)
    assert folder.report() == {}
    (folder.path / "report.json").write_text("{")
    assert folder.report() == {}
