"""The `lab` command as a second terminal uses it, against a lab in memory."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labs.kit.cli import run
from labs.kit.session import HOME_VARIABLE
from nodes.cluster.api import NodeState
from tests.kit.conftest import Desk

Captured = pytest.CaptureFixture[str]


def document(capsys: Captured) -> Any:
    """What was printed to stdout: one JSON document and nothing else."""
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


# --------------------------------------------------------------------------------- nothing runs


@pytest.mark.parametrize(
    "command",
    ["status", "watch", "logs n1", "put x 1", "get x", "fault kill n1", "fault list", "fault heal"],
)
def test_nothing_is_running(nothing_runs: Path, capsys: Captured, command: str) -> None:
    """Without a lab, commands say so in one line with the way out, and change nothing."""
    assert run(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lab: no lab is running here; start one with `lab up LAB`")
    assert err.count("\n") == 1
    assert not nothing_runs.exists()


def test_nothing_is_running_as_json(nothing_runs: Path, capsys: Captured) -> None:
    """With --json the error is the document."""
    del nothing_runs
    assert run(["status", "--json"]) == 2
    assert "no lab is running" in document(capsys)["error"]


def test_down_without_a_lab(nothing_runs: Path, capsys: Captured) -> None:
    """To end nothing is done at once."""
    assert run(["down"]) == 0
    assert capsys.readouterr().out == "no lab is running here\n"
    nothing_runs.mkdir()
    (nothing_runs / "session.json").write_text("{")
    assert run(["down", "--json"]) == 0
    assert "unreadable session file" in document(capsys)["message"]
    assert not (nothing_runs / "session.json").exists()


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        ("up rft", "did you mean raft?"),
        ("up raft --nodes 0", "1 to 7 nodes"),
        ("up raft --nodes many", "Invalid value for '--nodes'"),
        ("up raft --set heartbeat_ms", "expected KEY=VALUE"),
        ("up raft --runtime docker", "--runtime docker"),
        ("up raft --runtime compose", "--runtime local` needs no Docker"),
        ("up", "Missing argument 'LAB'"),
        ("statsu", "Did you mean 'status'"),
        ("fault kil n1", "Did you mean 'kill'"),
        ("fault partition", "Missing argument"),
        ("fault delay n1 n2 fast", "such as 200ms"),
        ("fault delay n1 n2 20", "such as 200ms"),
        ("fault bandwidth n1 n2 quick", "Invalid value for 'KB/S'"),
        ("fault lose many", "expected a percentage"),
        ("fault lose n1 n2 n3 20", "[NODE [PEER]] PERCENT"),
        ("fault lose 20 --requests --responses", "without either both are lost"),
        ("fault skew n1 --rate nan", "finite number"),
        ("fault kill n1,,n2", "a name is empty"),
        ("put x", "give a VALUE"),
        ("put x 1 --file f", "and not both"),
        ("put x --file /nowhere/at/all", "cannot read /nowhere/at/all"),
        ("put x -5", "goes behind `--`"),
        ("put x 1 --timeout 5", "--timeout 5"),
        ("cas x 1", "give OLD and NEW"),
        ("cas --absent x 1 2", "give OLD and NEW"),
        ("logs n1 --lines 0", "--lines"),
        ("status --bogus", "No such option"),
    ],
)
def test_usage(nothing_runs: Path, capsys: Captured, command: str, cause: str) -> None:
    """Usage errors are one line with the cause and a hint, status 2, and never a traceback."""
    del nothing_runs
    assert run(command.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert cause in err
    assert err.count("\n") == 1, err


@pytest.mark.parametrize(("command", "offered"), [([], "status"), (["fault"], "partition")])
def test_bare_command_helps(capsys: Captured, command: list[str], offered: str) -> None:
    """Without a subcommand the help is shown: it lists what there is."""
    assert run(command) == 2
    assert offered in capsys.readouterr().err


def test_unexpected_errors_have_no_traceback(
    nothing_runs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours is one line, too; --debug shows where it was."""
    del nothing_runs

    def broken() -> None:
        raise ZeroDivisionError("boom\x1b[2J")

    monkeypatch.setattr("labs.kit.cli_session.connect", broken)
    assert run(["status"]) == 2
    err = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: boom\\x1b[2J" in err
    assert err.count("\n") == 1
    assert run(["status", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_commands_start_light() -> None:
    """What a second terminal needs loads neither gRPC nor the HTTP server."""
    code = (
        "import sys; from labs.kit.cli import run; run(['status']);"
        "print([m for m in ('grpc', 'aiohttp', 'google.protobuf', 'docker', 'rich', 'asyncio') "
        "if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, HOME_VARIABLE: "/nowhere"},
    )
    assert out.stdout.strip() == "[]"


def test_list(capsys: Captured) -> None:
    """The labs, with their settings as JSON."""
    assert run(["list"]) == 0
    assert "Raft: a log that survives its leader" in capsys.readouterr().out
    assert run(["list", "--json"]) == 0
    [raft] = [lab for lab in document(capsys) if lab["id"] == "raft"]
    assert {"name", "default", "doc"} <= raft["settings"][0].keys()


def test_doctor(nothing_runs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line says ok, warn or bad; what a dead lab left is found, and cleaned when asked."""
    monkeypatch.setenv("PATH", "/nowhere")
    nothing_runs.mkdir()
    (nothing_runs / "session.json").write_text("{}")
    assert run(["doctor", "--json"]) == 0
    findings = {finding["subject"]: finding for finding in document(capsys)}
    assert {one["level"] for one in findings.values()} <= {"ok", "warn", "bad"}
    assert findings["docker engine"]["level"] == "warn"
    assert "not installed" in findings["docker engine"]["text"]
    assert findings["session"]["level"] == "warn"
    assert run(["doctor", "--clean"]) == 0
    assert "cleaned up after" in capsys.readouterr().out
    assert not (nothing_runs / "session.json").exists()


# ----------------------------------------------------------------------------------- a lab runs


async def test_status(running: Desk, capsys: Captured) -> None:
    """The status of DESIGN's form, and as a table."""
    assert await running.lab("status", "--json") == 0
    status = document(capsys)
    assert (status["lab"], status["runtime"], status["leader"]) == ("raft", "local", "n1")
    assert [node["id"] for node in status["nodes"]] == ["n1", "n2", "n3", "n4", "n5"]
    assert {node["state"] for node in status["nodes"]} == {"up"}
    assert status["nodes"][1]["role"] == "follower"
    assert status["faults"] == []
    assert await running.lab("status") == 0
    table = capsys.readouterr().out
    assert "leader n1" in table
    assert table.count("follower") == 4


async def test_faults(running: Desk, capsys: Captured) -> None:
    """A fault says what a role resolved to, what it did and what to look for; heal undoes it."""
    assert await running.lab("fault", "kill", "leader") == 0
    out, err = capsys.readouterr()
    assert out == "killed n1 without warning\n"
    assert "leader is n1" in err
    assert "watch for: " in err
    assert running.cluster.node_state("n1") is NodeState.DOWN
    assert await running.lab("fault", "partition", "n2", "n3,n4,n5", "--json") == 0
    assert document(capsys)["fault"] == {"do": "partition", "groups": [["n2"], ["n3", "n4", "n5"]]}
    assert await running.lab("status") == 0
    table = capsys.readouterr().out
    assert "links: n2<->n3, n2<->n4, n2<->n5  cut" in table
    assert "fault: killed n1" in table
    assert "down" in table
    assert await running.lab("fault", "list", "--json") == 0
    assert [fault["kind"] for fault in document(capsys)] == ["kill", "partition"]
    assert await running.lab("fault", "heal") == 0
    assert running.cluster.node_state("n1") is NodeState.UP
    assert await running.lab("fault", "list") == 0
    assert "no fault is active" in capsys.readouterr().err


async def test_heal_waits_for_those_behind(running: Desk, capsys: Captured) -> None:
    """A healed cluster has no node that does not know yet what was committed before."""
    running.cluster.behind_looks = 3
    assert await running.lab("fault", "kill", "n2") == 0
    assert await running.lab("fault", "heal") == 0
    assert "not caught up yet" not in capsys.readouterr().err
    assert running.cluster.behind["n2"] == 0


async def test_heal_names_those_that_stay_behind(running: Desk, capsys: Captured) -> None:
    """It does not wait for ever, and says who has not caught up."""
    running.cluster.behind_looks = 1_000_000
    assert await running.lab("fault", "kill", "n2") == 0
    assert await running.lab("fault", "heal") == 0
    assert "not caught up yet: n2; `lab status` shows" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "isolate leader",
        "cut n1 n2 --one-way",
        "sever client n1",
        "delay n1 n2 200ms --jitter 50ms",
        "bandwidth n1 n2 100 --one-way",
        "slice n1 n2 --size 64",
        "slow-close n1 n2 2s",
        "limit n1 n2 10000",
        "reset n1 n2",
        "pause random",
        "restart n1,n2 n3",
        "wipe n2",
        "power-cut all",
        "skew n1 --offset -5s --rate 0.5",
        "lose 10",
        "lose leader n2 30% --responses",
        "duplicate n1 20",
        "reorder 20 --hold 100ms",
    ],
)
async def test_every_kind_of_fault(running: Desk, capsys: Captured, command: str) -> None:
    """Every fault of the table can be asked for as its help says, and is healed."""
    assert await running.lab("fault", *command.split()) == 0, capsys.readouterr().err
    assert await running.lab("fault", "heal") == 0
    assert running.cluster.faults.active() == []


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        ("kill n9", "there is no node or role 'n9'"),
        ("kill leadr", "did you mean leader?"),
        ("kill candidate", "no candidate right now"),
        ("resume n1", "n1"),
        ("partition n1 n1", "named twice"),
        ("partition n1,n2 n2,n3", "named twice"),
        ("partition n1,n2,n3,n4,n5", "nothing to partition"),
        ("cut n1 n1", "no link to itself"),
        ("cut n1,n2 n3", "one node is needed"),
        ("kill client", "client is no node"),
        ("delay n1 n2 -5ms", "5"),
        ("delay n1 n2 0ms", "changes nothing"),
        ("delay n1 n2 10ms --jitter 20ms", "jitter"),
        ("bandwidth n1 n2 0", "rate"),
        ("slice n1 n2 --size 0", "0"),
        ("slice n1 n2 --size 5 --variation 5", "5"),
        ("skew n1", "needs an offset or a rate"),
        ("skew n1 --rate 0", "rate"),
        ("lose 0", "above 0"),
        ("lose 101", "at most 100"),
        ("lose nan", "nan"),
    ],
)
async def test_refused_faults(running: Desk, capsys: Captured, command: str, cause: str) -> None:
    """A fault that makes no sense is one line, status 2, and changes nothing."""
    words = command.replace("-5ms", "-- -5ms").split() if "-5ms" in command else command.split()
    assert await running.lab("fault", *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert cause in err
    assert err.count("\n") == 1
    assert running.cluster.faults.active() == []
    assert running.cluster.wanted == {}
    assert set(running.cluster.states.values()) == {NodeState.UP}


async def test_client_verbs(running: Desk, capsys: Captured) -> None:
    """Values go in and come out; exit status 1 is a no."""
    assert await running.lab("put", "x", "blue") == 0
    assert await running.lab("get", "x") == 0
    assert capsys.readouterr().out == "blue\n"
    assert await running.lab("cas", "x", "green", "red") == 1
    assert "no: the key holds blue" in capsys.readouterr().err
    assert await running.lab("cas", "x", "blue", "red", "--json") == 0
    done = document(capsys)
    assert (done["ok"], done["node"], done["error"]) == (True, "n1", None)
    assert await running.lab("append", "x", "--", "-5") == 0
    assert running.cluster.values["x"] == b"red-5"
    assert await running.lab("delete", "x") == 0
    assert await running.lab("get", "x") == 1
    assert "no such key" in capsys.readouterr().err
    assert await running.lab("cas", "--absent", "y", "1") == 0
    assert await running.lab("put", "x", "1", "--node", "n2") == 1
    assert "n2 refused: not the leader" in capsys.readouterr().err


async def test_any_bytes_survive(running: Desk, capsys: Captured, tmp_path: Path) -> None:
    """Arguments that are not UTF-8 arrive byte for byte, and are shown with escapes."""
    value = b"\xff\x00\x1b[2J" + "é世".encode()
    argument = os.fsdecode(value.replace(b"\x00", b""))
    assert await running.lab("put", "x", argument) == 0
    assert running.cluster.values["x"] == value.replace(b"\x00", b"")
    (tmp_path / "value").write_bytes(value)
    assert await running.lab("put", "x", "--file", str(tmp_path / "value")) == 0
    assert running.cluster.values["x"] == value
    capsys.readouterr()
    assert await running.lab("get", "x") == 0
    shown = capsys.readouterr().out
    assert shown == "\\xff\\x00\\x1b[2Jé世\n"
    assert await running.lab("get", "x", "--json") == 0
    import base64

    assert base64.b64decode(document(capsys)["value_base64"]) == value


@pytest.mark.parametrize("key", [os.fsdecode(b"\xff"), "", "k" * 1025])
async def test_bad_keys(running: Desk, capsys: Captured, key: str) -> None:
    """A key that no node may see is refused before one does."""
    assert await running.lab("put", key, "1") == 2
    assert capsys.readouterr().err.startswith("lab: a key ")
    assert running.cluster.sent == []


async def test_unknown_outcome_is_status_2(running: Desk, capsys: Captured) -> None:
    """`may have happened` is null and status 2: unknown is neither yes nor no."""
    running.cluster.silent = set(running.cluster.nodes)
    words = ("put", "x", "1", "--node", "n1", "--timeout", "20ms")
    assert await running.lab(*words, "--json") == 2
    assert document(capsys)["ok"] is None
    assert await running.lab(*words) == 2
    assert "it may have happened" in capsys.readouterr().err


async def test_logs(running: Desk, capsys: Captured) -> None:
    """A node's log, with everything that could steer the terminal escaped (SEC-10)."""
    running.cluster.log_path("n2").write_bytes(b"one\n\x1b]0;owned\x07two\n")
    assert await running.lab("logs", "n2", "--lines", "1") == 0
    assert capsys.readouterr().out == "\\x1b]0;owned\\x07two\n"
    assert await running.lab("logs", "n2", "--json") == 0
    assert document(capsys)["lines"][0] == "one"
    assert await running.lab("logs", "n7") == 2
    assert "no node is called 'n7'" in capsys.readouterr().err


async def test_an_empty_log_says_so(running: Desk, capsys: Captured) -> None:
    """A node that complained of nothing is no riddle: a line on stderr says where to look."""
    running.cluster.log_path("n1").write_bytes(b"")
    assert await running.lab("logs", "n1") == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "lab watch" in shown.err


async def test_watch_once(running: Desk, capsys: Captured) -> None:
    """`lab watch --json` is the status with the last events."""
    assert await running.lab("watch", "--json") == 0
    seen = document(capsys)
    assert seen["leader"] == "n1"
    assert seen["events"][0]["sentence"] == "n1 started"


async def test_down(running: Desk, capsys: Captured) -> None:
    """`lab down` ends the lab. Here the conductor is this very process, so only its end is seen."""
    from labs.kit.api_client import connect

    await asyncio.to_thread(lambda: connect(running.folder).post("/v1/down", {}))
    assert running.task is not None
    async with asyncio.timeout(5):
        assert await running.task == "lab down"
    assert await running.lab("status") == 2
    assert "no lab is running" in capsys.readouterr().err
