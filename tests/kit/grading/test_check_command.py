"""`lab check`, `lab replay --check` and `lab grade`, as users give them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from labs.kit.cli import run
from labs.kit.grading.course import load_course
from labs.kit.grading.skeleton import skeleton

CHECK = "one-leader-is-elected"
FIRST_RED_S = 3.0


def written(folder: Path, first_blank: int, name: str = "exercise.py") -> Path:
    """A submission: the reference's answers to the parts before, blanks from there on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(skeleton(load_course("raft"), first_blank))
    return path


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Status, and the document on stdout."""
    status = run([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_reference_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """Points, seeds and verdict, in the form of the design; status 0."""
    status, found = document(capsys, "check", "raft", "--check", CHECK, "--seeds", "3")
    assert status == 0
    assert (found["lab"], found["implementation"]) == ("raft", "reference")
    (check,) = found["checks"]
    assert (check["id"], check["verdict"], check["seeds"]) == (CHECK, "pass", 3)
    assert check["points"] == check["points_max"] == found["points"] == found["points_max"]
    assert check["failed_seeds"] == []
    assert check["replay"] is None


def test_planted_bug_loses_points_and_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, what was expected and seen, and a command that shows it again."""
    name = "old-terms-commit-with-own-term"
    words = ("--check", name, "--mutant", "commit-old-terms")
    status, found = document(capsys, "check", "raft", *words, "--seeds", "6")
    (check,) = found["checks"]
    assert (status, check["verdict"], check["points"]) == (1, "fail", 0)
    assert "completeness" in check["expected"] or "commit" in check["observed"]
    low, high = check["pass_rate"]
    assert 0 <= low < high <= 1
    command = check["replay"].split()
    assert run(command[1:]) == 1
    shown = capsys.readouterr().out
    assert "VIOLATION" in shown
    assert "read: guide/raft.md" in shown


def test_blank_file_is_red_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is to be written, and where, without a stack trace; nothing is even run."""
    file = written(tmp_path, first_blank=1)
    began_s = time.monotonic()
    status = run(["check", "raft", "--file", str(file)])
    assert time.monotonic() - began_s < FIRST_RED_S
    shown = capsys.readouterr().out
    assert status == 1
    assert "part 1 is not written yet: election_timed_out" in shown
    assert "exercise.py:" in shown
    assert "Traceback" not in shown
    assert "0 of 100 points" in shown


def test_part_is_judged_before_the_next_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Blanks of later parts are filled in by the reference; those of this part are not."""
    file = written(tmp_path, first_blank=2)
    words = ("--file", str(file), "--seeds", "2")
    status, found = document(capsys, "check", "raft", "--part", "1", *words)
    assert (status, found["points"]) == (0, found["points_max"])
    status, found = document(capsys, "check", "raft", "--part", "2", *words)
    assert (status, found["points"]) == (1, 0)
    assert all("part 2 is not written yet" in check["observed"] for check in found["checks"])


def test_code_that_raises_is_told_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line in the learner's file, what it printed, and status 1."""
    file = written(tmp_path, first_blank=7)
    text = file.read_text()
    place = text.index("def campaign")
    body = text.index("self.current_term += 1", place)
    file.write_text(f'{text[:body]}print("PASS")\n        1 / 0\n        {text[body:]}')
    line = text[:body].count("\n") + 2
    status, found = document(
        capsys, "check", "raft", "--file", str(file), "--check", CHECK, "--seeds", "2"
    )
    (check,) = found["checks"]
    assert (status, check["verdict"]) == (1, "fail")
    assert "ZeroDivisionError" in check["observed"]
    assert check["where"].endswith(f"exercise.py:{line}")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["check", "raft", "--check", "one-leader"], "did you mean one-leader-is-elected"),
        (["check", "raft", "--part", "9"], "it has 1 to 6"),
        (["check", "raft", "--runtime", "moon"], "expected one of sim"),
        (["check", "raft", "--mine", "--mutant", "same-timeouts"], "exclude each other"),
        (["check", "raft", "--mutant", "none"], "no such planted bug"),
        (["check", "raft", "--watch"], "--mine"),
        (["check", "raft", "--file", "/nowhere.py"], "cannot be read"),
        (["check", "raft", "--check", "few-calls-are-needed", "--runtime", "local"], "runs in"),
        (["replay", "raft", "--seed", "1", "--mine"], "--check"),
        (["grade", "/nowhere"], "is not there"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the way out, and status 2."""
    assert run(words) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert expected in message


def test_class_is_graded_into_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Folders and files, by name; one that cannot be read does not stop the others; links are not
    followed."""
    handed_in = tmp_path / "handed in"
    written(handed_in / "alice", first_blank=7)
    written(handed_in, first_blank=1, name="=bob.py")
    (handed_in / "carol").mkdir()
    (handed_in / "carol" / "exercise.py").write_bytes(b"\xff\xfe")
    (handed_in / "mallory").symlink_to(handed_in / "alice")
    table, junit = tmp_path / "grades.csv", tmp_path / "grades.xml"
    words = ["--seeds", "1", "--csv", str(table), "--junit", str(junit)]
    assert run(["grade", str(handed_in), *words]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in shown[1:]] == [
        ["=bob", "0"],
        ["alice", "100"],
        ["carol", "0"],
    ]
    assert "not UTF-8" in shown[3]
    lines = table.read_text().splitlines()
    assert lines[0].startswith("name,points,part 1")
    assert lines[1].startswith("'=bob,0")
    assert junit.read_text().count("<testsuite ") == 3
