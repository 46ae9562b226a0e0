"""No proxy outlives the process that started it, however that ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.proxy_bench import ROOT, await_that, connect, free_port, listens

pytestmark = pytest.mark.real

# A parent that starts its argument, prints what it is told first, and then stands still.
PARENT = """
import subprocess, sys, os, signal
command = [word.replace("PARENT", str(os.getpid())) for word in sys.argv[1:]]
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
signal.pause()
"""


def _start(*command: str) -> tuple[subprocess.Popen[str], int, str]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *command], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert parent.stdout is not None
    child, _, told = parent.stdout.readline().strip().partition(" ")
    return parent, int(child), told


def _end(parent: subprocess.Popen[str]) -> None:
    parent.kill()
    parent.wait(10)
    assert parent.stdout is not None
    parent.stdout.close()


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # dead, and only waits for somebody to ask


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
class TestParentKilled:
    """SIGKILL of the parent, which gives nobody a chance to clean up."""

    @pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
    def test_the_embedded_proxy_ends(self, stopped: bool) -> None:
        """Its process and its ports are gone, also when it was stopped at that moment."""
        module = "nodes.cluster.embedded_proxy"
        parent, child, told = _start(sys.executable, "-m", module, "--port", "0")
        address = json.loads(told)["api"]
        connect(address).close()
        if stopped:
            os.kill(child, signal.SIGSTOP)
        _end(parent)
        await_that(lambda: not _runs(child), "the proxy is gone")
        await_that(lambda: not listens(address), "its port is free")

    def test_a_tethered_program_ends(self) -> None:
        """The tie survives exec: a program that knows nothing of it ends as well."""
        script = "echo ready; exec sleep 300"
        parent, child, told = _start(
            sys.executable, "-m", "nodes.cluster.tether", "PARENT", "/bin/sh", "-c", script
        )
        assert told == "ready"
        assert _runs(child)
        _end(parent)
        await_that(lambda: not _runs(child), "the program is gone")

    @pytest.mark.parametrize("stays", ["tie", "tether"])
    def test_elsewhere_a_thread_watches(self, stays: str) -> None:
        """Where the kernel does not do it, the parent is watched; the child ends all the same."""
        tie = "lifeline.tie_to_parent(parent); print('ready', flush=True); signal.pause()"
        tether = "tether.main([str(parent), '/bin/sh', '-c', 'echo ready; exec sleep 300'])"
        script = (
            "import os, signal\n"
            "from nodes import lifeline\n"
            "lifeline.ON_LINUX = False\n"
            "from nodes.cluster import tether\n"
            f"parent = os.getppid(); {tie if stays == 'tie' else tether}"
        )
        parent, child, told = _start(sys.executable, "-c", script)
        assert told == "ready"
        children = Path(f"/proc/{child}/task/{child}/children").read_text().split()
        assert len(children) == (stays == "tether")
        _end(parent)
        for pid in (child, *map(int, children)):
            await_that(lambda pid=pid: not _runs(pid), "the child is gone")  # type: ignore[misc]  # mypy cannot infer a lambda with a default


def test_the_end_of_its_input_ends_the_embedded_proxy() -> None:
    """In good order: exit status 0, nothing on standard error."""
    for signal_number in (None, signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(
            [sys.executable, "-m", "nodes.cluster.embedded_proxy"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        if signal_number is not None:
            process.send_signal(signal_number)
            process.wait(10)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, b"")


def test_a_port_in_use_is_one_line() -> None:
    """Exit status 2, the address and the reason."""
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "nodes.cluster.embedded_proxy", "--port", str(port)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["1", "/bin/true"], "is not its parent"),
        (["x", "/bin/true"], "usage:"),
        (["1"], "usage:"),
        (["PARENT", "/nonexistent/program"], "cannot run '/nonexistent/program'"),
    ],
)
def test_a_tether_that_cannot_hold(arguments: list[str], reason: str) -> None:
    """A wrong parent, a missing program: one line and no start."""
    words = [str(os.getpid()) if word == "PARENT" else word for word in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "nodes.cluster.tether", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
