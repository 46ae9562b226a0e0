"""One container, from the side of the one who started it: its orders, its output, its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nodes.cluster.api import RuntimeFailure
from nodes.cluster.engine import Ending, Engine, EngineGone, NoSuchThing, Output
from nodes.cluster.node_process import last_words
from nodes.core import NodeId
from nodes.host.crash_points import point_in
from nodes.host.text import printable

ENDED_S_MAX: Final = 15.0
LOOK_AGAIN_S: Final = 0.5
WATCHER_S_MAX: Final = 5.0
LINE_BYTES_MAX: Final = 64 * 1024
_SIGNAL_STATUS: Final = 128  # a shell's way to tell of a signal in an exit status


class NodeContainer:
    """A container of the lab, made but not started. Use it on one loop.

    A thread of its own reads what the container writes until it ends: stderr goes to `log`, and
    nodes say on stdout when they are ready, or why they cannot be.
    """

    def __init__(self, engine: Engine, name: NodeId, container: str, log: Path) -> None:
        self.name = name
        self.id = container
        self.ip = ""
        self.ips: dict[str, str] = {}  # by the network's name
        self.ports: dict[int, int] = {}  # the container's port -> the one on 127.0.0.1
        self.is_running = False
        self.is_paused = False
        self.trouble: str | None = None  # why nothing is known of it at the moment
        self.crash_point: str | None = None  # at which it died
        self._engine = engine
        self._log = log
        self._log_from = 0  # where what its latest life says begins
        self._refusal: str | None = None
        self._how: str | None = None
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._watcher: _Watcher | None = None

    # -------------------------------------------------------------------------------------- orders

    async def start(self) -> None:
        """Returns once its process runs and its addresses are known. Raises RuntimeFailure."""
        self._ready.clear()
        self._ended.clear()
        self._refusal = self._how = self.crash_point = None
        self._log_from = await asyncio.to_thread(_size_bytes, self._log)
        await self._watch()
        self.is_running, self.is_paused = True, False
        try:
            await asyncio.to_thread(self._engine.start, self.id)
            facts = await asyncio.to_thread(self._engine.inspect, self.id)
        except RuntimeFailure:
            self.is_running = False
            await self.close()
            raise
        self._learn(facts["NetworkSettings"])

    async def ready(self, within_s: float) -> None:
        """Returns once the node serves. Raises RuntimeFailure when it ends instead, or is late."""
        events = [asyncio.create_task(event.wait()) for event in (self._ready, self._ended)]
        try:
            await asyncio.wait(events, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for event in events:
                event.cancel()
        if self._ended.is_set():
            raise RuntimeFailure(self._refusal or f"{self.name} {self.epitaph()}")
        if not self._ready.is_set():
            raise RuntimeFailure(
                f"{self.name} was not ready within {within_s:g} s; its log is {self._log}"
            )

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone. No harm if it is gone already."""
        if self.is_running:
            try:
                await asyncio.to_thread(self._engine.kill, self.id)
            except EngineGone:
                raise
            except RuntimeFailure:
                # It may just have ended by itself; if not, the wait below says so.
                pass
            await self._await_end()

    async def pause(self) -> None:
        """Freezes it, confirmed. Raises RuntimeFailure when it cannot be."""
        await asyncio.to_thread(self._engine.pause, self.id)
        await self._confirm_pause(True)

    async def resume(self) -> None:
        """Ends a pause, confirmed. Raises RuntimeFailure when it cannot be."""
        await asyncio.to_thread(self._engine.resume, self.id)
        await self._confirm_pause(False)

    async def _confirm_pause(self, wanted: bool) -> None:
        facts = await asyncio.to_thread(self._engine.inspect, self.id)
        if facts["State"]["Paused"] is not wanted:
            raise RuntimeFailure(f"{self.name}: {'pause' if wanted else 'resume'} had no effect")
        self.is_paused = wanted

    async def _await_end(self) -> None:
        try:
            async with asyncio.timeout(ENDED_S_MAX):
                await self._ended.wait()
        except TimeoutError:
            raise RuntimeFailure(
                f"{self.name} did not end within {ENDED_S_MAX:g} s of SIGKILL;"
                f" `docker ps` shows how it is"
            ) from None

    async def close(self) -> None:
        """Stops reading its output; for a container that has been removed, or never ran."""
        if self._watcher is not None:
            await asyncio.to_thread(self._watcher.stop)

    def epitaph(self) -> str:
        """How it ended, and its last words."""
        return self._how or "is running"

    # --------------------------------------------------------------------------- what it has to say

    def _learn(self, settings: dict[str, Any]) -> None:
        self.ips = {name: net["IPAddress"] for name, net in settings["Networks"].items()}
        self.ip = next(iter(self.ips.values()), "")
        self.ports = {
            int(port.partition("/")[0]): int(published[0]["HostPort"])
            for port, published in (settings["Ports"] or {}).items()
            if published
        }

    async def _watch(self) -> None:
        """Returns once the output is being read, so that nothing of it is missed."""
        await self.close()
        watcher = _Watcher(self._engine, self.id, self._log, self)
        self._watcher = watcher
        await asyncio.to_thread(watcher.attach)
        watcher.start()

    def hear(self, line: bytes) -> None:
        """A line of its stdout; see nodes/host/program.py for those that mean something."""
        try:
            message = json.loads(line)
            if message.get("ready") is True:
                self._ready.set()
            elif "error" in message:
                self._refusal = printable(str(message["error"]))
        except (ValueError, AttributeError, RecursionError):
            return  # a core may print what it likes

    def be_troubled(self, why: str | None) -> None:
        """Nothing can be known of the container while the engine is away; None: it is back."""
        self.trouble = why

    def end(self, ending: Ending | None) -> None:
        """The container has ended; None: somebody removed it."""
        self.is_running = self.is_paused = False
        self.trouble = None
        self._how = self._describe(ending)
        self._ended.set()

    def _describe(self, ending: Ending | None) -> str:
        if ending is None:
            return "was removed by somebody"
        if ending.out_of_memory:
            return "was ended by the kernel: it used more memory than its container may"
        if ending.status == _SIGNAL_STATUS + signal.SIGKILL:
            self.crash_point = point_in(last_words(self._log, self.name, self._log_from))
            if self.crash_point is not None:
                return f"died at its crash point {self.crash_point}"
        if ending.status > _SIGNAL_STATUS:
            return f"was ended by {_signal_name(ending.status - _SIGNAL_STATUS)}"
        last = last_words(self._log, self.name) if ending.status else ""
        return f"ended with {ending.status}" + (f": {last}" if last else "")


class _Watcher:
    """Reads one life of a container in a thread, and tells its owner on the owner's loop."""

    def __init__(self, engine: Engine, container: str, log: Path, owner: NodeContainer) -> None:
        self._engine = engine
        self._container = container
        self._log = log
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._output: Output | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watches {owner.name}", daemon=True)
        self._line = b""

    def attach(self) -> None:
        """Blocks until the container's output will be heard. Raises RuntimeFailure."""
        self._output = self._engine.output(self._container)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self) -> None:
        """Returns once the thread has ended. No harm if it has already."""
        self._closing.set()
        output = self._output
        if output is not None:
            output.cut()
        if self._thread.is_alive():
            self._thread.join(WATCHER_S_MAX)
        elif output is not None:
            output.close()

    def _run(self) -> None:
        """Until the container has ended; while the engine is away, asks for it."""
        while not self._closing.is_set():
            try:
                if self._output is None:
                    self.attach()
                    self._tell(self._owner.be_troubled, None)
                self._read()
                if not self._closing.is_set():
                    self._tell(self._owner.end, self._engine.ending(self._container))
                return
            except NoSuchThing:
                self._tell(self._owner.end, None)
                return
            except RuntimeFailure as failure:
                self._tell(self._owner.be_troubled, str(failure))
                self._closing.wait(LOOK_AGAIN_S)

    def _read(self) -> None:
        assert self._output is not None
        try:
            with _private(self._log) as log:
                for out, err in self._output:
                    if err:
                        log.write(err)
                    for line in self._lines(out or b""):
                        self._tell(self._owner.hear, line)
        finally:
            self._output.close()
            self._output = None

    def _lines(self, block: bytes) -> list[bytes]:
        *lines, rest = (self._line + block).split(b"\n")
        self._line = rest[-LINE_BYTES_MAX:]
        return lines

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(function, *arguments)


def _size_bytes(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _private(path: Path) -> Any:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
