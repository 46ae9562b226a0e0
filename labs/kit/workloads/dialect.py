"""How an operation is written on the wire, and how its response is read: each service its own way.

Clients and histories know reads, writes and appends only. A dialect may remember by client what it
was told, where a protocol wants that back in the next request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from google.protobuf.message import Message

from labs.kit.history import OTHER_VALUE
from labs.kit.workloads.generators import SEPARATOR, Operation
from protos import kv_pb2 as kv

# What a read returned, as it stands in the history: of the bytes, and whether the key was there.
Decode: TypeAlias = Callable[[bytes, bool], Any]


class Told(NamedTuple):
    """What a response says of its operation: that it happened, with its result, or, with the
    reason, that it surely did not."""

    outcome: Literal["ok", "fail"]
    result: Any = None


class Dialect(Protocol):
    """Of one service. Clients are numbered, and each has one operation under way at a time."""

    def request(self, operation: Operation, consistency: kv.Consistency, client: int) -> Message:
        """Carries the operation out. Raises ValueError for one that no request carries out."""

    def outcome(self, operation: Operation, response: Message, decode: Decode, client: int) -> Told:
        """Reads the response to it."""

    def held(self, key: str) -> Message:
        """Asks one node what it holds by itself."""

    def holding(self, response: Message, decode: Decode) -> Any:
        """Reads the response to that, in the form of a read's result."""


class KeyValueDialect:
    """Of `protos/kv.proto`."""

    def request(self, operation: Operation, consistency: kv.Consistency, client: int) -> Message:
        """See Dialect.request."""
        key, value = operation.key, operation.value
        match operation.f:
            case "read":
                return kv.GetRequest(key=key, consistency=consistency)
            case "write":
                return kv.PutRequest(key=key, value=b"%d" % value)
            case "append":
                return kv.AppendRequest(key=key, suffix=b"%d" % value + SEPARATOR)
            case "cas":
                old, new = value
                return kv.CompareAndSetRequest(key=key, expected=b"%d" % old, value=b"%d" % new)
        raise ValueError(f"no request carries out {operation.f!r}")

    def outcome(self, operation: Operation, response: Message, decode: Decode, client: int) -> Told:
        """See Dialect.outcome."""
        match response:
            case kv.CompareAndSetResponse(swapped=False):
                return Told("fail", OTHER_VALUE)
            case kv.GetResponse():
                return Told("ok", decode(response.value, response.found))
        return Told("ok")

    def held(self, key: str) -> Message:
        """See Dialect.held."""
        return kv.GetRequest(key=key, consistency=kv.STALE)

    def holding(self, response: Message, decode: Decode) -> Any:
        """See Dialect.holding."""
        assert isinstance(response, kv.GetResponse)
        return decode(response.value, response.found)


KEY_VALUE: Final = KeyValueDialect()
