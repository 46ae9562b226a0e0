"""The conductor: who may talk to it, what it refuses, and that nothing is left when it ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from labs.kit.errors import LabError
from labs.kit.session import Session
from nodes.cluster.api import NodeState
from tests.kit.conftest import Desk

GETS = ("/v1/status", "/v1/events", "/v1/logs?node=n1")
POSTS = ("/v1/fault", "/v1/operation", "/v1/down")


def session_of(desk: Desk) -> Session:
    session = desk.folder.read()
    assert session is not None
    return session


def ask_now(
    desk: Desk, method: str, path: str, headers: Mapping[str, str | None], body: bytes | None
) -> tuple[int, Mapping[str, str], Any]:
    session = session_of(desk)
    sent = {
        "Host": f"127.0.0.1:{session.port}",
        "X-Lab-Token": desk.folder.read_token(session),
        **({"Content-Type": "application/json"} if body is not None else {}),
        **headers,
    }
    connection = http.client.HTTPConnection("127.0.0.1", session.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value.format(port=session.port))
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        is_json = method != "HEAD" and response.headers.get_content_type() == "application/json"
        document = json.loads(content) if is_json else content
        return response.status, dict(response.headers.items()), document
    finally:
        connection.close()


async def ask(
    desk: Desk,
    method: str,
    path: str,
    headers: Mapping[str, str | None] | None = None,
    body: bytes | None = None,
) -> tuple[int, Mapping[str, str], Any]:
    """One request with a valid token, Host and content type, unless `headers` say otherwise; a
    header that is None is left out."""
    return await asyncio.to_thread(ask_now, desk, method, path, headers or {}, body)


@pytest.mark.parametrize("path", [*GETS, *POSTS, "/", "/nowhere"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Lab-Token": None}, 401),
        ({"X-Lab-Token": "0" * 64}, 401),
        ({"X-Lab-Token": "ünï"}, 401),
        ({"Host": None}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:{port}"}, 403),
        ({"Host": "0.0.0.0:{port}"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Host": "127.0.0.1:1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_sec_03_and_04_strangers_are_refused(
    running: Desk, path: str, headers: dict[str, str | None], status: int
) -> None:
    """No token, a foreign Host, any Origin or another site: refused on every route (SEC-03, 04)."""
    method = "POST" if path in POSTS else "GET"
    got, answer, _ = await ask(running, method, path, headers, b"{}" if method == "POST" else None)
    if "Host" in headers and headers["Host"] is None:
        assert got == 400, "the HTTP library refuses it before anything of ours sees it"
    else:
        assert (got, answer["X-Content-Type-Options"]) == (status, "nosniff")
    assert running.task is not None
    assert not running.task.done()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
async def test_sec_08_own_names_are_served_without_cors(running: Desk, host: str) -> None:
    """Loopback's names with the right port are served."""
    status, headers, document = await ask(
        running, "GET", "/v1/status", {"Host": f"{host}:{{port}}", "Sec-Fetch-Site": "none"}
    )
    assert status == 200
    assert document["leader"] == "n1"
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers
    assert not any(name.lower().startswith("access-control") for name in headers)


async def test_clients_make_calls_but_cannot_be_killed(running: Desk) -> None:
    """`client` may be named where calls get lost, and nowhere else among nodes."""
    lose = b'{"fault": {"do": "lose", "nodes": ["client"], "percent": 30}}'
    status, _, document = await ask(running, "POST", "/v1/fault", {}, lose)
    assert (status, document["sentence"]) == (
        200, "losing 30% of requests and of responses: calls of client")  # fmt: skip
    kill = b'{"fault": {"do": "kill", "nodes": ["client"]}}'
    status, _, document = await ask(running, "POST", "/v1/fault", {}, kill)
    assert status == 400
    assert "client is no node" in document["error"]


async def test_sec_05_get_never_acts(running: Desk) -> None:
    """No GET or HEAD changes anything, whatever it asks for (SEC-05)."""
    for path in (*GETS, *POSTS, "/v1/down?now=1"):
        for method in ("GET", "HEAD"):
            status, _, _ = await ask(running, method, path)
            assert status == (200 if path in GETS and method == "GET" else 405 if path in (
                *GETS, *POSTS) or path.startswith("/v1/down") else 404)  # fmt: skip
    assert running.cluster.values == {}
    assert running.cluster.faults.active() == []
    assert running.task is not None
    assert not running.task.done()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("text/plain", 415), (None, 415), ("application/x-www-form-urlencoded", 415)],
)
async def test_only_json_acts(running: Desk, content_type: str | None, status: int) -> None:
    """A form or plain text does not act, even when its content is JSON (SEC-04)."""
    body = b'{"verb": "put", "key": "x", "value_base64": "MQ=="}'
    got, _, _ = await ask(running, "POST", "/v1/operation", {"Content-Type": content_type}, body)
    assert got == status
    assert running.cluster.values == {}


@pytest.mark.parametrize(
    ("body", "status", "cause"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[]", 400, "must be a JSON object"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"a":' * 100_000, 400, "nested too deeply"),
        (b'{"fault": NaN}', 400, "NaN is not a number"),
        (b'{"fault": -Infinity}', 400, "-Infinity is not a number"),
        (b'{"fault": 1e999}', 400, "too large a number"),
        (b'{"fault": ' + b"9" * 5000 + b"}", 400, "not JSON"),
        (b" " * (2**20 + 1), 413, "too large"),
        (b'{"fault": {"do": 5}}', 400, "unknown fault"),
        (b'{"fault": {"do": "kill", "nodes": "n1"}}', 400, "no list of nodes"),
        (b'{"fault": {"do": "kill", "nodes": [5]}}', 400, "no name of a node"),
        (b'{"fault": {"do": "kill"}}', 400, "lacks the field"),
        (b'{"fault": {"do": "kill", "nodes": ["n1"], "hard": true}}', 400, "has no field"),
    ],
)
async def test_sec_13_bombs(running: Desk, body: bytes, status: int, cause: str) -> None:
    """Too large, too deep or no number: refused with its cause, never a crash (SEC-13)."""
    got, _, document = await ask(running, "POST", "/v1/fault", {}, body)
    assert (got, cause in document["error"]) == (status, True), document
    assert running.cluster.faults.active() == []


async def test_compressed_bodies_are_not_read(running: Desk) -> None:
    """A small body that unpacks to a large one is refused before it is unpacked (SEC-13)."""
    import gzip

    bomb = gzip.compress(b" " * (8 << 20))
    status, _, _ = await ask(running, "POST", "/v1/fault", {"Content-Encoding": "gzip"}, bomb)
    assert status in (413, 415)


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/v1/logs?node=../../etc/passwd", "no node is called"),
        ("/v1/logs?node=", "no node is called"),
        ("/v1/logs?node=n1&lines=0", "lines=0"),
        ("/v1/logs?node=n1&lines=x", "expected a number"),
        ("/v1/events?wait_ms=99999999", "expected a number"),
        ("/v1/events?after=-1", "expected a number"),
    ],
)
async def test_bad_queries(running: Desk, path: str, cause: str) -> None:
    """What a query may not hold is refused (SEC-11)."""
    status, _, document = await ask(running, "GET", path)
    assert status == 400
    assert cause in document["error"]


@pytest.mark.parametrize(
    "fields",
    [
        {"verb": 5},
        {"key": None},
        {"key": "\ud800"},
        {"value_base64": "?"},
        {"value_base64": 5},
        {"timeout_ms": "5"},
        {"timeout_ms": True},
        {"node": 5},
        {"verb": "lock"},
    ],
)
async def test_bad_operations(running: Desk, fields: dict[str, Any]) -> None:
    """Operations of the wrong form are refused, and reach no node."""
    body = json.dumps({"verb": "put", "key": "x", "value_base64": "MQ==", **fields}).encode()
    status, _, document = await ask(running, "POST", "/v1/operation", {}, body)
    assert status == 400
    assert document["error"]
    assert running.cluster.sent == []


async def test_sec_01_listens_on_loopback_only(running: Desk) -> None:
    """The conductor's port cannot be reached by another address of this machine (SEC-01)."""
    with socket.socket() as probe, socket.socket(socket.AF_INET6) as probe6:
        port = session_of(running).port
        with pytest.raises(OSError, match="refused"):
            probe.connect(("127.0.0.2", port))
        with pytest.raises(OSError, match=r"refused|Cannot assign|not supported"):
            probe6.connect(("::1", port))


async def test_a_second_lab_is_refused(running: Desk) -> None:
    """While a lab runs, another one is refused with a line that says how to end it."""
    with pytest.raises(LabError, match="end it with `lab down`"):
        await Desk(running.folder).start()
    assert running.cluster.closed is False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_end_the_lab(running: Desk, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end the lab, and leave nothing but its record."""
    os.kill(os.getpid(), number)
    assert running.task is not None
    async with asyncio.timeout(5):
        await running.task
    assert running.cluster.closed
    assert sorted(path.name for path in running.folder.path.iterdir()) == ["last", "lock"]


async def test_stopped_during_the_start(desk: Desk) -> None:
    """Ctrl-C while the nodes start gives the start up at once, and cleans up."""
    desk.prepare = {"start_delay_s": 60}
    task = desk.start()
    async with asyncio.timeout(5):
        await desk.front.is_starting.wait()
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(LabError, match="Ctrl-C before the lab was ready"):
        async with asyncio.timeout(5):
            await task
    assert desk.cluster.closed
    assert desk.folder.read() is None


async def test_starter_gone(desk: Desk) -> None:
    """When the command that waits for the lab goes away, the lab is given up."""
    desk.prepare = {"start_delay_s": 60}
    desk.front.nobody_there = True
    with pytest.raises(LabError, match="went away"):
        async with asyncio.timeout(5):
            await desk.start()
    assert desk.cluster.closed


async def test_failed_start(desk: Desk) -> None:
    """A start that fails says why and leaves nothing."""
    desk.prepare = {"fail_start": "n2 cannot listen: port in use"}
    with pytest.raises(LabError, match="port in use"):
        await desk.start()
    assert desk.cluster.closed
    assert desk.folder.read() is None
    assert not (desk.folder.path / "cluster").exists()


async def test_removed_session_ends_the_lab(running: Desk) -> None:
    """Whoever removes the session file has no other way to reach the lab: so it ends."""
    running.folder.session_file.unlink()
    assert running.task is not None
    async with asyncio.timeout(5):
        assert "was removed" in await running.task


async def test_nobody_watches_nobody_is_asked(running: Desk) -> None:
    """While nobody looks, no node is asked for its view."""
    asked = running.cluster.views_asked
    await asyncio.sleep(0.7)  # more than one round of the conductor's upkeep
    assert running.cluster.views_asked == asked
    await ask(running, "GET", "/v1/status")
    assert running.cluster.views_asked == asked + 5


async def test_silent_and_dead_nodes_show(running: Desk) -> None:
    """A node that does not answer is shown silent, one that died is down, with since when."""
    running.cluster.states["n3"] = NodeState.DOWN
    await running.silence("n2")
    _, _, document = await ask(running, "GET", "/v1/status")
    nodes = {node["id"]: node for node in document["nodes"]}
    assert nodes["n2"]["answers"] is False
    assert nodes["n2"]["silent_since_ms"] <= document["now_ms"]
    assert nodes["n3"]["state"] == "down"
    assert nodes["n3"]["since_ms"] > 0
    _, _, news = await ask(running, "GET", "/v1/events")
    assert "n3 is down: exit status 70" in [event["sentence"] for event in news["events"]]


async def test_session_names_conductor_and_nodes(desk: Desk) -> None:
    """The session file names the conductor itself, and the processes that belong to it."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    try:
        desk.prepare = {"process_ids": lambda: (child.pid,)}
        await desk.started()
        assert session_of(desk).conductor.pid == os.getpid()
        assert [mark.pid for mark in session_of(desk).processes] == [child.pid]
    finally:
        await child.communicate(b"\n")


async def test_long_poll(running: Desk) -> None:
    """Who waits for events is answered when the first one comes."""
    _, _, before = await ask(running, "GET", "/v1/events")
    query = f"/v1/events?after={before['seq']}&wait_ms=10000"
    waiting = asyncio.create_task(ask(running, "GET", query))
    running.cluster.event("n4", "leader", term=7, votes="n4,n5,n1")
    _, _, document = await waiting
    assert [event["sentence"] for event in document["events"]] == [
        "n4 became leader of term 7 with votes from n4, n5, n1"
    ]
