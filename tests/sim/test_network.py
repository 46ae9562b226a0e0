"""Messages in memory: what each fault does to a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest
from google.protobuf.message import Message

from nodes.cluster.api import Link, LinkState, RpcFault, RpcFaultKind, RuntimeFailure, Stream, Toxic
from nodes.core import Caller, NodeId
from nodes.sim.loop import VirtualLoop, run_virtual
from nodes.sim.network import SimNetwork
from tests.support import ping_pb2 as pb

LATENCY_MS = 1.0
Ended = tuple[str, float]  # "ok" or the reason, and when, in milliseconds


class Wire:
    """A network between endpoints that echo at once."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        latency_ms = (LATENCY_MS, LATENCY_MS)
        self.network = SimNetwork(self.loop, Random(0), latency_ms, self.deliver)
        self.down: set[NodeId] = set()
        self.silent: set[NodeId] = set()
        self.arrived: list[tuple[NodeId, NodeId, str]] = []

    def now_ms(self) -> float:
        return round(self.loop.time() * 1000, 6)

    def deliver(self, target: NodeId, caller: Caller, request: Message, _: str) -> bool:
        assert isinstance(request, pb.EchoRequest)
        if target in self.down:
            return False
        self.arrived.append((caller.node, target, request.text))
        if target not in self.silent:
            self.network.respond(caller, pb.EchoResponse(text=request.text))
        return True

    def call(
        self, source: NodeId, target: NodeId, text: str = "", *, timeout_ms: int = 100
    ) -> asyncio.Future[Ended]:
        """Starts a call; the future must be set exactly once."""
        ended: asyncio.Future[Ended] = self.loop.create_future()

        def complete(response: Message | None, reason: str) -> None:
            ended.set_result((reason if response is None else "ok", self.now_ms()))

        self.network.call(source, target, pb.EchoRequest(text=text), timeout_ms, complete)
        return ended

    def block(self, source: NodeId, target: NodeId, *streams: Stream) -> dict[Link, LinkState]:
        toxics = tuple(Toxic("timeout", stream, {"timeout": 0}) for stream in streams)
        return {Link(source, target): LinkState(toxics=toxics)}


def on_wire(program: Callable[[Wire], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await program(Wire())

    run_virtual(main)


def test_a_call_takes_two_latencies() -> None:
    """One way there and one way back."""

    async def program(wire: Wire) -> None:
        assert await wire.call("a", "b") == ("ok", 2 * LATENCY_MS)

    on_wire(program)


def test_silence_ends_at_the_deadline() -> None:
    """Whoever gets no response hears of it when the deadline passes, and not before."""

    async def program(wire: Wire) -> None:
        wire.silent = {"b"}
        assert await wire.call("a", "b", timeout_ms=70) == ("deadline", 70)
        assert wire.arrived

    on_wire(program)


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_blocked_stream_is_silence(stream: Stream) -> None:
    """Upstream carries the requests of a link, downstream the responses: blocking the second lets
    the work be done and loses the response."""

    async def program(wire: Wire) -> None:
        wire.network.set_links(wire.block("a", "b", stream))
        assert await wire.call("a", "b") == ("deadline", 100)
        assert bool(wire.arrived) == (stream == "downstream")

    on_wire(program)


def test_a_one_way_cut_leaves_the_other_way() -> None:
    """From a to b is upstream in a->b and downstream in b->a: b's requests still arrive."""

    async def program(wire: Wire) -> None:
        cut = wire.block("a", "b", "upstream") | wire.block("b", "a", "downstream")
        wire.network.set_links(cut)
        assert (await wire.call("a", "b"))[0] == "deadline"
        assert (await wire.call("b", "a"))[0] == "deadline"
        assert wire.arrived == [("b", "a", "")]
        assert (await wire.call("a", "c"))[0] == "ok"

    on_wire(program)


def test_what_is_on_its_way_when_a_cut_comes_is_lost() -> None:
    """A block acts on messages that have not arrived."""

    async def program(wire: Wire) -> None:
        ended = wire.call("a", "b")
        wire.network.set_links(wire.block("a", "b", "upstream"))
        assert (await ended)[0] == "deadline"
        assert not wire.arrived

    on_wire(program)


def test_healing_breaks_calls_that_hang() -> None:
    """To remove a black hole closes its connections: a call that hung in it fails soon after, and
    new ones go through."""

    async def program(wire: Wire) -> None:
        wire.network.set_links(wire.block("a", "b", "upstream"))
        hanging = wire.call("a", "b")
        bystander = wire.call("c", "b", timeout_ms=1000)
        await asyncio.sleep(0.050)
        wire.network.set_links({})
        reason, at_ms = await hanging
        assert (reason, at_ms < 51) == ("unavailable", True)
        assert (await bystander)[0] == "ok"
        assert (await wire.call("a", "b"))[0] == "ok"

    on_wire(program)


def test_other_links_do_not_feel_a_heal() -> None:
    """Links that stay as they are keep their calls."""

    async def program(wire: Wire) -> None:
        both = wire.block("a", "b", "upstream") | wire.block("a", "c", "upstream")
        wire.network.set_links(both)
        hanging = wire.call("a", "c")
        wire.network.set_links(wire.block("a", "c", "upstream"))
        assert await hanging == ("deadline", 100)

    on_wire(program)


def test_a_severed_link_refuses_at_once() -> None:
    """A refused connection is noticed at once, and calls under way break."""

    async def program(wire: Wire) -> None:
        wire.silent = {"b"}
        under_way = wire.call("a", "b")
        wire.network.set_links({Link("a", "b"): LinkState(enabled=False)})
        for ended in (under_way, wire.call("a", "b")):
            reason, at_ms = await ended
            assert (reason, at_ms < 1) == ("unavailable", True)
        assert (await wire.call("b", "a"))[0] == "ok"

    on_wire(program)


def test_latency_adds_to_a_stream() -> None:
    """The delay of one direction counts once a call."""

    async def program(wire: Wire) -> None:
        toxic = Toxic("latency", "downstream", {"latency": 30, "jitter": 0})
        wire.network.set_links({Link("a", "b"): LinkState(toxics=(toxic,))})
        assert await wire.call("a", "b") == ("ok", 32)

    on_wire(program)


def test_jitter_stays_within_its_bounds() -> None:
    """Latency plus or minus jitter."""

    async def program(wire: Wire) -> None:
        toxic = Toxic("latency", "upstream", {"latency": 30, "jitter": 10})
        wire.network.set_links({Link("a", "b"): LinkState(toxics=(toxic,))})
        took = []
        for _ in range(50):
            began_ms = wire.now_ms()
            took.append((await wire.call("a", "b"))[1] - began_ms)
        assert all(22 <= ms <= 42 for ms in took)
        assert max(took) - min(took) > 10

    on_wire(program)


def test_a_toxic_on_bytes_is_refused() -> None:
    """The simulator has no byte streams: it says so, and does not skip the fault silently."""

    async def program(wire: Wire) -> None:
        toxic = Toxic("slicer", "upstream", {"average_size": 1})
        with pytest.raises(RuntimeFailure, match=r"slicer on a->b .* use --runtime local"):
            wire.network.set_links({Link("a", "b"): LinkState(toxics=(toxic,))})

    on_wire(program)


def test_a_dead_node_is_noticed() -> None:
    """Who calls a node that is down is refused; who waits for one that dies sees the connection
    break."""

    async def program(wire: Wire) -> None:
        wire.silent = {"b"}
        waiting = wire.call("a", "b")
        await asyncio.sleep(0.010)
        wire.down = {"b"}
        wire.network.node_died("b")
        reason, at_ms = await waiting
        assert (reason, at_ms < 11) == ("unavailable", True)
        assert (await wire.call("a", "b"))[0] == "unavailable"

    on_wire(program)


def test_what_was_told_before_a_death_stays_told() -> None:
    """A response that had left arrives, and the connection breaks behind it. Else a node that tells
    first and saves afterwards would never be found out."""

    async def program(wire: Wire) -> None:
        wire.silent = {"b"}
        ended = wire.call("a", "b")
        await asyncio.sleep(0.001)
        wire.network.respond(Caller("a", 1), pb.EchoResponse())
        wire.network.node_died("b")
        assert await ended == ("ok", 2)

    on_wire(program)


def test_a_death_behind_a_cut_is_not_noticed() -> None:
    """Nothing comes through a black hole, no reset either."""

    async def program(wire: Wire) -> None:
        wire.network.set_links(wire.block("a", "b", "upstream", "downstream"))
        waiting = wire.call("a", "b")
        wire.network.node_died("b")
        assert await waiting == ("deadline", 100)

    on_wire(program)


def test_a_dead_nodes_calls_are_forgotten() -> None:
    """It is nobody whom a response could reach."""

    async def program(wire: Wire) -> None:
        ended = wire.call("a", "b")
        wire.network.node_died("a")
        await asyncio.sleep(1)
        assert not ended.done()

    on_wire(program)


def rpc_fault(kind: RpcFaultKind, percent: float = 100, hold_ms: int = 0) -> tuple[RpcFault, ...]:
    return (RpcFault(kind, percent, None, hold_ms),)


@pytest.mark.parametrize(("kind", "arrives"), [("lose_request", 0), ("lose_response", 1)])
def test_lost_calls(kind: RpcFaultKind, arrives: int) -> None:
    """A request that never arrived and a response lost after the work was done look the same to the
    caller."""

    async def program(wire: Wire) -> None:
        wire.network.rpc_faults["a"] = rpc_fault(kind)
        assert (await wire.call("a", "b"))[0] == "deadline"
        assert len(wire.arrived) == arrives
        assert (await wire.call("b", "a"))[0] == "ok"

    on_wire(program)


def test_duplicated_requests_arrive_twice() -> None:
    """And the call ends once."""

    async def program(wire: Wire) -> None:
        wire.network.rpc_faults["a"] = rpc_fault("duplicate")
        assert (await wire.call("a", "b"))[0] == "ok"
        await asyncio.sleep(1)
        assert len(wire.arrived) == 2

    on_wire(program)


def test_reordered_requests_overtake_each_other() -> None:
    """Each is held for a random time."""

    async def program(wire: Wire) -> None:
        wire.network.rpc_faults["a"] = rpc_fault("reorder", hold_ms=50)
        sent = [f"{number:02}" for number in range(20)]
        await asyncio.gather(*(wire.call("a", "b", text, timeout_ms=1000) for text in sent))
        arrived = [text for _, _, text in wire.arrived]
        assert sorted(arrived) == sent
        assert arrived != sent

    on_wire(program)


def test_a_share_of_calls() -> None:
    """30 percent of many are about that."""

    async def program(wire: Wire) -> None:
        wire.network.rpc_faults["a"] = rpc_fault("lose_request", 30)
        ended = await asyncio.gather(*(wire.call("a", "b") for _ in range(1000)))
        lost = sum(reason == "deadline" for reason, _ in ended)
        assert 250 < lost < 350

    on_wire(program)


def test_a_fault_may_be_for_one_peer() -> None:
    """Others are spared."""

    async def program(wire: Wire) -> None:
        wire.network.rpc_faults["a"] = (RpcFault("lose_request", 100, "b"),)
        assert (await wire.call("a", "b"))[0] == "deadline"
        assert (await wire.call("a", "c"))[0] == "ok"

    on_wire(program)


def test_a_message_is_a_copy() -> None:
    """What the receiver does to a request is not seen by the sender."""

    async def program(wire: Wire) -> None:
        received: list[Message] = []

        def keep(target: NodeId, caller: Caller, request: Message, message: str) -> bool:
            received.append(request)
            return True

        wire.network.deliver = keep
        sent = pb.EchoRequest(text="x")
        wire.network.call("a", "b", sent, 100, lambda response, reason: None)
        await asyncio.sleep(0.010)
        assert received == [sent]
        assert received[0] is not sent

    on_wire(program)
