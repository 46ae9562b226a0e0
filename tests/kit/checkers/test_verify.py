"""`lab verify` as a user runs it, and the pictures that it draws."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from labs.kit.checkers import MODELS, judge
from labs.kit.checkers.page import page
from labs.kit.checkers.picture import svg
from labs.kit.checkers.text import lines
from labs.kit.cli import run
from labs.kit.history import Entry, operations, write_history
from tests.support.histories import random_history

STALE = [
    Entry(0, "invoke", "write", 1, "x", 1_000_000),
    Entry(0, "ok", "write", 1, "x", 2_000_000),
    Entry(1, "invoke", "write", 2, "x", 3_000_000),
    Entry(1, "ok", "write", 2, "x", 5_000_000),
    Entry(0, "invoke", "read", None, "x", 6_000_000),
    Entry(0, "ok", "read", 1, "x", 8_000_000),
]
NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    """A history with a stale read."""
    path = tmp_path / "stale.jsonl"
    write_history(path, STALE)
    return path


def test_no(stale: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, the order that works, the read that fits nowhere, and both files."""
    drawing, html = tmp_path / "why.svg", tmp_path / "why.html"
    arguments = ["verify", str(stale), "--model", "register"]
    assert run([*arguments, "--svg", str(drawing), "--html", str(html)]) == 1
    shown = capsys.readouterr().out
    assert "linearizable: NO" in shown
    assert re.search(r"process 0, line 5 +read -> 1 +FITS NOWHERE", shown)
    assert re.search(r"process 1, line 3 +write 2 +state 2", shown)
    assert ElementTree.parse(drawing).getroot().tag == f"{NAMESPACE}svg"
    text = html.read_text()
    assert "<svg" in text
    assert "<script" not in text
    assert not re.search(r"(?:src|href)\s*=", text), "nothing is loaded from elsewhere"


def test_json(stale: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document, with the counterexample by the numbers of operations."""
    assert run(["verify", str(stale), "--model", "register", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["valid"] is False
    assert document["model"] == "register"
    assert document["consistency"] == "linearizable"
    assert document["operations"] == 3
    assert document["counterexample"]["stuck"] == 2
    assert document["counterexample"]["linearized"][-1] == {"operation": 1, "state": "2"}


def test_yes_at_a_weaker_level(stale: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same history keeps its promise where staleness is allowed."""
    status = run(["verify", str(stale), "--model", "register", "--consistency", "causal"])
    assert status == 0
    assert "causal: yes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: a history without operations proves nothing"),
        (b'{"process": 0, "type": "invoke", "f": "read"', "line 1: no JSON"),
        (b'{"process": 0, "type": "invoke", "f": "fly"}\n', "line 1: f is 'fly'"),
        (
            b'{"process": 0, "type": "invoke", "f": "enqueue", "value": 1}\n',
            "line 1: the model register has no enqueue",
        ),
        (
            b'{"process": 0, "type": "invoke", "f": "read", "time": 2}\n'
            b'{"process": 0, "type": "ok", "f": "read", "time": 1}\n',
            "line 2: time 1 is before the line above",
        ),
    ],
)
def test_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    """Status 2 and the line."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    assert run(["verify", str(path), "--model", "register"]) == 2
    assert message in capsys.readouterr().err


def test_could_not_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, never 0."""
    path = tmp_path / "lost.jsonl"
    write_history(path, STALE[:1])
    assert run(["verify", str(path), "--model", "register"]) == 2
    assert "could not tell" in capsys.readouterr().out


def test_usage(stale: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option is refused before anything is judged."""
    command = ["verify", str(stale), "--model", "register"]
    for more in (["--time-limit", "0"], ["--time-limit", "nan"], ["--svg", "/no/such/folder/x"]):
        assert run([*command, *more]) == 2
    assert "expected seconds" in capsys.readouterr().err


@pytest.mark.parametrize("model", MODELS)
def test_moments_are_inside_their_bars_and_in_order(model: str) -> None:
    """The dots of a picture are a linearization: each inside its operation, left to right."""
    from labs.kit.checkers.picture import _moments

    seen = 0
    for seed in range(150):
        entries = random_history(model, Random(f"{model}:{seed}"), steps=9)
        why = judge(entries, model).counterexample
        if why is None:
            continue
        seen += 1
        moments = list(_moments(why).items())
        assert [number for number, _ in moments] == [number for number, _ in why.linearized]
        found = operations(entries)
        for (_, before), (_, after) in pairwise(moments):
            assert before < after
        for number, moment in moments:
            done = found[number].completed
            assert found[number].invoked < moment
            assert done is None or moment < done
    assert seen > 10


def test_words_of_a_history_cannot_steer(tmp_path: Path) -> None:
    """Neither markup nor control characters get into pictures, pages or the terminal."""
    evil = "</text><script>alert(1)</script>\x1b[31m\u202e"
    entries = [
        Entry(0, "invoke", "write", evil, evil),
        Entry(0, "ok", "write", evil, evil),
        Entry(0, "invoke", "read", None, evil),
        Entry(0, "ok", "read", "else", evil),
    ]
    verdict = judge(entries, "register")
    assert verdict.valid is False
    for text in (svg(verdict, entries), page(verdict, entries), "\n".join(lines(verdict))):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script" not in page(verdict, entries)
    ElementTree.fromstring(svg(verdict, entries))


def test_the_red_bar_is_there_in_a_long_history() -> None:
    """Only what is near the violation is drawn, and the violation always is."""
    entries: list[Entry] = []
    for number in range(1, 500):
        entries += [Entry(0, "invoke", "write", number), Entry(0, "ok", "write", number)]
    entries += [Entry(1, "invoke", "read"), Entry(1, "ok", "read", 3)]
    picture = svg(judge(entries, "register"), entries)
    root = ElementTree.fromstring(picture)
    red = [one for one in root.iter(f"{NAMESPACE}rect") if one.get("stroke-width") == "2"]
    assert len(red) == 1
    assert "operations are not shown" in picture
    assert len(picture) < 100_000
