"""Starts the proxy server of a lab as a process of its own, on loopback and a free port.

The real `toxiproxy-server` is used when there is one, else the embedded one. Either ends with the
process that started it, also when that is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import IO, Final, Literal

from nodes.cluster import signals
from nodes.cluster.api import RuntimeFailure
from nodes.cluster.toxiproxy import ToxiproxyClient, one_line

ProxyKind = Literal["toxiproxy-server", "embedded"]

REAL_SERVER: Final = "toxiproxy-server"
_ENVIRONMENT: Final = "FAULTLAB_TOXIPROXY"
_ROOT: Final = str(Path(__file__).resolve().parents[2])  # where `nodes` is importable
_OWN: Final = Path(sys.prefix) / "bin"  # of the virtual environment
_START_S_MAX: Final = 10.0
_STOP_S_MAX: Final = 3.0
_LOOK_AGAIN_S: Final = 0.01
_PORT_TRIES: Final = 3


class ProxyServer:
    """A running proxy server. Obtained from `start_proxy_server`."""

    def __init__(self, kind: ProxyKind, address: str, process: Process) -> None:
        self.kind: ProxyKind = kind
        self.address = address
        self.version = ""
        self._process = process

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether its process still runs."""
        return self._process.returncode is None

    def describe(self) -> str:
        """For people: which server this is, and its version."""
        if self.kind == "embedded":
            return f"embedded proxy {self.version}"
        return f"{REAL_SERVER} {self.version}"

    def why_silent(self) -> str | None:
        """Why it cannot answer, when its process has ended; else None."""
        status = self._process.returncode
        if status is None:
            return None
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return f"the proxy server ({self.kind}, pid {self.pid}) has ended with {how}"

    async def stop(self) -> None:
        """Ends the server, and returns once it is gone."""
        process = self._process
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signals.send(process, signal.SIGTERM)
            if process.stdin is not None:
                process.stdin.close()
            try:
                async with asyncio.timeout(_STOP_S_MAX):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    signals.send(process, signal.SIGKILL)
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()
            with contextlib.suppress(OSError):
                await process.stdin.wait_closed()


def find_real_server() -> str | None:
    """Where `toxiproxy-server` is: what FAULTLAB_TOXIPROXY names, else what `make toxiproxy` made,
    else what PATH finds.

    Raises RuntimeFailure when FAULTLAB_TOXIPROXY names nothing that can be run.
    """
    named = os.environ.get(_ENVIRONMENT)
    if not named:
        return shutil.which(REAL_SERVER, path=os.fspath(_OWN)) or shutil.which(REAL_SERVER)
    found = shutil.which(named)
    if found is None:
        raise RuntimeFailure(
            f"{_ENVIRONMENT} names {one_line(named)!r}, which is no program; correct or unset it"
        )
    return found


async def start_proxy_server(
    prefer_real: bool | None = None, log: Path | None = None
) -> ProxyServer:
    """Starts a proxy server and returns once it answers.

    `prefer_real`: None takes the real server when there is one, True insists on it, False takes the
    embedded one. `log` is a file for what the server has to complain of; by default that goes
    nowhere, since a terminal with a live view is no place for it. Raises RuntimeFailure.
    """
    path = None if prefer_real is False else find_real_server()
    if prefer_real and path is None:
        raise RuntimeFailure(
            f"there is no {REAL_SERVER}: `make toxiproxy` compiles it; or use the embedded proxy"
        )
    with _opened(log) as errors:
        server = await (_start_embedded(errors) if path is None else _start_real(path, errors))
    client = ToxiproxyClient(server.address, server.why_silent)
    try:
        server.version = await client.version()
    except BaseException:
        await server.stop()
        raise
    finally:
        await client.close()
    return server


async def _start_embedded(errors: IO[bytes]) -> ProxyServer:
    options = ("--port", "0", "--parent", str(os.getpid()))
    process = await _spawn("nodes.cluster.embedded_proxy", *options, errors=errors, with_pipes=True)
    assert process.stdout is not None
    line = b""
    try:
        async with asyncio.timeout(_START_S_MAX):
            line = await process.stdout.readline()
        return ProxyServer("embedded", json.loads(line)["api"], process)
    except (TimeoutError, ValueError, KeyError, TypeError):
        await ProxyServer("embedded", "", process).stop()
        raise RuntimeFailure(
            f"the embedded proxy did not start (exit status {process.returncode}):"
            f" it printed {one_line(line.decode('utf-8', 'backslashreplace'))!r}"
        ) from None
    except BaseException:
        await ProxyServer("embedded", "", process).stop()
        raise


async def _start_real(path: str, errors: IO[bytes]) -> ProxyServer:
    # The server does not report a port that it picked itself, so one is picked for it. Another
    # program may take that port in between; then the server stays up without an API.
    for _ in range(_PORT_TRIES):
        port = _free_port()
        command = (path, "-host", "127.0.0.1", "-port", str(port))
        process = await _spawn(
            "nodes.cluster.tether", str(os.getpid()), *command, errors=errors, with_pipes=False
        )
        server = ProxyServer("toxiproxy-server", f"127.0.0.1:{port}", process)
        try:
            if await _answers(server):
                return server
        except BaseException:
            await server.stop()
            raise
        await server.stop()
    raise RuntimeFailure(
        f"{path} did not start an API on loopback in {_PORT_TRIES} tries;"
        f" run it by hand to see why, or take it off PATH to use the embedded proxy"
    )


async def _answers(server: ProxyServer) -> bool:
    client = ToxiproxyClient(server.address)
    try:
        async with asyncio.timeout(_START_S_MAX):
            while server.alive():
                try:
                    await client.version()
                    return server.alive() and await client.proxies() == {}
                except RuntimeFailure:
                    await asyncio.sleep(_LOOK_AGAIN_S)  # it tells nobody when it is ready
    except TimeoutError:
        return False
    finally:
        await client.close()
    return False


async def _spawn(module: str, *arguments: str, errors: IO[bytes], with_pipes: bool) -> Process:
    # A session of its own keeps the terminal's Ctrl-C away: only the owner decides when it ends.
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=PIPE if with_pipes else DEVNULL,
        stdout=PIPE if with_pipes else errors,  # the real server logs to its standard output
        stderr=errors,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "LOG_LEVEL": "error"},
    )


def _opened(log: Path | None) -> IO[bytes]:
    return open(log or os.devnull, "ab")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
