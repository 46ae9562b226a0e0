"""One node's operating system process, from the side of the one who started it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from nodes.cluster import signals
from nodes.cluster.api import RuntimeFailure
from nodes.cluster.forkserver import Forked, ForkServer
from nodes.cluster.surroundings import node_environment
from nodes.core import NodeId
from nodes.host.crash_points import point_in
from nodes.host.text import printable

LISTENING_S_MAX: Final = 20.0  # many at once on a busy machine
READY_S_MAX: Final = 60.0  # a large log is read before
KILLED_S_MAX: Final = 10.0
REFUSED_S_MAX: Final = 3.0
LOG_TAIL_BYTES: Final = 16 * 1024
_LOOK_AGAIN_S: Final = 0.001


class AddressTaken(RuntimeFailure):
    """The node could not have the port it was given."""


class NodeProcess:
    """A node that was started. Obtained from `spawn`."""

    def __init__(
        self,
        node: NodeId,
        process: Process | Forked,
        send: Callable[[signal.Signals], None],
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        log: Path,
        log_from: int = 0,
    ) -> None:
        self.node = node
        self.address = ""
        self.is_paused = False
        self._process = process
        self._send = send
        self._from_node, self._to_node = streams
        self._log = log
        self._log_from = log_from  # where what it says itself begins

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it lives; negative: the signal that ended it."""
        return self._process.returncode

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @classmethod
    async def spawn(cls, node: NodeId, log: Path, server: ForkServer | None) -> NodeProcess:
        """A process of its own session: Ctrl-C in the terminal is not for it. Forked by `server`,
        or without one executed anew. Raises RuntimeFailure."""
        with _open_private(log) as errors:
            log_from = os.fstat(errors.fileno()).st_size
            if server is not None:
                return await cls._fork(node, log, server, errors, log_from)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "nodes.host"),
                stdin=PIPE,
                stdout=PIPE,
                stderr=errors,
                start_new_session=True,
                env=node_environment(),
            )
        assert process.stdin is not None
        assert process.stdout is not None
        streams = (process.stdout, process.stdin)
        return cls(node, process, partial(signals.send, process), streams, log, log_from)

    @classmethod
    async def _fork(
        cls, node: NodeId, log: Path, server: ForkServer, errors: IO[bytes], log_from: int
    ) -> NodeProcess:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                descriptors = (theirs.fileno(), theirs.fileno(), errors.fileno())
                process = await server.fork(node, descriptors)
        except BaseException:
            ours.close()
            raise
        streams = await asyncio.open_connection(sock=ours)
        return cls(node, process, process.send, streams, log, log_from)

    async def tell(self, message: Mapping[str, Any]) -> None:
        """One line of the start protocol. A node that is gone is noticed by `hear`."""
        self._to_node.write(json.dumps(message).encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await self._to_node.drain()

    async def hear(self, field: str, *, within_s: float) -> Any:
        """That field of the node's next line. Raises RuntimeFailure when it says something else,
        or nothing; the process is dead then."""
        try:
            async with asyncio.timeout(within_s):
                line = await self._from_node.readline()
        except TimeoutError:
            await self.kill()
            raise RuntimeFailure(
                f"{self.node} did not get as far as {field!r} within {within_s:g} s; "
                f"its log is {self._log}"
            ) from None
        try:
            message = json.loads(line)
            return message[field]
        except (ValueError, KeyError, TypeError):
            await self.stop(REFUSED_S_MAX)  # it is about to end by itself
        reason, kind = self._refusal(line)
        raise (AddressTaken if kind == "address" else RuntimeFailure)(reason)

    def _refusal(self, line: bytes) -> tuple[str, str]:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            message = json.loads(line)
            return printable(str(message["error"])), str(message.get("kind", ""))
        return f"{self.node} {self.epitaph()}", ""

    # ------------------------------------------------------------------------------------- signals

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone. No harm if it is gone already."""
        with contextlib.suppress(ProcessLookupError):
            self._send(signal.SIGKILL)
        await self._gone(KILLED_S_MAX)

    async def stop(self, within_s: float) -> None:
        """Asks it to end by ending its stdin; after the bound, SIGKILL."""
        if not self.is_paused:
            self._end_stdin()
            try:
                async with asyncio.timeout(within_s):
                    await self._process.wait()
            except TimeoutError:
                pass
        await self.kill()

    async def pause(self) -> None:
        """SIGSTOP, confirmed. Raises RuntimeFailure when it cannot be."""
        await self._signal(signal.SIGSTOP, "T")
        self.is_paused = True

    async def resume(self) -> None:
        """SIGCONT, confirmed. Raises RuntimeFailure when it cannot be."""
        await self._signal(signal.SIGCONT, None)
        self.is_paused = False

    async def _signal(self, number: signal.Signals, state: str | None) -> None:
        """Returns once the process is in that state; None: in any but stopped."""
        try:
            self._send(number)
            async with asyncio.timeout(KILLED_S_MAX):
                while True:
                    found = await process_state(self.pid)
                    if found == state or (state is None and found != "T"):
                        break
                    await asyncio.sleep(_LOOK_AGAIN_S)  # the kernel tells nobody but a debugger
        except (ProcessLookupError, TimeoutError) as error:
            raise RuntimeFailure(f"{self.node}: {number.name} had no effect") from error
        if not self.is_running:
            raise RuntimeFailure(f"{self.node} {self.epitaph()}")

    async def _gone(self, within_s: float) -> None:
        self._end_stdin()
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            raise RuntimeFailure(
                f"{self.node} (pid {self.pid}) did not end on SIGKILL; is its disk stuck?"
            ) from None
        self.is_paused = False

    def _end_stdin(self) -> None:
        self._to_node.close()

    # ------------------------------------------------------------------------------- what is known

    @property
    def crash_point(self) -> str | None:
        """At which it died; None when it lives, or ended otherwise."""
        if self._process.returncode != -signal.SIGKILL:
            return None
        return point_in(last_words(self._log, self.node, self._log_from))

    def epitaph(self) -> str:
        """How it ended, and the first thing it said about it."""
        status = self._process.returncode
        if status is None:
            return "is running"
        point = self.crash_point
        if point is not None:
            return f"died at its crash point {point}"
        how = f"was ended by {_signal_name(-status)}" if status < 0 else f"ended with {status}"
        last = last_words(self._log, self.node)
        return f"{how}: {last}" if last and status > 0 else how


def _open_private(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")


async def process_state(pid: int) -> str:
    """One letter, as `ps` has it; `T` is stopped. Raises ProcessLookupError when there is none."""
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat") as file:  # noqa: ASYNC230  # it is no disk
                return file.read().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            raise ProcessLookupError(pid) from None
    else:
        command = ("ps", "-o", "state=", "-p", str(pid))
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        output, _ = await process.communicate()
        return output.decode().strip()[:1]


def last_words(log: Path, node: NodeId, log_from: int = 0) -> str:
    """The last line of the log, from there on, that the node itself wrote, without control
    characters."""
    try:
        with open(log, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(log_from, size - LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    own = [line for line in lines if line.startswith(f"{node}: ")] or [
        line for line in lines if line.strip()
    ]
    return printable(own[-1].removeprefix(f"{node}: "))[:400] if own else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
