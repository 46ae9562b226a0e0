"""What the proxy tests measure with: servers to test, an upstream that obeys, stop watches."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import requests

from nodes.cluster.proxy_server import find_real_server

ROOT = Path(__file__).resolve().parents[2]
SOCKET_TIMEOUT_S = 20.0


def real_server_path() -> str | None:
    """The real toxiproxy-server, when there is one."""
    return find_real_server()


@contextlib.contextmanager
def embedded_server(loop: Literal["uvloop", "asyncio"] = "uvloop") -> Iterator[int]:
    """The embedded proxy as a process, on either loop; yields the port of its API."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nodes.cluster.embedded_proxy", "--port", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"FAULTLAB_PROXY_LOOP": loop},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline())["api"].rpartition(":")[2])
        assert process.poll() is None, "the proxy ended in the middle of its tests"
    finally:
        process.stdin.close()
        assert process.wait(10) == 0, "the end of its input ends it in good order"
        process.stdout.close()


@contextlib.contextmanager
def real_server(path: str) -> Iterator[int]:
    """The real server as a process that dies with this one; yields the port of its API."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "nodes.cluster.tether", str(os.getpid())),
            *(path, "-host", "127.0.0.1", "-port", str(port)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=os.environ | {"LOG_LEVEL": "error"},
    )
    try:
        await_that(lambda: _answers(port), "the real server answers")
        yield port
        assert process.poll() is None, "the proxy ended in the middle of its tests"
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/version", timeout=5).ok
    except requests.ConnectionError:
        return False


def await_that(holds: Callable[[], bool], what: str, within_s: float = 10.0) -> None:
    """Waits until something that gives no signal holds."""
    ends = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends, f"not within {within_s} s: {what}"
        time.sleep(0.005)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Upstream:
    """A TCP server on loopback that runs `serve(connection)` in a thread a connection."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(SOCKET_TIMEOUT_S)
            self._open.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._serve(connection)

    def close(self) -> None:
        """Ends everything that it started."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


def echo(connection: socket.socket) -> None:
    """Sends back what it gets, until the end."""
    while data := connection.recv(65_536):
        connection.sendall(data)


def connect(address: str) -> socket.socket:
    """A client's connection."""
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=SOCKET_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def listens(address: str) -> bool:
    """Whether somebody accepts connections there."""
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def receive_exactly(connection: socket.socket, size_bytes: int) -> bytes:
    """So many bytes, or fewer when the connection ends before."""
    parts = []
    while size_bytes:
        data = connection.recv(min(size_bytes, 65_536))
        if not data:
            break
        parts.append(data)
        size_bytes -= len(data)
    return b"".join(parts)


def receive_all(connection: socket.socket) -> bytes:
    """Everything up to the end; a reset is an end."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65_536):
            parts.append(data)
    return b"".join(parts)


def ended(connection: socket.socket) -> bool:
    """Waits for the end of a connection on which nothing more may come."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def round_trip_s(connection: socket.socket, data: bytes = b"ping") -> float:
    """How long a message and its echo take."""
    start = time.perf_counter()
    connection.sendall(data)
    assert receive_exactly(connection, len(data)) == data
    return time.perf_counter() - start
