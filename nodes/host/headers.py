"""What every call carries beside its request: who calls, for which session, and Lamport's clock."""

from __future__ import annotations

from _operator import _compare_digest as compare_digest  # hmac's, without OpenSSL
from collections.abc import Iterable
from dataclasses import dataclass

import grpc

from nodes.core import NodeId
from nodes.host.text import printable

NODE = "faultlab-node"
SESSION = "faultlab-session"
LAMPORT = "faultlab-lamport"
MESSAGE = "faultlab-message"
TOKEN = "faultlab-token"

LAMPORT_MAX = 2**53  # what JSON readers can hold exactly; a stranger's number must not break ours


@dataclass(frozen=True, slots=True)
class CallHeader:
    """The metadata of one message. `message` is its id; a response's has only the last two."""

    node: NodeId
    session: str
    lamport: int
    message: str

    def to_metadata(self) -> tuple[tuple[str, str], ...]:
        """As gRPC wants it."""
        return (
            (NODE, self.node),
            (SESSION, self.session),
            (LAMPORT, str(self.lamport)),
            (MESSAGE, self.message),
        )


def read_header(metadata: Iterable[tuple[str, str | bytes]] | None) -> CallHeader:
    """Never raises: what is missing or malformed reads as empty, or as Lamport time 0."""
    found = {key: _text(value) for key, value in metadata or () if key.startswith("faultlab-")}
    return CallHeader(
        found.get(NODE, ""),
        found.get(SESSION, ""),
        _lamport(found.get(LAMPORT, "")),
        found.get(MESSAGE, "")[:80],
    )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def _lamport(text: str) -> int:
    # isdecimal alone would let through digits of other scripts.
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        return 0
    return min(int(text), LAMPORT_MAX)


def refusal(
    header: CallHeader, session: str, known: frozenset[NodeId]
) -> tuple[grpc.StatusCode, str] | None:
    """Why a call must not reach the core; None when it may."""
    if not header.session:
        return (
            grpc.StatusCode.UNAUTHENTICATED,
            f"the call names no lab session: set the metadata {SESSION}",
        )
    if not compare_digest(header.session.encode(), session.encode()):
        return (
            grpc.StatusCode.FAILED_PRECONDITION,
            "this node belongs to another lab session than the caller",
        )
    if header.node not in known:
        return (
            grpc.StatusCode.FAILED_PRECONDITION,
            f"{printable(header.node)!s:.40} is neither a peer of this node nor a client",
        )
    return None


def token_holds(metadata: Iterable[tuple[str, str | bytes]] | None, token: str) -> bool:
    """Whether a control call carries the session's token; compared in constant time."""
    for key, value in metadata or ():
        if key == TOKEN:
            return compare_digest(_text(value).encode("utf-8", "replace"), token.encode())
    return False
