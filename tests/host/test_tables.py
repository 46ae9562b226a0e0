"""A slot of the shape of a row is one, which people can read and nobody can change unnoticed."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes.core import Append, DurableEffect, Save, SaveAll
from nodes.host.rpc import MessageTypes
from nodes.host.storage import Storage, StorageDamaged
from nodes.host.tables import COLUMNS_MAX
from nodes.host.unsynced import UnsyncedStorage
from tests.support import ping_pb2 as pb

TYPES = MessageTypes((pb,))
Opener = Callable[[Path], Storage | UnsyncedStorage]


def synced(folder: Path, types: MessageTypes = TYPES) -> Storage:
    return Storage(folder, node="n1", lab="ping", types=types)


def unsynced(folder: Path) -> UnsyncedStorage:
    return UnsyncedStorage(synced(folder), TYPES)


def account(balance: int, transfers: int = 1) -> Message:
    return pb.Account(balance=balance, transfers=transfers)


def commit(folder: Path, *effects: DurableEffect, opener: Opener = synced) -> None:
    with contextlib.closing(opener(folder)) as storage:
        storage.load()
        storage.commit(effects)


def found(folder: Path, *, opener: Opener = synced) -> dict[str, Message]:
    with contextlib.closing(opener(folder)) as storage:
        return dict(storage.load().slots)


@contextlib.contextmanager
def shell(folder: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(folder / "n1.db")) as database:
        yield database
        database.commit()


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with shell(folder) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("opener", [synced, unsynced])
def test_a_row_is_read_with_plain_sql(opener: Opener, tmp_path: Path) -> None:
    """Each field is a column, and the whole is the table that the slot is named after."""
    saves = SaveAll((Save("accounts/alice", account(70)), Save("accounts/bob", account(130))))
    commit(tmp_path, saves, opener=opener)
    assert found(tmp_path, opener=opener) == {
        "accounts/alice": account(70),
        "accounts/bob": account(130),
    }
    query = "SELECT key, balance, transfers, type FROM accounts ORDER BY key"
    assert rows(tmp_path, query) == [
        ("alice", 70, 1, "faultlab.ping.Account"),
        ("bob", 130, 1, "faultlab.ping.Account"),
    ]
    assert rows(tmp_path, "SELECT sum(balance) FROM accounts") == [(200,)]
    assert rows(tmp_path, "SELECT count(*) FROM slots") == [(0,)]


FLOATS = st.floats(allow_nan=False, width=32)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "ratio": st.floats(allow_nan=False),
        "small": FLOATS,
        "a": st.integers(-(2**31), 2**31 - 1),
        "b": st.integers(-(2**63), 2**63 - 1),
        "c": st.integers(0, 2**32 - 1),
        "d": st.integers(0, 2**64 - 1),
        "e": st.integers(-(2**63), 2**63 - 1),
        "f": st.integers(0, 2**64 - 1),
        "g": st.integers(-(2**31), 2**31 - 1),
        "truth": st.booleans(),
        "text": st.text(),
        "raw": st.binary(),
        "color": st.integers(0, 3),  # 2 and 3 have no name
        "note": st.text(),
        "type": st.text(),
        "Mixed": st.text(),
    },
)
CHOICES = st.none() | st.tuples(st.just("number"), st.integers(-9, 9))
CHOICES |= st.tuples(st.just("word"), st.text())


@given(key=st.text(), values=VALUES, choice=CHOICES)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_value_comes_back(
    key: str,
    values: dict[str, Any],
    choice: tuple[str, Any] | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Every scalar type, every key, and whether a field is set."""
    if choice is not None:
        values = values | {choice[0]: choice[1]}
    message = pb.Everything(**values)
    folder = tmp_path_factory.mktemp("disk")
    commit(folder, Save(f"things/{key}", message))
    expected = {} if message.ByteSize() == 0 else {f"things/{key}": message}
    assert found(folder) == expected
    assert rows(folder, "SELECT count(*) FROM slots") == [(0,)]


@pytest.mark.parametrize("ratio", [math.nan, math.inf, -math.inf, -0.0])
def test_odd_numbers_come_back(ratio: float, tmp_path: Path) -> None:
    """SQLite takes NaN for NULL, and the host knows."""
    commit(tmp_path, Save("things/x", pb.Everything(ratio=ratio, a=1)))
    message = found(tmp_path)["things/x"]
    assert isinstance(message, pb.Everything)
    assert str(message.ratio) == str(ratio)


@pytest.mark.parametrize(
    "slot",
    ["Accounts/a", "1st/a", "my table/a", "/a", "accounts", "meta/a", "slots/a", "sqlite_x/a"],
)
def test_other_names_stay_in_slots(slot: str, tmp_path: Path) -> None:
    """A name that is no table's, or one of the host's or SQLite's own."""
    commit(tmp_path, Save(slot, account(1)))
    assert found(tmp_path) == {slot: account(1)}
    assert rows(tmp_path, "SELECT name FROM slots") == [(slot,)]


@pytest.mark.parametrize(
    "message", [pb.Repeated(numbers=[1]), pb.Nested(account=pb.Account(balance=1))]
)
def test_other_messages_stay_in_slots(message: Message, tmp_path: Path) -> None:
    """What does not fit columns."""
    commit(tmp_path, Save("things/a", message))
    assert found(tmp_path) == {"things/a": message}
    assert rows(tmp_path, "SELECT name FROM slots") == [("things/a",)]


def test_a_slot_is_in_one_place_only(tmp_path: Path) -> None:
    """A slot whose content changes its shape moves, and its former row is gone."""
    for message in (account(1), pb.Repeated(numbers=[1]), pb.Counter(total=3)):
        commit(tmp_path, Save("things/a", message))
        assert found(tmp_path) == {"things/a": message}
    assert rows(tmp_path, "SELECT total, balance FROM things") == [(3, None)]
    assert rows(tmp_path, "SELECT count(*) FROM slots") == [(0,)]


@pytest.mark.parametrize("opener", [synced, unsynced])
def test_an_empty_message_removes_the_row(opener: Opener, tmp_path: Path) -> None:
    """And the row can be saved again."""
    one = Save("accounts/a", account(1))
    gone = Save("accounts/a", pb.Account())
    commit(tmp_path, one, Save("accounts/b", account(2)), opener=opener)
    commit(tmp_path, gone, opener=opener)
    assert found(tmp_path, opener=opener) == {"accounts/b": account(2)}
    assert rows(tmp_path, "SELECT key FROM accounts") == [("b",)]
    commit(tmp_path, one, gone, one, opener=opener)
    assert len(found(tmp_path, opener=opener)) == 2


def grown(fields: int) -> MessageTypes:
    """The same type with so many fields, as after an update of the protos."""
    file = descriptor_pb2.FileDescriptorProto(name="grown.proto", package="t", syntax="proto3")
    message = file.message_type.add(name="Grown")
    for number in range(1, fields + 1):
        message.field.add(name=f"f{number}", number=number, type=4, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    module = ModuleType("grown")
    vars(module)["DESCRIPTOR"] = pool.FindFileByName("grown.proto")
    return MessageTypes((module,))


def test_a_message_that_grew_has_new_columns(tmp_path: Path) -> None:
    """Rows of before stay as they are, and intact."""
    for size in (1, 3):
        types = grown(size)
        with contextlib.closing(synced(tmp_path, types)) as storage:
            storage.load()
            message = types.empty("t.Grown")
            setattr(message, f"f{size}", 7)
            storage.commit([Save(f"things/{size}", message)])
    assert rows(tmp_path, "SELECT key, f1, f2, f3 FROM things") == [
        ("1", 7, None, None),
        ("3", 0, 0, 7),
    ]
    with contextlib.closing(synced(tmp_path, types)) as storage:
        assert len(storage.load().slots) == 2


def test_a_message_of_too_many_columns_stays_in_slots(tmp_path: Path) -> None:
    """SQLite has a limit."""
    types = grown(COLUMNS_MAX + 1)
    with contextlib.closing(synced(tmp_path, types)) as storage:
        storage.load()
        message = types.empty("t.Grown")
        setattr(message, "f7", 1)  # noqa: B010  # its type is made above
        storage.commit([Save("things/a", message)])
        assert storage.load().slots == {"things/a": message}


def test_a_commit_that_failed_leaves_no_table_behind(tmp_path: Path) -> None:
    """A table made in a transaction that was rolled back is made again."""
    with contextlib.closing(synced(tmp_path)) as storage:
        storage.load()
        hole = Append("log", 7, (pb.Added(amount=1),))
        with pytest.raises(ValueError, match="append at 7"):
            storage.commit([Save("accounts/a", account(1)), hole])
        storage.commit([Save("accounts/a", account(2))])
        assert storage.load().slots == {"accounts/a": account(2)}


DAMAGE = {
    "value": ("UPDATE accounts SET balance=1000 WHERE key='a'", "accounts, row 'a': checksum"),
    "type of a value": ("UPDATE accounts SET balance='70' WHERE key='a'", "row 'a': checksum"),
    "value gone": ("UPDATE accounts SET balance=NULL WHERE key='b'", "row 'b': checksum"),
    "key": ("UPDATE accounts SET key='c' WHERE key='b'", "accounts, row 'c': checksum"),
    "type": ("UPDATE accounts SET type='faultlab.ping.Counter'", "row 'a': checksum"),
    "checksum": ("UPDATE accounts SET checksum=checksum+1", "row 'a': checksum"),
    "row gone": ("DELETE FROM accounts WHERE key='b'", "accounts has 1 rows, and not the 2"),
    "row added": ("INSERT INTO accounts (key, balance) VALUES ('c', 5)", "row 'c': checksum"),
    "row copied": (
        "CREATE TABLE other AS SELECT * FROM accounts; "
        "UPDATE other SET key='c'; INSERT INTO accounts SELECT * FROM other WHERE rowid=1",
        "row 'c': checksum",
    ),
    "column gone": ("ALTER TABLE accounts DROP COLUMN balance", "row 'a': checksum"),
    "our column gone": ("ALTER TABLE accounts DROP COLUMN type", "accounts has no column type"),
    "table gone": ("DROP TABLE accounts", "table accounts is missing"),
    "another table": ("ALTER TABLE accounts RENAME TO moved", "table accounts is missing"),
    "tally gone": ("DELETE FROM meta WHERE name LIKE 'rows of %'", "no row 'rows of acc"),
    "list of tables gone": ("DELETE FROM meta WHERE name='tables'", "no row 'tables'"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_row_edited_by_hand_is_a_refusal_to_start(what: str, tmp_path: Path) -> None:
    """File, table, row and the way out are named."""
    commit(tmp_path, Save("accounts/a", account(70)), Save("accounts/b", account(30)))
    order, message = DAMAGE[what]
    with shell(tmp_path) as database:
        database.executescript(order)
    with contextlib.closing(synced(tmp_path)) as storage, pytest.raises(StorageDamaged) as refusal:
        storage.load()
    line = str(refusal.value)
    assert message in line
    assert str(tmp_path / "n1.db") in line
    assert line.endswith("lab fault wipe n1")


def test_what_somebody_else_keeps_in_the_file_is_left_alone(tmp_path: Path) -> None:
    """A view or a table of the learner's own is no slot, and no damage."""
    commit(tmp_path, Save("accounts/a", account(70)))
    with shell(tmp_path) as database:
        database.execute("CREATE VIEW total AS SELECT sum(balance) FROM accounts")
        database.execute("CREATE TABLE mine (x)")
    assert found(tmp_path) == {"accounts/a": account(70)}
