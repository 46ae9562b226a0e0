"""Slots as rows of SQL tables, so that people read them with the sqlite3 shell.

A slot named TABLE/KEY whose message has nothing but single scalar fields is a row of TABLE: its
key, a column for each field, its type and its checksum. Every other slot is in the table `slots`,
as bytes.

    sqlite> select * from accounts;
    alice|120|checking|faultlab.bank.Account|2271930815
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from nodes.host.checksums import checksum

Cell: TypeAlias = int | float | str | bytes | None

SLOTS: Final = "slots"
OWN_TABLES: Final = frozenset({"meta", SLOTS, "logs", "log_starts"})
COLUMNS_MAX: Final = 1000  # SQLite takes twice as many

_TABLE: Final = re.compile(r"(?!sqlite_)[a-z][a-z0-9_]*")
_OWN_COLUMNS: Final = ("key", "type", "checksum")
_INTEGER_MAX: Final = 2**63 - 1  # of SQLite
_NAN: Final = "NaN"  # SQLite takes the number for NULL
_FRACTIONS: Final = (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)


class RowMalformed(ValueError):
    """A row is no message of its type; says why."""


def table_of(slot: str, message: Message) -> str:
    """The table that holds this slot when this is its content."""
    table, slash, _ = slot.partition("/")
    if not slash or table in OWN_TABLES or not _TABLE.fullmatch(table):
        return SLOTS
    return SLOTS if layout_of(type(message)) is None else table


class Layout:
    """How messages of one type lie in columns. One that is not set, where that differs from the
    default, is NULL."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the message's fields, in order."""
        return tuple(self._fields)

    def cells(self, message: Message) -> dict[str, Cell]:
        """What is in the columns; those that are NULL are missing."""
        return {
            column: _cell(field, getattr(message, field.name))
            for column, field in self._fields.items()
            if not field.has_presence or message.HasField(field.name)
        }

    def fill(self, message: Message, cells: Mapping[str, Cell]) -> None:
        """Sets the fields of an empty message. Raises RowMalformed."""
        for column, cell in cells.items():
            field = self._fields.get(column)
            if field is None:
                raise RowMalformed(f"its type has no column {column}")
            try:
                setattr(message, field.name, _value(field, cell))
            except (TypeError, ValueError, KeyError) as error:
                raise RowMalformed(f"column {column} has {cell!r:.100}") from error


_layouts: dict[type[Message], Layout | None] = {}


def layout_of(message_type: type[Message]) -> Layout | None:
    """None for messages that do not fit columns."""
    if message_type not in _layouts:
        _layouts[message_type] = _find_layout(message_type)
    return _layouts[message_type]


def _find_layout(message_type: type[Message]) -> Layout | None:
    columns: dict[str, Any] = {}
    for field in message_type.DESCRIPTOR.fields:
        name = field.name.lower()  # SQLite does not tell them apart by case
        column = f"{name}_" if name in _OWN_COLUMNS else name
        if field.is_repeated or field.message_type is not None or column in columns:
            return None
        columns[column] = field
    return Layout(columns) if len(columns) <= COLUMNS_MAX else None


def _cell(field: Any, value: Any) -> Cell:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return int(value) if known is None else str(known.name)
    if field.type in _FRACTIONS:
        return _NAN if math.isnan(value) else float(value)
    if isinstance(value, int):  # also a truth
        return int(value) if value <= _INTEGER_MAX else str(value)
    return value  # type: ignore[no-any-return]  # text or bytes


def _value(field: Any, cell: Cell) -> Any:
    if field.enum_type is not None and isinstance(cell, str):
        return field.enum_type.values_by_name[cell].number
    if field.type in _FRACTIONS and isinstance(cell, str):
        return float(cell)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return bool(cell)
    if isinstance(cell, str) and field.cpp_type == FieldDescriptor.CPPTYPE_UINT64:
        return int(cell)
    return cell


# ------------------------------------------------------------------------------------ in the file


class Tables:
    """Writes rows, in whatever transaction is under way."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._columns: dict[str, set[str]] = {}

    def put(self, table: str, slot: str, message: Message) -> None:
        """Adds the row or replaces it whole; makes the table, and columns that are new."""
        layout = layout_of(type(message))
        assert layout is not None, "table_of said so"
        self._make_room(table, layout.columns)
        key, type_name, cells = key_of(slot), message.DESCRIPTOR.full_name, layout.cells(message)
        names = ", ".join(map(_quoted, ("key", *cells, "type", "checksum")))
        marks = ", ".join("?" * (len(cells) + len(_OWN_COLUMNS)))
        self._database.execute(
            f"INSERT OR REPLACE INTO {_quoted(table)} ({names}) VALUES ({marks})",
            (key, *cells.values(), type_name, row_checksum(table, key, type_name, cells)),
        )

    def remove(self, table: str, slot: str) -> None:
        """Takes the row away."""
        self._database.execute(f"DELETE FROM {_quoted(table)} WHERE key=?", (key_of(slot),))

    def forget(self) -> None:
        """The transaction did not come about, nor did what it made."""
        self._columns.clear()

    def _make_room(self, table: str, columns: tuple[str, ...]) -> None:
        found = self._columns.get(table)
        if found is None:
            found = self._columns[table] = set(columns_of(self._database, table))
        if not found:
            # No column has a type: SQLite would turn the text 007 into a number by it, and rows of
            # another message may share the table.
            names = ", ".join(map(_quoted, (*columns, "type", "checksum")))
            self._database.execute(
                f"CREATE TABLE {_quoted(table)} (key TEXT PRIMARY KEY, {names}) WITHOUT ROWID"
            )
            found.update(_OWN_COLUMNS, columns)
        for column in columns:
            if column not in found:
                self._database.execute(f"ALTER TABLE {_quoted(table)} ADD COLUMN {_quoted(column)}")
                found.add(column)


def columns_of(database: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Of a table; none when there is no such table."""
    rows = database.execute(f"PRAGMA table_info({_quoted(table)})")
    return tuple(str(row[1]).lower() for row in rows)


def read_rows(
    database: sqlite3.Connection, table: str
) -> Iterator[tuple[str, str, dict[str, Cell], bool]]:
    """Key, type, cells, and whether the checksum says that nobody changed them. Raises RowMalformed
    when it is no table of ours."""
    columns = columns_of(database, table)
    for column in _OWN_COLUMNS:
        if column not in columns:
            raise RowMalformed("is missing" if not columns else f"has no column {column}")
    for row in database.execute(f"SELECT * FROM {_quoted(table)} ORDER BY key"):
        found = dict(zip(columns, row, strict=True))
        key, type_name, given = (found.pop(column) for column in _OWN_COLUMNS)
        cells = {column: cell for column, cell in found.items() if cell is not None}
        key, type_name = str(key), str(type_name)
        yield key, type_name, cells, given == row_checksum(table, key, type_name, cells)


def row_checksum(table: str, key: str, type_name: str, cells: Mapping[str, Cell]) -> int:
    """Of all that a row has. NULL counts for nothing, so that a new column changes no checksum."""
    content: list[str | bytes] = [table, key, type_name]
    for column, cell in sorted(cells.items()):
        content += [column, type(cell).__name__, cell if isinstance(cell, bytes) else str(cell)]
    return checksum(*content)


def key_of(slot: str) -> str:
    """What the slot is called in its table."""
    return slot.partition("/")[2]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
