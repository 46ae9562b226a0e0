"""Reading a node's SQLite file back, and trusting nothing in it that does not add up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from zlib import crc32

from google.protobuf.message import DecodeError, Message

from nodes.core import NodeId, StoredLog
from nodes.host.rpc import MessageTypes
from nodes.host.text import printable

FORMAT = "2"
Bound: TypeAlias = tuple[int, int]  # of a log: its first index, and the one of its next entry


class StorageDamaged(Exception):
    """What the disk holds cannot be trusted. One line: node, file, table, row, and the way out."""


def checksum(*columns: str | int | bytes) -> int:
    """CRC-32 of a row's content. Lengths are part of it, so that no two rows look alike."""
    result = 0
    for column in columns:
        raw = column if isinstance(column, bytes) else str(column).encode()
        result = crc32(raw, crc32(b"%d:" % len(raw), result))
    return result


@dataclass(frozen=True, slots=True)
class SlotTally:
    """Which slots there must be: how many, and the sum of their names' checksums. A list of names
    would be written whole with each new slot, and a core may have thousands."""

    count: int = 0
    total: int = 0

    @classmethod
    def of(cls, names: Iterable[str]) -> SlotTally:
        """That of these slots."""
        checksums = [checksum(name) for name in names]
        return cls(len(checksums), sum(checksums))

    def plus(self, name: str) -> SlotTally:
        """With one slot more."""
        return SlotTally(self.count + 1, self.total + checksum(name))

    def without(self, name: str) -> SlotTally:
        """With one slot less."""
        return SlotTally(self.count - 1, self.total - checksum(name))

    def __str__(self) -> str:
        return f"{self.count}:{self.total}"


class Recovery:
    """All that the file holds. The constructor raises StorageDamaged at the first thing that is
    not right."""

    def __init__(
        self,
        database: sqlite3.Connection,
        path: Path,
        *,
        node: NodeId,
        lab: str,
        types: MessageTypes,
    ) -> None:
        self._database = database
        self._path = path
        self._node = node
        self._types = types
        try:
            self.meta = self._load_meta()
            self._check_meta(lab)
            self.slots = self._load_slots()
            self.bounds = self._load_bounds()
            self.logs: Mapping[str, StoredLog] = {
                log: self._load_log(log, *bound) for log, bound in self.bounds.items()
            }
            self._check_strays()
        except sqlite3.DatabaseError as error:
            raise self._damaged(f"cannot be read ({error})") from error

    def _load_meta(self) -> dict[str, str]:
        meta: dict[str, str] = {}
        for name, value, found in self._database.execute("SELECT name, value, checksum FROM meta"):
            self._check_row("meta", repr(name), found, name, value)
            meta[name] = value
        return meta

    def _check_meta(self, lab: str) -> None:
        for name in ("format", "node", "lab", "slots"):
            if name not in self.meta:
                raise self._damaged(f"table meta has no row {name!r}")
        found = self.meta["format"]
        if found != FORMAT:
            raise self._damaged(f"has format {found!r}, expected {FORMAT!r}")
        for name, expected in (("node", self._node), ("lab", lab)):
            if self.meta[name] != expected:
                raise self._damaged(f"belongs to {name} {self.meta[name]!r}, not to {expected!r}")

    def _load_slots(self) -> dict[str, Message]:
        slots: dict[str, Message] = {}
        rows = self._database.execute("SELECT name, type, value, checksum FROM slots ORDER BY name")
        for name, type_name, value, found in rows:
            self._check_row("slots", repr(name), found, name, type_name, value)
            slots[name] = self._decode("slots", repr(name), type_name, value)
        if str(SlotTally.of(slots)) != self.meta["slots"]:
            expected = self.meta["slots"].partition(":")[0]
            raise self._damaged(
                f"table slots has {len(slots)} rows, and not the {expected} that were saved"
            )
        return slots

    def _load_bounds(self) -> dict[str, Bound]:
        bounds: dict[str, Bound] = {}
        for log, first, following, found in self._database.execute(
            "SELECT log, first_index, next_index, checksum FROM log_starts ORDER BY log"
        ):
            self._check_row("log_starts", repr(log), found, log, first, following)
            bounds[log] = (first, following)
        return bounds

    def _load_log(self, log: str, first: int, following: int) -> StoredLog:
        entries: list[Message] = []
        rows = self._database.execute(
            "SELECT position, type, value, checksum FROM logs WHERE log=? ORDER BY position", (log,)
        )
        for position, type_name, value, found in rows:
            row = f"{log!r}/{position}"
            if position != first + len(entries):
                raise self._damaged(f"log {log!r} has a gap before entry {position}")
            self._check_row("logs", row, found, log, position, type_name, value)
            entries.append(self._decode("logs", row, type_name, value))
        if first + len(entries) != following:
            raise self._damaged(
                f"log {log!r} ends before entry {first + len(entries)}, "
                f"expected up to {following - 1}"
            )
        return StoredLog(first, tuple(entries))

    def _check_strays(self) -> None:
        for (log,) in self._database.execute("SELECT DISTINCT log FROM logs"):
            if log not in self.bounds:
                raise self._damaged(f"table log_starts has no row {log!r}")

    def _check_row(self, table: str, row: str, found: object, *columns: str | int | bytes) -> None:
        if not isinstance(found, int) or found != checksum(*columns):
            raise self._damaged(f"table {table}, row {row}: checksum does not match")

    def _decode(self, table: str, row: str, type_name: str, value: bytes) -> Message:
        try:
            return self._types.decode(type_name, value)
        except (LookupError, DecodeError, TypeError) as error:
            raise self._damaged(f"table {table}, row {row}: {error}") from error

    def _damaged(self, what: str) -> StorageDamaged:
        return damaged(self._node, self._path, what)


def damaged(node: NodeId, path: Path, what: str) -> StorageDamaged:
    """The one line of it."""
    return StorageDamaged(
        printable(f"{node}: {path} {what}; to start over with an empty disk: ")
        + f"lab fault wipe {node}"
    )
