"""The links of a cluster on either proxy server: set, read back, moved, and lost with it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from nodes.cluster import proxy_server, toxics
from nodes.cluster.api import Link, LinkState, RuntimeFailure, Toxic
from nodes.cluster.network import Network, ProxyServer, links_between, start_proxy_server
from nodes.cluster.toxiproxy import ToxicRecord, ToxiproxyClient, one_line
from tests.cluster.proxy_bench import (
    Upstream,
    await_that,
    connect,
    ended,
    free_port,
    listens,
    real_server_path,
    receive_exactly,
)

pytestmark = pytest.mark.real

NODES = ("n1", "n2", "n3", "n4", "n5")
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
SILENT = LinkState(toxics=(toxics.timeout("upstream"), toxics.timeout("downstream")))


@pytest.fixture(params=["embedded", "toxiproxy-server"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[ProxyServer]:
    """A proxy server of either kind; gone at the end."""
    real = request.param == "toxiproxy-server"
    if real and real_server_path() is None:
        pytest.skip("no toxiproxy-server; `make toxiproxy` compiles it")
    started = await start_proxy_server(real)
    yield started
    await started.stop()
    assert not started.alive()


@pytest.fixture
def upstreams() -> Iterator[dict[str, Upstream]]:
    """A server in the place of each node, that says which node it is."""

    def greeter(name: str) -> Upstream:
        return Upstream(lambda connection: connection.sendall(name.encode() + connection.recv(9)))

    made = {node: greeter(node) for node in NODES}
    yield made
    for upstream in made.values():
        upstream.close()


@pytest.fixture
async def network(server: ProxyServer, upstreams: dict[str, Upstream]) -> AsyncIterator[Network]:
    """The links of five nodes."""
    made = Network(server, {node: upstream.address for node, upstream in upstreams.items()})
    await made.start()
    yield made
    await made.close()


def _greeted_by(network: Network, link: Link) -> str:
    with connect(network.link_address(link)) as connection:
        connection.sendall(b"x")
        return receive_exactly(connection, 2).decode()


async def _wrong(network: Network) -> list[str]:
    return [
        f"{link['from']}->{link['to']}"
        for link in await network.links()
        if link["toxics"] or not link["enabled"]
    ]


async def test_every_link_leads_to_its_target(network: Network) -> None:
    """A link for each ordered pair and each client, on an address of its own, on loopback."""
    links = links_between(NODES)
    assert len(links) == 25
    assert len({network.link_address(link) for link in links}) == 25
    for link in links:
        assert network.link_address(link).startswith("127.0.0.1:")
        assert _greeted_by(network, link) == link.target
    assert await _wrong(network) == []


def test_addresses_stay_out_of_the_way(network: Network) -> None:
    """A disabled proxy's port is none that the system gives to outgoing connections."""
    if not EPHEMERAL.exists():
        pytest.skip("only Linux says which ports it takes for outgoing connections")
    lowest, highest = map(int, EPHEMERAL.read_text().split())
    for link in links_between(NODES):
        port = int(network.link_address(link).rpartition(":")[2])
        assert not lowest <= port <= highest


async def test_links_become_as_wanted_and_clean_again(network: Network) -> None:
    """What is named is set, what is not named becomes clean, whatever was before."""
    a, b, c = Link("n1", "n2"), Link("n2", "n1"), Link("client", "n1")
    await network.set_links({a: SILENT, b: LinkState(enabled=False)})
    assert sorted(await _wrong(network)) == ["n1->n2", "n2->n1"]
    slow = LinkState(toxics=(toxics.latency("upstream", 5), toxics.bandwidth("downstream", 9)))
    await network.set_links({c: slow, a: LinkState(toxics=(toxics.timeout("upstream", 70),))})
    found = {f"{x['from']}->{x['to']}": x["toxics"] for x in await network.links() if x["toxics"]}
    assert found == {
        "n1->n2": [{"type": "timeout", "stream": "upstream", "attributes": {"timeout": 70}}],
        "client->n1": [
            {"type": "latency", "stream": "upstream", "attributes": {"latency": 5, "jitter": 0}},
            {"type": "bandwidth", "stream": "downstream", "attributes": {"rate": 9}},
        ],
    }
    await network.set_links({})
    assert await _wrong(network) == []


async def test_a_partition_parts_and_a_heal_joins(network: Network) -> None:
    """Across it connections stay silent, within it they work; after the heal all work."""
    sides = (("n1", "n2"), ("n3", "n4", "n5"))
    crossing = [
        link
        for link in links_between(NODES)
        if link.source != "client" and (link.source in sides[0]) != (link.target in sides[0])
    ]
    await network.set_links(dict.fromkeys(crossing, SILENT))
    with connect(network.link_address(Link("n1", "n3"))) as silent:
        silent.sendall(b"x")
        assert _greeted_by(network, Link("n1", "n2")) == "n2"
        silent.settimeout(0.2)
        with pytest.raises(TimeoutError):
            silent.recv(1)
        await network.set_links({})
        silent.settimeout(10)
        assert ended(silent), "a heal ends the connections that were silent"
    for link in crossing:
        assert _greeted_by(network, link) == link.target


async def test_a_severed_link_comes_back_on_its_port(network: Network) -> None:
    """Refused while it is severed; healed, it listens where it did."""
    link = Link("n4", "n5")
    address = network.link_address(link)
    for _ in range(3):
        await network.set_links({link: LinkState(enabled=False)})
        with pytest.raises(ConnectionRefusedError):
            connect(address)
        await network.set_links({})
        assert network.link_address(link) == address
        assert _greeted_by(network, link) == "n5"


async def test_a_node_that_moved_is_followed(
    network: Network, upstreams: dict[str, Upstream]
) -> None:
    """Every link to it leads to its new port, with the toxics it had; others are left alone."""
    slow = LinkState(toxics=(toxics.latency("upstream", 1),))
    await network.set_links({Link("n1", "n2"): slow, Link("n3", "n2"): LinkState(enabled=False)})
    moved = Upstream(lambda connection: connection.sendall(b"m2"))
    try:
        await network.move("n2", moved.address)
        for source in ("n1", "n4", "n5", "client"):
            assert _greeted_by(network, Link(source, "n2")) == "m2"
        assert _greeted_by(network, Link("n2", "n1")) == "n1"
        assert sorted(await _wrong(network)) == ["n1->n2", "n3->n2"]
    finally:
        moved.close()


async def test_what_others_changed_is_put_right(network: Network, server: ProxyServer) -> None:
    """Toxics added or removed by hand do not confuse it: the next setting is what counts."""
    link = Link("n1", "n2")
    await network.set_links({link: SILENT})
    by_hand = ToxiproxyClient(server.address)
    await by_hand.remove_toxic(link.name, "timeout_upstream")
    await by_hand.add_toxic(link.name, ToxicRecord("mine", "latency", "upstream", {"latency": 9}))
    await by_hand.add_toxic(
        "n3->n4", ToxicRecord("timeout_upstream", "latency", "upstream", {"latency": 9})
    )
    await network.set_links({Link("n3", "n4"): SILENT})
    assert await _wrong(network) == ["n3->n4"]
    await by_hand.update_proxy("n3->n4", enabled=False)
    await network.set_links({})
    assert await _wrong(network) == []
    await by_hand.delete_proxy(link.name)
    with pytest.raises(RuntimeFailure, match="proxy of link n1->n2 is gone"):
        await network.set_links({link: SILENT})
    await by_hand.close()


async def test_a_link_that_cannot_be_as_wanted_is_named(
    network: Network, server: ProxyServer
) -> None:
    """Its port was taken while it was severed: one line that says which link and why."""
    link = Link("n1", "n2")
    await network.set_links({link: LinkState(enabled=False)})
    port = int(network.link_address(link).rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)), pytest.raises(RuntimeFailure) as failure:
        await network.set_links({})
    assert "n1-%3En2" in str(failure.value)
    assert "in use" in str(failure.value)
    await network.set_links({})
    assert _greeted_by(network, link) == "n2"


async def test_nonsense_changes_nothing(network: Network) -> None:
    """Unknown links and impossible toxics are refused before anything is sent."""
    bad = Toxic("slicer", "upstream", {"average_size": 0})
    with pytest.raises(ValueError, match="average_size"):
        await network.set_links(
            {Link("n1", "n2"): SILENT, Link("n1", "n3"): LinkState(True, (bad,))}
        )
    with pytest.raises(RuntimeFailure, match="no link n1->n9"):
        await network.set_links({Link("n1", "n9"): SILENT, Link("n1", "n2"): SILENT})
    with pytest.raises(ValueError, match="two toxics of type timeout"):
        await network.set_links(
            {Link("n1", "n2"): LinkState(True, (*SILENT.toxics, SILENT.toxics[0]))}
        )
    assert await _wrong(network) == []


async def test_a_dead_server_is_told(network: Network, server: ProxyServer) -> None:
    """Each operation says that the server has ended, and how, in one line."""
    os.kill(server.pid, signal.SIGKILL)
    await_that(lambda: not listens(server.address), "the server is gone")
    for attempt in (network.set_links({Link("n1", "n2"): SILENT}), network.links()):
        with pytest.raises(RuntimeFailure, match="proxy server") as failure:
            await attempt
        assert "lab down" in str(failure.value)
        assert "\n" not in str(failure.value)
    await server.stop()
    assert "ended with signal 9" in str(server.why_silent())


async def test_a_stranger_at_the_address_is_recognised() -> None:
    """What answers without being Toxiproxy is named as such; escapes in it stay escaped."""
    body = b"\x1b[31mhello"
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
    )

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    stranger = Upstream(serve)
    client = ToxiproxyClient(stranger.address)
    with pytest.raises(RuntimeFailure, match="no Toxiproxy server") as failure:
        await client.version()
    assert "\x1b" not in str(failure.value)
    await client.close()
    stranger.close()


async def test_nobody_at_the_address() -> None:
    """A refused connection is one line with the way out."""
    client = ToxiproxyClient(f"127.0.0.1:{free_port()}")
    with pytest.raises(RuntimeFailure, match=r"does not answer.*lab down"):
        await client.version()
    await client.close()


async def test_the_real_server_can_be_insisted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one that is refused, and the embedded one is taken when nobody insists."""
    monkeypatch.delenv("FAULTLAB_TOXIPROXY", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(proxy_server, "_OWN", Path("/nonexistent"))
    with pytest.raises(RuntimeFailure, match="no toxiproxy-server: `make toxiproxy` compiles it"):
        await start_proxy_server(True)
    server = await start_proxy_server()
    assert server.kind == "embedded"
    assert "embedded proxy 2.12" in server.describe()
    await server.stop()
    monkeypatch.setenv("FAULTLAB_TOXIPROXY", "/nonexistent/server")
    with pytest.raises(RuntimeFailure, match="FAULTLAB_TOXIPROXY names"):
        await start_proxy_server()


async def test_a_real_server_that_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program that ends at once is not waited for; the line says what to do."""
    program = tmp_path / "toxiproxy-server"
    program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("FAULTLAB_TOXIPROXY", str(program))
    log = tmp_path / "proxy.log"
    with pytest.raises(RuntimeFailure, match="did not start an API"):
        await start_proxy_server(True, log)
    assert "broken" in log.read_text()


async def test_stopping_is_final_and_harmless(server: ProxyServer) -> None:
    """After it the API is gone; stopping twice is no error."""
    await server.stop()
    await server.stop()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://{server.address}/version")


def test_one_line_is_one_line() -> None:
    """Whatever a server says, control characters are escaped and the length is bounded."""
    assert one_line("a\nb\x1b[0m\u202e") == "a\\nb\\x1b[0m\\u202e"
    assert len(one_line("x" * 1_000)) == 300
