"""Whole nodes over gRPC on loopback, in this process: who may call what, and what calls suffer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from nodes.cluster.api import Indeterminate, Refused, RuntimeFailure
from nodes.cluster.rpc_client import Channels, ControlClient, RpcClient
from nodes.host.config import HostConfig
from nodes.host.headers import CallHeader
from nodes.host.rpc import RECEIVE_BYTES_MAX, MessageTypes, control_methods, methods_of, stub_of
from nodes.host.run import Node
from nodes.host.server import AddressInUse
from nodes.host.transports import TRANSPORTS, TransportKind
from nodes.timeline import TimelineEvent
from protos import node_pb2
from tests.support import ping_pb2 as pb

METHODS = methods_of((pb,))


def config(node: str, folder: Path, peers: tuple[str, ...], **changes: Any) -> HostConfig:
    values: dict[str, Any] = {
        "node": node,
        "session": "right",
        "token": "secret",
        "lab": "ping",
        "core": "tests.support.ping_core:Ping",
        "protos": ("tests.support.ping_pb2",),
        "peers": peers,
        "params": {},
        "seed": 1,
        "listen": "127.0.0.1:0",
        "data": folder / node,
        "events": folder / f"{node}.events.jsonl",
        "began_ms": time.monotonic() * 1000,
        "parent": None,
        "wiped": False,
    }
    return HostConfig(**(values | changes))


class Pair:
    """Two nodes, n1 and n2, linked directly, and a client for them."""

    def __init__(self, nodes: dict[str, Node], folder: Path, transport: TransportKind) -> None:
        self.folder = folder
        self.nodes = nodes
        self.addresses = {name: node.address for name, node in nodes.items()}
        self.channels = Channels()
        address_of = self.addresses.__getitem__
        self.client = RpcClient("right", METHODS, self.channels, address_of, transport)
        self.control = ControlClient("secret", self.channels, MessageTypes((pb,)))

    async def ask(self, node: str, request: Message, *, timeout_ms: int = 5_000) -> Any:
        return await self.client.call(node, request, timeout_ms=timeout_ms)

    async def view(self, node: str) -> Any:
        found = await self.control.view(self.addresses[node], node, timeout_ms=5_000)
        assert found is not None
        return found[0]

    async def hurt(self, node: str, *faults: node_pb2.RpcFault) -> None:
        await self.control.set_rpc_faults(self.addresses[node], node, faults, 1, timeout_ms=5_000)

    async def raw(self, request: Message, metadata: tuple[tuple[str, str], ...]) -> Any:
        """A call to n1 with any metadata."""
        method = METHODS.get(type(request)) or control_methods()[type(request)]
        async with grpc.aio.insecure_channel(self.addresses["n1"]) as channel:
            return await stub_of(channel, method)(request, timeout=5, metadata=metadata)


@contextlib.asynccontextmanager
async def pair_of_nodes(folder: Path, transport: TransportKind = "unary") -> AsyncIterator[Pair]:
    params = {"transport": transport}
    nodes = {
        "n1": Node(config("n1", folder, ("n2",), params=params)),
        "n2": Node(config("n2", folder, ("n1",), params=params)),
    }
    links = {"n1": {"n2": nodes["n2"].address}, "n2": {"n1": nodes["n1"].address}}
    ready = {name: asyncio.Event() for name in nodes}
    running = [
        asyncio.create_task(node.run(links[name], ready[name])) for name, node in nodes.items()
    ]
    pair = Pair(nodes, folder, transport)
    try:
        async with asyncio.timeout(10):
            await asyncio.gather(*(event.wait() for event in ready.values()))
        yield pair
    finally:
        for node in nodes.values():
            node.ask_to_stop()
        await asyncio.gather(*running)
        for node in nodes.values():
            await node.close()
        await pair.channels.close()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> TransportKind:
    """How calls between the nodes, and of their client, travel."""
    return TRANSPORTS[request.param]


@pytest.fixture
async def pair(tmp_path: Path, transport: TransportKind) -> AsyncIterator[Pair]:
    async with pair_of_nodes(tmp_path, transport) as made:
        yield made


async def test_requests_reach_the_core_and_its_peers(pair: Pair) -> None:
    """A client is answered, also when the node must ask a peer first."""
    assert (await pair.ask("n1", pb.EchoRequest(text="hi"))).node_id == "n1"
    assert (await pair.ask("n1", pb.RelayRequest(peer="n2", text="ho"))).text == "ho"
    assert (await pair.ask("n2", pb.AddRequest(amount=2))).total == 2
    assert (await pair.view("n2")).logged_total == 2


async def test_a_node_declines_by_exceptions(pair: Pair) -> None:
    """`refused` is definite and carries its hint, `outcome_unknown` is neither yes nor no."""
    with pytest.raises(Refused, match="nothing to add") as refused:
        await pair.ask("n1", pb.AddRequest(amount=0))
    assert refused.value.hint == "n1"
    with pytest.raises(Indeterminate, match="nobody can say"):
        await pair.ask("n1", pb.AddRequest(amount=13))
    with pytest.raises(Indeterminate, match="no response from n1 within 50 ms"):
        await pair.ask("n1", pb.WaitRequest(delay_ms=60_000), timeout_ms=50)


@pytest.mark.parametrize(
    ("header", "code", "message"),
    [
        (None, grpc.StatusCode.UNAUTHENTICATED, "names no lab session"),
        (CallHeader("n2", "wrong", 1, "m"), grpc.StatusCode.FAILED_PRECONDITION, "another lab"),
        (CallHeader("n9", "right", 1, "m"), grpc.StatusCode.FAILED_PRECONDITION, "n9 is neither"),
        (CallHeader("", "right", 1, "m"), grpc.StatusCode.FAILED_PRECONDITION, "neither a peer"),
    ],
)
async def test_sec_15_strangers_do_not_reach_the_core(
    pair: Pair, header: CallHeader | None, code: grpc.StatusCode, message: str
) -> None:
    """A call without our session's id, or from nobody we know, is refused in one line."""
    metadata = header.to_metadata() if header is not None else ()
    with pytest.raises(grpc.aio.AioRpcError, match=message) as refused:
        await pair.raw(pb.EchoRequest(text="hi"), metadata)
    assert refused.value.code() is code
    assert (await pair.view("n1")).echoes == 0


@pytest.mark.parametrize("token", [None, "wrong", "secret2"])
@pytest.mark.parametrize(
    "request_",
    [
        node_pb2.ViewRequest(),
        node_pb2.SetClockRequest(offset_ms=1, rate=1),
        node_pb2.SetRpcFaultsRequest(),
        node_pb2.SetCrashPointsRequest(),
        node_pb2.StopRequest(),
    ],
    ids=lambda request: type(request).__name__,
)
async def test_sec_15_control_needs_the_token(
    pair: Pair, request_: Message, token: str | None
) -> None:
    """Every control call without the right token is refused, and nothing happens."""
    header = CallHeader("client", "right", 0, "m")
    extra = (("faultlab-token", token),) if token is not None else ()
    with pytest.raises(grpc.aio.AioRpcError, match="needs the lab session's token") as refused:
        await pair.raw(request_, header.to_metadata() + extra)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert (await pair.ask("n1", pb.EchoRequest(text="still there"))).text == "still there"


async def test_sec_14_oversize_messages_are_refused(pair: Pair) -> None:
    """A request over the cap is a definite no, whoever notices first; a large one passes."""
    large = pb.EchoRequest(text="x" * (RECEIVE_BYTES_MAX - 1000))
    assert len((await pair.ask("n1", large)).text) == RECEIVE_BYTES_MAX - 1000
    huge = pb.EchoRequest(text="x" * (RECEIVE_BYTES_MAX + 1000))
    with pytest.raises(Refused, match="takes 4194304 at most"):
        await pair.ask("n1", huge)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await pair.raw(huge, CallHeader("client", "right", 0, "m").to_metadata())
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await pair.view("n1")).echoes == 1


async def test_bytes_that_are_no_message_do_not_reach_the_core(pair: Pair) -> None:
    """Garbage in place of a request is the caller's error; the node goes on."""
    method = METHODS[pb.EchoRequest]
    header = CallHeader("client", "right", 0, "m")
    async with grpc.aio.insecure_channel(pair.addresses["n1"]) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method.path)
        for garbage in (b"\xff\xff\xff", b"\x0a\x02\xff\xfe"):
            with pytest.raises(grpc.aio.AioRpcError):
                await call(garbage, timeout=5, metadata=header.to_metadata())
        unknown: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        unknown = channel.unary_unary("/faultlab.ping.Ping/Nothing")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await unknown(b"", timeout=5, metadata=header.to_metadata())
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert (await pair.ask("n1", pb.EchoRequest(text="hi"))).text == "hi"


async def test_the_clock_is_skewed_by_the_control_service(pair: Pair) -> None:
    """An offset shows in the core's wall clock; nonsense is refused and changes nothing."""
    address = pair.addresses["n1"]
    await pair.control.set_clock(address, "n1", offset_ms=-7_200_000, rate=1.0, timeout_ms=5_000)
    await pair.ask("n1", pb.EchoRequest())
    assert abs((await pair.view("n1")).wall_ms + 7_200_000 - time.time() * 1000) < 60_000
    with pytest.raises(RuntimeFailure, match="clock rate is -1"):
        await pair.control.set_clock(address, "n1", offset_ms=0, rate=-1, timeout_ms=5_000)
    found = await pair.control.view(address, "n1", timeout_ms=5_000)
    assert found is not None
    assert (found[1].clock_offset_ms, found[1].clock_rate) == (-7_200_000, 1.0)


async def test_a_lost_request_never_arrives(pair: Pair) -> None:
    """The peer does nothing, and the caller sees its deadline pass, not earlier."""
    await pair.hurt("n1", node_pb2.RpcFault(kind="LOSE_REQUEST", percent=100))
    began_s = time.monotonic()
    response = await pair.ask("n1", pb.RelayRequest(peer="n2", text="x", timeout_ms=100))
    assert (response.failure, response.text) == ("deadline", "")
    assert time.monotonic() - began_s >= 0.099
    assert (await pair.view("n2")).echoes == 0


async def test_a_lost_response_comes_after_the_work(pair: Pair) -> None:
    """The peer did it; the caller cannot know."""
    await pair.hurt("n1", node_pb2.RpcFault(kind="LOSE_RESPONSE", percent=100, peer="n2"))
    response = await pair.ask("n1", pb.RelayRequest(peer="n2", text="x", timeout_ms=1_000))
    assert response.failure == "deadline"
    assert (await pair.view("n2")).echoes == 1


async def test_a_duplicated_request_arrives_twice_and_counts_once(pair: Pair) -> None:
    """Two requests at the peer, one response for the caller."""
    await pair.hurt("n1", node_pb2.RpcFault(kind="DUPLICATE", percent=100))
    response = await pair.ask("n1", pb.RelayRequest(peer="n2", text="x"))
    assert response.text == "x"
    async with asyncio.timeout(5):
        while (await pair.view("n2")).echoes < 2:  # noqa: ASYNC110  # the second is on its way
            await asyncio.sleep(0.01)
    assert (await pair.view("n2")).echoes == 2


async def test_held_back_requests_are_overtaken(pair: Pair) -> None:
    """Requests sent in one order arrive in another, all of them."""
    await pair.hurt("n1", node_pb2.RpcFault(kind="REORDER", percent=100, hold_ms=200))
    texts = [str(number) for number in range(12)]
    await asyncio.gather(*(pair.ask("n1", pb.RelayRequest(peer="n2", text=text)) for text in texts))
    events = [
        TimelineEvent.from_json(line)
        for line in await _lines_with(pair.folder / "n2.events.jsonl", "Echo", 24)
    ]
    arrived = [str(event.fields["message"]) for event in events if event.kind == "received"]
    assert len(arrived) == 12
    assert arrived != sorted(arrived, key=lambda message: int(message.rpartition("-")[2]))
    await pair.hurt("n1")
    found = await pair.control.view(pair.addresses["n1"], "n1", timeout_ms=5_000)
    assert found is not None
    assert not found[1].rpc_faults


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


async def _lines_with(path: Path, text: str, count: int) -> list[str]:
    async with asyncio.timeout(5):
        while True:
            lines = [line for line in _lines(path) if text in line]
            if len(lines) >= count:
                return lines
            await asyncio.sleep(0.01)


async def test_the_timelines_of_two_nodes_fit_together(pair: Pair) -> None:
    """Each message sent is received under the same id, at a later Lamport time."""
    await pair.ask("n1", pb.RelayRequest(peer="n2", text="x"))
    by_id: dict[str, dict[str, TimelineEvent]] = {}
    for node, count in (("n1", 4), ("n2", 2)):
        for line in await _lines_with(pair.folder / f"{node}.events.jsonl", "message", count):
            event = TimelineEvent.from_json(line)
            by_id.setdefault(str(event.fields["message"]), {})[event.kind] = event
    between_nodes = {name: ends for name, ends in by_id.items() if not name.startswith("client")}
    assert len(between_nodes) == 2
    for ends in between_nodes.values():
        assert ends["received"].lamport > ends["sent"].lamport
        assert ends["received"].fields["from"] == ends["sent"].node


async def test_health_and_reflection_answer_without_a_token(pair: Pair) -> None:
    """Standard tools see that the node serves, and what."""
    async with grpc.aio.insecure_channel(pair.addresses["n1"]) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "faultlab.ping.Ping", "faultlab.node.Control"):
            request = health_pb2.HealthCheckRequest(service=service)
            answer = await health.Check(request, timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = reflection.ServerReflectionInfo(timeout=5)
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = await call.read()
        await call.done_writing()
        names = {service.name for service in listed.list_services_response.service}
        assert {"faultlab.ping.Ping", "faultlab.node.Control"} <= names


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """Two servers never share a port; the second one says which it is, and leaves no file open."""
    async with pair_of_nodes(tmp_path) as pair:
        taken = pair.addresses["n1"]
        with pytest.raises(AddressInUse, match=f"n3: cannot listen on {taken}: the port is in use"):
            Node(config("n3", tmp_path, (), listen=taken))


async def test_a_stranger_behind_the_address_is_noticed(pair: Pair) -> None:
    """The control client does not take one node for another."""
    with pytest.raises(RuntimeFailure, match="is 'n1', not n2"):
        await pair.control.view(pair.addresses["n1"], "n2", timeout_ms=5_000)
