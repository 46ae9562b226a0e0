"""Records between their two forms: as the rules of versions work on them, and as messages."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.parts.dotted_versions import Versions
from protos import quorum_store_pb2 as pb

StampKey = tuple[int, int, str, int]


def pack(held: Versions[pb.Sibling]) -> pb.Record:
    """As a message; the same for the same content."""
    siblings = [held.siblings[dot] for dot in sorted(held.siblings)]
    record = pb.Record(siblings=siblings)
    if held.context:
        record.context.CopyFrom(pack_context(held.context))
    return record


def unpack(record: pb.Record) -> Versions[pb.Sibling]:
    """From a message."""
    siblings = {(one.dot.actor, one.dot.counter): one for one in record.siblings}
    return Versions(siblings, unpack_context(record.context))


def pack_context(context: Mapping[str, int]) -> pb.VersionVector:
    """As a message, sorted by actor."""
    entries = [pb.Dot(actor=actor, counter=context[actor]) for actor in sorted(context)]
    return pb.VersionVector(entries=entries)


def unpack_context(vector: pb.VersionVector) -> dict[str, int]:
    """From a message."""
    return {entry.actor: entry.counter for entry in vector.entries}


def stamp_key(stamp: pb.Stamp) -> StampKey:
    """What stamps are compared by."""
    return (stamp.time, stamp.logical, stamp.writer, stamp.nonce)


def alone(sibling: pb.Sibling) -> Versions[pb.Sibling]:
    """The record that holds just this write, where stamps decide and contexts say nothing."""
    return Versions({(sibling.dot.actor, sibling.dot.counter): sibling}, {})


def without_values(record: pb.Record) -> pb.Record:
    """For those who want to know which versions there are, not what is in them."""
    bare = pb.Record()
    bare.CopyFrom(record)
    for sibling in bare.siblings:
        sibling.ClearField("value")
    return bare
