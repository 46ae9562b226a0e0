"""Both ends of a stream that carries calls, where its connection or its other end misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message

from nodes.core import Caller, NodeId
from nodes.host.carriers import CallBroken, Carried
from nodes.host.causality import Causality
from nodes.host.headers import NODE, SESSION, CallHeader
from nodes.host.process import Answered, Host, Stopped, Waiter
from nodes.host.recorder import Recorder
from nodes.host.rpc import (
    CARRY_PATH,
    CHANNEL_OPTIONS,
    RECEIVE_BYTES_MAX,
    SERVER_OPTIONS,
    Method,
    methods_of,
)
from nodes.host.stream_client import StreamCarrier
from nodes.host.stream_server import CALLS_MAX, HELD_BYTES_MAX, StreamHandlers
from protos import node_pb2
from tests.support import ping_pb2 as pb

METHODS = methods_of((pb,))
ECHO = METHODS[pb.EchoRequest]
WITHIN_S = 10.0


class Desk:
    """In the place of a host: keeps requests until the test answers them."""

    def __init__(self) -> None:
        self.waiting: dict[int, tuple[str, Waiter]] = {}
        self.abandoned: list[int] = []
        self.accepted = 0

    def accept(
        self, node: NodeId, method: Method, request: Message, message: str, answered: Waiter
    ) -> Caller:
        assert isinstance(request, pb.EchoRequest)
        self.accepted += 1
        self.waiting[self.accepted] = request.text, answered
        return Caller(node, self.accepted)

    def abandon(self, caller: Caller) -> None:
        self.abandoned.append(caller.call_id)
        self.waiting.pop(caller.call_id, None)

    def answer(self, number: int, text: str | None = None) -> None:
        asked, answered = self.waiting.pop(number)
        response = pb.EchoResponse(text=asked if text is None else text)
        answered.set_result(Answered(response, 7, "mr"))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():  # noqa: ASYNC110  nobody signals it
                await asyncio.sleep(0.002)

    async def until_accepted(self, count: int) -> None:
        await self.until(lambda: self.accepted == count)


async def until_either(desk: Desk, accepted: int, call: asyncio.Task[Carried]) -> None:
    """So many requests were accepted, or the call has failed."""
    await desk.until(lambda: desk.accepted == accepted or call.done())


class Relay:
    """A TCP relay in front of a server, which can be cut, made silent, or late to begin."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.address = ""
        self.silent = asyncio.Event()
        self.begins_after_s = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.begins_after_s)
        host, _, port = self.target.rpartition(":")
        back_reader, back_writer = await asyncio.open_connection(host, int(port))
        self._writers |= {writer, back_writer}
        for source, sink in ((reader, back_writer), (back_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                if not self.silent.is_set():
                    sink.write(data)
                    await sink.drain()
        sink.close()

    def cut(self) -> None:
        """Ends every connection; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        self.cut()
        self._server.close()
        await self._server.wait_closed()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Bench:
    """A served desk, a relay before it, and carriers to either."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.causality = Causality("n1", Recorder("n1", None, began_ms=0), boot=0)
        self.handlers = StreamHandlers(
            "right", frozenset({"n2", "client"}), cast(Host, self.desk), self.causality
        )
        self.handlers.offer(METHODS.values())
        self.server = grpc.aio.server(options=SERVER_OPTIONS)
        self.server.add_generic_rpc_handlers((self.handlers,))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.relay = Relay(self.address)
        self._open: list[StreamCarrier | grpc.aio.Channel] = []

    def carrier(self, address: str | None = None, session: str = "right") -> StreamCarrier:
        made = StreamCarrier(address or self.address, "n2", session)
        self._open.append(made)
        return made

    def raw(self, serialize: Any = node_pb2.RequestFrames.SerializeToString) -> Any:
        """A stream below the carrier."""
        channel = grpc.aio.insecure_channel(self.address, options=CHANNEL_OPTIONS)
        self._open.append(channel)
        return channel.stream_stream(
            CARRY_PATH,
            request_serializer=serialize,
            response_deserializer=node_pb2.ResponseFrames.FromString,
        )(metadata=((NODE, "client"), (SESSION, "right")))

    async def close(self) -> None:
        for one in self._open:
            await one.close()
        await self.relay.close()
        await self.server.stop(0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    await made.server.start()
    await made.relay.open()
    yield made
    await made.close()


def ask(
    carrier: StreamCarrier, text: str = "x", timeout_ms: float = 10_000
) -> asyncio.Task[Carried]:
    header = CallHeader("n2", "right", 3, "m")
    request = pb.EchoRequest(text=text)
    return asyncio.create_task(carrier.call(ECHO, request, header, timeout_ms))


async def code_of(call: asyncio.Task[Carried]) -> grpc.StatusCode:
    with pytest.raises(CallBroken) as broken:
        async with asyncio.timeout(WITHIN_S):
            await call
    return broken.value.code


def frames(*wanted: node_pb2.RequestFrame) -> node_pb2.RequestFrames:
    return node_pb2.RequestFrames(frames=wanted)


def echo_frame(call: int, text: str = "x", **fields: Any) -> node_pb2.RequestFrame:
    part = pb.EchoRequest(text=text).SerializeToString()
    return node_pb2.RequestFrame(call=call, method=ECHO.path, part=part, **fields)


async def test_calls_are_answered_in_any_order_with_what_came_along(bench: Bench) -> None:
    """Each caller gets its own response, with Lamport time and message id."""
    carrier = bench.carrier()
    calls = [ask(carrier, text) for text in "abc"]
    await bench.desk.until(lambda: bench.desk.accepted == 3)
    for number in (2, 3, 1):
        bench.desk.answer(number)
    found = await asyncio.gather(*calls)
    assert [cast(pb.EchoResponse, one.response).text for one in found] == ["a", "b", "c"]
    assert {(one.lamport, one.message) for one in found} == {(7, "mr")}


async def test_a_broken_connection_fails_all_at_once_and_the_next_call_connects(
    bench: Bench,
) -> None:
    """Nobody waits for a deadline; the node forgets its callers; a second is enough to be back."""
    carrier = bench.carrier(bench.relay.address)
    calls = [ask(carrier, timeout_ms=60_000) for _ in range(5)]
    await bench.desk.until(lambda: bench.desk.accepted == 5)
    bench.relay.cut()
    codes = await asyncio.gather(*map(code_of, calls))
    assert set(codes) == {grpc.StatusCode.UNAVAILABLE}
    await bench.desk.until(lambda: len(bench.desk.abandoned) == 5)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while bench.desk.accepted == 5:
        call = ask(carrier, "again")
        await until_either(bench.desk, 6, call)
        if call.done():
            assert await code_of(call) is grpc.StatusCode.UNAVAILABLE
    assert loop.time() - began_s < 5, "the channel's backoff is half a second at most"
    bench.desk.answer(6)
    assert cast(pb.EchoResponse, (await call).response).text == "again"


async def test_a_connection_that_takes_long_to_make_is_made(bench: Bench) -> None:
    """As on a busy machine, or over a slow link: it is not given up for the next attempt, which
    would take as long."""
    bench.relay.begins_after_s = 0.8  # More than the longest pause between two attempts.
    call = ask(bench.carrier(bench.relay.address))
    await until_either(bench.desk, 1, call)
    bench.desk.answer(1)
    await call


async def test_nobody_listens_is_told_as_for_a_single_call(bench: Bench) -> None:
    """UNAVAILABLE with gRPC's own words, by which a client knows that nothing was sent."""
    await bench.relay.close()
    with pytest.raises(CallBroken, match="failed to connect to all addresses"):
        await ask(bench.carrier(bench.relay.address))


async def test_silence_ends_at_the_deadline(bench: Bench) -> None:
    """A black hole is no broken connection: each call waits for its own deadline."""
    carrier = bench.carrier(bench.relay.address)
    first = ask(carrier)
    await bench.desk.until(lambda: bench.desk.accepted == 1)
    bench.relay.silent.set()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    assert await code_of(ask(carrier, timeout_ms=80)) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert loop.time() - began_s >= 0.079
    assert not first.done()
    first.cancel()


async def test_the_node_forgets_callers_at_their_deadline_or_when_they_leave(bench: Bench) -> None:
    """A response that comes later goes nowhere, and the stream goes on."""
    carrier = bench.carrier()
    late = ask(carrier, timeout_ms=50)
    gone = ask(carrier, timeout_ms=60_000)
    await bench.desk.until(lambda: bench.desk.accepted == 2)
    gone.cancel()
    assert await code_of(late) is grpc.StatusCode.DEADLINE_EXCEEDED
    await bench.desk.until(lambda: sorted(bench.desk.abandoned) == [1, 2])
    more = ask(carrier, "more")
    await bench.desk.until(lambda: bench.desk.accepted == 3)
    bench.desk.answer(3)
    assert cast(pb.EchoResponse, (await more).response).text == "more"


async def test_sec_14_what_is_too_large_is_refused_and_the_stream_goes_on(bench: Bench) -> None:
    """Requests by the caller's own end, and by the node's; responses by the node's."""
    carrier = bench.carrier()
    huge = "x" * (RECEIVE_BYTES_MAX + 1)
    with pytest.raises(CallBroken, match="CLIENT: Sent message larger than max"):
        await ask(carrier, huge)
    large, huge_response = ask(carrier, huge[:-1000]), ask(carrier)
    await bench.desk.until(lambda: bench.desk.accepted == 2)
    by_size = sorted(bench.desk.waiting, key=lambda number: len(bench.desk.waiting[number][0]))
    bench.desk.answer(by_size[0], huge)
    bench.desk.answer(by_size[1])
    with pytest.raises(CallBroken, match="SERVER: Sent message larger than max"):
        await huge_response
    assert len(cast(pb.EchoResponse, (await large).response).text) == RECEIVE_BYTES_MAX - 999
    stream = bench.raw()
    mib = b"x" * (1024 * 1024)
    for _ in range(5):
        await stream.write(frames(node_pb2.RequestFrame(call=1, part=mib, more=True)))
    await stream.write(frames(node_pb2.RequestFrame(call=1, method=ECHO.path, part=b"")))
    (refused,) = (await stream.read()).frames
    assert refused.status == grpc.StatusCode.UNIMPLEMENTED.value[0], "its head named no method"
    for more in (*(True,) * 5, False):
        frame = node_pb2.RequestFrame(call=2, method=ECHO.path, part=mib, more=more)
        await stream.write(frames(frame))
    (refused,) = (await stream.read()).frames
    assert refused.status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert refused.details.startswith("SERVER: Received message larger than max")
    assert bench.desk.accepted == 2


@pytest.mark.parametrize(
    ("metadata", "code", "message"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED, "names no lab session"),
        (((NODE, "n2"), (SESSION, "wrong")), grpc.StatusCode.FAILED_PRECONDITION, "another lab"),
        (((NODE, "n9"), (SESSION, "right")), grpc.StatusCode.FAILED_PRECONDITION, "n9 is neither"),
    ],
)
async def test_sec_15_strangers_open_no_stream(
    bench: Bench, metadata: Any, code: grpc.StatusCode, message: str
) -> None:
    """Refused when the stream opens, with the words that a single call gets."""
    async with grpc.aio.insecure_channel(bench.address, options=CHANNEL_OPTIONS) as channel:
        rpc: Any = channel.stream_stream(CARRY_PATH)(metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError, match=message) as refused:
            await rpc.read()
    assert refused.value.code() is code
    with pytest.raises(CallBroken, match="another lab session"):
        await ask(bench.carrier(session="wrong"))
    assert bench.desk.accepted == 0


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ([echo_frame(1), echo_frame(1)], "call 1 is under way already"),
        ([echo_frame(1, more=True), echo_frame(2, more=True)], "calls 1 and 2 both come in parts"),
        ([b"\xff\xff\xff"], "what came is no frame"),
    ],
    ids=["number", "parts", "garbage"],
)
async def test_who_breaks_the_rules_loses_the_stream(
    bench: Bench, sent: list[Any], message: str
) -> None:
    """INVALID_ARGUMENT with the rule; callers are forgotten, and other streams go on."""
    other = ask(bench.carrier(), "other")
    await bench.desk.until(lambda: bench.desk.accepted == 1)

    def serialize(one: Any) -> bytes:
        return one if isinstance(one, bytes) else frames(one).SerializeToString()

    stream = bench.raw(serialize)
    for one in sent:
        await stream.write(one)
    with pytest.raises(grpc.aio.AioRpcError, match=message) as refused:
        await stream.read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    await bench.desk.until(lambda: set(bench.desk.waiting) == {1})
    bench.desk.answer(1)
    assert cast(pb.EchoResponse, (await other).response).text == "other"


async def test_requests_that_are_none_do_not_reach_the_core(bench: Bench) -> None:
    """Unknown methods and bytes that are no request are the caller's errors, one by one."""
    stream = bench.raw()
    unknown = node_pb2.RequestFrame(call=1, method="/faultlab.ping.Ping/Nothing")
    control = node_pb2.RequestFrame(call=2, method="/faultlab.node.Control/Stop")
    garbage = node_pb2.RequestFrame(call=3, method=ECHO.path, part=b"\xff\xff")
    await stream.write(frames(unknown, control, garbage, echo_frame(4)))
    found = {frame.call: frame.status for frame in (await stream.read()).frames}
    no_method, no_message = (
        code.value[0] for code in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL)
    )
    assert found == {1: no_method, 2: no_method, 3: no_message}
    await bench.desk.until(lambda: bench.desk.accepted == 1)


async def test_one_stream_cannot_make_the_node_hold_more_than_its_share(bench: Bench) -> None:
    """Calls beyond the bound wait at their caller until others are done; another stream is served
    meanwhile."""
    greedy = bench.carrier()
    calls = [ask(greedy, timeout_ms=60_000) for _ in range(CALLS_MAX + 200)]
    await bench.desk.until(lambda: bench.desk.accepted == CALLS_MAX)
    other = ask(bench.carrier(), "other")
    await bench.desk.until(lambda: bench.desk.accepted == CALLS_MAX + 1)
    assert bench.desk.waiting[CALLS_MAX + 1][0] == "other"
    for number in tuple(bench.desk.waiting):
        bench.desk.answer(number)
    await other
    await bench.desk.until(lambda: bench.desk.accepted == CALLS_MAX + 201)
    for number in tuple(bench.desk.waiting):
        bench.desk.answer(number)
    await asyncio.gather(*calls)


class Sleepy:
    """In the place of gRPC's context: a caller that sends, and takes nothing until it wakes."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.awake = asyncio.Event()
        self.taken = 0

    def invocation_metadata(self) -> Any:
        return ((NODE, "client"), (SESSION, "right"))

    async def read(self) -> Any:
        return await self.sent.get()

    async def write(self, batch: node_pb2.ResponseFrames) -> None:
        await self.awake.wait()
        self.taken += sum(not frame.more for frame in batch.frames)


async def test_a_reader_that_sleeps_is_not_fed_and_delays_nobody(bench: Bench) -> None:
    """What is answered but not taken is bounded: then no more requests are read from there, while
    another stream is served. Awake, the reader gets all."""
    sleepy, text = Sleepy(), "x" * (RECEIVE_BYTES_MAX // 2)
    handler: Any = bench.handlers.service(cast(Any, SimpleNamespace(method=CARRY_PATH)))
    serving = asyncio.create_task(handler.stream_stream(None, sleepy))
    fits = HELD_BYTES_MAX // len(text)
    for call in range(1, fits + 1):
        sleepy.sent.put_nowait(frames(echo_frame(call)))
        await bench.desk.until_accepted(call)
        bench.desk.answer(call, text)
    for call in range(fits + 1, fits + 4):
        sleepy.sent.put_nowait(frames(echo_frame(call)))
    other = ask(bench.carrier(), "other")
    await bench.desk.until(lambda: bool(bench.desk.waiting))
    assert [asked for asked, _ in bench.desk.waiting.values()] == ["other"]
    bench.desk.answer(fits + 1)
    await other
    assert bench.desk.accepted == fits + 1
    sleepy.awake.set()
    await bench.desk.until_accepted(fits + 4)
    for number in tuple(bench.desk.waiting):
        bench.desk.answer(number, text)
    sleepy.sent.put_nowait(grpc.aio.EOF)
    async with asyncio.timeout(WITHIN_S):
        await serving
    assert sleepy.taken == fits + 3


async def test_a_node_that_stops_says_so_and_does_not_linger(bench: Bench) -> None:
    """Calls that wait are told; the stream ends, and the server need not wait for its grace."""
    carrier = bench.carrier()
    call = ask(carrier)
    await bench.desk.until(lambda: bench.desk.accepted == 1)
    _, answered = bench.desk.waiting.pop(1)
    answered.set_exception(Stopped())
    bench.handlers.stop()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await bench.server.stop(WITHIN_S)
    assert loop.time() - began_s < WITHIN_S / 2
    with pytest.raises(CallBroken, match="the node stops") as broken:
        await call
    assert broken.value.code is grpc.StatusCode.UNAVAILABLE
