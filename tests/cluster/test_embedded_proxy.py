"""The embedded proxy when there is too much of something: descriptors, bytes, tiny pieces."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from nodes.cluster.embedded_proxy.stages import slice_sizes
from nodes.cluster.embedded_proxy.streams import HELD_BYTES_MAX
from tests.cluster.proxy_bench import (
    ROOT,
    SOCKET_TIMEOUT_S,
    Upstream,
    await_that,
    connect,
    echo,
    embedded_server,
    ended,
    receive_exactly,
    round_trip_s,
)

pytestmark = pytest.mark.real


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server that echoes."""
    made = Upstream(echo)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    """The URL of the API of an embedded proxy that outlives all of this."""
    with embedded_server() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def api(shared: str) -> Iterator[str]:
    """The same, with no proxies at first, and with none left."""
    yield shared
    for name in requests.get(f"{shared}/proxies", timeout=10).json():
        requests.delete(f"{shared}/proxies/{name}", timeout=10)


def _create(api: str, upstream: Upstream) -> str:
    body = {"name": "a", "listen": "127.0.0.1:0", "upstream": upstream.address}
    return str(requests.post(f"{api}/proxies", json=body, timeout=10).json()["listen"])


def _add(api: str, toxic: str, **attributes: int) -> None:
    body: Any = {"type": toxic, "stream": "upstream", "attributes": attributes}
    assert requests.post(f"{api}/proxies/a/toxics", json=body, timeout=10).ok


def test_running_out_of_descriptors_passes(upstream: Upstream) -> None:
    """While none is free the API goes on, on connections that it has; later clients are served."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nodes.cluster.embedded_proxy"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )
    assert process.stdout is not None
    try:
        api = "http://" + json.loads(process.stdout.readline())["api"]
        with requests.Session() as session, contextlib.ExitStack() as greedy:
            body = {"name": "a", "listen": "127.0.0.1:0", "upstream": upstream.address}
            listen = session.post(f"{api}/proxies", json=body, timeout=10).json()["listen"]
            served = 0
            while _serves(greedy.enter_context(connect(listen)), within_s=3):
                served += 1
                assert served < 40, "64 descriptors serve 40 connections of two each"
            assert served > 10
            assert session.get(f"{api}/version", timeout=10).ok
            greedy.close()
            await_that(lambda: _serves_anew(listen), "a later client is served")
    finally:
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, b"")


def _serves(connection: socket.socket, within_s: float = SOCKET_TIMEOUT_S) -> bool:
    connection.settimeout(within_s)
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b"x"
    except (ConnectionError, TimeoutError):  # sent away, or left waiting to be accepted
        return False


def _serves_anew(address: str) -> bool:
    with connect(address) as connection:
        return _serves(connection)


def test_what_a_toxic_holds_is_bounded(api: str, upstream: Upstream) -> None:
    """A sender is stopped when the toxics hold enough; removing them brings all of it."""
    listen = _create(api, upstream)
    _add(api, "latency", latency=60_000)
    with connect(listen) as connection:
        connection.settimeout(1.0)
        sent_bytes = 0
        with contextlib.suppress(TimeoutError):
            while True:
                sent_bytes += connection.send(b"y" * 65_536)
        assert HELD_BYTES_MAX / 2 < sent_bytes < HELD_BYTES_MAX + 16_000_000
        connection.settimeout(20)
        requests.delete(f"{api}/proxies/a/toxics/latency_upstream", timeout=10)
        assert len(receive_exactly(connection, sent_bytes)) == sent_bytes


def test_tiny_pieces_leave_others_their_turn(api: str, upstream: Upstream) -> None:
    """While one connection sends single bytes, the API and other connections go on."""
    listen = _create(api, upstream)
    _add(api, "slicer", average_size=1)
    with connect(listen) as busy:
        busy.sendall(b"z" * 200_000)
        start = time.perf_counter()
        for _ in range(5):
            assert requests.get(f"{api}/version", timeout=10).ok
        asked_s = time.perf_counter() - start
        start = time.perf_counter()
        assert receive_exactly(busy, 200_000) == b"z" * 200_000
        assert asked_s < 0.5 + (time.perf_counter() - start)


def test_a_hundred_connections_heal_at_once(api: str, upstream: Upstream) -> None:
    """Removing a black hole ends them all, and the next ones work."""
    listen = _create(api, upstream)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(listen)) for _ in range(100)]
        for connection in connections:
            round_trip_s(connection)
        _add(api, "timeout", timeout=0)
        requests.delete(f"{api}/proxies/a/toxics/timeout_upstream", timeout=10)
        assert all(ended(connection) for connection in connections)
    with connect(listen) as connection:
        round_trip_s(connection)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff" * 100 + b"\r\n\r\n",
        b"GET /version HTTP/1.0\r\n\r\n",
        b"POST /proxies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
        + b"a" * 10**6,
    ],
    ids=["binary", "no host", "too large"],
)
def test_garbage_is_refused(api: str, garbage: bytes) -> None:
    """Whatever is sent to the API, it gets a 4xx or its connection ends, and the API goes on."""
    host, _, port = api.removeprefix("http://").rpartition(":")
    answer = b""
    with (
        socket.create_connection((host, int(port)), timeout=10) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(100)
    assert answer[9:10] in (b"4", b"")
    assert requests.get(f"{api}/version", timeout=10).ok


@pytest.mark.parametrize(("average", "variation"), [(1, 0), (2, 1), (100, 99), (1000, 10)])
def test_slices_add_up(average: int, variation: int) -> None:
    """Pieces are never empty, never much larger than asked, and make up the whole."""
    for size in (0, 1, 2, 3, 99, 1_000, 32_768):
        sizes = slice_sizes(size, average, variation)
        assert sum(sizes) == size
        assert max(sizes) <= average + variation
        assert size == 0 or min(sizes) > 0
