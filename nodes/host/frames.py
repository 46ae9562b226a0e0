"""How calls share a stream: what waits is written in batches, and what is large in parts.

One message at a time travels in parts, so that neither end ever holds many that are incomplete;
small ones pass between its parts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from nodes.host.rpc import RECEIVE_BYTES_MAX
from protos import node_pb2

PART_BYTES = 32 * 1024
BATCH_BYTES = 64 * 1024  # a batch is closed once it has this many

Frame = TypeVar("Frame", node_pb2.RequestFrame, node_pb2.ResponseFrame)
_Batch = TypeVar("_Batch", node_pb2.RequestFrames, node_pb2.ResponseFrames)


class FramesBroken(Exception):
    """The other end does not keep to the rules. One line."""


class _Waiting(NamedTuple):
    call: int
    fields: dict[str, Any]
    payload: bytes


class Outgoing(Generic[_Batch]):
    """Messages of calls that wait to be written, first come first served.

    `wanted` says of a call whether anybody still waits for it; what nobody does is dropped.
    """

    def __init__(self, batch_type: type[_Batch], wanted: Callable[[int], bool]) -> None:
        self._batch_type: type[_Batch] = batch_type
        self._wanted = wanted
        self._small: deque[_Waiting] = deque()
        self._large: deque[_Waiting] = deque()
        self._sent_bytes = 0  # of the first large one
        self._filled: asyncio.Future[None] | None = None
        self.waiting_bytes = 0

    def put(self, call: int, payload: bytes, **fields: Any) -> None:
        """A message, with what its first frame says beside it."""
        waiting = _Waiting(call, fields, payload)
        (self._small if len(payload) <= PART_BYTES else self._large).append(waiting)
        self.waiting_bytes += len(payload)
        if self._filled is not None and not self._filled.done():
            self._filled.set_result(None)

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._small) + len(self._large)

    async def next(self) -> _Batch:
        """What is to be written next; waits until there is something."""
        while True:
            batch = self._take()
            if batch.frames:
                return batch
            self._filled = asyncio.get_running_loop().create_future()
            await self._filled

    def _take(self) -> _Batch:
        batch: _Batch = self._batch_type()
        size_bytes = 0
        while self._small and size_bytes < BATCH_BYTES:
            call, fields, payload = self._small.popleft()
            self.waiting_bytes -= len(payload)
            if "abandoned" in fields or self._wanted(call):
                batch.frames.add(call=call, part=payload, **fields)
                size_bytes += len(payload)
        self._take_part(batch)
        return batch

    def _take_part(self, batch: _Batch) -> None:
        """One part of what is large, at least, so that small ones cannot hold it up for ever."""
        while self._large:
            call, fields, payload = self._large[0]
            begin, end = self._sent_bytes, self._sent_bytes + PART_BYTES
            wanted = self._wanted(call)
            if wanted:
                more = end < len(payload)
                head = fields if begin == 0 else {}
                batch.frames.add(call=call, part=payload[begin:end], more=more, **head)
                self._sent_bytes = end
                if more:
                    return
            elif begin:
                batch.frames.add(call=call, abandoned=True)
            self._large.popleft()
            self._sent_bytes = 0
            self.waiting_bytes -= len(payload)
            if wanted:
                return


class Arrived(NamedTuple, Generic[Frame]):
    """A whole message: its first frame, and its bytes, or None when they are too many."""

    frame: Frame
    payload: bytes | None
    size_bytes: int


class Incoming(Generic[Frame]):
    """Puts messages together again that come in parts."""

    def __init__(self) -> None:
        self._first: Frame | None = None
        self._payload = bytearray()
        self._size_bytes = 0

    def take(self, frame: Frame) -> Arrived[Frame] | None:
        """The message that is complete now, if one is. Raises FramesBroken."""
        first = self._first
        if first is None or first.call != frame.call:
            if not frame.more:
                return Arrived(frame, frame.part, len(frame.part))
            if first is not None:
                raise FramesBroken(f"calls {first.call} and {frame.call} both come in parts")
            first = self._first = frame
        self._size_bytes += len(frame.part)
        if self._size_bytes <= RECEIVE_BYTES_MAX:
            self._payload += frame.part
        else:
            self._payload.clear()
        if frame.more:
            return None
        fits = self._size_bytes <= RECEIVE_BYTES_MAX
        arrived = Arrived(first, bytes(self._payload) if fits else None, self._size_bytes)
        self.forget(first.call)
        return arrived

    def forget(self, call: int) -> None:
        """The rest of this message will not come."""
        if self._first is not None and self._first.call == call:
            self._first, self._size_bytes = None, 0
            self._payload.clear()
