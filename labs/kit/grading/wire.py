"""How judge and player talk: frames on a socket, and types by number."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from socket import socket
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.message import Message

HEADER_BYTES: Final = 4
FRAME_BYTES_MAX: Final = 1 << 26
READ_BYTES: Final = 1 << 14


class Closed(Exception):
    """The other side has gone, or talks nonsense."""


class Channel:
    """Frames over a connected socket: one write and, but for long ones, one read each."""

    def __init__(self, sock: socket) -> None:
        self._socket = sock  # kept open as long as the channel is
        self._fd = sock.fileno()
        self._rest = b""

    def send(self, data: bytes) -> None:
        """Writes one frame. Raises Closed."""
        frame = len(data).to_bytes(HEADER_BYTES, "little") + data
        try:
            written = os.write(self._fd, frame)
            while written < len(frame):
                frame = frame[written:]
                written = os.write(self._fd, frame)
        except BlockingIOError:
            raise
        except OSError as error:
            raise Closed(str(error)) from None

    def receive(self) -> bytes:
        """Reads one frame. Raises Closed, and BlockingIOError when the socket's own time is up:
        what came until then is kept."""
        data = self._rest
        while True:
            if len(data) >= HEADER_BYTES:
                end = HEADER_BYTES + int.from_bytes(data[:HEADER_BYTES], "little")
                if end > FRAME_BYTES_MAX:
                    raise Closed(f"a frame of {end} bytes")
                if len(data) >= end:
                    self._rest = data[end:]
                    return data[HEADER_BYTES:end]
                wanted = max(end - len(data), READ_BYTES)
            else:
                wanted = READ_BYTES
            self._rest = data
            try:
                more = os.read(self._fd, wanted)
            except BlockingIOError:
                raise
            except OSError as error:
                raise Closed(str(error)) from None
            if not more:
                raise Closed("the other side has closed")
            data = data + more if data else more

    def close(self) -> None:
        """Frees the socket."""
        self._socket.close()


class Types:
    """The message types of some protos, and of the files that these import, numbered from 1."""

    def __init__(self, protos: Sequence[str]) -> None:
        """`protos` are modules, such as `protos.raft_pb2`."""
        found: dict[str, type[Message]] = {}
        waiting = [import_module(name).DESCRIPTOR for name in protos]
        while waiting:
            file: Any = waiting.pop()
            waiting.extend(file.dependencies)
            found.update((kind.DESCRIPTOR.full_name, kind) for kind in _types_of(file))
        ordered = [found[name] for name in sorted(found)]
        self.of_number: dict[int, type[Message]] = dict(enumerate(ordered, 1))
        self.number_of: dict[type, int] = {kind: n for n, kind in self.of_number.items()}


def _types_of(file: Any) -> Iterator[type[Message]]:
    waiting = list(file.message_types_by_name.values())
    while waiting:
        descriptor = waiting.pop()
        waiting.extend(descriptor.nested_types)
        yield message_factory.GetMessageClass(descriptor)
