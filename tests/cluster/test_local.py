"""The local runtime on real processes: what a signal, a disk and a port do to a node."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from nodes.cluster.api import (
    CLIENT,
    ClusterSpec,
    Indeterminate,
    Link,
    LinkState,
    NodeSpec,
    NodeState,
    Refused,
    RpcFault,
    RuntimeFailure,
    Toxic,
)
from nodes.cluster.forkserver import can_fork
from nodes.cluster.local import LocalCluster
from nodes.cluster.node_process import process_state
from nodes.cluster.surroundings import PROJECT_ROOT
from nodes.host.transports import TRANSPORTS
from nodes.host.unsynced import side_file
from tests.support import ping_pb2 as pb

pytestmark = pytest.mark.real

WITHIN_MS = 15_000  # generous: other work may share the machine


def spec_of(count: int, **params: int | str) -> ClusterSpec:
    nodes = tuple(
        NodeSpec(f"n{number}", "tests.support.ping_core:Ping") for number in range(1, count + 1)
    )
    return ClusterSpec("ping", ("tests.support.ping_pb2",), nodes, params, seed=7)


@contextlib.asynccontextmanager
async def running(folder: Path, count: int = 1, **params: int | str) -> AsyncIterator[LocalCluster]:
    cluster = LocalCluster(spec_of(count, **params), folder=folder, proxy=False)
    async with cluster:
        pids = cluster.process_ids()
        yield cluster
        pids += cluster.process_ids()
    assert not any(map(exists, pids)), "a process was left behind"


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """How calls over the links travel."""
    return str(request.param)


def exists(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def ask(cluster: LocalCluster, node: str, request: Message) -> Any:
    """Like `call`, but patient while the link reconnects. Only for what may be refused at first."""

    async def attempt() -> Message | None:
        try:
            return await cluster.call(node, request, timeout_ms=WITHIN_MS)
        except Refused as refused:
            if "cannot be reached" not in refused.reason:
                raise
            return None

    return await cluster.until(f"{node} is reached", attempt, within_ms=WITHIN_MS)


async def add(cluster: LocalCluster, node: str, amount: int) -> int:
    total: int = (await ask(cluster, node, pb.AddRequest(amount=amount))).total
    return total


async def view(cluster: LocalCluster, node: str) -> pb.PingView:
    found = await cluster.until(
        f"{node} shows itself", lambda: cluster.view(node), within_ms=WITHIN_MS
    )
    assert isinstance(found, pb.PingView)
    return found


async def gone(cluster: LocalCluster, node: str) -> str:
    async def ended() -> str | None:
        return cluster.how_it_ended(node)

    return await cluster.until(f"{node} has ended", ended, within_ms=WITHIN_MS)


async def test_three_nodes_serve_and_reach_each_other(tmp_path: Path, transport: str) -> None:
    """Clients and peers talk over the links; views come past them; nothing outlives the end."""
    async with running(tmp_path, 3, transport=transport) as cluster:
        assert (await ask(cluster, "n1", pb.EchoRequest(text="hi"))).node_id == "n1"
        relayed = await ask(cluster, "n2", pb.RelayRequest(peer="n3", text="ho", timeout_ms=5_000))
        assert (relayed.text, relayed.failure) == ("ho", "")
        assert (await view(cluster, "n3")).echoes == 1
        hosts = await cluster.until(
            "a host's view", lambda: cluster.host_view("n3"), within_ms=WITHIN_MS
        )
        assert hosts.pid == cluster.pid("n3")
        assert len(await cluster.links()) == 9


async def test_a_killed_node_comes_back_with_what_was_durable(
    tmp_path: Path, transport: str
) -> None:
    """kill -9 loses nothing that was answered; the node is reached again over the same links."""
    async with running(tmp_path, 2, transport=transport) as cluster:
        assert await add(cluster, "n1", 5) == 5
        address = cluster.address("n1")
        await cluster.world.kill("n1")
        assert cluster.node_state("n1") is NodeState.DOWN
        assert cluster.how_it_ended("n1") == "was ended by SIGKILL"
        assert await cluster.view("n1") is None
        with pytest.raises((Refused, Indeterminate)):
            await cluster.call("n1", pb.EchoRequest(), timeout_ms=1_000)
        with pytest.raises(RuntimeFailure, match="n1 is down"):
            await cluster.world.kill("n1")
        await cluster.world.start("n1")
        assert cluster.node_state("n1") is NodeState.UP
        assert cluster.address("n1") == address
        assert (await view(cluster, "n1")).logged_total == 5
        assert await add(cluster, "n1", 2) == 7
        with pytest.raises(RuntimeFailure, match="n1 is running already"):
            await cluster.world.start("n1")


async def test_a_node_whose_port_was_taken_comes_back_on_another(
    tmp_path: Path, transport: str
) -> None:
    """Somebody else's server on the old port is left alone, and the links lead to the new one."""
    async with running(tmp_path, 2, transport=transport) as cluster:
        address = cluster.address("n1")
        await cluster.world.kill("n1")
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind(("127.0.0.1", int(address.rpartition(":")[2])))
            squatter.listen()
            await cluster.world.start("n1")
            assert cluster.address("n1") != address
            assert (await ask(cluster, "n1", pb.EchoRequest(text="x"))).text == "x"
            relay = pb.RelayRequest(peer="n1", text="y", timeout_ms=5_000)

            async def relayed() -> bool:
                found: pb.RelayResponse = await ask(cluster, "n2", relay)
                return found.text == "y"

            await cluster.until("n2 reaches n1", relayed, within_ms=WITHIN_MS)


async def test_a_paused_node_goes_on_where_it_was(tmp_path: Path, transport: str) -> None:
    """SIGSTOP is confirmed; the node is silent, and loses nothing by it."""
    async with running(tmp_path, transport=transport) as cluster:
        await add(cluster, "n1", 5)
        await cluster.world.pause("n1")
        assert cluster.node_state("n1") is NodeState.PAUSED
        assert await process_state(cluster.pid("n1")) == "T"
        assert await cluster.view("n1") is None
        with pytest.raises(Indeterminate, match="no response from n1 within 100 ms"):
            await cluster.call("n1", pb.AddRequest(amount=1), timeout_ms=100)
        await cluster.world.resume("n1")
        assert cluster.node_state("n1") is NodeState.UP
        assert (await view(cluster, "n1")).total in (5, 6)
        await cluster.world.pause("n1")
        await cluster.world.kill("n1")
        assert cluster.node_state("n1") is NodeState.DOWN


async def test_a_wiped_node_has_nothing_and_knows_it(tmp_path: Path, transport: str) -> None:
    """Only a node that is down can be wiped; it comes back empty and is told so."""
    async with running(tmp_path, transport=transport) as cluster:
        await add(cluster, "n1", 5)
        with pytest.raises(RuntimeFailure, match="n1 is running; kill it"):
            await cluster.world.wipe("n1")
        await cluster.world.kill("n1")
        await cluster.world.wipe("n1")
        await cluster.world.start("n1")
        assert (await view(cluster, "n1")).total == 0
        with contextlib.closing(sqlite3.connect(tmp_path / "nodes/n1/n1.db")) as database:
            assert database.execute("SELECT value FROM meta WHERE name='wiped'").fetchone()


async def test_a_power_cut_loses_nothing_that_was_synced(tmp_path: Path, transport: str) -> None:
    """With fsync on, what was answered survives a power cut."""
    async with running(tmp_path, transport=transport) as cluster:
        await add(cluster, "n1", 5)
        await cluster.world.power_cut("n1")
        await cluster.world.start("n1")
        assert (await view(cluster, "n1")).total == 5


async def test_with_fsync_off_a_power_cut_loses_and_a_kill_does_not(
    tmp_path: Path, transport: str
) -> None:
    """The page cache survives a kill -9; a power cut takes what was answered but never synced."""
    async with running(tmp_path, fsync="off", transport=transport) as cluster:
        unsynced = side_file(tmp_path / "nodes/n1", "n1")
        await add(cluster, "n1", 5)
        await cluster.world.kill("n1")
        await cluster.world.start("n1")
        total = (await view(cluster, "n1")).total
        assert total == 5
        # Stopped, the node cannot sync behind our back; it may have done so just before.
        while True:
            total = await add(cluster, "n1", 1)
            await cluster.world.pause("n1")
            if unsynced.stat().st_size:
                break
            await cluster.world.resume("n1")
        await cluster.world.power_cut("n1")
        await cluster.world.start("n1")
        found = await view(cluster, "n1")
        assert 5 <= found.total < total
        assert found.logged_total == found.total


async def test_a_damaged_disk_refuses_the_start_with_the_way_out(tmp_path: Path) -> None:
    """One line names node, file and row; after a wipe the node starts."""
    async with running(tmp_path) as cluster:
        await add(cluster, "n1", 5)
        await cluster.world.kill("n1")
        path = tmp_path / "nodes/n1/n1.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE logs SET value=x'0806'")
            database.commit()
        with pytest.raises(RuntimeFailure) as failure:
            await cluster.world.start("n1")
        line = str(failure.value)
        assert line == (
            f"n1: {path} table logs, row 'added'/1: checksum does not match; to start over with "
            "an empty disk: lab fault wipe n1"
        )
        assert "checksum does not match" in (cluster.how_it_ended("n1") or "")
        await cluster.world.wipe("n1")
        await cluster.world.start("n1")
        assert (await view(cluster, "n1")).total == 0


async def test_a_core_that_raises_is_reported_with_its_place(
    tmp_path: Path, transport: str
) -> None:
    """The node ends with status 70 and says what and where, without control characters."""
    async with running(tmp_path, transport=transport) as cluster:
        await add(cluster, "n1", 5)
        with pytest.raises(Indeterminate):
            await ask(cluster, "n1", pb.BreakRequest())
        how = await gone(cluster, "n1")
        assert how.startswith("ended with 70: Ping raised RuntimeError(")
        assert "ping_core.py:" in how
        assert "\x1b" not in cluster.log_path("n1").read_text()
        assert '"kind":"crashed"' in cluster.events_path("n1").read_text()
        assert cluster.node_state("n1") is NodeState.DOWN
        await cluster.world.start("n1")
        assert (await view(cluster, "n1")).total == 5


async def test_a_node_that_ends_by_itself_is_noticed(tmp_path: Path, transport: str) -> None:
    """A stranger's SIGTERM is a stop in good order, and shows as down."""
    async with running(tmp_path, transport=transport) as cluster:
        await add(cluster, "n1", 5)
        os.kill(cluster.pid("n1"), signal.SIGTERM)
        assert await gone(cluster, "n1") == "ended with 0"
        assert cluster.node_state("n1") is NodeState.DOWN


async def test_links_clocks_and_calls_can_be_hurt_and_healed(
    tmp_path: Path, transport: str
) -> None:
    """What the fault controller sets acts on the node, and is undone."""
    async with running(tmp_path, 2, transport=transport) as cluster:
        world = cluster.world
        relay = pb.RelayRequest(peer="n2", text="x", timeout_ms=200)
        await cluster.until("n1 reaches n2", lambda: _relays(cluster), within_ms=WITHIN_MS)
        silence = LinkState(toxics=(Toxic("timeout", "upstream", {"timeout": 0}),))
        await world.set_links({Link("n1", "n2"): silence})
        assert (await ask(cluster, "n1", relay)).failure == "deadline"
        await world.set_links({})
        await cluster.until("n1 reaches n2 again", lambda: _relays(cluster), within_ms=WITHIN_MS)
        await world.set_rpc_faults("n1", (RpcFault("lose_request", 100.0, "n2"),), seed=1)
        assert (await ask(cluster, "n1", relay)).failure == "deadline"
        await world.set_rpc_faults("n1", (), seed=1)
        assert await _relays(cluster)
        await world.set_clock("n1", offset_ms=3_600_000, rate=1.0)
        await ask(cluster, "n1", pb.EchoRequest())
        await ask(cluster, "n2", pb.EchoRequest())
        ahead_ms = (await view(cluster, "n1")).wall_ms - (await view(cluster, "n2")).wall_ms
        assert 3_500_000 < ahead_ms < 3_700_000
        await world.kill("n2")
        with pytest.raises(RuntimeFailure, match="n2 is down"):
            await world.set_clock("n2", offset_ms=1, rate=1.0)


async def _relays(cluster: LocalCluster) -> bool:
    relay = pb.RelayRequest(peer="n2", text="x", timeout_ms=1_000)
    return not (await ask(cluster, "n1", relay)).failure


async def test_a_severed_client_link_is_a_definite_no(tmp_path: Path, transport: str) -> None:
    """A request that never found a connection was surely not sent."""
    async with running(tmp_path, transport=transport) as cluster:
        await ask(cluster, "n1", pb.EchoRequest())
        await cluster.world.set_links({Link(CLIENT, "n1"): LinkState(enabled=False)})

        async def refused() -> bool:
            try:
                await cluster.call("n1", pb.AddRequest(amount=1), timeout_ms=1_000)
            except Refused as refusal:
                return "n1 cannot be reached" in refusal.reason
            except Indeterminate:
                return False
            return False

        await cluster.until("the link refuses", refused, within_ms=WITHIN_MS)
        assert (await view(cluster, "n1")).total == 0


async def test_an_unknown_node_is_named(tmp_path: Path) -> None:
    """One line with the names that there are."""
    async with running(tmp_path, 2) as cluster:
        for attempt in (cluster.call("n9", pb.EchoRequest(), timeout_ms=1), cluster.view("n9")):
            with pytest.raises(RuntimeFailure, match="no node 'n9'; there are n1, n2"):
                await attempt
        with pytest.raises(TypeError, match=r"faultlab.ping.Counter is no request"):
            await cluster.call("n1", pb.Counter(), timeout_ms=1)


async def test_until_says_what_did_not_come(tmp_path: Path) -> None:
    """A bound that passes names what was waited for."""
    cluster = LocalCluster(spec_of(1), folder=tmp_path)

    async def never() -> bool:
        return False

    with pytest.raises(TimeoutError, match="not within 50 ms: pigs fly"):
        await cluster.until("pigs fly", never, within_ms=50)
    await cluster.close()


@pytest.mark.parametrize(
    ("core", "params", "message"),
    [
        ("tests.support.ping_core:Pong", {}, "there is no core"),
        ("tests.support.nothing:Ping", {}, "there is no core"),
        ("nodes.core:Env", {}, "is no core"),
        ("tests.support.ping_core:Ping", {"fsync": "perhaps"}, "expected on or off"),
        ("tests.support.ping_core:Ping", {"transport": "pigeon"}, "expected stream or unary"),
    ],
    ids=["class", "module", "kind", "fsync", "transport"],
)
async def test_a_node_that_cannot_start_says_why(
    tmp_path: Path, core: str, params: dict[str, int | str], message: str
) -> None:
    """The reason is one line, and nothing of the cluster is left."""
    spec = ClusterSpec(
        "ping",
        ("tests.support.ping_pb2",),
        (NodeSpec("n1", "tests.support.ping_core:Ping"), NodeSpec("n2", core)),
        params,
    )
    cluster = LocalCluster(spec, folder=tmp_path, proxy=False)
    with pytest.raises(RuntimeFailure, match=message) as failure:
        await cluster.start()
    assert "\n" not in str(failure.value)
    assert cluster.process_ids() == ()


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C at any moment of the start ends what had begun."""
    for delay_s in (0.0, 0.02, 0.1, 0.2, 0.3):
        cluster = LocalCluster(spec_of(2), folder=tmp_path / str(delay_s), proxy=False)
        starting = asyncio.create_task(cluster.start())
        await asyncio.sleep(delay_s)
        pids = cluster.process_ids()
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        pids += cluster.process_ids()
        await cluster.close()
        assert not any(map(exists, pids))
        assert not _nodes_of(tmp_path)


def _nodes_of(folder: Path) -> list[int]:
    """Processes that hold a file below the folder open."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (entry / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor).startswith(str(folder)):
                        found.append(int(entry.name))
    return found


CONDUCTOR = """
import asyncio, sys
from pathlib import Path
from nodes.cluster.local import LocalCluster
from tests.cluster.test_local import spec_of

async def main():
    async with LocalCluster(spec_of(3), folder=Path(sys.argv[1]), proxy=False) as cluster:
        await cluster.world.pause("n2")
        print(*cluster.process_ids(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_nodes_end_with_their_conductor_even_when_paused(tmp_path: Path) -> None:
    """kill -9 of the process that owns a cluster leaves no node and no proxy behind."""
    conductor = subprocess.Popen(
        [sys.executable, "-c", CONDUCTOR, str(tmp_path)], cwd=PROJECT_ROOT, stdout=subprocess.PIPE
    )
    assert conductor.stdout is not None
    with conductor.stdout, contextlib.ExitStack() as handles:
        handles.callback(conductor.wait)
        handles.callback(conductor.kill)
        pids = [int(pid) for pid in conductor.stdout.readline().split()]
        assert len(pids) == 4 + can_fork()  # the nodes, the proxy and who forks nodes
        ends = [os.pidfd_open(pid) for pid in pids]
        for end in ends:
            handles.callback(os.close, end)
        assert select.select(ends, [], [], 0)[0] == []
        conductor.kill()
        conductor.wait()
        for end in ends:
            assert select.select([end], [], [], WITHIN_MS / 1000)[0] == [end]


async def test_sec_01_everything_listens_on_loopback_only(tmp_path: Path) -> None:
    """No process of a cluster can be reached from another machine."""
    async with running(tmp_path, 2) as cluster:
        listeners = [line for pid in cluster.process_ids() for line in _listeners(pid)]
        assert len(listeners) >= 2 + 4 + 1
        assert set(listeners) <= LOOPBACK


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, ::ffff:127.0.0.1


def _listeners(pid: int) -> list[str]:
    """Local addresses, as the kernel prints them, of the TCP sockets that this process listens
    on."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(descriptor).removeprefix("socket:[").removesuffix("]"))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.append(fields[1].partition(":")[0])
    return found


async def test_sec_07_the_token_is_nowhere_to_be_read(tmp_path: Path) -> None:
    """Not in arguments, environment, logs or files; and the files are their owner's alone."""
    async with running(tmp_path) as cluster:
        await add(cluster, "n1", 1)
        token = cluster.world._token.encode()
        pid = cluster.pid("n1")
        readable = [Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/environ")]
        below = _below(tmp_path)
        files = [path for path in below if path.is_file()]
        assert not any(token in path.read_bytes() for path in readable + files)
        assert {path.stat().st_mode & 0o077 for path in (tmp_path, *below)} == {0}
        environment = readable[1].read_bytes().split(b"\0")
        names = {entry.partition(b"=")[0] for entry in environment}
        assert not any(b"TOKEN" in name or b"KEY" in name or b"SECRET" in name for name in names)


def _maps(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def _below(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def test_a_node_needs_no_openssl_and_no_web_server(tmp_path: Path) -> None:
    """What would double the size of a node is not loaded into it."""
    async with running(tmp_path) as cluster:
        maps = _maps(cluster.pid("n1"))
        assert "cygrpc" in maps
        for library in ("libcrypto", "libssl", "aiohttp"):
            assert library not in maps
