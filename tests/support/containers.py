"""What tests of labs in containers ask the Docker engine, past the lab."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nodes.cluster.engine import CONDUCTOR_LABEL, SERVICE_LABEL, SESSION_LABEL
from nodes.cluster.engine_host import engine_host
from tests.support.terminal import Terminal

NOTHING: dict[str, list[str]] = {"containers": [], "networks": [], "volumes": []}


def docker(*arguments: str) -> str:
    """What a docker command prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def inspect(name: str) -> dict[str, Any]:
    """All that the engine knows of a container."""
    found: list[dict[str, Any]] = json.loads(docker("inspect", name))
    return found[0]


def things_left(label: str = SESSION_LABEL) -> dict[str, list[str]]:
    """All that carries the label, by kind."""
    chosen = ("--filter", f"label={label}")
    return {
        "containers": docker("ps", "-aq", *chosen).split(),
        "networks": docker("network", "ls", "-q", *chosen).split(),
        "volumes": docker("volume", "ls", "-q", *chosen).split(),
    }


def up(terminal: Terminal, *options: str) -> None:
    """Starts the Raft lab in containers."""
    status, out, err = terminal.lab("up", "raft", "--runtime", "compose", "--detach", *options)
    assert status == 0, err
    assert "raft is ready, " in out


def session_of(terminal: Terminal) -> str:
    """The id that all containers of the lab carry."""
    pid = str(terminal.session().conductor.pid)
    [session] = {
        str(labels[SESSION_LABEL])
        for name in docker("ps", "-aq", "--filter", f"label={SESSION_LABEL}").split()
        if (labels := inspect(name)["Config"]["Labels"])[CONDUCTOR_LABEL].split()[0] == pid
    }
    return session


def container_of(terminal: Terminal, service: str) -> str:
    """The container of a node, or of `toxiproxy`."""
    return docker(
        *("ps", "-aq", "--filter", f"label={SESSION_LABEL}={session_of(terminal)}"),
        *("--filter", f"label={SERVICE_LABEL}={service}"),
    )


class EngineDoor:
    """A socket that leads to the Docker engine, and can be shut: an engine that goes away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.host = f"unix://{path}"
        self._inside = engine_host().removeprefix("unix://")
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        """The engine answers."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fspath(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """It is gone, from one moment to the next."""
        if self._listener is not None:
            # A thread that waits in accept is not woken by close alone.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            self.path.unlink()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                outside, _ = listener.accept()
            except OSError:
                return
            inside = socket.socket(socket.AF_UNIX)
            inside.connect(self._inside)
            self._open += [outside, inside]
            for pair in ((outside, inside), (inside, outside)):
                threading.Thread(target=_carry, args=pair, daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65_536):
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def engine_door(folder: Path) -> Iterator[EngineDoor]:
    """Open at first."""
    door = EngineDoor(folder / "engine.sock")
    try:
        yield door
    finally:
        door.shut()
