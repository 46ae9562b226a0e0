"""Processes of a benchmark: what they cost, and peers' programs that must not outlive it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from labs.kit.bench.contender import ContenderFailed

PROJECT_FOLDER: Final = Path(__file__).resolve().parents[3]
EXEC_S_MAX: Final = 5.0
GONE_S_MAX: Final = 10.0
LISTENING_S_MAX: Final = 20.0
_LOOK_AGAIN_S: Final = 0.002


def rss_mib(pid: int) -> float | None:
    """Resident memory of a process; None where the system does not tell."""
    for name, field in (("smaps_rollup", "Rss:"), ("status", "VmRSS:")):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
                if line.startswith(field):
                    return int(line.split()[1]) / 1024
    return None


def cpu_s(pid: int) -> float | None:
    """User and system time of a process so far; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Program:
    """A peer's process, tied to this one: it ends when this one does, also by SIGKILL."""

    def __init__(self, process: Process, executed_s: float) -> None:
        self._process = process
        self.executed_s = executed_s  # monotonic, when the program itself was executed

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @classmethod
    async def spawn(cls, command: Sequence[str], log: Path) -> Program:
        """Runs a foreign command under the project's tether, which becomes the command."""
        process = await _exec(
            (sys.executable, "-P", "-m", "nodes.cluster.tether", str(os.getpid()), *command), log
        )
        return cls(process, await _became(process.pid, command[0]))

    @classmethod
    async def spawn_module(cls, module: str, arguments: Sequence[str], log: Path) -> Program:
        """Runs a module of this project, which ties itself to the parent that its first argument
        names."""
        began = time.monotonic()
        words = (sys.executable, "-P", "-m", module, str(os.getpid()), *arguments)
        return cls(await _exec(words, log), began)

    async def say(self, line: str) -> None:
        """A line to its standard input. Raises ContenderFailed when it is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise ContenderFailed(f"process {self.pid} is gone") from error

    async def hear(self, within_s: float) -> str:
        """The next line of its standard output. Raises ContenderFailed."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise ContenderFailed(f"process {self.pid} said nothing for {within_s:g} s") from None
        if not line:
            raise ContenderFailed(f"process {self.pid} ended without a word")
        return line.decode()

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone. No harm if it is gone already."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        async with asyncio.timeout(GONE_S_MAX):
            await self._process.wait()


async def _exec(command: Sequence[str], log: Path) -> Process:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with _opened(log) as errors:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the benchmark, which then ends all
            env=kept | {"PYTHONPATH": str(PROJECT_FOLDER), "GRPC_VERBOSITY": "NONE"},
            limit=64 * 1024 * 1024,
        )


def _opened(log: Path) -> IO[bytes]:
    return open(log, "ab")


def _program_of(pid: int) -> str:
    try:
        return os.path.realpath(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


async def _became(pid: int, program: str) -> float:
    """When the tether became the program: the time of its exec, not of the tether's start."""
    began = time.monotonic()
    if not sys.platform.startswith("linux"):
        return began
    wanted = str(Path(program).resolve())  # noqa: ASYNC240  # it is no slow disk
    ends = began + EXEC_S_MAX
    while time.monotonic() < ends and _program_of(pid) != wanted:  # noqa: ASYNC110  # no event
        await asyncio.sleep(_LOOK_AGAIN_S / 2)
    return time.monotonic()


async def listens(address: str) -> None:
    """Returns once somebody accepts connections there. Raises ContenderFailed."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + LISTENING_S_MAX
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            await asyncio.sleep(_LOOK_AGAIN_S)  # a foreign program tells nobody when it listens
            continue
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return
    raise ContenderFailed(f"nobody listens on {address} within {LISTENING_S_MAX:g} s")


def free_addresses(count: int) -> list[str]:
    """So many different loopback addresses that were free a moment ago."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{probe.getsockname()[1]}" for probe in probes]
    finally:
        for probe in probes:
            probe.close()


async def end_all(programs: Sequence[Program]) -> None:
    """SIGKILL to each."""
    await asyncio.gather(*(program.kill() for program in programs), return_exceptions=True)
