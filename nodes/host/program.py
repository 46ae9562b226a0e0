"""One node as a process: what `python -m nodes.host` runs.

The start protocol, so that no port is ever guessed; every message is one line of JSON:

    stdin   {"node", "session", "token", "lab", "core": "module:Class", "protos": [...],
             "peers": [...], "params": {...}, "seed", "listen": "127.0.0.1:0", "data": folder,
             "events": file or null, "began_ms": monotonic time, "parent": pid or null,
             "wiped": true when the node has been here before and lost its disk,
             "crash_points": {point: passes that are let go first}}
    stdout  {"listening": "127.0.0.1:PORT", "pid"}    or {"error", "kind"} and exit status 1
    stdin   {"links": {peer: address}}                where each peer is reached
    stdout  {"ready": true}

The end of stdin ends the node, SIGTERM does, and so does the end of its parent. With
`--config FILE` one JSON file holds both parts, and stdin is not read.

Exit status: 0 stopped in good order; 1 could not start; 2 wrong usage; 70 the core raised;
74 the disk failed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence

from nodes.core import NodeId
from nodes.host.config import ConfigError, HostConfig, read_config, read_json, read_links
from nodes.host.process import CoreFailed
from nodes.host.run import Node
from nodes.host.server import AddressInUse
from nodes.host.storage import StorageDamaged, StorageFailed
from nodes.host.text import printable
from nodes.lifeline import tie_to_parent

USAGE = "python -m nodes.host [--config FILE]"
STOPPED, NOT_STARTED, BAD_USAGE, CORE_FAILED, DISK_FAILED = 0, 1, 2, 70, 74
CONFIG_BYTES_MAX = 1024 * 1024

_KINDS: Mapping[type[Exception], str] = {
    AddressInUse: "address",
    StorageDamaged: "storage",
    StorageFailed: "storage",
}


class Lines:
    """Lines from stdin as the loop gets them; `ended` when there are no more."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()
        self.ended = asyncio.Event()
        try:
            asyncio.get_running_loop().add_reader(0, self._read)
        except PermissionError as error:
            raise ConfigError("stdin must be a pipe; for a file use --config FILE") from error

    def _read(self) -> None:
        block = os.read(0, 65536)
        self._buffer += block
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            self._lines.put_nowait(line)
        if not block or len(self._buffer) > CONFIG_BYTES_MAX:
            asyncio.get_running_loop().remove_reader(0)
            self._lines.put_nowait(self._buffer)
            self.ended.set()

    async def next(self) -> bytes:
        """The next line; empty at the end."""
        if self.ended.is_set() and self._lines.empty():
            return b""
        return await self._lines.get()


def say(**message: object) -> None:
    """One line to whoever started us."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def complain(line: str) -> None:
    """One line to the log."""
    print(printable(line), file=sys.stderr, flush=True)


def complain_at_length(error: BaseException) -> None:
    """A traceback to the log; what the exception says may come from anywhere."""
    for line in "".join(traceback.format_exception(error)).splitlines():
        complain(line)


async def amain(given: Callable[[], bytes] | None) -> int:
    """From the config to the exit status. `given` has all of it; None: stdin will say."""
    name, lines = "node", None
    try:
        if given is None:
            lines = Lines()
            raw = read_json(await lines.next(), "the config")
        else:
            raw = read_json(given(), "the config")
        config = read_config(raw)
        name = config.node
        if config.parent is not None:
            tie_to_parent(config.parent)
        node = Node(config)
    except Exception as error:
        return _could_not_start(name, error)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.ask_to_stop)
    say(listening=node.address, pid=os.getpid())
    try:
        if lines is not None:
            raw = read_json(await lines.next(), "the line with the links")
        links = read_links(raw, config.peers)
    except ConfigError as error:
        await node.close()
        return _could_not_start(name, error)
    return await _run(node, config, links, lines)


async def _run(
    node: Node, config: HostConfig, links: Mapping[NodeId, str], lines: Lines | None
) -> int:
    ready = asyncio.Event()
    helpers = [asyncio.create_task(_say_ready(ready))]
    if lines is not None:
        helpers.append(asyncio.create_task(_stop_at_end(lines, node)))
    try:
        await node.run(links, ready)
    except CoreFailed as error:
        node.crashed(str(error))
        complain(str(error))
        if error.__cause__ is not None:
            complain_at_length(error.__cause__)
        status = CORE_FAILED
    except StorageFailed as error:
        node.crashed(str(error))
        complain(str(error))
        status = DISK_FAILED
    else:
        complain(f"{config.node}: stopped")
        status = STOPPED
    for helper in helpers:
        helper.cancel()
    await node.close()
    return status


async def _say_ready(ready: asyncio.Event) -> None:
    await ready.wait()
    say(ready=True)


async def _stop_at_end(lines: Lines, node: Node) -> None:
    await lines.ended.wait()
    node.ask_to_stop()


def _could_not_start(name: NodeId, error: Exception) -> int:
    expected = isinstance(error, (ConfigError, TypeError, *_KINDS))
    text = str(error) if expected else f"could not start: {error!r}"
    text = f"{name}: {text.removeprefix(f'{name}: ')}"
    if not expected:
        complain_at_length(error)
    say(error=printable(text), kind=_KINDS.get(type(error), "config"))
    complain(text)
    return NOT_STARTED


def _read_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(CONFIG_BYTES_MAX)
    except OSError as error:
        raise ConfigError(f"cannot read the config: {error}") from error


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    match arguments:
        case []:
            return asyncio.run(amain(None))
        case ["--config", file]:
            return asyncio.run(amain(lambda: _read_file(file)))
        case ["-h" | "--help"]:
            print(f"usage: {USAGE}\n\n{__doc__}")
            return STOPPED
    complain(f"usage: {USAGE}")
    return BAD_USAGE
