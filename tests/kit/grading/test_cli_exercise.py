"""`lab hint` leads on step by step; `lab reset` loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labs.kit import cli
from labs.kit.grading import skeleton as skeletons
from labs.kit.grading.keeping import replace_file
from labs.kit.grading.progress import Progress
from labs.kit.grading.skeleton import skeleton
from labs.raft.checks import COURSE

Lab = Callable[..., tuple[int, str, str]]
FIRST = COURSE.checks[0]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's folder: exercise file and progress lie in it, and nothing of the project's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAULTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(skeletons, "exercise_path", lambda _: tmp_path / "exercise.py")
    return tmp_path


@pytest.fixture
def lab(home: Path, capsys: pytest.CaptureFixture[str]) -> Lab:
    """Runs a command; exit status, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.run(words)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def document(lab: Lab, *words: str) -> Any:
    """What the command prints with --json."""
    status, out, err = lab(*words, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


# ------------------------------------------------------------------------------------------- hints


def test_each_call_shows_the_next_hint(lab: Lab) -> None:
    """Up to the last, which is then shown again; each says how many are left."""
    for level, left in ((1, "2 more: "), (2, "1 more: "), (3, "the last one"), (3, "the last one")):
        status, out, _ = lab("hint", "raft", FIRST.id)
        assert status == 0
        assert f"hint {level} of 3: {FIRST.hints[level - 1]}" in out
        assert left in out
        assert f"read: {FIRST.paper}; {FIRST.guide}" in out


def test_a_level_can_be_asked_for(lab: Lab, home: Path) -> None:
    """The one after it is the next; an earlier one again counts for nothing."""
    assert document(lab, "hint", "raft", FIRST.id, "--level", "2")["hint"] == FIRST.hints[1]
    assert document(lab, "hint", "raft", FIRST.id, "--level", "1")["level"] == 1
    assert document(lab, "hint", "raft", FIRST.id) == {
        "lab": "raft",
        "check": FIRST.id,
        "title": FIRST.title,
        "part": FIRST.part,
        "level": 3,
        "left": 0,
        "hint": FIRST.hints[2],
        "paper": FIRST.paper,
        "guide": FIRST.guide,
    }
    assert Progress.load(home / "home").check("raft", FIRST.id).hints == 3


def test_without_a_check_the_first_not_passed_is_meant(lab: Lab, home: Path) -> None:
    """One that failed, or was never tried; when all passed, that is said."""
    progress = Progress.load(home / "home")
    assert document(lab, "hint", "raft")["check"] == FIRST.id
    progress.record("raft", FIRST.id, "pass", FIRST.points, [], 1.0)
    progress.record("raft", COURSE.checks[1].id, "fail", 0, [7], 1.0)
    progress.save()
    assert document(lab, "hint", "raft")["check"] == COURSE.checks[1].id
    for check in COURSE.checks[1:]:
        progress.record("raft", check.id, "pass", check.points, [], 1.0)
    progress.save()
    status, out, err = lab("hint", "raft")
    assert (status, out) == (2, "")
    assert err.startswith("lab: you have passed every check of raft; ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["paxos"], "no lab is called 'paxos'"),
        (["raft", "votes-survive-crash"], "did you mean votes-survive-crashes"),
        (["raft", "--level", "4"], "4 is not in the range"),
    ],
)
def test_what_does_not_exist_has_no_hint(lab: Lab, words: list[str], says: str) -> None:
    """One line, and the way out."""
    status, out, err = lab("hint", *words)
    assert (status, out) == (2, "")
    assert says in err


# ------------------------------------------------------------------------------------------- reset


def test_a_reset_keeps_the_old_file_and_says_where(lab: Lab, home: Path) -> None:
    """Also two in the same second."""
    file = home / "exercise.py"
    for text in ("first\n", "second\n"):
        file.write_text(text)
        status, out, err = lab("reset", "raft", "--part", "3")
        assert status == 0
        assert file.read_text() == skeleton(COURSE, 3)
        assert "parts 1 to 2 are filled in" in out
        kept = Path(err.removeprefix("the old file is kept: ").strip())
        assert kept.parent == Path("home/exercises")
        assert kept.read_text() == text
    assert len(list((home / "home/exercises").iterdir())) == 2


def test_a_reset_without_a_file_writes_one(lab: Lab, home: Path) -> None:
    """And what is fresh already need not be kept."""
    file = home / "exercise.py"
    for _ in range(2):
        assert document(lab, "reset", "raft") == {
            "lab": "raft",
            "part": 1,
            "file": str(file),
            "kept": None,
        }
        assert file.read_text() == skeleton(COURSE)


def test_a_reset_to_no_part_changes_nothing(lab: Lab, home: Path) -> None:
    """It says which parts there are."""
    (home / "exercise.py").write_text("mine\n")
    status, _, err = lab("reset", "raft", "--part", "7")
    assert (status, err) == (2, "lab: raft has no part 7; it has 1 to 6\n")
    assert (home / "exercise.py").read_text() == "mine\n"


def test_a_file_that_cannot_be_kept_is_not_replaced(lab: Lab, home: Path) -> None:
    """The learner's work is worth more than a fresh file."""
    (home / "exercise.py").write_text("mine\n")
    (home / "home").mkdir(mode=0o700)
    (home / "home/exercises").write_text("in the way")
    status, _, err = lab("reset", "raft")
    assert status == 2
    assert err.endswith("; nothing was changed\n")
    assert (home / "exercise.py").read_text() == "mine\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Who keeps the exercise elsewhere finds it there."""
    elsewhere, link = tmp_path / "mine.py", tmp_path / "exercise.py"
    elsewhere.write_text("old")
    link.symlink_to(elsewhere)
    kept = replace_file(link, "new", tmp_path / "attic", "raft")
    assert kept is not None
    assert (link.is_symlink(), elsewhere.read_text(), kept.read_text()) == (True, "new", "old")
