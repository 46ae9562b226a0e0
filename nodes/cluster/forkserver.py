"""A process that forks nodes, from the side of the one who wants nodes; see
nodes/host/forkserver.py. Linux only: elsewhere every node is executed anew."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from nodes.cluster.api import ClusterSpec, RuntimeFailure
from nodes.cluster.surroundings import node_environment
from nodes.core import NodeId
from nodes.host.forkserver import MESSAGE_BYTES_MAX
from nodes.host.text import printable
from nodes.lifeline import ON_LINUX

FORKED_S_MAX: Final = 20.0  # it may still be importing, on a busy machine
ENDED_S_MAX: Final = 3.0
CLOSED: Final = "the cluster has been closed"


def can_fork() -> bool:
    """Whether nodes can be forked here."""
    return ON_LINUX and hasattr(os, "pidfd_open")


def modules_of(spec: ClusterSpec) -> tuple[str, ...]:
    """What the nodes of this cluster all import; what users write is left to each node, so that one
    that is started again has what is written by then."""
    cores = sorted({node.core.partition(":")[0] for node in spec.nodes})
    return tuple(name for name in (*spec.protos, *cores) if name.startswith(("nodes.", "protos.")))


class Forked:
    """A process that a ForkServer forked; what asyncio's own Process says of a child.

    Its end is heard from the fork server, or, when that is gone, from the kernel.
    """

    def __init__(self, pid: int, watch: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._watch = watch
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Returns its exit status; negative: the signal that ended it."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send(self, number: signal.Signals) -> None:
        """Raises ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError(f"process {self.pid} has ended")
        signal.pidfd_send_signal(self._watch, number)

    def ended(self, status: int) -> None:
        """It is gone. No harm if said twice."""
        if self.returncode is None:
            self.returncode = status
            os.close(self._watch)
            self._ended.set()

    def ends_with_server(self) -> None:
        """The kernel kills it as its parent is gone; nobody will report that."""
        loop = asyncio.get_running_loop()

        def heard() -> None:
            loop.remove_reader(self._watch)
            self.ended(-signal.SIGKILL)

        if self.returncode is None:
            loop.add_reader(self._watch, heard)


class ForkServer:
    """Started by the constructor, which does not wait for it: it can be made early, while there is
    other work to do. `modules` are what nodes will need."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = tuple(modules)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                # -P: a file in the working directory must not stand in for a module.
                [sys.executable, "-P", "-m", "nodes.host.forkserver", str(os.getpid()), *modules],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=node_environment(),
            )
        ours.setblocking(False)
        self._socket = ours
        self._reads = self._stopped = False
        self._answers: asyncio.Queue[Forked | None] = asyncio.Queue()
        self._one_at_a_time = asyncio.Lock()
        self._forked: dict[int, Forked] = {}

    @property
    def pid(self) -> int:
        """The parent of its nodes."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    async def fork(self, node: NodeId, streams: Sequence[int]) -> Forked:
        """A process with these descriptors as its standard input, output and error. Raises
        RuntimeFailure."""
        forking = asyncio.create_task(self._fork(node, streams))
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:
            forking.add_done_callback(_end_unwanted)
            raise

    async def _fork(self, node: NodeId, streams: Sequence[int]) -> Forked:
        async with self._one_at_a_time:
            if self._stopped:
                raise RuntimeFailure(f"{node} could not be forked: {CLOSED}")
            if not self._reads:
                self._reads = True
                asyncio.get_running_loop().add_reader(self._socket, self._read)
            with contextlib.suppress(BrokenPipeError):
                socket.send_fds(self._socket, [json.dumps({"fork": node}).encode()], streams)
            try:
                async with asyncio.timeout(FORKED_S_MAX):
                    forked = await self._answers.get()
            except TimeoutError:
                self._process.kill()
                forked = None
        if forked is None:
            why = CLOSED if self._stopped else self._last_words()
            raise RuntimeFailure(f"{node} could not be forked: {why}")
        return forked

    def _read(self) -> None:
        try:
            message, watch, _, _ = socket.recv_fds(self._socket, MESSAGE_BYTES_MAX, 1)
        except ConnectionResetError:
            message = b""
        if not message:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._answers.put_nowait(None)
            for forked in self._forked.values():
                forked.ends_with_server()
            return
        heard: Mapping[str, int] = json.loads(message)
        if "forked" in heard:
            forked = self._forked[heard["forked"]] = Forked(heard["forked"], watch[0])
            self._answers.put_nowait(forked)
        else:
            self._forked.pop(heard["ended"]).ended(heard["status"])

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        self._process.wait(ENDED_S_MAX)
        said = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return printable(said[-1]) if said else f"its parent ended with {self._process.returncode}"

    async def stop(self) -> None:
        """Ends it and the nodes that are left; returns when they are gone. No harm if called
        twice."""
        if self._stopped:
            return
        self._stopped = True
        if self._reads:
            asyncio.get_running_loop().remove_reader(self._socket)
        self._answers.put_nowait(None)
        self._socket.close()
        try:
            await asyncio.to_thread(self._process.wait, ENDED_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        for forked in tuple(self._forked.values()):  # of a server that was killed itself
            with contextlib.suppress(ProcessLookupError):
                forked.send(signal.SIGKILL)
            forked.ends_with_server()
            await forked.wait()


_early: list[ForkServer] = []


def start_early(modules: Sequence[str]) -> None:
    """For a cluster that will be made soon by this process: its nodes' imports go on meanwhile."""
    if can_fork() and not _early:
        _early.append(ForkServer(modules))


def take_or_start(modules: Sequence[str]) -> ForkServer:
    """One that was started early for these modules, or a new one."""
    fits = [server for server in _early if server.modules == tuple(modules) and server.alive()]
    if fits:
        _early.remove(fits[0])
        return fits[0]
    return ForkServer(modules)


def _end_unwanted(forking: asyncio.Task[Forked]) -> None:
    if not forking.cancelled() and forking.exception() is None:
        with contextlib.suppress(ProcessLookupError):
            forking.result().send(signal.SIGKILL)
