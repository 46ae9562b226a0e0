"""`lab list` as a learner meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labs.kit.cli import run
from labs.kit.grading import outline
from labs.kit.grading.outline import FILE_NAME, outline_of
from labs.kit.grading.progress import Progress
from labs.kit.registry import all_labs
from labs.raft.checks import COURSE


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.lab` of this test's own."""
    folder = tmp_path / "lab"
    monkeypatch.setenv("FAULTLAB_HOME", str(folder))
    return folder


@pytest.fixture
def begun(home: Path) -> Progress:
    """Part 1 is done, a check of part 2 failed twice with a hint, one that no longer exists
    passed."""
    progress = Progress.load(home)
    for check in COURSE.checks:
        if check.part == 1:
            progress.record("raft", check.id, "pass", check.points, [], 1)
    for _ in range(2):
        progress.record("raft", "writes-commit-in-order", "fail", 0, [4], 1)
    progress.hint_taken("raft", "writes-commit-in-order")
    progress.record("raft", "gone-since", "pass", 50, [], 1)
    progress.save()
    return progress


PART_1 = sum(check.points for check in COURSE.checks if check.part == 1)


def test_one_line_a_lab(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before one begins, nothing is written."""
    assert run(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [[lab.id, "not", "begun"] for lab in all_labs()]
    assert not home.exists()


@pytest.mark.usefixtures("begun")
def test_points_and_parts(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the checks that there are; a part is done when all of its checks pass."""
    assert run(["list"]) == 0
    (raft,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("raft "))
    assert f"{PART_1}/{COURSE.points_max} points, 1/{len(COURSE.parts)} parts" in raft


@pytest.mark.usefixtures("begun")
def test_checks_of_a_lab(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with verdict, points and attempts, by parts."""
    assert run(["list", "raft"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert f"part 1: Leader election, {PART_1}/{PART_1} points" in lines
    assert "pass 3/3 one-leader-is-elected 1 attempt" in lines
    assert "fail 0/2 writes-commit-in-order 2 attempts, 1 hint" in lines
    assert "- 0/2 concurrent-writes-all-commit" in lines
    assert lines[-1] == f"{PART_1} of {COURSE.points_max} points"


@pytest.mark.usefixtures("begun")
def test_the_document_has_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, of all labs in a list, of one by itself."""
    assert run(["list", "raft", "--json"]) == 0
    raft: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (raft["points"], raft["points_max"]) == (PART_1, COURSE.points_max)
    assert [part["done"] for part in raft["parts"]] == [True, *[False] * (len(COURSE.parts) - 1)]
    checks = {check["id"]: check for part in raft["parts"] for check in part["checks"]}
    assert checks.keys() == {check.id for check in COURSE.checks}
    failed = checks["writes-commit-in-order"]
    assert (failed["verdict"], failed["attempts"], failed["hints"]) == ("fail", 2, 1)
    assert failed["failed_seeds"] == [4]
    assert run(["list", "--json"]) == 0
    assert raft in json.loads(capsys.readouterr().out)
    assert run(["list", "rafft"]) == 2


@pytest.mark.usefixtures("begun")
def test_the_outline_is_kept_until_the_lab_changes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept one is used while the lab's files are as they were, and only then."""
    made = outline_of("raft", home)
    assert sum(part.points_max for part in made) == COURSE.points_max
    with monkeypatch.context() as patched:
        patched.setattr(outline, "_outline", lambda _lab: pytest.fail("it was looked at again"))
        assert outline_of("raft", home) == made
    kept = json.loads((home / FILE_NAME).read_text())
    damaged = ["{}", '{"raft": 1}', '{"raft": {"stamp": [], "parts": []}}', "[]", "{"]
    for text in (*damaged, json.dumps({"raft": kept["raft"] | {"parts": [1]}})):
        (home / FILE_NAME).write_text(text)
        assert outline_of("raft", home) == made
    monkeypatch.setattr(outline, "_stamp", lambda _lab: [1, 2])
    monkeypatch.setattr(outline, "_outline", lambda _lab: made[:1])
    assert outline_of("raft", home) == made[:1]


@pytest.mark.usefixtures("begun")
def test_a_list_waits_for_no_course() -> None:
    """Once the outline is kept, no check, core or cluster is imported."""
    code = (
        "import sys; from labs.kit.cli import run; run(['list']); run(['list']);"
        "sys.exit('labs.raft.checks' in sys.modules)"
    )
    first = [sys.executable, "-c", code]
    assert subprocess.run(first, capture_output=True, timeout=60).returncode == 1
    assert subprocess.run(first, capture_output=True, timeout=60).returncode == 0


def test_a_lab_without_checks(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is listed, and said to grade nothing."""
    monkeypatch.setattr(outline, "_graded", lambda _lab: False)
    progress = Progress.load(home)
    progress.add_prediction("raft", "leader-crash", "How?", "so", right=True)
    progress.save()
    assert run(["list"]) == 0
    assert "nothing is graded" in capsys.readouterr().out
    assert run(["list", "raft"]) == 0
    assert "grades nothing" in capsys.readouterr().err
