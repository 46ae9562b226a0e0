"""What a proxy without toxics costs: embedded, HAProxy in TCP mode, real Toxiproxy, and none.

Run it: python -m tests.benchmarks.proxies [--rounds 5] [--json]. All are up at the same time and
measured in turn: 64-byte ping-pong of blocking sockets, unary gRPC calls, one-way throughput, and
a delay toxic. HAProxy must be on PATH (Debian: haproxy), the real server on PATH or named by
FAULTLAB_TOXIPROXY; what is absent is left out by name.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import requests
from rich.console import Console
from rich.table import Table

from labs.kit.bench.processes import cpu_s
from labs.kit.bench.ratios import Spread, percentile, ratios, short
from labs.kit.bench.report import machine
from nodes.lifeline import tie_to_parent
from tests.cluster.proxy_bench import (
    ROOT,
    await_that,
    connect,
    embedded_server,
    free_port,
    listens,
    real_server,
    real_server_path,
    receive_exactly,
)

PING_BYTES = 64
PINGS = 3000
CALLS = 800
SENT_BYTES = 256 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
DELAY_MS = 20
DELAYED_PINGS = 25
ECHO = "/echo/Echo"


# --------------------------------------------------------------------------------- the upstream


def serve(connection: socket.socket) -> None:
    """Echoes; a first byte `S` means a sink, which sends one byte for all when it has them."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, contextlib.suppress(OSError):
        if connection.recv(1) == b"S":
            size = int.from_bytes(receive_exactly(connection, 8))
            buffer, room = bytearray(CHUNK_BYTES * 4), size
            while room:
                room -= connection.recv_into(buffer, min(room, len(buffer))) or room
            connection.sendall(b"d")
            return
        while data := connection.recv(CHUNK_BYTES):
            connection.sendall(data)


async def upstream_program() -> None:
    """A process of its own: raw TCP and gRPC, whose addresses it prints."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

    async def echo(request: bytes, _context: object) -> bytes:
        return request

    class Handler(grpc.GenericRpcHandler):
        """One method."""

        def service(self, _details: grpc.HandlerCallDetails) -> Any:
            """As gRPC asks."""
            return grpc.unary_unary_rpc_method_handler(echo)

    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    raw = f"127.0.0.1:{listener.getsockname()[1]}"
    print(json.dumps({"raw": raw, "grpc": f"127.0.0.1:{port}"}), flush=True)
    await server.wait_for_termination()


@contextlib.contextmanager
def upstream() -> Iterator[dict[str, str]]:
    """Its addresses."""
    words = [sys.executable, "-m", "tests.benchmarks.proxies", "--upstream", str(os.getpid())]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


# ---------------------------------------------------------------------------------- the proxies


class Way:
    """A way to the upstream. `api` is where toxics are added, if they can be."""

    def __init__(self, name: str, raw: str, rpc: str, api: str = "", pid: int = 0) -> None:
        self.name, self.raw, self.rpc, self.api, self.pid = name, raw, rpc, api, pid


def toxiproxy_path(name: str, port: int, at: dict[str, str]) -> Way:
    """Through a server that speaks Toxiproxy's API."""
    api = f"http://127.0.0.1:{port}"
    listen = {}
    for kind in ("raw", "grpc"):
        body = {"name": kind, "listen": "127.0.0.1:0", "upstream": at[kind]}
        response = requests.post(f"{api}/proxies", json=body, timeout=10)
        response.raise_for_status()
        listen[kind] = str(response.json()["listen"])
    return Way(name, listen["raw"], listen["grpc"], api, pid_listening(port))


def pid_listening(port: int) -> int:
    """The process that listens on a port of loopback; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        wanted = f":{port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        nodes = {row[9] for row in rows if row[1].endswith(wanted) and row[3] == "0A"}
        for folder in Path("/proc").glob("[0-9]*/fd"):
            with contextlib.suppress(OSError):
                for link in folder.iterdir():
                    if any(os.readlink(link) == f"socket:[{node}]" for node in nodes):
                        return int(folder.parent.name)
    return 0


@contextlib.contextmanager
def haproxy_path(program: str, at: dict[str, str]) -> Iterator[Way]:
    """Through HAProxy in TCP mode."""
    ports = {"raw": free_port(), "grpc": free_port()}
    lines = ["global", " nbthread 1", "defaults", " mode tcp", " option tcp-smart-connect"]
    lines += [f" timeout {what} 60s" for what in ("connect", "client", "server")]
    for kind, port in ports.items():
        lines += [f"listen {kind}", f" bind 127.0.0.1:{port}", f" server one {at[kind]}"]
    with tempfile.TemporaryDirectory(prefix="faultlab-haproxy-") as folder:
        config = Path(folder) / "haproxy.cfg"
        config.write_text("\n".join(lines) + "\n")
        tether = [sys.executable, "-m", "nodes.cluster.tether", str(os.getpid())]
        process = subprocess.Popen(
            [*tether, program, "-db", "-q", "-f", str(config)], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        try:
            addresses = {kind: f"127.0.0.1:{port}" for kind, port in ports.items()}
            await_that(lambda: all(map(listens, addresses.values())), "HAProxy listens")
            yield Way("haproxy", addresses["raw"], addresses["grpc"], pid=process.pid)
        finally:
            process.kill()
            process.wait(10)


# --------------------------------------------------------------------------------- measurements


def ping(path: Way, count: int = PINGS) -> dict[str, float]:
    """Round trips of 64 bytes."""
    times_us, before = [], cpu_s(path.pid) if path.pid else None
    with connect(path.raw) as connection:
        connection.sendall(b"E")
        for _ in range(count):
            began = time.perf_counter()
            connection.sendall(b"x" * PING_BYTES)
            receive_exactly(connection, PING_BYTES)
            times_us.append((time.perf_counter() - began) * 1e6)
    figures = {"ping_p50_us": percentile(times_us, 0.5), "ping_p99_us": percentile(times_us, 0.99)}
    if before is not None and (after := cpu_s(path.pid)) is not None:
        figures["cpu_us_a_message"] = (after - before) / (2 * count) * 1e6
    return figures


def throughput(path: Way) -> dict[str, float]:
    """One way, until the other end has everything."""
    chunk = b"x" * CHUNK_BYTES
    with connect(path.raw) as connection:
        connection.sendall(b"S" + SENT_BYTES.to_bytes(8))
        began = time.perf_counter()
        for _ in range(SENT_BYTES // CHUNK_BYTES):
            connection.sendall(chunk)
        receive_exactly(connection, 1)
        return {"megabytes_per_s": SENT_BYTES / 1e6 / (time.perf_counter() - began)}


async def calls(path: Way) -> dict[str, float]:
    """Unary gRPC calls, one at a time."""
    async with grpc.aio.insecure_channel(path.rpc) as channel:
        call: Any = channel.unary_unary(ECHO)
        times_us = []
        for number in range(CALLS + 50):
            began = time.perf_counter()
            await call(b"x" * PING_BYTES)
            if number >= 50:
                times_us.append((time.perf_counter() - began) * 1e6)
    return {"call_p50_us": percentile(times_us, 0.5)}


def delayed(path: Way) -> dict[str, float]:
    """Median of a round trip of which one way has a delay toxic."""
    if not path.api:
        return {}
    toxic: Any = {"type": "latency", "stream": "upstream", "attributes": {"latency": DELAY_MS}}
    requests.post(f"{path.api}/proxies/raw/toxics", json=toxic, timeout=10).raise_for_status()
    try:
        figure = ping(path, DELAYED_PINGS)["ping_p50_us"] / 1000
    finally:
        url = f"{path.api}/proxies/raw/toxics/latency_upstream"
        requests.delete(url, timeout=10).raise_for_status()
    return {"delayed_ms": figure}


def measured(path: Way) -> dict[str, float]:
    """Everything, once."""
    return ping(path) | asyncio.run(calls(path)) | throughput(path) | delayed(path)


TITLES = {
    "ping_p50_us": "64-byte ping-pong, p50, us",
    "ping_p99_us": "the same, p99, us",
    "added_us": "the same, p50 added to direct, us",
    "cpu_us_a_message": "processor time of the proxy, us a message",
    "call_p50_us": "unary gRPC call, p50, us",
    "megabytes_per_s": "one way, MB/s",
    "delayed_ms": f"round trip with a delay of {DELAY_MS} ms, p50, ms",
}


def run(rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """All in turn, in an order that turns with every round."""
    with contextlib.ExitStack() as stack:
        at, left_out = stack.enter_context(upstream()), []
        paths = [Way("direct", at["raw"], at["grpc"])]
        for loop in ("uvloop", "asyncio"):
            port = stack.enter_context(embedded_server(loop))
            paths.append(toxiproxy_path(f"embedded, {loop}", port, at))
        if program := shutil.which("haproxy"):
            paths.append(stack.enter_context(haproxy_path(program, at)))
        else:
            left_out.append("haproxy: not on PATH; on Debian and Ubuntu: apt install haproxy")
        if real := real_server_path():
            port = stack.enter_context(real_server(real))
            paths.append(toxiproxy_path("toxiproxy", port, at))
        else:
            left_out.append("toxiproxy: not on PATH; name it in FAULTLAB_TOXIPROXY")
        samples: dict[str, dict[str, list[float | None]]] = {}
        for number in range(rounds):
            turn = number % len(paths)
            figures = {path.name: measured(path) for path in (*paths[turn:], *paths[:turn])}
            direct = figures["direct"]["ping_p50_us"]
            for path in paths:
                mine = figures[path.name]
                if path.name != "direct":
                    mine["added_us"] = mine["ping_p50_us"] - direct
                for name in TITLES:
                    samples.setdefault(name, {}).setdefault(path.name, []).append(mine.get(name))
            tell(f"round {number + 1} of {rounds}")
    return {"machine": machine(), "samples": samples, "left_out": left_out, "rounds": rounds}


def show(found: dict[str, Any]) -> None:
    """Medians and extremes, and the embedded proxy's ratios to HAProxy's and to Toxiproxy's."""
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    names = list(found["samples"]["ping_p50_us"])
    table = Table(title=f"proxies without toxics, {found['rounds']} rounds", title_justify="left")
    table.add_column("median (least-most)")
    for name in names:
        table.add_column(name, justify="right")
    for measurement, title in TITLES.items():
        spreads = [Spread.of(found["samples"][measurement][name]) for name in names]
        table.add_row(title, *("-" if one is None else cell(one) for one in spreads))
    console.print(table)
    for peer in ("haproxy", "toxiproxy"):
        for measurement in ("added_us", "call_p50_us", "megabytes_per_s"):
            figures = found["samples"][measurement]
            if peer in figures:
                ratio = ratios(figures["embedded, uvloop"], figures[peer])
                if ratio is not None:
                    words = f"{ratio.median:.2f}x ({ratio.least:.2f}-{ratio.most:.2f})"
                    console.print(f"embedded, uvloop / {peer}: {TITLES[measurement]}: {words}")
    for line in found["left_out"]:
        print(f"left out: {line}", file=sys.stderr)


def cell(spread: Spread) -> str:
    """A figure with its spread."""
    return f"{short(spread.median)}\n({short(spread.least)}-{short(spread.most)})"


def main() -> None:
    """Prints a table, or with --json the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--upstream", type=int, metavar="PARENT_PID", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.upstream:
        tie_to_parent(options.upstream)
        asyncio.run(upstream_program())
    found = run(options.rounds, lambda line: print(line, file=sys.stderr, flush=True))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


if __name__ == "__main__":
    main()
