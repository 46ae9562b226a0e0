"""Every fault of the network and of single calls acts alike, however calls travel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from nodes.cluster.api import CLIENT, Indeterminate, Link, LinkState, Refused, Toxic
from nodes.cluster.faults import Faults
from nodes.cluster.local import LocalCluster
from nodes.host.transports import TRANSPORTS
from tests.cluster.test_local import WITHIN_MS, ask, running, view
from tests.support import ping_pb2 as pb

# One cluster a transport for all tests, and so one event loop.
pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

TIMEOUT_MS = 400
HEALED_MS_MAX = 5_000  # a reconnect takes half a second; the rest is for a busy machine

SILENT, BROKEN, LATE, FINE = "deadline", "unavailable", "late", "fine"
Injection = Callable[[Faults], Awaitable[object]]

# The fault, and what a call from n1 to n2 meets then.
FAULTS: dict[str, tuple[Injection, str]] = {
    "partition": (lambda faults: faults.partition("n1", "n2"), SILENT),
    "isolate": (lambda faults: faults.isolate("n2"), SILENT),
    "cut": (lambda faults: faults.cut("n1", "n2"), SILENT),
    "cut one way": (lambda faults: faults.cut("n1", "n2", one_way=True), SILENT),
    "cut the way back": (lambda faults: faults.cut("n2", "n1", one_way=True), SILENT),
    "sever": (lambda faults: faults.sever("n1", "n2"), BROKEN),
    "delay": (lambda faults: faults.delay("n1", "n2", 100), LATE),
    "kill": (lambda faults: faults.kill("n2"), BROKEN),
    "pause": (lambda faults: faults.pause("n2"), SILENT),
    "lose requests": (lambda faults: faults.lose(100, "n1", which="requests"), SILENT),
    "lose responses": (lambda faults: faults.lose(100, "n1", which="responses"), SILENT),
    "duplicate": (lambda faults: faults.duplicate(100, "n1"), FINE),
    "reorder": (lambda faults: faults.reorder(100, "n1", hold_ms=1), FINE),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRANSPORTS)
async def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LocalCluster]:
    """Two nodes whose calls travel in one of the ways."""
    folder = tmp_path_factory.mktemp("cluster")
    async with running(folder, 2, transport=str(request.param)) as cluster:
        yield cluster


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(shared: LocalCluster) -> AsyncIterator[LocalCluster]:
    """The two nodes, with no fault at first, and with none left."""
    yield shared
    await shared.faults.heal()
    await shared.world.set_links({})


async def relay(cluster: LocalCluster, timeout_ms: int = TIMEOUT_MS) -> tuple[str, int]:
    """What a call from n1 to n2 met, and how long it took in milliseconds."""
    began_ms = cluster.now_ms()
    request = pb.RelayRequest(peer="n2", text="x", timeout_ms=timeout_ms)
    failure: str = (await ask(cluster, "n1", request)).failure
    return failure, cluster.now_ms() - began_ms


async def reached(cluster: LocalCluster) -> bool:
    return not (await relay(cluster))[0]


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_acts_and_is_healed(cluster: LocalCluster, name: str) -> None:
    """A silent link is a deadline, a broken one is told at once, and after the heal calls pass."""
    inject, expected = FAULTS[name]
    await cluster.until("n1 reaches n2", lambda: reached(cluster), within_ms=WITHIN_MS)
    await inject(cluster.faults)
    for _ in range(3):
        failure, took_ms = await relay(cluster)
        if expected is SILENT:
            assert failure == "deadline"
            assert took_ms >= TIMEOUT_MS - 1
        elif expected is BROKEN:
            assert failure == "unavailable"
        else:
            assert failure == ""
            assert took_ms >= (99 if expected is LATE else 0)
    await cluster.faults.heal()
    await cluster.until("n1 reaches n2 again", lambda: reached(cluster), within_ms=HEALED_MS_MAX)


async def test_a_broken_link_does_not_wait_for_the_deadline(cluster: LocalCluster) -> None:
    """A call under way when its link is severed fails at once, far from its deadline."""
    await cluster.until("n1 reaches n2", lambda: reached(cluster), within_ms=WITHIN_MS)
    echoes = (await view(cluster, "n2")).echoes
    await cluster.faults.cut("n2", "n1", one_way=True)  # responses are lost
    request = pb.RelayRequest(peer="n2", text="x", timeout_ms=10 * WITHIN_MS)
    asked = cluster.call("n1", request, timeout_ms=10 * WITHIN_MS)

    async def arrived() -> bool:
        return (await view(cluster, "n2")).echoes > echoes

    waiting = asyncio.create_task(asked)
    await cluster.until("the request arrives", arrived, within_ms=WITHIN_MS)
    await cluster.faults.sever("n1", "n2")
    async with asyncio.timeout(WITHIN_MS / 1000):
        response = await waiting
    assert isinstance(response, pb.RelayResponse)
    assert response.failure == "unavailable"


TOXICS: dict[str, Toxic] = {
    "bandwidth": Toxic("bandwidth", "upstream", {"rate": 100}),
    "slicer": Toxic("slicer", "downstream", {"average_size": 3, "size_variation": 1, "delay": 10}),
    "slow_close": Toxic("slow_close", "downstream", {"delay": 50}),
}


@pytest.mark.parametrize("name", TOXICS)
async def test_a_toxic_that_hinders_lets_calls_pass(cluster: LocalCluster, name: str) -> None:
    """Slow, sliced or slow to close: calls of all sizes arrive whole."""
    await ask(cluster, "n1", pb.EchoRequest())
    await cluster.world.set_links({Link(CLIENT, "n1"): LinkState(toxics=(TOXICS[name],))})
    for size_bytes in (0, 1, 5_000, 100_000):
        text = "x" * (size_bytes if name != "slicer" else size_bytes // 1000)
        assert (await ask(cluster, "n1", pb.EchoRequest(text=text))).text == text


@pytest.mark.parametrize("toxic", ["reset_peer", "limit_data"])
async def test_a_toxic_that_ends_connections_is_an_open_question(
    cluster: LocalCluster, toxic: str
) -> None:
    """A client cannot know whether its request was heard; after the heal it is served."""
    attributes = {"timeout": 0} if toxic == "reset_peer" else {"bytes": 20}
    await ask(cluster, "n1", pb.EchoRequest())
    wanted = LinkState(toxics=(Toxic(toxic, "downstream", attributes),))
    await cluster.world.set_links({Link(CLIENT, "n1"): wanted})

    async def call_often() -> None:
        for _ in range(20):
            await cluster.call("n1", pb.EchoRequest(text="x" * 100), timeout_ms=WITHIN_MS)

    with pytest.raises((Indeterminate, Refused)):
        await call_often()
    await cluster.world.set_links({})

    async def served() -> bool:
        try:
            await cluster.call("n1", pb.EchoRequest(), timeout_ms=WITHIN_MS)
        except (Indeterminate, Refused):
            return False
        return True

    await cluster.until("n1 serves again", served, within_ms=HEALED_MS_MAX)
