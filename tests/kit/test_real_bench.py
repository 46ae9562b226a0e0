"""`lab bench` as a process, and its peers: real clusters, and nothing left of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from labs.kit.bench.bench import PeerPlace, find_peers
from labs.kit.bench.contender import Work
from nodes.cluster.process_start import start_time
from tests.cluster.proxy_bench import ROOT, await_that

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


def command(*words: str) -> list[str]:
    """`lab bench` as a process."""
    return [sys.executable, "-m", "labs.kit.cli", "bench", *words]


def descendants(pid: int) -> dict[int, str]:
    """Pid and start time of every process below this one."""
    found: dict[int, str] = {}
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        for number in map(int, child.read_text().split()):
            started = start_time(number)
            if started is not None:
                found |= {number: started} | descendants(number)
    return found


def gone(processes: dict[int, str]) -> bool:
    return all(start_time(pid) != started for pid, started in processes.items())


def test_quick_run(tmp_path: Path) -> None:
    """One document with figures of ours and of the ceiling, a chart, and nothing left running."""
    picture = tmp_path / "bench.svg"
    words = ("raft", "--quick", "--rounds", "1", "--peers", "ceiling", "--json")
    ran = subprocess.run(
        command(*words, "--svg", str(picture)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    made = json.loads(ran.stdout)
    assert [one["trouble"] for one in made["contenders"]] == [[]] * 4, made["contenders"]
    for name in ("raft unary", "raft stream", "ceiling", "ceiling stream"):
        assert made["measurements"]["clients64_rate"]["contenders"][name]["median"] > 0
    assert made["measurements"]["failover_ms"]["contenders"].keys() == {"raft unary", "raft stream"}
    assert {"name": "ceiling direct", "reason": "takes a run without --quick"} in made["left_out"]
    assert "round 1 of 1: raft unary: start" in ran.stderr
    ElementTree.parse(picture)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C, SIGTERM or even SIGKILL in the middle ends every process that was started."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command("raft", "--peers", "none", "--json"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        await_that(lambda: len(descendants(process.pid)) >= 4, "nodes and proxy run", 30)
        below = descendants(process.pid)
        process.send_signal(number)
        process.send_signal(number)  # as when a terminal and `timeout` both pass it on
        out, err = process.communicate(timeout=30)
    await_that(lambda: gone(below), "every process has ended")
    if number is signal.SIGKILL:
        return
    assert process.returncode == 2
    assert err == f"lab: interrupted by {number.name}; everything that it started has ended\n"
    assert json.loads(out)["error"].startswith("interrupted")
    assert list(tmp_path.iterdir()) == []


def peers() -> list[Any]:
    """Those that can be had here."""
    return [
        pytest.param(
            "tests.benchmarks.etcd",
            marks=pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd on PATH"),
        ),
        pytest.param(
            "tests.benchmarks.pysyncobj",
            marks=pytest.mark.skipif(not find_spec("pysyncobj"), reason="no pysyncobj"),
        ),
    ]


@pytest.mark.parametrize("module", peers())
async def test_peer_is_measured(module: str) -> None:
    """It starts, takes every write, survives the loss of its leader, and ends."""
    places = (PeerPlace("peer", module),)
    (peer,), left_out = find_peers(places, 3)
    assert left_out == []
    try:
        assert 0 < await peer.start() < 30_000
        for clients in (1, 8):
            load = await peer.load(Work(clients, 64, 30.0, writes=40))
            assert (len(load.times_ms), load.failed) == (40, 0)
        assert len(peer.memory_mib()) == 3
        for _ in range(2):
            assert 0 < await peer.failover() < 30_000
    finally:
        await peer.stop()
