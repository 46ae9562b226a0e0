"""Sessions with real processes: from `lab up` to the end, however it comes; nothing is left."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nodes.cluster.forkserver import can_fork
from tests.support.seeds import is_full
from tests.support.terminal import PATIENCE_S, Terminal, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.end()


@pytest.fixture
def lab_up(terminal: Terminal) -> Terminal:
    status, out, err = terminal.lab("up", "raft", "--detach", "--runtime", "local")
    assert status == 0, err
    assert "raft is ready, " in out
    assert len(terminal.session().processes) == 6 + can_fork(), (
        "five nodes, a proxy, who forks nodes"
    )
    return terminal


def test_first_ten_minutes(lab_up: Terminal) -> None:
    """Up returns with a leader that serves; write, kill the leader, read, heal, down."""
    before = lab_up.json("status")
    assert before["ready"]
    assert before["leader"]
    assert {node["state"] for node in before["nodes"]} == {"up"}
    assert lab_up.json("put", "colour", "blue")["ok"] is True

    killed = lab_up.json("fault", "kill", "leader")
    assert killed["fault"]["nodes"] == [before["leader"]]
    got = lab_up.json("get", "colour")
    assert (got["ok"], got["value"]) == (True, "blue")
    assert got["node"] != before["leader"]
    after = lab_up.json("status")
    states = {node["id"]: node["state"] for node in after["nodes"]}
    assert states[before["leader"]] == "down"
    assert [fault["kind"] for fault in after["faults"]] == ["kill"]

    lab_up.json("fault", "partition", "leader")
    assert any(link["toxics"] for link in lab_up.json("status")["links"])
    lab_up.json("fault", "heal")
    healed = lab_up.json("status")
    assert healed["faults"] == []
    assert not any(link["toxics"] for link in healed["links"])
    assert {node["state"] for node in healed["nodes"]} == {"up"}
    assert lab_up.json("append", "colour", "ish")["ok"] is True

    sentences = [event["sentence"] for event in lab_up.json("watch")["events"]]
    assert any("became leader of term" in sentence for sentence in sentences)
    everyone = lab_up.everyone()
    status, out, err = lab_up.lab("down")
    assert (status, out) == (0, "the raft lab has ended\n"), err
    lab_up.assert_nothing_left(everyone)
    assert lab_up.lab("down")[:2] == (0, "no lab is running here\n")


def test_the_record_outlives_the_lab(lab_up: Terminal) -> None:
    """A leader's crash is in the picture of real processes, and stays when the lab has ended."""
    leader = lab_up.json("status")["leader"]
    assert lab_up.json("put", "x", "1")["ok"]
    lab_up.json("fault", "kill", "leader")
    assert lab_up.json("put", "x", "2")["ok"]
    everyone = lab_up.everyone()
    assert lab_up.lab("down")[0] == 0
    lab_up.assert_nothing_left(everyone)
    shown = lab_up.json("timeline", "--svg", "t.svg", "--html", "t.html")
    assert ElementTree.parse(lab_up.cwd / "t.svg").getroot().get("data-from") is not None
    assert (shown["of"], shown["operations"]) == ("ended", 2)
    assert [(one["kind"], one["nodes"]) for one in shown["faults"]] == [("kill", [leader])]
    of_leader = [band["role"] for band in shown["roles"] if band["node"] == leader]
    assert of_leader[-2:] == ["leader", "down"]
    leaders = [(band["term"], band["node"]) for band in shown["roles"] if band["role"] == "leader"]
    assert max(leaders)[1] != leader
    # The survivors go on calling the dead one; each of those calls is lost, none to the living.
    assert shown["messages"]["lost"] > 0
    assert shown["messages"]["arrived"] > 20
    assert lab_up.lab("logs", leader)[0] == 0


def test_second_up_is_refused(lab_up: Terminal) -> None:
    """A second lab is refused in either way of starting it; the first goes on."""
    for words in (
        ("up", "raft", "--runtime", "local"),
        ("up", "raft", "--detach", "--runtime", "local"),
    ):
        status, _, err = lab_up.lab(*words)
        assert status == 2
        assert "the raft lab already runs here (local, since " in err
        assert "end it with `lab down`" in err
    assert lab_up.json("status")["ready"]


def test_two_at_once(terminal: Terminal) -> None:
    """Of two that start at the same moment one wins, the other is told."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [
        terminal.start("up", "raft", "--detach", "--runtime", "local", **pipes) for _ in range(2)
    ]
    results = [process.communicate(timeout=60) for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], results
    assert terminal.json("status")["ready"]


def test_kill_of_the_conductor(lab_up: Terminal) -> None:
    """kill -9 of the conductor ends nodes, paused ones too, and proxy; the next command says so."""
    lab_up.json("fault", "pause", "follower")
    everyone = lab_up.everyone()
    everyone[0].send(signal.SIGKILL)
    wait_until(lambda: not any(mark.alive() for mark in everyone), "everyone gone")
    status, _, err = lab_up.lab("status")
    assert status == 2
    assert "cleaned up after a raft lab whose conductor" in err
    assert lab_up.folder.read() is None
    status, _, err = lab_up.lab("up", "raft", "--detach", "--runtime", "local")
    assert status == 0, err


def test_node_that_dies_by_itself(lab_up: Terminal) -> None:
    """A node killed behind the conductor's back shows as down, and an event says how it ended."""
    victim = lab_up.json("status")["nodes"][2]
    os.kill(int(victim["host"]["pid"]), signal.SIGKILL)

    def seen() -> bool:
        return bool(lab_up.json("status")["nodes"][2]["state"] == "down")

    began = time.monotonic()
    wait_until(seen, "n3 shown as down")
    assert time.monotonic() - began < 3
    sentences = [event["sentence"] for event in lab_up.json("watch")["events"]]
    assert any(sentence.startswith("n3 is down: ") for sentence in sentences)


def test_frozen_node_is_noticed(lab_up: Terminal) -> None:
    """A node stopped behind the conductor's back is shown silent within 3 s."""
    pid = int(lab_up.json("status")["nodes"][3]["host"]["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        wait_until(lambda: not lab_up.json("status")["nodes"][3]["answers"], "n4 shown as silent")
        assert time.monotonic() - began < 3
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_in_the_foreground(terminal: Terminal, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and SIGHUP end a lab in the foreground with everything that belongs to it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = terminal.start("up", "raft", "--runtime", "local", **pipes)
    assert process.stdout is not None
    process.stdout.readline()  # the first event comes when the lab is ready
    everyone = terminal.everyone()
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert b"the raft lab has ended" in err
    terminal.assert_nothing_left(everyone)


# Everyday runs try each moment in one of the two ways.
MOMENTS_S = (0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9)
INTERRUPTIONS = [
    (after_s, twice)
    for number, after_s in enumerate(MOMENTS_S)
    for twice in (False, True)
    if is_full() or twice == number % 2
]


@pytest.mark.parametrize(("after_s", "twice"), INTERRUPTIONS)
def test_interrupted_start(terminal: Terminal, after_s: float, twice: bool) -> None:
    """Ctrl-C at any moment of the start, once or twice, leaves nothing; the next start works."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = terminal.start("up", "raft", "--detach", "--runtime", "local", **pipes)
    assert process.stderr is not None
    if after_s:
        process.stderr.readline()  # now it has begun
        time.sleep(after_s)
    session = terminal.folder.read()
    process.send_signal(signal.SIGINT)
    if twice:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    if process.returncode == 0:
        assert terminal.lab("down")[0] == 0, "it was ready before the signal came"
    marks = [session.conductor, *session.processes] if session else []
    terminal.folder.create()
    terminal.assert_nothing_left(marks)
    with terminal.folder.lock() as leftover:
        assert leftover is None


def test_waiting_command_killed(terminal: Terminal) -> None:
    """When `lab up --detach` itself is killed before the lab is ready, the lab is given up."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    slow = ("--set", "election_timeout_ms_min=3000", "--set", "election_timeout_ms_max=4000")
    process = terminal.start("up", "raft", "--detach", "--runtime", "local", *slow, **pipes)
    wait_until(lambda: terminal.folder.read() is not None, "conductor started")
    everyone = terminal.everyone()
    process.kill()
    process.communicate()
    terminal.assert_nothing_left(everyone)


def test_live_view_in_a_terminal(terminal: Terminal) -> None:
    """In a terminal the live view is drawn, and closing the terminal ends the lab."""
    master, slave = pty.openpty()
    terminal.environment["TERM"] = "xterm"
    process = subprocess.Popen(
        [sys.executable, "-m", "labs.kit.cli", "up", "raft", "--runtime", "local"],
        cwd=terminal.cwd,
        env=terminal.environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(slave)
    seen = b""
    while b"applied" not in seen or b"follower" not in seen:
        seen += os.read(master, 65536)
    everyone = terminal.everyone()
    os.close(master)  # the kernel sends SIGHUP
    assert process.wait(PATIENCE_S) is not None
    terminal.assert_nothing_left(everyone)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
