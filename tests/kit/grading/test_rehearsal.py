"""Somebody's file runs in the cage before it runs as nodes of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labs.kit.grading import real
from labs.kit.grading.judge import Implementation, Judge, Outcome, Run
from labs.raft.checks import COURSE
from tests.kit.grading.players import on_timeout, written
from tests.kit.grading.test_hostile import CAGED

CHECK = "one-leader-is-elected"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runtimes in which nodes would have been started; each run passes."""
    found: list[str] = []

    async def on_processes(runtime: str, *_: Any) -> None:
        found.append(runtime)

    monkeypatch.setattr(real, "on_processes", on_processes)
    return found


def judged(judge: Judge, file: Path) -> Outcome:
    """How the check ends on nodes of their own."""
    return judge.run(Run(CHECK, 1, Implementation("mine", file=file, class_name="MyRaft"), "local"))


def test_what_keeps_within_the_cage_runs_on_nodes(tmp_path: Path, started: list[str]) -> None:
    """One schedule a part in the cage comes first, once for a file however often it is judged."""
    file = written(tmp_path, "class MyRaft(Raft):\n    pass\n")
    with Judge(COURSE) as judge:
        assert [judged(judge, file).verdict for _ in range(2)] == ["pass", "pass"]
        assert len(judge._rehearsed) == 1
    assert started == ["local", "local"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(
            "import os; os.open('x', os.O_CREAT | os.O_WRONLY)", "PermissionError", marks=CAGED
        ),
        pytest.param("import socket; socket.socket()", "PermissionError", marks=CAGED),
        ("raise SystemExit", "SystemExit"),
        ("while True: pass", "no end after"),
    ],
)
def test_what_does_not_starts_no_node(
    tmp_path: Path, started: list[str], code: str, said: str
) -> None:
    """Whatever it did instead of its part is the failure, with the line."""
    with Judge(COURSE) as judge:
        outcome = judged(judge, on_timeout(tmp_path, code))
        assert (outcome.verdict, outcome.where) == ("fail", "mine:5")
        assert "before it ran on nodes of its own" in outcome.observed
        assert said in outcome.observed
        assert judged(judge, tmp_path / "exercise.py").observed == outcome.observed
    assert started == []


def test_every_part_is_tried(tmp_path: Path, started: list[str]) -> None:
    """Also what the check that is asked for would never reach."""
    text = """
        class MyRaft(Raft):
            def take_snapshot(self):
                raise OSError("a file, please")
        """
    with Judge(COURSE) as judge:
        outcome = judged(judge, written(tmp_path, text))
    assert outcome.verdict == "fail"
    assert "a file, please" in outcome.observed
    assert started == []


def test_a_file_that_was_saved_is_tried_anew(tmp_path: Path, started: list[str]) -> None:
    """What it was found to be before says nothing about it."""
    with Judge(COURSE) as judge:
        file = on_timeout(tmp_path, "raise SystemExit")
        assert judged(judge, file).verdict == "fail"
        written(tmp_path, "class MyRaft(Raft):\n    pass\n")
        assert judged(judge, file).verdict == "pass"
    assert started == ["local"]


def test_a_broken_guarantee_is_no_matter_of_the_cage(tmp_path: Path, started: list[str]) -> None:
    """The checks judge those, on real nodes as in simulation."""
    text = """
        class MyRaft(Raft):
            def election_timed_out(self):
                pass
        """
    with Judge(COURSE) as judge:
        assert judged(judge, written(tmp_path, text)).verdict == "pass"
    assert started == ["local"]
