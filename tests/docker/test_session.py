"""Sessions in containers: from `lab up` to the end, however it comes; nothing is left."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodes.cluster.engine import SESSION_LABEL
from tests.support.containers import (
    NOTHING,
    container_of,
    docker,
    engine_door,
    session_of,
    things_left,
    up,
)
from tests.support.terminal import PROJECT, Terminal, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

UP_S_MAX = 15.0
DOWN_S_MAX = 10.0
NOTICED_S_MAX = 3.0
PIPES: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def noticed(holds: Callable[[], bool], what: str) -> None:
    """Within the time that is promised."""
    began = time.monotonic()
    wait_until(holds, what)
    assert time.monotonic() - began < NOTICED_S_MAX, what


def node(terminal: Terminal, name: str) -> dict[str, Any]:
    """One node of the status."""
    [found] = [one for one in terminal.json("status")["nodes"] if one["id"] == name]
    return dict(found)


def reapers(session: str) -> list[int]:
    """Processes that wait to clean up after this session."""
    command = ["pgrep", "-f", f"nodes.cluster.reaper {session}"]
    return [int(pid) for pid in subprocess.run(command, capture_output=True).stdout.split()]


def last_sentences(terminal: Terminal) -> list[str]:
    """What `lab watch` says."""
    return [event["sentence"] for event in terminal.json("watch")["events"]]


def test_up_and_down_in_time(terminal: Terminal) -> None:
    """Five nodes are ready within 15 s and gone within 10, containers, networks and volumes."""
    began = time.monotonic()
    up(terminal)
    assert time.monotonic() - began < UP_S_MAX
    label = f"{SESSION_LABEL}={session_of(terminal)}"
    assert len(things_left(label)["containers"]) == 6, "five nodes and Toxiproxy"
    everyone = terminal.everyone()
    began = time.monotonic()
    status, out, err = terminal.lab("down")
    assert (status, out) == (0, "the raft lab has ended\n"), err
    assert time.monotonic() - began < DOWN_S_MAX
    assert things_left(label) == NOTHING
    terminal.assert_nothing_left(everyone)


def test_first_ten_minutes_word_for_word(lab_up: Terminal) -> None:
    """Every `lab` command of the README's first ten minutes does what it says."""
    readme = (PROJECT / "README.md").read_text()
    chapter = readme.partition("## The first ten minutes")[2].partition("\n## ")[0]
    commands = [shlex.split(line) for line in re.findall(r"^\$ lab (.*)$", chapter, re.MULTILINE)]
    assert len(commands) > 15, "the README has changed its form"
    answers: dict[str, str] = {}
    refused = []
    for command in commands:
        # The one that goes on until Ctrl-C is asked for what there is by now.
        status, out, err = lab_up.lab(*command, *(["--json"] if command == ["watch"] else []))
        line = " ".join(command)
        answers[line] = out
        if status:
            refused.append((line, status, err))
    # A server of the minority says no to a strong read, and that is the lesson.
    lines = [(line, status) for line, status, _ in refused]
    assert lines == [("get greeting --node n1", 1)], refused
    assert answers["get greeting --node n1 --consistency stale"] == "hello\n"
    assert answers["get list"] == "xx\n"


def test_kill_of_the_conductor(lab_up: Terminal) -> None:
    """kill -9 of the conductor: its containers go by themselves, paused ones too."""
    label = f"{SESSION_LABEL}={session_of(lab_up)}"
    lab_up.json("fault", "pause", "follower")
    lab_up.session().conductor.send(signal.SIGKILL)
    wait_until(lambda: things_left(label) == NOTHING, "everything gone")
    status, _, err = lab_up.lab("status")
    assert status == 2
    assert "cleaned up after a raft lab whose conductor" in err


def test_kill_of_conductor_and_reaper(lab_up: Terminal) -> None:
    """With the reaper killed as well, the doctor finds what is left, and removes it when asked."""
    session = session_of(lab_up)
    [reaper] = reapers(session)
    os.kill(reaper, signal.SIGKILL)
    lab_up.session().conductor.send(signal.SIGKILL)
    wait_until(lambda: not lab_up.session().conductor.alive(), "conductor gone")

    def containers(*options: str) -> list[dict[str, str]]:
        return [one for one in lab_up.json("doctor", *options) if one["subject"] == "containers"]

    [finding] = containers()
    assert finding["level"] == "warn"
    assert "6 containers of a raft lab whose conductor" in finding["text"]
    lab_up.json("doctor", "--clean")
    assert things_left(f"{SESSION_LABEL}={session}") == NOTHING
    assert [one["level"] for one in containers()] == ["ok"]


def test_containers_killed_frozen_and_removed(lab_up: Terminal) -> None:
    """What is done to containers behind the conductor's back shows within 3 s, and heals."""
    docker("kill", container_of(lab_up, "n2"))
    noticed(lambda: node(lab_up, "n2")["state"] == "down", "n2 is shown down")
    wait_until(lambda: "n2 is down: was ended by SIGKILL" in last_sentences(lab_up), "it says how")
    docker("pause", container_of(lab_up, "n4"))
    noticed(lambda: not node(lab_up, "n4")["answers"], "n4 is shown silent")
    docker("unpause", container_of(lab_up, "n4"))
    docker("rm", "--force", container_of(lab_up, "n3"))
    noticed(lambda: node(lab_up, "n3")["state"] == "down", "n3 is shown down")
    lab_up.json("fault", "restart", "n2,n3")
    states = {one["id"]: one["state"] for one in lab_up.json("status")["nodes"]}
    assert set(states.values()) == {"up"}, states
    assert lab_up.json("put", "still", "here")["ok"] is True


def test_toxiproxy_killed(lab_up: Terminal) -> None:
    """Without Toxiproxy the status says so, faults of links are refused, and down cleans up."""
    docker("kill", container_of(lab_up, "toxiproxy"))

    def complaint() -> str:
        return str(lab_up.json("status")["network_error"] or "")

    noticed(lambda: "Toxiproxy's container was ended by SIGKILL" in complaint(), "it is said")
    status, _, err = lab_up.lab("fault", "partition", "n1,n2", "n3,n4,n5")
    assert status == 2
    assert "Toxiproxy's container was ended by SIGKILL" in err
    assert lab_up.lab("down")[0] == 0


def test_engine_goes_away(terminal: Terminal, tmp_path: Path) -> None:
    """While the engine is away the status says so within 3 s and the nodes go on; back again, it is
    used as before. Away at the end, `lab down` says what is left, and that goes when it is back."""

    def complaint() -> str:
        return str(terminal.json("status")["network_error"] or "")

    with engine_door(tmp_path) as door:
        terminal.environment["DOCKER_HOST"] = door.host
        up(terminal)
        session = session_of(terminal)
        label = f"{SESSION_LABEL}={session}"
        door.shut()
        noticed(lambda: "the Docker engine does not answer" in complaint(), "it is said")
        assert terminal.json("put", "k", "v")["ok"] is True
        status, _, err = terminal.lab("fault", "kill", "n1")
        assert status == 2
        assert "the Docker engine does not answer" in err

        door.open()
        wait_until(lambda: not complaint(), "all is well")
        assert {one["state"] for one in terminal.json("status")["nodes"]} == {"up"}
        terminal.json("fault", "kill", "n1")
        terminal.json("fault", "heal")
        assert node(terminal, "n1")["state"] == "up"

        door.shut()
        noticed(lambda: bool(complaint()), "it is said again")
        assert terminal.lab("down")[0] == 0
        assert terminal.folder.read() is None
        assert len(things_left(label)["containers"]) == 6
        assert (
            "removed when the engine is back"
            in (terminal.folder.path / "conductor.log").read_text()
        )
        door.open()
        wait_until(lambda: things_left(label) == NOTHING, "the reaper has come")
        wait_until(lambda: not reapers(session), "and gone")


@pytest.mark.parametrize("after_s", [0.5, 2.5])
def test_interrupted_start(terminal: Terminal, after_s: float) -> None:
    """Ctrl-C at any moment of the start leaves nothing."""
    before = things_left()
    process = terminal.start("up", "raft", "--detach", "--runtime", "compose", **PIPES)
    assert process.stderr is not None
    process.stderr.readline()  # now it has begun
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert b"interrupted before the lab was ready" in err
    wait_until(lambda: things_left() == before, "nothing is left")
    assert terminal.folder.read() is None
