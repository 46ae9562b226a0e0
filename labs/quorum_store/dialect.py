"""How operations of histories are written on this lab's wire (labs/kit/workloads/dialect.py)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message

from labs.kit.workloads.dialect import Decode, Told
from labs.kit.workloads.generators import Operation
from protos import kv_pb2 as kv
from protos import quorum_store_pb2 as pb


def by_stamp(siblings: Iterable[pb.Sibling]) -> list[pb.Sibling]:
    """The values that are there, the oldest stamp first; tombstones are left out."""
    live = [one for one in siblings if not one.deleted]
    return sorted(live, key=lambda one: stamp_key(one.stamp))


def stamp_key(stamp: pb.Stamp) -> tuple[int, int, str, int]:
    """What stamps are compared by."""
    return (stamp.time, stamp.logical, stamp.writer, stamp.nonce)


class StoreDialect:
    """Reads and writes of registers. Of several siblings a read returns the newest by its stamp,
    and a client gives back, of each key, the context that it was told last: what it writes
    replaces what it has seen. `r` and `w` are as the cluster was started when they are 0."""

    def __init__(self, *, r: int = 0, w: int = 0) -> None:
        self._r, self._w = r, w
        self._contexts: dict[tuple[int, str], pb.VersionVector] = {}

    def request(self, operation: Operation, consistency: kv.Consistency, client: int) -> Message:
        """See Dialect.request."""
        key = operation.key
        match operation.f:
            case "read":
                return pb.GetRequest(key=key, r=self._r)
            case "write":
                context = self._contexts.get((client, key))
                value = b"%d" % operation.value
                return pb.PutRequest(key=key, value=value, context=context, w=self._w)
        raise ValueError(f"no request carries out {operation.f!r}")

    def outcome(self, operation: Operation, response: Message, decode: Decode, client: int) -> Told:
        """See Dialect.outcome."""
        assert isinstance(response, pb.GetResponse | pb.PutResponse)
        self._contexts[client, operation.key] = response.context
        if isinstance(response, pb.GetResponse):
            return Told("ok", _newest(response.siblings, decode))
        return Told("ok")

    def held(self, key: str) -> Message:
        """See Dialect.held."""
        return pb.InspectRequest(key=key)

    def holding(self, response: Message, decode: Decode) -> Any:
        """See Dialect.holding."""
        assert isinstance(response, pb.InspectResponse)
        return _newest(response.record.siblings, decode)


def _newest(siblings: Iterable[pb.Sibling], decode: Decode) -> Any:
    ordered = by_stamp(siblings)
    return decode(ordered[-1].value, True) if ordered else decode(b"", False)
