"""`python -m nodes.host.health [HOST:PORT]`: does a node serve? Asks gRPC's health service once.

Containers are asked every few seconds, and importing gRPC for it costs more than a node at rest
does. So this speaks the little HTTP/2 that one call without compression needs (RFC 9113, 7541).

Exit status: 0 it serves, 1 it does not.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator

TIMEOUT_S = 2.0
DEFAULT_ADDRESS = "127.0.0.1:7000"
FRAME_BYTES_MAX = 1 << 20

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_ACK = END_STREAM = 1
_END_HEADERS = 4
_SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}


def serves(address: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether the node there serves. Raises OSError when nobody answers, or not in time."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.settimeout(timeout_s)
        empty_message = bytes(5)
        connection.sendall(
            _PREFACE
            + _frame(_SETTINGS, 0, 0)
            + _frame(_HEADERS, _END_HEADERS, 1, _request_headers(address))
            + _frame(_DATA, END_STREAM, 1, empty_message)
        )
        body = b""
        for kind, flags, stream, payload in _frames(connection):
            if kind == _SETTINGS and not flags & _ACK:
                connection.sendall(_frame(_SETTINGS, _ACK, 0))
            elif kind == _GOAWAY or (kind == _RST_STREAM and stream == 1):
                return False
            elif stream == 1:
                body += payload if kind == _DATA else b""
                if flags & END_STREAM:
                    break
        return body[5:] == _SERVING


def _request_headers(address: str) -> bytes:
    """Fields of the static table by their index, all else literally."""
    return b"".join(
        (
            b"\x83\x86",  # :method POST, :scheme http
            b"\x04" + _text("/grpc.health.v1.Health/Check"),
            b"\x01" + _text(address),
            b"\x0f\x10" + _text("application/grpc"),
            b"\x00" + _text("te") + _text("trailers"),
        )
    )


def _text(text: str) -> bytes:
    raw = text.encode()
    assert len(raw) < 127, "longer ones are coded in several bytes"
    return bytes([len(raw)]) + raw


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _frames(connection: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    with connection.makefile("rb") as stream:
        while len(head := stream.read(9)) == 9:
            length = int.from_bytes(head[:3])
            if length > FRAME_BYTES_MAX:
                return
            kind, flags, number = struct.unpack(">BBI", head[3:])
            payload = stream.read(length)
            if len(payload) < length:
                return
            yield kind, flags, number & 0x7FFF_FFFF, payload


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    address = arguments[0] if arguments else DEFAULT_ADDRESS
    try:
        good = serves(address)
    except (OSError, ValueError) as error:
        print(f"{address}: {error}")
        return 1
    print(f"{address} {'serves' if good else 'does not serve'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
