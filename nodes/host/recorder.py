"""Writes a node's timeline: one JSON line an event, shaped as nodes/timeline.py reads it.

Watching never slows the watched: recording puts a tuple in a bounded queue, and a thread of its own
formats and writes. When the queue is full the event is dropped and counted; its number is used up
all the same, so that a reader sees the gap.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from nodes.core import NodeId, NoteValue
from nodes.host.text import printable
from nodes.timeline import TimelineEvent

QUEUE_LENGTH_MAX = 20_000
FILE_BYTES_MAX = 16 * 1024 * 1024
BATCH_S = 0.1  # how long the writer lets events gather: few wake-ups, still live to the eye
CLOSE_S = 2.0
_TAIL_BYTES = 64 * 1024

_Waiting: TypeAlias = tuple[int, int, float, str, Mapping[str, NoteValue]]
_encode = json.JSONEncoder(separators=(",", ":")).encode


def older_file(path: Path) -> Path:
    """Where the events before the last rotation are."""
    return path.with_name(path.name + ".1")


class Recorder:
    """Records to `path`, or nowhere when it is None. `began_ms` is monotonic time.

    Numbers and Lamport times go on where an earlier run of the node left them.
    """

    def __init__(
        self,
        node: NodeId,
        path: Path | None,
        *,
        began_ms: float,
        file_bytes_max: int = FILE_BYTES_MAX,
        queue_length_max: int = QUEUE_LENGTH_MAX,
    ) -> None:
        self._node = node
        self._path = path
        self._began_ms = began_ms
        self._file_bytes_max = file_bytes_max
        self._queue_length_max = queue_length_max
        self._queue: deque[_Waiting] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.recorded = 0
        self.dropped = 0
        self.last_seq, self.last_lamport = last_numbers(path) if path is not None else (0, 0)
        if path is not None:
            self._file = self._open(path)
            self._size_bytes = os.fstat(self._file).st_size
            self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
            self._thread.start()

    def record(self, lamport: int, kind: str, fields: Mapping[str, NoteValue]) -> None:
        """Never blocks. `fields` must not change afterwards."""
        if self._thread is None:
            return
        self.last_seq += 1
        if len(self._queue) >= self._queue_length_max:
            self.dropped += 1
            return
        at_ms = time.monotonic() * 1000 - self._began_ms
        self._queue.append((self.last_seq, lamport, at_ms, kind, fields))
        self.recorded += 1
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Writes what waits, within a bound."""
        if self._thread is None:
            return
        self._stop.set()
        self._wake.set()
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            os.close(self._file)
        self._thread = None

    # -------------------------------------------------------------------------- the writing thread

    def _write_all(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            self._stop.wait(BATCH_S)
            stopping = self._stop.is_set()
            self._write_waiting()
            if stopping and not self._queue:
                return

    def _write_waiting(self) -> None:
        while self._queue:
            lines = [self._line(self._queue.popleft()) for _ in range(min(200, len(self._queue)))]
            block = "".join(lines).encode()
            try:
                self._rotate_before(len(block))
                _write(self._file, block)
                self._size_bytes += len(block)
            except OSError as error:
                if self.dropped == 0:
                    reason = printable(str(error))
                    print(f"{self._node}: events are lost: {reason}", file=sys.stderr, flush=True)
                self.dropped += len(lines)
                self.recorded -= len(lines)

    def _line(self, waiting: _Waiting) -> str:
        seq, lamport, at_ms, kind, fields = waiting
        head = {
            "node": self._node,
            "seq": seq,
            "lamport": lamport,
            "at_ms": round(at_ms, 3),
            "kind": kind,
        }
        return _encode(head | dict(fields) | head) + "\n"

    def _rotate_before(self, block_bytes: int) -> None:
        if self._path is None or self._size_bytes + block_bytes <= self._file_bytes_max:
            return
        os.replace(self._path, older_file(self._path))
        fresh = self._open(self._path)
        os.close(self._file)
        self._file, self._size_bytes = fresh, 0

    def _open(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _write(file: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(file, view) :]


def last_numbers(path: Path) -> tuple[int, int]:
    """The largest number and Lamport time that an earlier run wrote at the end of its file, else
    (0, 0). A line torn by a kill is given its end, so that the next one is whole."""
    for candidate in (path, older_file(path)):
        try:
            with open(candidate, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                tail = file.read(_TAIL_BYTES)
                if tail and not tail.endswith(b"\n"):
                    file.write(b"\n")
        except FileNotFoundError:
            continue
        for line in reversed(tail.splitlines()):
            try:
                event = TimelineEvent.from_json(line.decode())
            except ValueError:
                continue
            return event.seq, event.lamport
    return 0, 0
