"""Reading a node's SQLite file back, and trusting nothing in it that does not add up."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from google.protobuf.message import DecodeError, Message

from nodes.core import NodeId, StoredLog
from nodes.host.checksums import SlotTally, checksum
from nodes.host.rpc import MessageTypes
from nodes.host.tables import SLOTS, RowMalformed, layout_of, read_rows
from nodes.host.text import printable

FORMAT = "3"
_ROWS_OF = "rows of "  # before the name of a table, in meta
Bound: TypeAlias = tuple[int, int]  # of a log: its first index, and the one of its next entry


class StorageDamaged(Exception):
    """What the disk holds cannot be trusted. One line: node, file, table, row, and the way out."""


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
            self.slots: dict[str, Message] = {}
            self.homes: dict[str, str] = {}  # which table a slot is in
            self.tallies: dict[str, SlotTally] = {}
            self._load_slots()
            for table in self.meta["tables"].split():
                self._load_table(table)
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
        for name in ("format", "node", "lab", "slots", "tables"):
            if name not in self.meta:
                raise self._damaged(f"table meta has no row {name!r}")
        found = self.meta["format"]
        if found != FORMAT:
            raise self._damaged(f"has format {found!r}, expected {FORMAT!r}")
        for name, expected in (("node", self._node), ("lab", lab)):
            if self.meta[name] != expected:
                raise self._damaged(f"belongs to {name} {self.meta[name]!r}, not to {expected!r}")

    def _load_slots(self) -> None:
        slots: dict[str, Message] = {}
        rows = self._database.execute("SELECT name, type, value, checksum FROM slots ORDER BY name")
        for name, type_name, value, found in rows:
            self._check_row(SLOTS, repr(name), found, name, type_name, value)
            slots[name] = self._decode(SLOTS, repr(name), type_name, value)
        self._add(SLOTS, slots)

    def _load_table(self, table: str) -> None:
        slots: dict[str, Message] = {}
        try:
            for key, type_name, cells, intact in read_rows(self._database, table):
                row = f"table {table}, row {key!r}"
                if not intact:
                    raise self._damaged(f"{row}: checksum does not match")
                try:
                    message = self._types.empty(type_name)
                    layout = layout_of(type(message))
                    if layout is None:
                        raise RowMalformed(f"{type_name} does not fit columns")
                    layout.fill(message, cells)
                except (LookupError, RowMalformed) as error:
                    raise self._damaged(f"{row}: {error}") from error
                slots[f"{table}/{key}"] = message
        except RowMalformed as error:
            raise self._damaged(f"table {table} {error}") from error
        self._add(table, slots)

    def _add(self, table: str, slots: Mapping[str, Message]) -> None:
        tally = SlotTally.of(slots)
        expected = self.meta.get(tally_name(table))
        if expected is None:
            raise self._damaged(f"table meta has no row {tally_name(table)!r}")
        if str(tally) != expected:
            raise self._damaged(
                f"table {table} has {len(slots)} rows, and not the {expected.partition(':')[0]} "
                "that were saved"
            )
        self.tallies[table] = tally
        self.slots.update(slots)
        self.homes.update(dict.fromkeys(slots, table))

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


def tally_name(table: str) -> str:
    """What the table's tally is called in meta."""
    return SLOTS if table == SLOTS else f"{_ROWS_OF}{table}"


def damaged(node: NodeId, path: Path, what: str) -> StorageDamaged:
    """The one line of it."""
    return StorageDamaged(
        printable(f"{node}: {path} {what}; to start over with an empty disk: ")
        + f"lab fault wipe {node}"
    )
