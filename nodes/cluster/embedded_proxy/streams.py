"""One proxied connection: two sides, and between them one stream each way.

Without toxics a stream hands bytes from socket to socket. With toxics they pass through a chain of
stages. Either way memory is bounded: a side is not read while what it sent cannot go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from nodes.cluster.embedded_proxy.stages import STAGES, Chunk, Data, Outlet, Stage, ToxicDefinition

HELD_BYTES_MAX: Final = 8 * 1024 * 1024  # by the toxics of one stream
_CHUNK_BYTES_MAX: Final = 32 * 1024  # what Toxiproxy reads at once, and so treats as one
_WRITE_BUFFER_BYTES: Final = 256 * 1024
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)  # closing sends a reset


class Side(asyncio.Protocol):
    """One of the two sockets of a connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.outgoing: Stream | None = None  # carries what is read here
        self.incoming: Stream | None = None  # brings what is written here
        self.write_paused = False
        self.closed = False  # by us
        self.lost = False
        self._early: list[bytes] = []  # read before the other side was there
        self._early_end = False

    # ------------------------------------------------------------------- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there; nothing is read until both are."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Bytes came in: straight on, or into the chain."""
        if self.outgoing is None:
            # uvloop reads once before it heeds a pause that `connection_made` asked for.
            self._early.append(data)
            return
        self.outgoing.carry(data)

    def eof_received(self) -> bool:
        """The peer will send no more. What it still gets is decided by the chains."""
        if self.outgoing is None:
            self._early_end = True
        else:
            self.outgoing.end()
        return True

    def pause_writing(self) -> None:
        """The peer reads slowly."""
        self.write_paused = True
        if self.incoming is not None:
            self.incoming.regulate()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.write_paused = False
        if self.incoming is not None:
            self.incoming.regulate()

    def connection_lost(self, _error: Exception | None) -> None:
        """The socket is gone, whoever ended it."""
        self.lost = True
        self.write_paused = False
        if self.outgoing is not None:
            self.outgoing.end()
        if self.incoming is not None:
            self.incoming.regulate()
            self.incoming.connection.side_lost()

    # --------------------------------------------------------------------- called by streams

    def pass_on_early(self) -> None:
        """What was read before there was a stream for it."""
        assert self.outgoing is not None
        early, self._early = self._early, []
        for data in early:
            self.outgoing.carry(data)
        if self._early_end:
            self.outgoing.end()

    def close(self) -> None:
        """Closes the socket once all that was written is on its way."""
        if self.closed:
            return
        self.closed = True
        if self.transport is not None:
            self.transport.close()
        # A socket that is closed is not read any more: that ends the other direction as well.
        if self.outgoing is not None:
            self.outgoing.end()

    def abort(self) -> None:
        """Closes the socket now."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    def set_reading(self, wanted: bool) -> None:
        """Reads from the socket, or lets the peer wait."""
        if self.transport is not None and not self.transport.is_closing():
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def reset_on_close(self) -> None:
        """Lets closing send a reset, and throw away what is not delivered yet."""
        if self.transport is not None:
            handle = self.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)


class Stream:
    """One direction of a connection, with its chain of toxics."""

    def __init__(
        self,
        connection: Connection,
        source: Side,
        sink: Side,
        toxics: Sequence[ToxicDefinition],
        loop: AbstractEventLoop,
    ) -> None:
        self.connection = connection
        self._source = source
        self._sink = sink
        self._loop = loop
        self._stages: list[Stage] = []
        self._ended = False
        self._held_bytes = 0  # in the queues of the stages
        self._full = False
        for toxic in reversed(toxics):
            outlet: Outlet = self._stages[0] if self._stages else self
            self._stages.insert(0, self._stage(toxic, outlet))

    def start(self) -> None:
        """Both sides are there: the toxics begin, and data flows."""
        for stage in self._stages:
            stage.start()
        self.regulate()

    def carry(self, data: bytes) -> None:
        """Takes bytes from the source."""
        if not self._stages:
            self._write(data)
            return
        at_s = self._loop.time()
        pieces: Sequence[Data] = (data,)
        if len(data) > _CHUNK_BYTES_MAX:
            view = memoryview(data)
            pieces = [
                view[start : start + _CHUNK_BYTES_MAX]
                for start in range(0, len(data), _CHUNK_BYTES_MAX)
            ]
        for piece in pieces:
            self._stages[0].feed(Chunk(piece, at_s))

    def end(self) -> None:
        """The source sends no more."""
        if self._ended:
            return
        self._ended = True
        if self._stages:
            self._stages[0].feed(None)
        else:
            self.feed(None)

    def feed(self, chunk: Chunk | None) -> None:
        """The outlet of the chain: bytes to the sink, and at the end it is closed."""
        if chunk is None:
            self._sink.close()
            return
        self._write(chunk.data)

    def regulate(self) -> None:
        """Reads from the source only while what it sends can go on."""
        self._source.set_reading(not self._full and not self._sink.write_paused)

    def dispose(self) -> None:
        """Both sides are gone: nothing waits any more."""
        for stage in self._stages:
            stage.dispose()
        self._stages.clear()

    # ---------------------------------------------------------------------- live changes

    def add(self, toxic: ToxicDefinition) -> None:
        """A toxic joins the end of the chain."""
        stage = self._stage(toxic, self)
        if not self._stages:
            self._stages.append(stage)
            if self._ended:
                stage.closed = True  # the end has passed by already
            stage.start()
            return
        last = self._stages[-1]
        self._stages.append(stage)
        if last.interrupt():
            last.outlet = stage
            stage.start()
            last.start()
        else:
            stage.closed = True  # the stream ends, or has ended, before it

    def update(self, toxic: ToxicDefinition) -> None:
        """A toxic has other attributes now."""
        for stage in self._stages:
            if stage.toxic is toxic and stage.interrupt():
                stage.start()

    def remove(self, toxic: ToxicDefinition) -> None:
        """A toxic leaves the chain; what it holds goes on. Removing `timeout` ends the stream."""
        position = next((i for i, s in enumerate(self._stages) if s.toxic is toxic), None)
        if position is None:
            return
        stage = self._stages[position]
        if not stage.interrupt():
            return  # it has closed, or is about to: the connection ends with it
        if toxic.type == "timeout":
            stage.close()
            return
        previous = self._stages[position - 1] if position else None
        interrupted = previous is not None and previous.interrupt()
        stage.drain()
        if stage.closed:
            return
        self._stages.remove(stage)
        if previous is not None:
            previous.outlet = stage.outlet
            if interrupted:
                previous.start()

    # --------------------------------------------------------------------------- details

    def _stage(self, toxic: ToxicDefinition, outlet: Outlet) -> Stage:
        return STAGES[toxic.type](toxic, outlet, self._loop, self._account)

    def _account(self, bytes_more: int) -> None:
        self._held_bytes += bytes_more
        if self._full and self._held_bytes < HELD_BYTES_MAX // 2:
            self._full = False
            self.regulate()
        elif not self._full and self._held_bytes > HELD_BYTES_MAX:
            self._full = True
            self.regulate()

    def _write(self, data: Data) -> None:
        sink = self._sink
        if not sink.closed and not sink.lost and sink.transport is not None:
            sink.transport.write(data)


class Connection:
    """A client's connection, the one to the upstream that was opened for it, and both streams."""

    def __init__(
        self,
        client: Side,
        server: Side,
        chains: Mapping[str, Sequence[ToxicDefinition]],
        gone: Callable[[Connection], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._sides = (client, server)
        self._gone = gone
        self.streams = {
            "upstream": Stream(self, client, server, chains["upstream"], loop),
            "downstream": Stream(self, server, client, chains["downstream"], loop),
        }
        client.outgoing = server.incoming = self.streams["upstream"]
        server.outgoing = client.incoming = self.streams["downstream"]
        if any(toxic.type == "reset_peer" for chain in chains.values() for toxic in chain):
            for side in self._sides:
                side.reset_on_close()

    def start(self) -> None:
        """Lets data flow."""
        for stream in self.streams.values():
            stream.start()
        for side in self._sides:
            side.pass_on_early()
        # The client may have left while the upstream was being reached.
        for side in self._sides:
            if side.lost:
                side.connection_lost(None)

    def abort(self) -> None:
        """Ends both sides at once."""
        for side in self._sides:
            side.abort()

    def side_lost(self) -> None:
        """Called when a side has gone; the connection is over when both have."""
        if all(side.lost for side in self._sides):
            for stream in self.streams.values():
                stream.dispose()
            self._gone(self)
