"""`lab timeline`, and what stays of a lab that has ended."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from labs.kit import last_run
from labs.kit.cli import run
from labs.kit.last_run import FILE_BYTES_MAX
from labs.kit.session import HOME_VARIABLE
from nodes.cluster.api import NodeState
from tests.kit.conftest import Desk
from tests.kit.timeline.script import election

Captured = pytest.CaptureFixture[str]


def document(capsys: Captured) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a lab that has ended."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    last = tmp_path / "home" / "last"
    (last / "events").mkdir(parents=True)
    for event in election().events:
        with (last / "events" / f"{event.node}.events.jsonl").open("a") as file:
            file.write(event.to_json() + "\n")
    facts = {"lab": "raft", "runtime": "local", "nodes": ["n1", "n2", "n3"]}
    (last / "lab.json").write_text(json.dumps(facts))
    return tmp_path / "home"


async def ended(desk: Desk) -> None:
    """Ends the lab as `lab down` does; the conductor is a task of this very process."""
    from labs.kit.api_client import connect

    await asyncio.to_thread(lambda: connect(desk.folder).post("/v1/down", {}))
    assert desk.task is not None
    async with asyncio.timeout(5):
        await desk.task


# ------------------------------------------------------------------------------------ what is shown


def test_text_by_default(home: Path, capsys: Captured) -> None:
    """The last lines, in a hundred columns, and nothing on stderr."""
    del home
    assert run(["timeline", "--last", "450ms"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "n2 campaigns for term 2" in out
    assert "n1 campaigns for term 1" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_lines_are_bounded(home: Path, capsys: Captured) -> None:
    """--lines says how many."""
    del home
    assert run(["timeline", "--lines", "2"]) == 0
    assert "20 lines before these are left out" in capsys.readouterr().out


def test_pictures_and_pages(home: Path, capsys: Captured, tmp_path: Path) -> None:
    """Both can be written at once; stdout stays empty, and stderr says what was written."""
    del home
    svg, html = tmp_path / "t.svg", tmp_path / "t.html"
    assert run(["timeline", "--svg", str(svg), "--html", str(html)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"written: {svg}", f"written: {html}"]
    ElementTree.parse(svg)
    assert "raft lab, ended (local)" in svg.read_text()
    assert "n2 became leader of term 2" in html.read_text()


def test_events_merged(home: Path, capsys: Captured, tmp_path: Path) -> None:
    """In an order that keeps happens-before, into a file or to stdout."""
    del home
    path = tmp_path / "t.jsonl"
    assert run(["timeline", "--jsonl", str(path), "--from", "400ms"]) == 0
    written = path.read_text()
    assert run(["timeline", "--jsonl", "-", "--from", "400ms"]) == 0
    assert capsys.readouterr().out == written
    events = [json.loads(line) for line in written.splitlines()]
    assert [event["lamport"] for event in events] == sorted(event["lamport"] for event in events)
    assert min(event["at_ms"] for event in events) == 500


def test_as_json(home: Path, capsys: Captured, tmp_path: Path) -> None:
    """What the picture shows, as figures; files are named."""
    del home
    svg = tmp_path / "t.svg"
    assert run(["timeline", "--json", "--svg", str(svg)]) == 0
    shown = document(capsys)
    assert (shown["lab"], shown["of"], shown["nodes"]) == ("raft", "ended", ["n1", "n2", "n3"])
    assert shown["messages"] == {"arrived": 6, "lost": 1, "open": 0}
    assert [fault["kind"] for fault in shown["faults"]] == ["kill", "pause"]
    assert {"node": "n2", "role": "leader", "term": 2, "from_ms": 501.5, "to_ms": None} in shown[
        "roles"
    ]
    assert shown["files"] == [str(svg)]


def test_a_kept_run(home: Path, capsys: Captured) -> None:
    """--run shows a run by its name, and names those that there are."""
    folder = home / "runs" / "leader-crash-1"
    folder.mkdir(parents=True)
    lines = "".join(event.to_json() + "\n" for event in election().events)
    (folder / "events.jsonl").write_text(lines)
    (folder / "report.json").write_text('{"lab": "raft", "experiment": "leader-crash"}')
    assert run(["timeline", "--run", "leader-crash-1"]) == 0
    assert "n2 campaigns for term 2" in capsys.readouterr().out
    assert run(["timeline", "--run", "leader-crush-1"]) == 2
    assert "did you mean leader-crash-1?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("--last 2", "such as 200ms or 1.5s"),
        ("--last 0s", "expected more than nothing"),
        ("--last 2s --from 1s", "not both"),
        ("--from 2s --to 1s", "the end is not behind the beginning"),
        ("--from 1h", "the record goes from 0.000 s to 0.906 s"),
        ("--svg /nowhere/at/all.svg", "name a file in a folder that exists"),
        ("--svg /", "name a file in a folder that exists"),
        ("--jsonl x --svg y", "give it alone"),
        ("--jsonl - --json", "with --json name a file"),
        ("--lines 0", "--lines"),
        ("--run ../last", "no such run"),
        ("--run /etc", "no such run"),
    ],
)
def test_usage(home: Path, capsys: Captured, words: str, cause: str) -> None:
    """Errors are one line with the way out, and nothing is written (SEC-11)."""
    before = sorted(home.rglob("*"))
    assert run(["timeline", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" or json.loads(out)["error"]
    assert cause in err
    assert err.count("\n") == 1
    assert sorted(home.rglob("*")) == before


def test_nothing_to_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Where no lab ever ran, the way out is named, and no folder is made."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "nowhere"))
    assert run(["timeline"]) == 2
    assert "start one with `lab up LAB`" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_a_record_that_cannot_all_be_read(home: Path, capsys: Captured) -> None:
    """Is shown as far as it can, and stderr says what is missing."""
    with (home / "last" / "events" / "n1.events.jsonl").open("a") as file:
        file.write("nonsense\n")
    assert run(["timeline"]) == 0
    assert "1 lines of the event files could not be read" in capsys.readouterr().err


# --------------------------------------------------------------------------- from the running lab


async def test_of_the_running_lab_and_then_of_the_last(running: Desk, capsys: Captured) -> None:
    """Faults, operations and nodes that die are in the picture, also after the lab's end."""
    running.cluster.event("n1", "leader", term=1, votes="n1,n2,n3")
    assert await running.lab("put", "x", "blue") == 0
    assert await running.lab("get", "x") == 0
    assert await running.lab("fault", "kill", "n2") == 0
    running.cluster.silent = set(running.cluster.nodes)
    assert await running.lab("put", "x", "1", "--node", "n1", "--timeout", "20ms") == 2
    running.cluster.silent = set()
    running.cluster.states["n3"] = NodeState.DOWN
    assert await running.lab("status") == 0
    capsys.readouterr()
    assert await running.lab("timeline", "--json") == 0
    before = document(capsys)
    assert (before["lab"], before["of"], before["operations"]) == ("raft", "running", 3)
    assert [fault["kind"] for fault in before["faults"]] == ["kill"]
    last_roles = {band["node"]: band["role"] for band in before["roles"]}
    assert last_roles == {
        "n1": "leader",
        "n2": "down",
        "n3": "down",
        "n4": "follower",
        "n5": "follower",
    }
    await ended(running)
    assert await running.lab("timeline", "--json") == 0
    after = document(capsys)
    assert after["of"] == "ended"
    assert {**after, "of": 0} == {**before, "of": 0}
    assert await running.lab("timeline") == 0
    assert "client process" in capsys.readouterr().out


async def test_the_history_of_commands_is_one(running: Desk, tmp_path: Path) -> None:
    """What was typed can be judged: every operation is paired, values are what users wrote."""
    from labs.kit.history import operations, read_history

    assert await running.lab("put", "x", "blue") == 0
    assert await running.lab("cas", "x", "blue", "red") == 0
    assert await running.lab("cas", "x", "blue", "red") == 1
    assert await running.lab("get", "x") == 0
    assert await running.lab("delete", "x") == 0
    assert await running.lab("put", "x", "1", "--node", "n9") == 2
    await ended(running)
    found = operations(read_history(running.folder.path / "last" / "history.jsonl"))
    assert [(one.f, one.argument, one.result, one.outcome) for one in found] == [
        ("put", "blue", "blue", "ok"),
        ("cas", ["blue", "red"], ["blue", "red"], "ok"),
        ("cas", ["blue", "red"], None, "fail"),
        ("get", None, "red", "ok"),
        ("delete", None, None, "ok"),
        ("put", "1", None, "fail"),
    ]
    assert {one.process for one in found} == {0}, "one process as long as nobody is in doubt"


async def test_logs_after_the_end(running: Desk, capsys: Captured) -> None:
    """The last lab's logs can still be read; stderr says whose they are."""
    running.cluster.log_path("n2").write_bytes(b"one\n\x1b]0;owned\x07two\n")
    await ended(running)
    assert await running.lab("logs", "n2", "--lines", "1") == 0
    out, err = capsys.readouterr()
    assert out == "\\x1b]0;owned\\x07two\n"
    assert "this is n2's log of the last one" in err
    assert await running.lab("logs", "n2", "--json") == 0
    assert document(capsys)["ended"] is True
    assert await running.lab("logs", "n22") == 2
    assert "did you mean n2" in capsys.readouterr().err


async def test_the_next_start_replaces_the_record(running: Desk, capsys: Captured) -> None:
    """Of two labs in a row only the later one is shown, from its start on."""
    await ended(running)
    kept = running.folder.path / "last" / "events" / "n1.events.jsonl"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    again = Desk(running.folder)
    await again.started()
    assert not kept.exists()
    assert await again.lab("timeline", "--json") == 0
    assert document(capsys)["of"] == "running"
    await ended(again)
    assert kept.exists()
    assert not (running.folder.path / "cluster").exists()


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    """Of a file that is too long the end stays, from a whole line on; links are left alone."""
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    line = b"x" * 999 + b"\n"
    (cluster / "n1.events.jsonl").write_bytes(line * (FILE_BYTES_MAX // 1000 + 50))
    (tmp_path / "precious").write_text("keep")
    (cluster / "n2.log").symlink_to(tmp_path / "precious")
    last_run.keep(tmp_path, events=[cluster / "n1.events.jsonl"], logs=[cluster / "n2.log"])
    kept = tmp_path / "last" / "events" / "n1.events.jsonl"
    assert FILE_BYTES_MAX - 1000 <= kept.stat().st_size <= FILE_BYTES_MAX
    assert set(kept.read_bytes().splitlines()) == {line.strip()}
    assert list((tmp_path / "last" / "logs").iterdir()) == []


def test_a_record_that_cannot_be_kept_stops_no_lab(tmp_path: Path) -> None:
    """Where the folder cannot be made, the lab ends all the same."""
    (tmp_path / "last").write_text("in the way")
    last_run.keep(tmp_path, events=[tmp_path / "missing"], logs=[])
    assert (tmp_path / "last").read_text() == "in the way"
