"""A node's durable state: one SQLite file that the sqlite3 shell can read.

Every commit is one transaction with one fsync (WAL, synchronous=FULL). Each row carries a checksum
of its whole content, and the file knows what it must hold: a damaged or missing row is a refusal to
start, never a silent reset. Slots that have the shape of a row are rows of tables of their own
(nodes.host.tables). A write-ahead log torn at its tail is no damage; SQLite drops what was
never committed.

Not thread-safe: use it from one thread at a time.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.message import Message

from nodes.core import (
    Append,
    Discard,
    DurableEffect,
    NodeId,
    Save,
    Started,
    Truncate,
    one_by_one,
)
from nodes.host.checksums import SlotTally, checksum
from nodes.host.recovery import FORMAT, Bound, Recovery, StorageDamaged, damaged, tally_name
from nodes.host.rpc import MessageTypes
from nodes.host.tables import SLOTS, Tables, table_of

__all__ = ["Storage", "StorageDamaged", "StorageFailed", "moved_bound"]


CHECKPOINT_PAGES = 1000
WAL_BYTES_MAX = 8 * 1024 * 1024  # what the log shrinks to after a checkpoint

EMPTY_LOG: Bound = (1, 1)

_SCHEMA = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE slots (
    name TEXT PRIMARY KEY, type TEXT NOT NULL, value BLOB NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE logs (
    log TEXT NOT NULL, position INTEGER NOT NULL, type TEXT NOT NULL, value BLOB NOT NULL,
    checksum INTEGER NOT NULL, PRIMARY KEY (log, position)
) WITHOUT ROWID;
CREATE TABLE log_starts (
    log TEXT PRIMARY KEY, first_index INTEGER NOT NULL, next_index INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) WITHOUT ROWID;
"""


class StorageFailed(Exception):
    """The disk did not take a write. One line; the node must stop, for nobody knows what is on
    disk."""


def moved_bound(effect: Append | Truncate | Discard, bound: Bound) -> Bound:
    """Where a log begins and ends after the effect.

    Raises ValueError for what no log can do, a hole or a cut in the wrong place: that is a bug of
    the core.
    """
    first, following = bound
    match effect:
        case Append(log, first_index, entries):
            if first_index != following:
                raise ValueError(
                    f"append at {first_index} to log {log!r}, whose end is {following}"
                )
            return first, following + len(entries)
        case Truncate(log, from_index):
            if not first <= from_index <= following:
                raise ValueError(
                    f"truncate from {from_index} of log {log!r}, which holds "
                    f"{first} to {following - 1}"
                )
            return first, from_index
        case Discard(_, through_index):
            first = max(first, through_index + 1)
            return first, max(first, following)


class Storage:
    """Opens or creates `folder/NODE.db`.

    `wiped` says that the node has been here before: a file created now then remembers that, and
    `load` tells, until the first commit.

    Raises StorageDamaged when the file is no SQLite file, StorageFailed when it cannot be opened or
    another process has it.
    """

    def __init__(
        self, folder: Path, *, node: NodeId, lab: str, types: MessageTypes, wiped: bool = False
    ) -> None:
        self.path = folder / f"{node}.db"
        self.node = node
        self.lab = lab
        self._types = types
        self._wiped = wiped
        self._bounds: dict[str, Bound] = {}
        self._homes: dict[str, str] = {}  # which table a slot is in
        self._tallies: dict[str, SlotTally] = {SLOTS: SlotTally()}
        self.merged_through = 0  # of a side file; see nodes.host.unsynced
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._take_lock()
            self.path.touch(mode=0o600)
            self._database = self._open()
            self._tables = Tables(self._database)
        except (OSError, sqlite3.OperationalError) as error:
            raise StorageFailed(f"{node}: cannot open {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise damaged(node, self.path, f"is no intact SQLite file ({error})") from error

    def _take_lock(self) -> int:
        """The kernel lets go of it when the process ends, however it ends."""
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise StorageFailed(
                f"{self.node}: another process uses {self.path}: end it first"
            ) from error
        return lock

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            database.execute("PRAGMA cell_size_check=ON")
            database.execute("PRAGMA cache_size=-1024")
            database.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            database.execute(f"PRAGMA journal_size_limit={WAL_BYTES_MAX}")
            tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables == 0:
                self._create(database)
        except BaseException:
            database.close()
            raise
        return database

    def _create(self, database: sqlite3.Connection) -> None:
        meta = {"format": FORMAT, "node": self.node, "lab": self.lab}
        meta |= {"slots": str(SlotTally()), "tables": ""}
        if self._wiped:
            meta["wiped"] = "1"
        # One transaction: a node killed while it creates its file leaves none or all of it.
        database.execute("BEGIN IMMEDIATE")
        for statement in filter(str.strip, _SCHEMA.split(";")):
            database.execute(statement)
        for name, value in meta.items():
            _put_meta(database, name, value)
        database.execute("COMMIT")

    unsynced_bytes = 0  # every commit is synced

    def load(self) -> Started:
        """All that was durable. Raises StorageDamaged at the first thing that is not right."""
        found = Recovery(self._database, self.path, node=self.node, lab=self.lab, types=self._types)
        self._bounds = dict(found.bounds)
        self._homes, self._tallies = found.homes, found.tallies
        self._wiped = "wiped" in found.meta
        self.merged_through = int(found.meta.get("merged_through", "0"))
        return Started(found.slots, found.logs, amnesia=self._wiped)

    # ------------------------------------------------------------------------------------- writing

    def commit(
        self, effects: Iterable[DurableEffect], *, merged_through: int | None = None
    ) -> None:
        """Makes all of them durable, in order, in one transaction with one fsync.

        Raises StorageFailed when the disk does not take it, and ValueError, with nothing written,
        for an order that a log cannot carry out: that is a bug of the core.
        """
        bounds, saves = dict(self._bounds), dict[str, Save]()
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for effect in one_by_one(effects):
                if isinstance(effect, Save):
                    saves[effect.slot] = effect  # only the last one of a commit counts
                else:
                    self._write_log(effect, bounds)
            self._write_bounds(bounds)
            moved, tallies = self._write_slots(saves.values())
            if merged_through is not None:
                _put_meta(self._database, "merged_through", str(merged_through))
            if self._wiped:
                # The core knows by now, and what it made of it is in this transaction.
                self._database.execute("DELETE FROM meta WHERE name='wiped'")
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageFailed(
                f"{self.node}: {self.path} did not take a write ({error}); the node stops, "
                "because what is on disk is uncertain until it is read again: make room, "
                f"then lab fault restart {self.node}"
            ) from error
        except BaseException:
            self._database.execute("ROLLBACK")
            self._tables.forget()
            raise
        self._wiped = False
        self._bounds = bounds
        self._tallies = tallies
        for slot, home in moved.items():
            if home is None:
                del self._homes[slot]
            else:
                self._homes[slot] = home
        if merged_through is not None:
            self.merged_through = merged_through

    def _write_log(self, effect: Append | Truncate | Discard, bounds: dict[str, Bound]) -> None:
        first, following = bounds[effect.log] = moved_bound(
            effect, bounds.get(effect.log, EMPTY_LOG)
        )
        execute = self._database.execute
        match effect:
            case Append(log, first_index, entries):
                self._database.executemany(
                    "INSERT INTO logs (log, position, type, value, checksum) VALUES (?,?,?,?,?)",
                    _log_rows(log, first_index, entries),
                )
            case Truncate(log):
                execute("DELETE FROM logs WHERE log=? AND position>=?", (log, following))
            case Discard(log):
                execute("DELETE FROM logs WHERE log=? AND position<?", (log, first))

    def _write_bounds(self, bounds: dict[str, Bound]) -> None:
        rows = [
            (log, *bound, checksum(log, *bound))
            for log, bound in bounds.items()
            if self._bounds.get(log) != bound
        ]
        if rows:
            self._database.executemany(
                "INSERT OR REPLACE INTO log_starts (log, first_index, next_index, checksum) "
                "VALUES (?,?,?,?)",
                rows,
            )

    def _write_slots(
        self, saves: Iterable[Save]
    ) -> tuple[dict[str, str | None], dict[str, SlotTally]]:
        """Which slots have another home than before, or none any more; and the tallies."""
        moved, tallies = dict[str, str | None](), self._tallies
        for save in saves:
            old = self._homes.get(save.slot)
            new = None if save.removes else table_of(save.slot, save.state)
            if new is not None:
                self._put_slot(new, save.slot, save.state)
            if new == old:
                continue
            moved[save.slot], tallies = new, dict(tallies)
            if old is not None:
                self._remove_slot(old, save.slot)
                tallies[old] = tallies[old].without(save.slot)
            if new is not None:
                tallies[new] = tallies.get(new, SlotTally()).plus(save.slot)
        if len(tallies) > len(self._tallies):
            _put_meta(self._database, "tables", " ".join(sorted(tallies.keys() - {SLOTS})))
        if moved:
            for table, tally in tallies.items():
                if self._tallies.get(table) != tally:
                    _put_meta(self._database, tally_name(table), str(tally))
        return moved, tallies

    def _remove_slot(self, table: str, name: str) -> None:
        if table == SLOTS:
            self._database.execute("DELETE FROM slots WHERE name=?", (name,))
        else:
            self._tables.remove(table, name)

    def _put_slot(self, table: str, name: str, state: Message) -> None:
        if table != SLOTS:
            self._tables.put(table, name, state)
            return
        type_name, value = state.DESCRIPTOR.full_name, state.SerializeToString()
        self._database.execute(
            "INSERT INTO slots (name, type, value, checksum) VALUES (?,?,?,?) "
            "ON CONFLICT (name) DO UPDATE SET "
            "type=excluded.type, value=excluded.value, checksum=excluded.checksum",
            (name, type_name, value, checksum(name, type_name, value)),
        )

    def sync(self) -> None:
        """Nothing to do: every commit is synced."""

    def size_bytes(self) -> int:
        """Of the file and its write-ahead log."""
        return _size_bytes(self.path) + _size_bytes(self.path.with_name(self.path.name + "-wal"))

    def close(self) -> None:
        """SQLite folds its write-ahead log into the file."""
        self._database.close()
        os.close(self._lock)


def _log_rows(
    log: str, first_index: int, entries: Iterable[Message]
) -> Iterator[tuple[str, int, str, bytes, int]]:
    for position, entry in enumerate(entries, first_index):
        type_name, value = entry.DESCRIPTOR.full_name, entry.SerializeToString()
        yield log, position, type_name, value, checksum(log, position, type_name, value)


def _put_meta(database: sqlite3.Connection, name: str, value: str) -> None:
    database.execute(
        "INSERT OR REPLACE INTO meta (name, value, checksum) VALUES (?,?,?)",
        (name, value, checksum(name, value)),
    )


def _size_bytes(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
