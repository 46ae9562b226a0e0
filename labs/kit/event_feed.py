"""The last things worth telling, from all nodes: read off their event files, kept as sentences.

Nodes write every message they send; only what a person wants to read is parsed here. The files
rotate at a size cap, and the feed follows: what it had not yet read of a file that was moved aside
is read there first.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labs.kit.lab import Lab
from labs.kit.sentences import ROUTINE_KINDS, sentence
from labs.kit.text import visible

KEPT_LINES = 500
READ_BYTES_MAX = 1 << 20  # a file and a round: bounds what one look costs
_KIND = re.compile(rb'"kind":\s*"([^"\\]*)"')


@dataclass(frozen=True, slots=True)
class FeedLine:
    """A sentence; `seq` counts the feed's own lines, `at_ms` is since the session began. `times`
    counts how often the node has said this in a row; only the last one is kept."""

    seq: int
    at_ms: float
    node: str
    kind: str
    sentence: str
    times: int = 1

    def to_json(self) -> dict[str, Any]:
        """As sent to watchers."""
        return {
            "seq": self.seq,
            "at_ms": round(self.at_ms, 1),
            "node": self.node,
            "kind": self.kind,
            "sentence": self.sentence,
            "times": self.times,
        }


@dataclass(slots=True)
class Tail:
    """One node's event file: where it is, which file that was last, and how far it is read."""

    path: Path
    inode: int = 0
    offset: int = 0
    rest: bytes = b""

    def read_new(self, boring: frozenset[bytes]) -> list[Mapping[str, Any]]:
        """Events of interest since the last call. Blocking file access: call it in a thread."""
        events: list[Mapping[str, Any]] = []
        try:
            status = self.path.stat()
        except OSError:
            return events
        if self.inode and status.st_ino != self.inode:
            older = self.path.with_name(self.path.name + ".1")
            if _inode(older) == self.inode:
                events += self._read(older, boring)
            self.offset, self.rest = 0, b""
        elif status.st_size < self.offset:
            self.offset, self.rest = 0, b""
        self.inode = status.st_ino
        return events + self._read(self.path, boring)

    def _read(self, path: Path, boring: frozenset[bytes]) -> list[Mapping[str, Any]]:
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size - self.offset > READ_BYTES_MAX:
                    # Far behind: what is old news by now is skipped, from the next whole line on.
                    file.seek(size - READ_BYTES_MAX)
                    file.readline()
                    self.offset, self.rest = file.tell(), b""
                file.seek(self.offset)
                data = file.read(READ_BYTES_MAX)
        except OSError:
            return []
        self.offset += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [event for line in lines if (event := _parse(line, boring)) is not None]


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _parse(line: bytes, boring: frozenset[bytes]) -> Mapping[str, Any] | None:
    kind = _KIND.search(line)
    if kind is None or kind[1] in boring:
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    well_formed = (
        isinstance(event, dict)
        and isinstance(event.get("kind"), str)
        and isinstance(event.get("at_ms"), int | float)
    )
    return event if well_formed else None


@dataclass
class EventFeed:
    """All nodes' lines in one sequence, with those of the conductor itself."""

    lab: Lab
    paths: Mapping[str, Path]
    now_ms: Callable[[], float]
    lines: deque[FeedLine] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    seq: int = 0

    def __post_init__(self) -> None:
        self._tails = [Tail(path) for path in self.paths.values()]
        quiet = ROUTINE_KINDS | self.lab.quiet_kinds
        self._boring = frozenset(kind.encode() for kind in quiet)
        self._last_of: dict[str, FeedLine] = {}
        self._news = asyncio.Condition()
        self._reading = asyncio.Lock()

    async def tell(self, kind: str, text: str, node: str = "") -> None:
        """Adds a line of the conductor's own: a fault, a node found dead."""
        self._add(self.now_ms(), node, kind, text)
        await self._wake()

    async def refresh(self) -> None:
        """Reads what the nodes have written since the last call."""
        async with self._reading:
            found = await asyncio.to_thread(self._read_all)
        if found:
            for event in sorted(found, key=lambda event: float(event["at_ms"])):
                if text := sentence(self.lab, event):
                    node = visible(str(event.get("node", "")))
                    self._add(float(event["at_ms"]), node, visible(event["kind"]), text)
            await self._wake()

    def after(self, seq: int) -> list[FeedLine]:
        """The lines behind `seq` that are still kept."""
        return [line for line in self.lines if line.seq > seq]

    async def wait_after(self, seq: int, timeout_s: float) -> list[FeedLine]:
        """The lines behind `seq`; waits for the first one, but no longer than the timeout."""
        async with self._news:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait_for(lambda: self.seq > seq)
            except TimeoutError:
                return []
        return self.after(seq)

    def _read_all(self) -> list[Mapping[str, Any]]:
        return [event for tail in self._tails for event in tail.read_new(self._boring)]

    def _add(self, at_ms: float, node: str, kind: str, text: str) -> None:
        self.seq += 1
        times, last = 1, self._last_of.get(node)
        if node and last is not None and (last.kind, last.sentence) == (kind, text):
            times = last.times + 1
            if last in self.lines:
                self.lines.remove(last)
        line = FeedLine(self.seq, at_ms, node, kind, text, times)
        self._last_of[node] = line
        self.lines.append(line)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()
