"""Storage that does not wait for the disk: commits go to a side file, unsynced.

For showing what skipping the fsync costs. Once a second the host merges the side file into SQLite
with one fsync. `kill -9` loses nothing, since the page cache survives the process; a power cut is a
kill that also loses the side file.

A record is a header with a checksum of its own, a body, and the body's checksum. A record cut off
at the file's end was never acknowledged and is dropped; anything else that does not match is
damage.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from zlib import crc32

from google.protobuf.message import DecodeError, Message

from nodes.core import Append, Discard, DurableEffect, NodeId, Save, Started, Truncate, one_by_one
from nodes.effects import SingleOrder
from nodes.host.rpc import MessageTypes
from nodes.host.storage import (
    EMPTY_LOG,
    Storage,
    StorageDamaged,
    StorageFailed,
    moved_bound,
)

UNSYNCED_BYTES_MAX = 8 * 1024 * 1024  # merged early when the side file is larger

_HEADER = struct.Struct(">4sQI")  # magic, number, body's length
_CHECKSUM = struct.Struct(">I")
_ORDER = struct.Struct(">BHHqI")  # order, lengths of name and type, index, length of value
_MAGIC = b"FLU1"
_SAVE, _APPEND, _TRUNCATE, _DISCARD = 1, 2, 3, 4


def side_file(folder: Path, node: NodeId) -> Path:
    """What a power cut loses."""
    return folder / f"{node}.unsynced"


class UnsyncedStorage:
    """Like Storage, but `commit` does not sync; `sync` does."""

    def __init__(self, storage: Storage, types: MessageTypes) -> None:
        self._storage = storage
        self._types = types
        self.path = side_file(storage.path.parent, storage.node)
        self._number = 0
        self._bounds = dict[str, tuple[int, int]]()
        self._waiting: list[SingleOrder] = []
        self.unsynced_bytes = 0
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            storage.close()
            raise StorageFailed(f"{storage.node}: cannot open {self.path}: {error}") from error

    def load(self) -> Started:
        """Merges what an earlier run left unsynced, then loads all. Raises StorageDamaged."""
        self._storage.load()
        raw = self.path.read_bytes()
        number = self._storage.merged_through
        effects: list[SingleOrder] = []
        try:
            for found, body in read_records(raw):
                if found > self._storage.merged_through:
                    effects.extend(_read_orders(body, self._types))
                    number = found
            if effects:
                self._storage.commit(effects, merged_through=number)
        except (ValueError, LookupError, DecodeError, struct.error) as error:
            raise StorageDamaged(
                f"{self._storage.node}: {self.path}: {error}; to start over with an empty disk: "
                f"lab fault wipe {self._storage.node}"
            ) from error
        os.ftruncate(self._file, 0)
        self._number = number
        started = self._storage.load()
        self._bounds = {
            name: (log.first_index, log.first_index + len(log.entries))
            for name, log in started.logs.items()
        }
        return started

    def commit(self, effects: Iterable[DurableEffect]) -> None:
        """Written, not synced. Raises as Storage.commit does."""
        orders, bounds = tuple(one_by_one(effects)), dict(self._bounds)
        for order in orders:
            if not isinstance(order, Save):
                bounds[order.log] = moved_bound(order, bounds.get(order.log, EMPTY_LOG))
        record = write_record(self._number + 1, b"".join(_write_orders(orders)))
        self._write(record)
        self._number += 1
        self._bounds = bounds
        self._waiting.extend(orders)
        self.unsynced_bytes += len(record)
        if self.unsynced_bytes > UNSYNCED_BYTES_MAX:
            self.sync()

    def _write(self, record: bytes) -> None:
        view = memoryview(record)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            raise StorageFailed(
                f"{self._storage.node}: {self.path} did not take a write ({error}): make room, "
                f"then lab fault restart {self._storage.node}"
            ) from error

    def sync(self) -> None:
        """Everything committed so far becomes durable, with one fsync."""
        if not self._waiting:
            return
        self._storage.commit(self._waiting, merged_through=self._number)
        # A kill between these two is harmless: merged records are skipped by their number.
        os.ftruncate(self._file, 0)
        self._waiting.clear()
        self.unsynced_bytes = 0

    def size_bytes(self) -> int:
        """Of everything on disk."""
        return self._storage.size_bytes() + self.unsynced_bytes

    def close(self) -> None:
        """Does not sync: the host does that when it stops in good order."""
        os.close(self._file)
        self._storage.close()


def write_record(number: int, body: bytes) -> bytes:
    """Header, its checksum, body, its checksum."""
    header = _HEADER.pack(_MAGIC, number, len(body))
    return b"".join((header, _CHECKSUM.pack(crc32(header)), body, _CHECKSUM.pack(crc32(body))))


def read_records(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and body of every whole record. Raises ValueError at a damaged one."""
    offset = 0
    while len(raw) - offset >= _HEADER.size + _CHECKSUM.size:
        header = raw[offset : offset + _HEADER.size]
        magic, number, length = _HEADER.unpack(header)
        if magic != _MAGIC or _CHECKSUM.unpack_from(raw, offset + _HEADER.size) != (crc32(header),):
            raise ValueError(f"damaged record header at byte {offset}")
        begin = offset + _HEADER.size + _CHECKSUM.size
        end = begin + length
        if end + _CHECKSUM.size > len(raw):
            return  # cut off by a kill in the middle of the write
        body = raw[begin:end]
        if _CHECKSUM.unpack_from(raw, end) != (crc32(body),):
            raise ValueError(f"damaged record at byte {offset}")
        yield number, body
        offset = end + _CHECKSUM.size


def _write_orders(effects: Iterable[SingleOrder]) -> Iterator[bytes]:
    for effect in effects:
        match effect:
            case Save(slot, state):
                yield _order(_SAVE, slot, 0, state)
            case Append(log, first_index, entries):
                for index, entry in enumerate(entries, first_index):
                    yield _order(_APPEND, log, index, entry)
            case Truncate(log, from_index):
                yield _order(_TRUNCATE, log, from_index)
            case Discard(log, through_index):
                yield _order(_DISCARD, log, through_index)


def _order(order: int, name: str, index: int, message: Message | None = None) -> bytes:
    raw_name = name.encode()
    raw_type = message.DESCRIPTOR.full_name.encode() if message is not None else b""
    value = message.SerializeToString() if message is not None else b""
    sizes = _ORDER.pack(order, len(raw_name), len(raw_type), index, len(value))
    return b"".join((sizes, raw_name, raw_type, value))


def _read_orders(body: bytes, types: MessageTypes) -> Iterator[SingleOrder]:
    offset = 0
    while offset < len(body):
        order, name_length, type_length, index, value_length = _ORDER.unpack_from(body, offset)
        offset += _ORDER.size
        name = body[offset : offset + name_length].decode()
        offset += name_length
        type_name = body[offset : offset + type_length].decode()
        offset += type_length
        value = body[offset : offset + value_length]
        offset += value_length
        if order == _SAVE:
            yield Save(name, types.decode(type_name, value))
        elif order == _APPEND:
            yield Append(name, index, (types.decode(type_name, value),))
        elif order == _TRUNCATE:
            yield Truncate(name, index)
        elif order == _DISCARD:
            yield Discard(name, index)
        else:
            raise ValueError(f"unknown order {order}")
