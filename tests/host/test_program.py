"""A node's process speaks its start protocol, line by line, and ends when it should."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from nodes.host.config import ConfigError, read_config, read_json, read_links
from nodes.host.headers import CallHeader
from nodes.host.rpc import methods_of
from tests.support import ping_pb2 as pb

PROJECT_ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 20


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "node": "n1",
        "session": "right",
        "token": "secret",
        "lab": "ping",
        "core": "tests.support.ping_core:Ping",
        "protos": ["tests.support.ping_pb2"],
        "peers": [],
        "params": {},
        "seed": 1,
        "listen": "127.0.0.1:0",
        "data": str(folder / "n1"),
        "events": None,
        "began_ms": time.monotonic() * 1000,
        "parent": os.getpid(),
    } | changes


class Process:
    """A node's process, and its end of the conversation."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "nodes.host", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PYTHONPATH": str(PROJECT_ROOT), "PATH": os.environ["PATH"]},
            cwd="/",
        )

    def say(self, message: object) -> None:
        self.say_raw(json.dumps(message).encode() + b"\n")

    def say_raw(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def end_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait(self) -> int:
        return self.process.wait(WITHIN_S)

    def complaints(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(WITHIN_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def node() -> Iterator[Process]:
    made = Process()
    yield made
    made.close()


def start(node: Process, message: dict[str, Any]) -> str:
    node.say(message)
    address: str = node.hear()["listening"]
    node.say({"links": {}})
    assert node.hear() == {"ready": True}
    return address


def add_for_ever(address: str, totals: list[int]) -> None:
    while True:
        totals.append(ask(address, pb.AddRequest(amount=1)).total)


def ask(address: str, request: Message) -> Any:
    method = methods_of((pb,))[type(request)]
    header = CallHeader("client", "right", 0, "m")
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            method.path,
            request_serializer=method.request_type.SerializeToString,
            response_deserializer=method.response_type.FromString,
        )
        return call(request, timeout=WITHIN_S, metadata=header.to_metadata())


def echo(address: str, text: str) -> str:
    response: pb.EchoResponse = ask(address, pb.EchoRequest(text=text))
    return response.text


@pytest.mark.real
def test_a_node_listens_then_serves_then_ends_with_its_stdin(tmp_path: Path, node: Process) -> None:
    """Config, address, links, ready; the end of stdin is a stop in good order."""
    node.say(config(tmp_path))
    heard = node.hear()
    assert heard["pid"] == node.process.pid
    assert heard["listening"].startswith("127.0.0.1:")
    node.say({"links": {}})
    assert node.hear() == {"ready": True}
    assert echo(heard["listening"], "hi") == "hi"
    node.end_stdin()
    assert node.wait() == 0
    assert node.complaints() == "n1: stopped\n"


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_node_in_good_order(
    tmp_path: Path, node: Process, number: signal.Signals
) -> None:
    """SIGTERM and SIGINT end it with status 0."""
    node.say(config(tmp_path))
    node.hear()
    node.say({"links": {}})
    node.hear()
    node.process.send_signal(number)
    assert node.wait() == 0


@pytest.mark.real
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux's prlimit")
@pytest.mark.parametrize("fsync", ["on", "off"])
def test_a_disk_without_room_stops_the_node_and_loses_nothing(tmp_path: Path, fsync: str) -> None:
    """A write that the disk does not take is answered by nobody; all that was answered is there
    once there is room again."""
    totals = [0]
    node = Process()
    try:
        address = start(node, config(tmp_path, params={"fsync": fsync}))
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        with pytest.raises(grpc.RpcError):
            add_for_ever(address, totals)
        assert node.wait() == 74
        (line,) = node.complaints().splitlines()
        assert line.startswith("n1: ")
        assert "did not take a write" in line
        assert line.endswith("lab fault restart n1")
    finally:
        node.close()
    assert totals[-1] > 0
    node = Process()
    try:
        address = start(node, config(tmp_path, params={"fsync": fsync}))
        # The one that failed may be there or not: nobody was told.
        total = ask(address, pb.AddRequest(amount=1)).total
        assert total - totals[-1] in (1, 2)
    finally:
        node.close()


@pytest.mark.real
def test_two_lines_in_one_block_are_two_lines(tmp_path: Path, node: Process) -> None:
    """Where the pipe cuts the bytes is of no matter."""
    both = json.dumps(config(tmp_path)) + "\n" + json.dumps({"links": {}}) + "\n"
    node.say_raw(both[:50].encode())
    node.say_raw(both[50:].encode())
    assert "listening" in node.hear()
    assert node.hear() == {"ready": True}


@pytest.mark.real
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"", "the config is no JSON"),
        (b"{\n", "the config is no JSON"),
        (b"[]\n", "the config is no JSON object"),
        (b"{}\n", "field 'peers' is None"),
    ],
    ids=["nothing", "half", "list", "empty"],
)
def test_a_bad_config_is_one_line_and_status_1(node: Process, lines: bytes, message: str) -> None:
    """The reason is on stdout for the program and on stderr for people."""
    node.say_raw(lines)
    node.end_stdin()
    heard = node.hear()
    assert message in heard["error"] or "field 'node'" in heard["error"]
    assert node.wait() == 1
    assert node.complaints() == heard["error"] + "\n"


@pytest.mark.real
@pytest.mark.parametrize("line", [b"", b"{}\n", b'{"links": {"n9": "127.0.0.1:1"}}\n'])
def test_bad_links_end_a_node_before_it_serves(tmp_path: Path, node: Process, line: bytes) -> None:
    """Without its links a node does not begin; its disk is closed in good order."""
    node.say(config(tmp_path))
    assert "listening" in node.hear()
    node.say_raw(line)
    node.end_stdin()
    assert node.hear()["error"].startswith("n1: ")
    assert node.wait() == 1
    assert not (tmp_path / "n1" / "n1.db-wal").exists()


@pytest.mark.real
def test_a_node_with_another_parent_does_not_start(tmp_path: Path, node: Process) -> None:
    """A node whose conductor died meanwhile ends before it listens."""
    node.say(config(tmp_path, parent=1 if os.getpid() != 1 else 2))
    assert node.wait() != 0
    assert "is not its parent" in node.complaints()


@pytest.mark.real
def test_a_file_may_hold_both_parts(tmp_path: Path) -> None:
    """With --config nothing is read from stdin, and its end ends nothing."""
    path = tmp_path / "n1.json"
    path.write_text(json.dumps(config(tmp_path) | {"links": {}}))
    node = Process("--config", str(path))
    try:
        address = node.hear()["listening"]
        assert node.hear() == {"ready": True}
        node.end_stdin()
        assert echo(address, "still here") == "still here"
        node.process.terminate()
        assert node.wait() == 0
    finally:
        node.close()


@pytest.mark.real
@pytest.mark.parametrize("arguments", [["--konfig"], ["--config"], ["a", "b"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    """One line with the usage."""
    node = Process(*arguments)
    try:
        assert node.wait() == 2
        assert node.complaints() == "usage: python -m nodes.host [--config FILE]\n"
    finally:
        node.close()


@pytest.mark.real
def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Cause and file in one line."""
    node = Process("--config", str(tmp_path / "none.json"))
    try:
        assert "No such file" in node.hear()["error"]
        assert node.wait() == 1
    finally:
        node.close()


# ------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"node": "../n1"}, "node is '../n1'"),
        ({"node": "N1"}, "expected lower-case"),
        ({"lab": ""}, "field 'lab' is empty"),
        ({"peers": ["n1"]}, "expected distinct other nodes"),
        ({"peers": ["n2", "n2"]}, "expected distinct other nodes"),
        ({"peers": ["n 2"]}, "expected distinct other nodes"),
        ({"peers": [1]}, "expected a list of words"),
        ({"params": {"a": 1.5}}, "setting a is 1.5"),
        ({"params": {"a": True}}, "setting a is True"),
        ({"seed": "1"}, "field 'seed' is '1', expected int"),
        ({"seed": True}, "field 'seed' is True"),
        ({"began_ms": None}, "expected a number"),
        ({"events": 5}, "field 'events' is 5"),
        ({"parent": "1"}, "field 'parent'"),
    ],
    ids=str,
)
def test_each_field_is_checked(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """What is wrong is named, before anything is opened."""
    with pytest.raises(ConfigError, match=message):
        read_config(config(tmp_path, **change))


def test_a_good_config_is_read(tmp_path: Path) -> None:
    """Every field arrives."""
    found = read_config(config(tmp_path, peers=["n2"], params={"a": 1, "b": "on"}, wiped=True))
    assert (found.node, found.peers, found.params) == ("n1", ("n2",), {"a": 1, "b": "on"})
    assert found.wiped
    assert found.events is None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_line_can_hurt(line: bytes) -> None:
    """Whatever is on stdin, it is refused by one kind of error."""
    try:
        raw = read_json(line, "the line")
    except ConfigError:
        return
    with pytest.raises(ConfigError):
        read_config(raw)


def test_deep_nesting_is_refused() -> None:
    """A hundred thousand brackets are an error of the line, not of the node."""
    with pytest.raises(ConfigError, match="the line is no JSON"):
        read_json(b'{"a":' * 100_000, "the line")


def test_links_must_lead_to_exactly_the_peers() -> None:
    """One link a peer, no more and no less, each an address."""
    assert read_links({"links": {"n2": "h:1"}}, ("n2",)) == {"n2": "h:1"}
    wrong: list[Any] = [{}, {"n2": "h:1", "n3": "h:2"}, {"n2": 5}, {"n2": "nowhere"}, []]
    for links in wrong:
        with pytest.raises(ConfigError):
            read_links({"links": links}, ("n2",))
