"""One suite for both proxies: the embedded one must behave as the real Toxiproxy does.

It is driven through toxiproxy-python, an independent client, and measures what each toxic does to a
stream of bytes. Times are strict below and generous above: a busy machine is slow, never early.

Where the embedded proxy differs on purpose:
- It listens on loopback only; a listen address without a host means 127.0.0.1.
- It refuses (400) toxics that would kill or hang the real one: negative values, a bandwidth rate
  of 0, a slicer's average size of 0 or not above its variation; and a toxicity outside 0 to 1.
- It refuses requests of web pages by Origin, Sec-Fetch-Site and a Host that is not loopback, not by
  their user agent alone.
- Its JSON has no empty "Logger" object, and /version says who it is.
- The text of an error in a body names the field in its own words; status and shape are the same.
- Removing a `reset_peer` that is counting down returns at once instead of after the countdown; the
  connection ends when it would have.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import requests
from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from tests.cluster.proxy_bench import (
    SOCKET_TIMEOUT_S,
    Upstream,
    await_that,
    connect,
    echo,
    embedded_server,
    ended,
    free_port,
    real_server,
    real_server_path,
    receive_all,
    receive_exactly,
    round_trip_s,
)

pytestmark = pytest.mark.real

GENEROUS_S = 1.5  # how late a busy machine may be
TIMER_S = 0.002  # how early a timer of milliseconds may be


@pytest.fixture(scope="module", params=["embedded", "embedded on asyncio", "toxiproxy-server"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which proxy is under test."""
    return str(request.param)


@pytest.fixture(scope="module")
def api(kind: str) -> Iterator[str]:
    """The URL of the API of the proxy under test."""
    with contextlib.ExitStack() as stack:
        if kind.startswith("embedded"):
            loop: Literal["uvloop", "asyncio"] = "asyncio" if "asyncio" in kind else "uvloop"
            port = stack.enter_context(embedded_server(loop))
        else:
            path = real_server_path()
            if path is None:
                pytest.skip("no toxiproxy-server; `make toxiproxy` compiles it")
            port = stack.enter_context(real_server(path))
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def toxiproxy(api: str) -> Iterator[Toxiproxy]:
    """The independent client, on a server without proxies."""
    server = Toxiproxy()
    server.update_api_consumer("127.0.0.1", int(api.rpartition(":")[2]))
    server.destroy_all()
    yield server
    server.destroy_all()


@pytest.fixture
def upstreams() -> Iterator[Callable[[Callable[[socket.socket], None]], Upstream]]:
    """Makes servers to proxy to."""
    made: list[Upstream] = []

    def make(serve: Callable[[socket.socket], None]) -> Upstream:
        made.append(Upstream(serve))
        return made[-1]

    yield make
    for upstream in made:
        upstream.close()


@pytest.fixture
def proxy(toxiproxy: Toxiproxy, upstreams: Any) -> Any:
    """A proxy `n1->n2` to a server that echoes."""
    return toxiproxy.create(upstream=upstreams(echo).address, name="n1->n2")


@pytest.fixture
def to_echo(proxy: Any) -> Iterator[socket.socket]:
    """A connection through the proxy, known to work."""
    with connect(proxy.listen) as connection:
        assert round_trip_s(connection) < GENEROUS_S
        yield connection


@pytest.mark.parametrize("seed", range(3))
def test_every_live_change_keeps_every_byte(proxy: Any, to_echo: socket.socket, seed: int) -> None:
    """Adding, changing and removing toxics on a running connection loses and reorders nothing."""
    size_bytes = 6_000_000
    sent = random.Random(7).randbytes(size_bytes)
    received = hashlib.sha256()

    def receive() -> None:
        received.update(receive_exactly(to_echo, size_bytes))

    def send() -> None:
        for start in range(0, size_bytes, 60_000):
            to_echo.sendall(sent[start : start + 60_000])
            time.sleep(0.005)

    threads = [threading.Thread(target=receive), threading.Thread(target=send)]
    for thread in threads:
        thread.start()
    dice = random.Random(seed)
    attributes: dict[str, Callable[[], dict[str, int]]] = {
        "latency": lambda: {"latency": dice.randrange(60), "jitter": dice.randrange(20)},
        "bandwidth": lambda: {"rate": dice.randrange(4_000, 50_000)},
        "slicer": lambda: {"average_size": dice.randrange(500, 4_000), "delay": 10},
        "slow_close": lambda: {"delay": 10},
        "limit_data": lambda: {"bytes": 10**9},
    }
    here: set[tuple[str, str]] = set()
    while any(thread.is_alive() for thread in threads):
        toxic, stream = dice.choice(sorted(attributes)), dice.choice(["upstream", "downstream"])
        if (toxic, stream) in here:
            proxy.destroy_toxic(f"{toxic}_{stream}")
            here.remove((toxic, stream))
        else:
            proxy.add_toxic(type=toxic, stream=stream, attributes=attributes[toxic]())
            here.add((toxic, stream))
    for thread in threads:
        thread.join()
    assert received.digest() == hashlib.sha256(sent).digest()


class TestApi:
    """Paths, shapes, status codes and errors of the HTTP API."""

    def test_a_proxy_is_listed_as_it_was_made(self, toxiproxy: Toxiproxy, api: str) -> None:
        """Port 0 picks a port, and the same description comes from everywhere."""
        created = requests.post(
            f"{api}/proxies",
            json={"name": "n1->n2", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"},
        )
        assert created.status_code == 201
        shape = created.json()
        shape.pop("Logger", None)
        assert not shape["listen"].endswith(":0")
        assert shape == {
            "name": "n1->n2",
            "listen": shape["listen"],
            "upstream": "127.0.0.1:9",
            "enabled": True,
            "toxics": [],
        }
        shown = requests.get(f"{api}/proxies/n1-%3En2").json()
        listed = requests.get(f"{api}/proxies").json()
        assert shown == created.json()
        assert listed == {"n1->n2": created.json()}
        assert toxiproxy.get_proxy("n1->n2").listen == shape["listen"]

    def test_a_name_is_taken_once(self, toxiproxy: Toxiproxy, proxy: Any, api: str) -> None:
        """A second proxy of one name is a conflict."""
        with pytest.raises(ProxyExists):
            toxiproxy.create(upstream="127.0.0.1:9", name=proxy.name)
        refused = requests.post(f"{api}/proxies", json={"name": proxy.name, "upstream": "x:1"})
        assert refused.status_code == 409
        assert refused.json() == {"error": "proxy already exists", "status": 409}

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ("{}", "missing required field: name"),
            ('{"name": "a"}', "missing required field: upstream"),
            ("", "bad request body: EOF"),
            ("nonsense", "bad request body: "),
            ('{"name": 5, "upstream": "x:1"}', "bad request body: "),
            ('{"name": "a", "upstream": "x:1", "enabled": "yes"}', "bad request body: "),
            ("[]", "bad request body: "),
            ("null", "missing required field: name"),
            ("[" * 100_000, "bad request body: "),
            ('{"name": NaN}', "bad request body: "),
        ],
    )
    def test_a_bad_body_is_refused(
        self, toxiproxy: Toxiproxy, api: str, body: str, error: str
    ) -> None:
        """It gets 400, one line that says why, and changes nothing."""
        refused = requests.post(f"{api}/proxies", data=body)
        assert refused.status_code == 400
        assert refused.json()["status"] == 400
        assert refused.json()["error"].startswith(error)
        assert toxiproxy.proxies() == {}

    def test_field_names_ignore_case_and_unknown_ones(self, toxiproxy: Toxiproxy, api: str) -> None:
        """`Name` is `name`, a null is a default, and what nobody knows is nothing."""
        body = {"NAME": "a", "Upstream": "x:1", "enabled": None, "color": "red"}
        created = requests.post(f"{api}/proxies", json=body | {"listen": "127.0.0.1:0"})
        assert created.status_code == 201
        assert created.json()["enabled"] is True

    def test_what_is_not_there_is_not_found(self, proxy: Any, api: str) -> None:
        """Unknown proxies, toxics and paths get 404, wrong methods 405."""
        for method, path, error in [
            ("GET", "/proxies/none", "proxy not found"),
            ("POST", "/proxies/none", "proxy not found"),
            ("DELETE", "/proxies/none", "proxy not found"),
            ("GET", "/proxies/none/toxics", "proxy not found"),
            ("POST", "/proxies/none/toxics", "proxy not found"),
            ("GET", "/proxies/n1-%3En2/toxics/none", "toxic not found"),
            ("POST", "/proxies/n1-%3En2/toxics/none", "toxic not found"),
            ("DELETE", "/proxies/n1-%3En2/toxics/none", "toxic not found"),
        ]:
            missing = requests.request(method, api + path, json={})
            assert (missing.status_code, missing.json()) == (404, {"error": error, "status": 404})
        assert requests.get(f"{api}/nothing").status_code == 404
        assert requests.get(f"{api}/nothing").text == "404 page not found\n"
        assert requests.get(f"{api}/reset").status_code == 405
        assert requests.put(f"{api}/proxies/n1-%3En2").status_code == 405

    def test_addresses_that_cannot_be_listened_on(self, proxy: Any, api: str) -> None:
        """A port in use and an address without one are errors, and no proxy is left behind."""
        for listen in (proxy.listen, "nonsense"):
            body = {"name": "a", "upstream": "x:1", "listen": listen}
            refused = requests.post(f"{api}/proxies", json=body)
            assert refused.status_code == 500
            assert ("in use" in refused.json()["error"]) == (listen != "nonsense")
        assert list(requests.get(f"{api}/proxies").json()) == ["n1->n2"]

    def test_populate_keeps_what_is_the_same(self, toxiproxy: Toxiproxy, api: str) -> None:
        """A proxy of the same addresses stays with its toxics; any other is replaced."""
        ports = [free_port(), free_port()]
        wanted = [
            {"name": name, "listen": f"127.0.0.1:{port}", "upstream": "127.0.0.1:9"}
            for name, port in zip("ab", ports, strict=True)
        ]
        first = requests.post(f"{api}/populate", json=wanted)
        assert first.status_code == 201
        assert [proxy["name"] for proxy in first.json()["proxies"]] == ["a", "b"]
        for name in "ab":
            toxiproxy.get_proxy(name).add_toxic(type="latency", attributes={"latency": 1})
        wanted[1]["upstream"] = "127.0.0.1:10"
        again = requests.post(f"{api}/populate", json=wanted).json()["proxies"]
        assert [len(proxy["toxics"]) for proxy in again] == [1, 0]
        assert requests.post(f"{api}/populate", json=[]).json() == {"proxies": None}

    def test_populate_checks_before_it_makes(self, toxiproxy: Toxiproxy, api: str) -> None:
        """One bad proxy in the list, and none is made."""
        wanted = [{"name": "a", "upstream": "127.0.0.1:9"}, {"name": "b"}]
        refused = requests.post(f"{api}/populate", json=wanted)
        assert refused.status_code == 400
        assert refused.json() == {
            "error": "missing required field: upstream at proxy 2",
            "status": 400,
            "proxies": None,
        }
        assert requests.post(f"{api}/populate", json={}).status_code == 400
        assert toxiproxy.proxies() == {}

    def test_populate_keeps_what_it_made_before_an_error(
        self, toxiproxy: Toxiproxy, proxy: Any, api: str
    ) -> None:
        """A port in use stops it; the proxies before it are made and listed."""
        wanted = [
            {"name": "a", "upstream": "127.0.0.1:9", "listen": "127.0.0.1:0"},
            {"name": "b", "upstream": "127.0.0.1:9", "listen": proxy.listen},
        ]
        refused = requests.post(f"{api}/populate", json=wanted)
        assert refused.status_code == 500
        assert "in use" in refused.json()["error"]
        assert [made["name"] for made in refused.json()["proxies"]] == ["a"]
        assert sorted(toxiproxy.proxies()) == ["a", "n1->n2"]

    def test_a_toxic_has_defaults_and_a_name(self, proxy: Any, api: str) -> None:
        """Downstream, always, named after type and stream; it is shown alone and in the list."""
        toxics = f"{api}/proxies/n1-%3En2/toxics"
        added = requests.post(toxics, json={"type": "latency", "attributes": {"latency": 5}})
        assert added.status_code == 200
        expected = {
            "attributes": {"latency": 5, "jitter": 0},
            "name": "latency_downstream",
            "type": "latency",
            "stream": "downstream",
            "toxicity": 1,
        }
        assert added.json() == expected
        assert requests.get(f"{toxics}/latency_downstream").json() == expected
        requests.post(toxics, json={"type": "latency", "stream": "UPSTREAM", "name": "slow"})
        names = [toxic["name"] for toxic in requests.get(toxics).json()]
        assert names == ["slow", "latency_downstream"], "upstream toxics come first"
        assert [
            t["name"] for t in requests.get(f"{api}/proxies/n1-%3En2").json()["toxics"]
        ] == names

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    def test_a_toxic_can_be_updated(self, proxy: Any, api: str, method: str) -> None:
        """Attributes that are not named keep their value; name and stream cannot change."""
        proxy.add_toxic(type="latency", attributes={"latency": 5, "jitter": 3}, toxicity=0.5)
        one = f"{api}/proxies/n1-%3En2/toxics/latency_downstream"
        body: Any = {"attributes": {"latency": 9}, "stream": "upstream", "name": "other"}
        updated = requests.request(method, one, json=body)
        assert updated.status_code == 200
        assert updated.json()["attributes"] == {"latency": 9, "jitter": 3}
        assert updated.json()["stream"] == "downstream"
        assert updated.json()["toxicity"] == 0.5
        assert requests.request(method, one, json={"toxicity": 1}).json()["toxicity"] == 1

    def test_bad_toxics_are_refused(self, proxy: Any, api: str) -> None:
        """Unknown type and stream, taken name and wrong types, each with its error."""
        with pytest.raises(InvalidToxic):
            proxy.add_toxic(type="earthquake")
        with pytest.raises(InvalidToxic):
            proxy.add_toxic(type="latency", stream="sideways")
        with pytest.raises(InvalidToxic):
            proxy.add_toxic(type="latency", attributes={"latency": "long"})
        with pytest.raises(InvalidToxic):
            proxy.add_toxic(type="latency", attributes={"latency": 1.5})
        with pytest.raises(InvalidToxic):
            proxy.add_toxic(type="latency", attributes=["latency"])
        assert proxy.toxics() == {}
        proxy.add_toxic(type="latency", attributes={"latency": 1})
        with pytest.raises(ProxyExists):
            proxy.add_toxic(type="latency", attributes={"latency": 2})
        with pytest.raises(NotFound):
            proxy.destroy_toxic("bandwidth_upstream")

    @pytest.mark.parametrize(
        ("toxic", "attributes"),
        [
            ("latency", {"latency": -1}),
            ("latency", {"latency": 2**62}),
            ("bandwidth", {"rate": 0}),
            ("bandwidth", {"rate": -100}),
            ("bandwidth", {}),
            ("slicer", {}),
            ("slicer", {"average_size": 0}),
            ("slicer", {"average_size": 10, "size_variation": 10}),
            ("timeout", {"timeout": -1}),
            ("limit_data", {"bytes": -1}),
        ],
    )
    def test_impossible_toxics_are_refused(
        self, kind: str, proxy: Any, to_echo: socket.socket, toxic: str, attributes: dict[str, int]
    ) -> None:
        """What would kill or hang the proxy gets 400; the connection goes on."""
        if not kind.startswith("embedded"):
            pytest.skip("the real server accepts it, and may not survive")
        with pytest.raises(InvalidToxic, match=toxic):
            proxy.add_toxic(type=toxic, attributes=attributes)
        with pytest.raises(InvalidToxic, match="toxicity"):
            proxy.add_toxic(type="latency", attributes={"latency": 1}, toxicity=1.5)
        assert proxy.toxics() == {}
        round_trip_s(to_echo)

    def test_reset_undoes_everything(self, toxiproxy: Toxiproxy, proxy: Any, api: str) -> None:
        """All proxies enabled, no toxics."""
        proxy.add_toxic(type="latency", attributes={"latency": 500})
        proxy.disable()
        assert requests.post(f"{api}/reset").status_code == 204
        assert toxiproxy.get_proxy(proxy.name).enabled is True
        assert proxy.toxics() == {}
        with connect(proxy.listen) as connection:
            assert round_trip_s(connection) < 0.5

    def test_browsers_are_refused(self, api: str, kind: str) -> None:
        """Web pages must not steer it; the embedded one does not rely on the user agent alone."""
        page = requests.get(f"{api}/version", headers={"User-Agent": "Mozilla/5.0"})
        assert (page.status_code, page.text) == (403, "User agent not allowed\n")
        if kind.startswith("embedded"):
            for header in (
                {"Origin": "http://evil.example"},
                {"Sec-Fetch-Site": "same-site"},
                {"Host": "evil.example"},
                {"Host": "127.0.0.1.evil.example:80"},
            ):
                assert requests.get(f"{api}/version", headers=header).status_code == 403
        assert requests.get(f"{api}/version", headers={"Host": "localhost"}).ok
        assert "version" in requests.get(f"{api}/version").json()


class TestConnections:
    """Carrying, closing, refusing."""

    def test_bytes_pass_unchanged_both_ways(self, to_echo: socket.socket) -> None:
        """Four megabytes there and back, while neither side waits for the other."""
        sent = random.Random(1).randbytes(4_000_000)
        thread = threading.Thread(target=to_echo.sendall, args=(sent,))
        thread.start()
        assert receive_exactly(to_echo, len(sent)) == sent
        thread.join()

    def test_the_first_to_speak_may_be_the_server(
        self, toxiproxy: Toxiproxy, upstreams: Any
    ) -> None:
        """A greeting arrives without a word of the client, and its close arrives."""
        upstream = upstreams(lambda connection: connection.sendall(b"hello"))
        greeter = toxiproxy.create(upstream=upstream.address, name="greeter")
        with connect(greeter.listen) as connection:
            assert receive_all(connection) == b"hello"

    def test_an_upstream_that_is_not_there(self, toxiproxy: Toxiproxy) -> None:
        """The client is accepted and then its connection ends."""
        nowhere = toxiproxy.create(upstream=f"127.0.0.1:{free_port()}", name="nowhere")
        with connect(nowhere.listen) as connection:
            assert ended(connection)

    def test_one_end_closes_the_other(self, toxiproxy: Toxiproxy, upstreams: Any) -> None:
        """The client's end reaches the server at once; what it sent before is complete."""
        heard: list[bytes] = []
        upstream = upstreams(lambda connection: heard.append(receive_all(connection)))
        proxy = toxiproxy.create(upstream=upstream.address, name="sink")
        with connect(proxy.listen) as connection:
            connection.sendall(b"x" * 300_000)
        await_that(lambda: bool(heard), "the server saw the end")
        assert heard == [b"x" * 300_000]

    def test_a_half_close_closes_both_ways(self, to_echo: socket.socket) -> None:
        """The proxy knows no half-closed connections: after our end the other end comes."""
        to_echo.shutdown(socket.SHUT_WR)
        assert ended(to_echo)

    def test_a_slow_reader_slows_the_sender(self, toxiproxy: Toxiproxy, upstreams: Any) -> None:
        """The proxy does not swallow what the client does not take: memory stays bounded."""
        passed = [0]

        def pour(connection: socket.socket) -> None:
            connection.settimeout(1.0)
            with contextlib.suppress(TimeoutError):
                while True:
                    passed[0] += connection.send(b"y" * 65_536)

        proxy = toxiproxy.create(upstream=upstreams(pour).address, name="pour")
        with connect(proxy.listen):
            time.sleep(0.2)
            before = -1
            while passed[0] != before:  # until nothing more is taken
                before = passed[0]
                time.sleep(0.3)
        assert 0 < passed[0] < 40_000_000

    def test_disable_ends_and_refuses(self, proxy: Any, to_echo: socket.socket) -> None:
        """Running connections end, new ones are refused; enabled again, it has the same port."""
        proxy.disable()
        assert ended(to_echo)
        with pytest.raises(ConnectionRefusedError):
            connect(proxy.listen)
        proxy.enable()
        with connect(proxy.listen) as connection:
            round_trip_s(connection)

    def test_delete_ends_and_refuses(self, proxy: Any, to_echo: socket.socket) -> None:
        """Nothing of a deleted proxy is left."""
        proxy.destroy()
        assert ended(to_echo)
        with pytest.raises(ConnectionRefusedError):
            connect(proxy.listen)

    def test_a_proxy_can_be_led_elsewhere(
        self, proxy: Any, to_echo: socket.socket, upstreams: Any, api: str
    ) -> None:
        """A new upstream ends running connections; address, toxics and port stay."""
        proxy.add_toxic(type="latency", attributes={"latency": 1})
        other = upstreams(lambda connection: connection.sendall(b"other"))
        one = f"{api}/proxies/n1-%3En2"
        changed = requests.patch(one, json={"upstream": other.address})
        assert changed.status_code == 200
        assert changed.json()["listen"] == proxy.listen
        assert changed.json()["enabled"] is True
        assert len(changed.json()["toxics"]) == 1
        assert ended(to_echo)
        with connect(proxy.listen) as connection:
            assert receive_all(connection) == b"other"

    def test_a_disabled_proxy_stays_so_when_led_elsewhere(self, proxy: Any, api: str) -> None:
        """Changing the upstream does not enable."""
        proxy.disable()
        one = f"{api}/proxies/n1-%3En2"
        assert requests.post(one, json={"upstream": "127.0.0.1:9"}).json()["enabled"] is False
        with pytest.raises(ConnectionRefusedError):
            connect(proxy.listen)

    def test_the_listen_address_can_change(
        self, proxy: Any, to_echo: socket.socket, api: str
    ) -> None:
        """It moves to another port and leaves the old one."""
        listen = f"127.0.0.1:{free_port()}"
        one = f"{api}/proxies/n1-%3En2"
        assert requests.post(one, json={"listen": listen}).json()["listen"] == listen
        assert ended(to_echo)
        with connect(listen) as connection:
            round_trip_s(connection)
        with pytest.raises(ConnectionRefusedError):
            connect(proxy.listen)


class TestToxics:
    """What each toxic does to a stream."""

    @pytest.mark.parametrize("stream", ["upstream", "downstream"])
    def test_latency_delays(self, proxy: Any, to_echo: socket.socket, stream: str) -> None:
        """Each message is late by the delay, and no longer once it is removed."""
        proxy.add_toxic(type="latency", stream=stream, attributes={"latency": 150})
        for _ in range(3):
            assert 0.15 - TIMER_S <= round_trip_s(to_echo) < 0.15 + GENEROUS_S
        proxy.destroy_toxic(f"latency_{stream}")
        assert min(round_trip_s(to_echo) for _ in range(5)) < 0.1

    def test_latency_is_no_bandwidth(self, proxy: Any, to_echo: socket.socket) -> None:
        """Messages sent one after the other are delayed together, in their order."""
        proxy.add_toxic(type="latency", stream="upstream", attributes={"latency": 200})
        start = time.perf_counter()
        for number in range(50):
            to_echo.sendall(number.to_bytes(4, "big"))
            time.sleep(0.001)
        received = receive_exactly(to_echo, 200)
        assert struct.unpack(">50I", received) == tuple(range(50))
        assert 0.2 <= time.perf_counter() - start < 0.2 + 0.05 + GENEROUS_S

    def test_jitter_varies(self, proxy: Any, to_echo: socket.socket) -> None:
        """The delay stays within latency give or take jitter, and differs."""
        proxy.add_toxic(type="latency", attributes={"latency": 60, "jitter": 50})
        times = [round_trip_s(to_echo) for _ in range(20)]
        assert min(times) >= 0.01 - TIMER_S
        assert min(times) < 0.06, "20 draws of 10 to 110 ms and none below 60"
        assert max(times) > 0.06

    def test_an_update_lets_go_of_what_is_held(
        self, proxy: Any, to_echo: socket.socket, api: str
    ) -> None:
        """Ten seconds of delay end when the toxic is changed."""
        proxy.add_toxic(type="latency", attributes={"latency": 10_000})
        to_echo.sendall(b"held")
        time.sleep(0.1)
        one = f"{api}/proxies/n1-%3En2/toxics/latency_downstream"
        requests.post(one, json={"attributes": {"latency": 20}})
        assert receive_exactly(to_echo, 4) == b"held"
        assert 0.02 - TIMER_S <= round_trip_s(to_echo) < GENEROUS_S

    def test_a_removal_lets_go_of_what_is_held(self, proxy: Any, to_echo: socket.socket) -> None:
        """What waited for its time arrives in order, nothing is missing."""
        proxy.add_toxic(type="latency", attributes={"latency": 60_000})
        for number in range(20):
            to_echo.sendall(bytes([number]) * 100)
            time.sleep(0.001)
        time.sleep(0.1)
        proxy.destroy_toxic("latency_downstream")
        assert receive_exactly(to_echo, 2_000) == b"".join(bytes([n]) * 100 for n in range(20))

    def test_toxics_add_up(self, proxy: Any, to_echo: socket.socket) -> None:
        """Both directions delayed: the round trip takes both delays."""
        proxy.add_toxic(type="latency", stream="upstream", attributes={"latency": 100})
        proxy.add_toxic(type="latency", stream="downstream", attributes={"latency": 120})
        proxy.add_toxic(type="slicer", attributes={"average_size": 1}, name="thin")
        assert 0.22 - 2 * TIMER_S <= round_trip_s(to_echo) < 0.22 + GENEROUS_S

    def test_bandwidth_limits(self, proxy: Any, to_echo: socket.socket) -> None:
        """300 KB at 500 KB/s take 0.6 s."""
        proxy.add_toxic(type="bandwidth", stream="upstream", attributes={"rate": 500})
        assert 0.6 * 0.9 <= round_trip_s(to_echo, b"z" * 300_000) < 0.6 + GENEROUS_S

    def test_bandwidth_limits_small_messages_too(self, proxy: Any, to_echo: socket.socket) -> None:
        """Twenty messages of 1 KB at 50 KB/s take 0.4 s."""
        proxy.add_toxic(type="bandwidth", attributes={"rate": 50})
        start = time.perf_counter()
        for _ in range(20):
            round_trip_s(to_echo, b"z" * 1000)
        assert 0.4 * 0.9 <= time.perf_counter() - start < 0.4 + GENEROUS_S

    def test_slow_close_delays_the_end_only(self, toxiproxy: Toxiproxy, upstreams: Any) -> None:
        """Data comes at once, the end 300 ms later."""
        upstream = upstreams(lambda connection: connection.sendall(b"bye"))
        proxy = toxiproxy.create(upstream=upstream.address, name="bye")
        proxy.add_toxic(type="slow_close", attributes={"delay": 300})
        start = time.perf_counter()
        with connect(proxy.listen) as connection:
            assert receive_exactly(connection, 3) == b"bye"
            came_s = time.perf_counter() - start
            assert ended(connection)
            ended_s = time.perf_counter() - start
        assert came_s < ended_s - 0.1
        assert 0.3 - TIMER_S <= ended_s < 0.3 + GENEROUS_S

    def test_timeout_zero_is_silence(self, proxy: Any, to_echo: socket.socket) -> None:
        """Nothing arrives and nothing ends, until removing it ends the connection."""
        proxy.add_toxic(type="timeout", stream="upstream", attributes={"timeout": 0})
        to_echo.sendall(b"lost")
        to_echo.settimeout(0.3)
        with pytest.raises(TimeoutError):
            to_echo.recv(1)
        to_echo.settimeout(SOCKET_TIMEOUT_S)
        proxy.destroy_toxic("timeout_upstream")
        assert ended(to_echo), "what was lost is not made up for"
        with connect(proxy.listen) as connection:
            round_trip_s(connection)

    def test_new_connections_are_silent_as_well(self, proxy: Any) -> None:
        """Behind a timeout a connection can be made, and that is all."""
        proxy.add_toxic(type="timeout", stream="downstream", attributes={"timeout": 0})
        with connect(proxy.listen) as connection:
            connection.sendall(b"hello?")
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)

    def test_the_end_passes_a_timeout(self, toxiproxy: Toxiproxy, upstreams: Any) -> None:
        """A black hole holds back data, not the close of the other side."""
        heard: list[bytes] = []
        upstream = upstreams(lambda connection: heard.append(receive_all(connection)))
        proxy = toxiproxy.create(upstream=upstream.address, name="hole")
        proxy.add_toxic(type="timeout", stream="upstream", attributes={"timeout": 0})
        with connect(proxy.listen) as connection:
            connection.sendall(b"lost")
        await_that(lambda: bool(heard), "the server saw the end")
        assert heard == [b""]

    def test_a_timeout_closes_after_silence(self, proxy: Any, to_echo: socket.socket) -> None:
        """500 ms after the last data the connection ends; data before that begins it anew."""
        proxy.add_toxic(type="timeout", stream="upstream", attributes={"timeout": 500})
        start = time.perf_counter()
        time.sleep(0.15)
        to_echo.sendall(b"x")
        assert ended(to_echo)
        assert 0.65 - TIMER_S <= time.perf_counter() - start < 0.65 + GENEROUS_S

    def test_reset_peer_resets(self, proxy: Any) -> None:
        """A connection made under it is reset, not closed, 100 ms after its first data."""
        proxy.add_toxic(type="reset_peer", stream="upstream", attributes={"timeout": 100})
        with connect(proxy.listen) as connection:
            start = time.perf_counter()
            connection.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
            assert 0.1 - TIMER_S <= time.perf_counter() - start < 0.1 + GENEROUS_S

    def test_reset_peer_waits_for_data(self, proxy: Any, to_echo: socket.socket) -> None:
        """On a running connection it ends it after the next data, and not before."""
        proxy.add_toxic(type="reset_peer", stream="upstream", attributes={"timeout": 0})
        to_echo.settimeout(0.2)
        with pytest.raises(TimeoutError):
            to_echo.recv(1)
        to_echo.settimeout(SOCKET_TIMEOUT_S)
        to_echo.sendall(b"x")
        assert ended(to_echo)

    def test_slicer_slices(self, toxiproxy: Toxiproxy, upstreams: Any) -> None:
        """Pieces of about the size, apart by the delay, and together what was sent."""
        pieces: list[bytes] = []

        def collect(connection: socket.socket) -> None:
            while data := connection.recv(65_536):
                pieces.append(data)
            pieces.append(b"")

        proxy = toxiproxy.create(upstream=upstreams(collect).address, name="slices")
        proxy.add_toxic(
            type="slicer",
            stream="upstream",
            attributes={"average_size": 100, "size_variation": 20, "delay": 10_000},
        )
        sent = random.Random(5).randbytes(3_000)
        start = time.perf_counter()
        with connect(proxy.listen) as connection:
            connection.sendall(sent)
            await_that(lambda: sum(map(len, pieces)) == len(sent), "all pieces came")
            took_s = time.perf_counter() - start
        assert b"".join(pieces) == sent
        # Halving 3,000 down to 100 or a little more gives 24 to 40 pieces; some may come together.
        assert 6 <= len(pieces) <= 45
        assert 0.20 <= took_s < 0.45 + GENEROUS_S

    def test_limit_data_ends_in_the_middle(self, proxy: Any) -> None:
        """Exactly so many bytes arrive, then the connection ends; the next one begins anew."""
        proxy.add_toxic(type="limit_data", stream="downstream", attributes={"bytes": 1_000})
        for _ in range(2):
            with connect(proxy.listen) as connection:
                connection.sendall(b"w" * 700)
                assert receive_exactly(connection, 700) == b"w" * 700
                connection.sendall(b"v" * 700)
                assert receive_all(connection) == b"v" * 300

    def test_limit_data_counts_across_updates(
        self, proxy: Any, to_echo: socket.socket, api: str
    ) -> None:
        """Raising the limit leaves what has passed counted."""
        proxy.add_toxic(type="limit_data", stream="downstream", attributes={"bytes": 100})
        round_trip_s(to_echo, b"a" * 60)
        one = f"{api}/proxies/n1-%3En2/toxics/limit_data_downstream"
        requests.post(one, json={"attributes": {"bytes": 150}})
        to_echo.sendall(b"b" * 200)
        assert receive_all(to_echo) == b"b" * 90

    def test_toxicity_is_a_share_of_connections(self, proxy: Any) -> None:
        """At 0 no connection is hit, at 0.5 some are and some are not, each for its whole life."""
        proxy.add_toxic(type="limit_data", attributes={"bytes": 0}, toxicity=0.0, name="none")
        proxy.add_toxic(type="limit_data", attributes={"bytes": 1}, toxicity=0.5, name="half")
        hit = 0
        for _ in range(60):
            with connect(proxy.listen) as connection:
                connection.sendall(b"ab")
                first = receive_exactly(connection, 2)
                hit += first == b"a"
                if first == b"ab":
                    round_trip_s(connection)
        # Outside 10 to 50 once in 10**7 runs.
        assert 10 <= hit <= 50

    def test_removing_toxics_of_a_dying_connection(
        self, proxy: Any, to_echo: socket.socket, api: str
    ) -> None:
        """Toxics come and go while connections end, and the proxy goes on."""
        for number in range(20):
            proxy.add_toxic(type="latency", attributes={"latency": 30}, name="l")
            proxy.add_toxic(type="limit_data", attributes={"bytes": number}, name="d")
            with connect(proxy.listen) as connection:
                connection.sendall(b"x" * number)
                proxy.add_toxic(type="slow_close", attributes={"delay": 20}, name="s")
                connection.shutdown(socket.SHUT_WR)
                for name in random.Random(number).sample(["l", "d", "s"], 3):
                    proxy.destroy_toxic(name)
                receive_all(connection)
        assert proxy.toxics() == {}
        with connect(proxy.listen) as connection:
            round_trip_s(connection)
        assert requests.get(f"{api}/version").ok
