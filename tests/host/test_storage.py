"""Storage keeps what was committed, whatever happens to the process, and says so when it cannot."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes.core import Append, Discard, DurableEffect, Save, SaveAll, Started, Truncate
from nodes.host.checksums import checksum
from nodes.host.rpc import MessageTypes
from nodes.host.storage import Storage, StorageDamaged, StorageFailed
from nodes.host.unsynced import UNSYNCED_BYTES_MAX, UnsyncedStorage, read_records, write_record
from tests.support import ping_pb2 as pb

TYPES = MessageTypes((pb,))
PROJECT_ROOT = Path(__file__).resolve().parents[2]


def open_storage(folder: Path, *, node: str = "n1", lab: str = "ping") -> Storage:
    return Storage(folder, node=node, lab=lab, types=TYPES)


def open_unsynced(folder: Path) -> UnsyncedStorage:
    return UnsyncedStorage(open_storage(folder), TYPES)


Opener = Callable[[Path], Storage | UnsyncedStorage]


def counter(total: int) -> Message:
    return pb.Counter(total=total)


def added(*amounts: int) -> tuple[Message, ...]:
    return tuple(pb.Added(amount=amount) for amount in amounts)


class Model:
    """What a disk should hold: plain dicts."""

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self.logs: dict[str, tuple[int, list[int]]] = {}

    def carry_out(self, effect: DurableEffect) -> None:
        if isinstance(effect, Save):
            assert isinstance(effect.state, pb.Counter)
            self.slots[effect.slot] = effect.state.total
            if effect.state.total == 0:
                del self.slots[effect.slot]
            return
        if isinstance(effect, SaveAll):
            for save in effect.saves:
                self.carry_out(save)
            return
        first, entries = self.logs.get(effect.log, (1, []))
        match effect:
            case Append(_, _, new):
                entries = entries + [entry.amount for entry in new if isinstance(entry, pb.Added)]
            case Truncate(_, from_index):
                entries = entries[: from_index - first]
            case Discard(_, through_index):
                entries = entries[max(0, through_index + 1 - first) :]
                first = max(first, through_index + 1)
        self.logs[effect.log] = (first, entries)

    def next_index(self, log: str) -> int:
        first, entries = self.logs.get(log, (1, []))
        return first + len(entries)

    def first_index(self, log: str) -> int:
        return self.logs.get(log, (1, []))[0]


def what_it_holds(started: Started) -> tuple[dict[str, int], dict[str, tuple[int, list[int]]]]:
    slots = {}
    for name, state in started.slots.items():
        assert isinstance(state, pb.Counter)
        slots[name] = state.total
    logs = {}
    for name, log in started.logs.items():
        amounts = [entry.amount for entry in log.entries if isinstance(entry, pb.Added)]
        assert len(amounts) == len(log.entries)
        logs[name] = (log.first_index, amounts)
    return slots, logs


NUMBERS = st.just(0) | st.integers(0, 2**64 - 1)
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["save", "save all", "append", "truncate", "discard", "commit", "reopen"]),
        st.sampled_from(["a", "b'\"\n☃"]),
        st.lists(NUMBERS, min_size=1, max_size=4),
        st.integers(0, 8),
    ),
    max_size=40,
)


@pytest.mark.parametrize("opener", [open_storage, open_unsynced])
@given(orders=ORDERS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_storage_holds_what_a_dict_would(
    opener: Opener,
    orders: list[tuple[str, str, list[int], int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever is committed in whatever batches is found again after every reopening."""
    folder = tmp_path_factory.mktemp("disk")
    model, storage, batch = Model(), opener(folder), list[DurableEffect]()
    storage.load()
    for order, name, numbers, position in [*orders, ("reopen", "", [], 0)]:
        first, following = model.first_index(name), model.next_index(name)
        effect: DurableEffect | None = None
        match order:
            case "save":
                effect = Save(name, counter(numbers[0]))
            case "save all":
                saves = [Save(f"{name}{place}", counter(n)) for place, n in enumerate(numbers)]
                effect = SaveAll(tuple(saves))
            case "append":
                effect = Append(name, following, added(*numbers))
            case "truncate":
                effect = Truncate(name, min(following, first + position))
            case "discard":
                effect = Discard(name, first + position - 2)
            case _:
                storage.commit(batch)
                batch = []
        if effect is not None:
            model.carry_out(effect)
            batch.append(effect)
        if order == "reopen":
            storage.close()
            storage = opener(folder)
            assert what_it_holds(storage.load()) == (model.slots, model.logs)
    storage.close()


@pytest.mark.parametrize("opener", [open_storage, open_unsynced])
def test_an_empty_message_removes_the_slot(opener: Opener, tmp_path: Path) -> None:
    """Its row is gone, whether it was saved in an earlier commit, in the same one, or never; and
    the slot can be saved again."""
    with contextlib.closing(opener(tmp_path)) as storage:
        storage.load()
        storage.commit([Save("kept", counter(1)), Save("old", counter(2))])
        storage.commit([Save("new", counter(3)), Save("new", counter(0)), Save("old", counter(0))])
        storage.commit([Save("never", counter(0)), Save("again", counter(0))])
        storage.commit([Save("again", counter(4))])
    with contextlib.closing(opener(tmp_path)) as storage:
        assert what_it_holds(storage.load())[0] == {"kept": 1, "again": 4}
    with shell(tmp_path) as database:
        names = database.execute("SELECT name FROM slots ORDER BY name").fetchall()
    assert names == [("again",), ("kept",)]


def test_a_new_slot_costs_the_same_however_many_there_are(tmp_path: Path) -> None:
    """What a commit writes does not grow with the slots that are there already."""
    with contextlib.closing(open_storage(tmp_path)) as storage:
        storage.load()
        lengths = []
        for number in range(1, 1001):
            storage.commit([Save(f"slot {number}", counter(number))])
            if number in (10, 1000):
                with shell(tmp_path) as database:
                    rows = database.execute("SELECT sum(length(value)) FROM meta").fetchone()
                lengths.append(rows[0])
    assert lengths[1] <= lengths[0] + 8


def test_an_append_with_a_hole_changes_nothing(tmp_path: Path) -> None:
    """A core that leaves a hole is told so, and nothing of that commit is kept."""
    storage = open_storage(tmp_path)
    storage.load()
    storage.commit([Append("log", 1, added(1))])
    with pytest.raises(ValueError, match="append at 3 to log 'log', whose end is 2"):
        storage.commit([Save("slot", counter(1)), Append("log", 3, added(2))])
    storage.commit([Append("log", 2, added(2))])
    assert what_it_holds(storage.load()) == ({}, {"log": (1, [1, 2])})
    storage.close()


def test_a_truncation_outside_the_log_is_refused(tmp_path: Path) -> None:
    """Cutting where there is nothing is a bug of the core, in every kind of storage."""
    for opener in (open_storage, open_unsynced):
        folder = tmp_path / opener.__name__
        storage = opener(folder)
        storage.load()
        storage.commit([Append("log", 1, added(1)), Discard("log", 5)])
        for index in (5, 7):
            with pytest.raises(ValueError, match=f"truncate from {index}"):
                storage.commit([Truncate("log", index)])
        storage.close()


def test_a_wiped_node_knows_until_its_first_commit(tmp_path: Path) -> None:
    """That a disk was wiped is remembered on disk until the core has had its say."""
    for _ in range(2):
        storage = Storage(tmp_path, node="n1", lab="ping", types=TYPES, wiped=True)
        assert storage.load().amnesia
        storage.close()
    storage = open_storage(tmp_path)
    assert storage.load().amnesia
    storage.commit([Save("slot", counter(1))])
    assert not storage.load().amnesia
    storage.close()
    storage = open_storage(tmp_path)
    assert not storage.load().amnesia
    storage.close()


def test_two_processes_cannot_share_a_disk(tmp_path: Path) -> None:
    """The second one to open a node's storage is refused."""
    with contextlib.closing(open_storage(tmp_path)), pytest.raises(StorageFailed, match="another"):
        open_storage(tmp_path)
    open_storage(tmp_path).close()


# ------------------------------------------------------------------------------------------ damage


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A disk with two slots and a log of three entries that begins at 4."""
    with contextlib.closing(open_storage(tmp_path)) as storage:
        storage.load()
        storage.commit([Save("one", counter(7)), Save("two", counter(8))])
        storage.commit([Discard("log", 3), Append("log", 4, added(10, 11, 12))])
    return tmp_path


@contextlib.contextmanager
def shell(folder: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(folder / "n1.db")) as database:
        yield database
        database.commit()


TWO = counter(8).SerializeToString()
DAMAGE = {
    "slot's name": ("UPDATE slots SET name='uno' WHERE name='one'", "slots, row 'uno'"),
    "slot's type": ("UPDATE slots SET type='faultlab.ping.Added' WHERE name='one'", "row 'one'"),
    "slot's value": ("UPDATE slots SET value=x'0809' WHERE name='one'", "slots, row 'one'"),
    "slot's checksum": ("UPDATE slots SET checksum=checksum+1 WHERE name='two'", "row 'two'"),
    "slot gone": ("DELETE FROM slots WHERE name='two'", "slots has 1 rows, and not the 2"),
    "another slot in its place": (
        f"UPDATE slots SET name='six', checksum={checksum('six', 'faultlab.ping.Counter', TWO)} "
        "WHERE name='two'",
        "slots has 2 rows, and not the 2 that were saved",
    ),
    "entry's log": ("UPDATE logs SET log='lag' WHERE position=4", "gap before entry 5"),
    "entry's position": ("UPDATE logs SET position=7 WHERE position=6", "gap before entry 7"),
    "entry's type": ("UPDATE logs SET type='x' WHERE position=5", "logs, row 'log'/5"),
    "entry's value": ("UPDATE logs SET value=x'080c' WHERE position=5", "logs, row 'log'/5"),
    "entry's checksum": ("UPDATE logs SET checksum=0 WHERE position=6", "logs, row 'log'/6"),
    "checksum of no number": ("UPDATE logs SET checksum='x' WHERE position=6", "row 'log'/6"),
    "first entry gone": ("DELETE FROM logs WHERE position=4", "gap before entry 5"),
    "entry gone": ("DELETE FROM logs WHERE position=5", "gap before entry 6"),
    "last entry gone": ("DELETE FROM logs WHERE position=6", "ends before entry 6"),
    "swapped entries": (
        "UPDATE logs SET value=(SELECT value FROM logs WHERE position=9-p.position), "
        "checksum=(SELECT checksum FROM logs WHERE position=9-p.position) "
        "FROM logs p WHERE logs.position=p.position AND p.position<6",
        "logs, row 'log'/4",
    ),
    "log's start": ("UPDATE log_starts SET first_index=5", "log_starts, row 'log'"),
    "log's end": ("UPDATE log_starts SET next_index=6", "log_starts, row 'log'"),
    "log's start gone": ("DELETE FROM log_starts", "log_starts has no row 'log'"),
    "node's name": ("UPDATE meta SET value='n2' WHERE name='node'", "meta, row 'node'"),
    "format gone": ("DELETE FROM meta WHERE name='format'", "meta has no row 'format'"),
    "table gone": ("DROP TABLE log_starts", "no such table"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_refused_with_the_way_out(filled: Path, what: str) -> None:
    """Any change to any column, and any missing row, is found at the next start and named."""
    order, message = DAMAGE[what]
    with shell(filled) as database:
        assert database.execute(order).rowcount != 0
    storage = open_storage(filled)
    with contextlib.closing(storage), pytest.raises(StorageDamaged) as refusal:
        storage.load()
    line = str(refusal.value)
    assert message in line
    assert str(filled / "n1.db") in line
    assert line.startswith("n1: ")
    assert line.endswith("lab fault wipe n1")
    assert "\n" not in line


def test_another_nodes_or_labs_file_is_refused(filled: Path) -> None:
    """A file that was copied from elsewhere is not taken for one's own."""
    storage = open_storage(filled, lab="pong")
    with pytest.raises(StorageDamaged, match="belongs to lab 'ping', not to 'pong'"):
        storage.load()
    storage.close()
    os.rename(filled / "n1.db", filled / "n2.db")
    storage = open_storage(filled, node="n2")
    with pytest.raises(StorageDamaged, match="belongs to node 'n1', not to 'n2'"):
        storage.load()
    storage.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Garbage in place of the file is damage, not a reason to begin anew."""
    (tmp_path / "n1.db").write_bytes(b"\xff" * 8192)
    with pytest.raises(StorageDamaged, match="no intact SQLite file"):
        open_storage(tmp_path)
    assert (tmp_path / "n1.db").read_bytes() == b"\xff" * 8192


@given(position=st.integers(0, 2**31), bit=st.integers(0, 7))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_flipped_bit_is_refused_or_harmless(filled: Path, position: int, bit: int) -> None:
    """A bit flipped anywhere in the file never changes what a node believes."""
    path = filled / "n1.db"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[position % len(whole)] ^= 1 << bit
    path.write_bytes(flipped)
    try:
        with contextlib.closing(open_storage(filled)) as storage:
            found = what_it_holds(storage.load())
    except (StorageDamaged, StorageFailed):
        pass
    else:
        assert found == ({"one": 7, "two": 8}, {"log": (4, [10, 11, 12])})
    finally:
        for name in ("n1.db-wal", "n1.db-shm"):
            (filled / name).unlink(missing_ok=True)
        path.write_bytes(whole)


# -------------------------------------------------------------------------------------------- kill

WRITER = """
import sys
from pathlib import Path
from nodes.core import Append, Save
from nodes.host.rpc import MessageTypes
from nodes.host.storage import Storage
from nodes.host.unsynced import UnsyncedStorage
from tests.support import ping_pb2 as pb

types = MessageTypes((pb,))
storage = Storage(Path(sys.argv[1]), node="n1", lab="ping", types=types)
if sys.argv[2] == "off":
    storage = UnsyncedStorage(storage, types)
started = storage.load()
total = started.slots["counter"].total if started.slots else 0
while True:
    total += 1
    storage.commit([Save("counter", pb.Counter(total=total)),
                    Append("log", total, (pb.Added(amount=total),))])
    print(total, flush=True)
"""


@pytest.mark.real
@pytest.mark.parametrize("fsync", ["on", "off"])
def test_kill_in_the_middle_of_commits_loses_nothing(tmp_path: Path, fsync: str) -> None:
    """What was committed before a kill -9 is there after it, whole, and no commit is there in
    part."""
    confirmed = 0
    for kill_after in (1, 7, 40, 3, 150):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), fsync],
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
        )
        assert writer.stdout is not None
        with writer.stdout:
            for _ in range(kill_after):
                confirmed = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                confirmed = int(line) if line.endswith(b"\n") else confirmed
            writer.wait()
        opener = open_storage if fsync == "on" else open_unsynced
        with contextlib.closing(opener(tmp_path)) as storage:
            slots, logs = what_it_holds(storage.load())
        assert slots["counter"] >= confirmed
        assert logs["log"] == (1, list(range(1, slots["counter"] + 1)))


# ----------------------------------------------------------------------------------- the side file


def test_every_torn_tail_of_the_side_file_is_dropped(tmp_path: Path) -> None:
    """Cut the side file anywhere: all whole records count, and nothing else does."""
    with contextlib.closing(open_unsynced(tmp_path)) as storage:
        storage.load()
        ends = []
        for total in (1, 2, 3):
            storage.commit([Save("counter", counter(total)), Append("log", total, added(total))])
            ends.append(storage.unsynced_bytes)
    whole = (tmp_path / "n1.unsynced").read_bytes()
    assert ends[-1] == len(whole)
    for length in range(len(whole) + 1):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / "n1.unsynced").write_bytes(whole[:length])
        with contextlib.closing(open_unsynced(folder)) as storage:
            slots, logs = what_it_holds(storage.load())
        kept = sum(length >= end for end in ends)
        assert slots == ({"counter": kept} if kept else {})
        assert logs == ({"log": (1, list(range(1, kept + 1)))} if kept else {})


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_damaged_record_is_no_torn_tail(position: int, bit: int) -> None:
    """A bit flipped in any whole record is damage: it is neither believed nor dropped."""
    raw = bytearray(write_record(1, b"first") + write_record(2, b"second"))
    raw[position % len(raw)] ^= 1 << bit
    with pytest.raises(ValueError, match="damaged record"):
        list(read_records(bytes(raw)))


def test_a_damaged_side_file_refuses_the_start(tmp_path: Path) -> None:
    """Damage in the side file is named, with the way out."""
    with contextlib.closing(open_unsynced(tmp_path)) as storage:
        storage.load()
        storage.commit([Save("counter", counter(1))])
    path = tmp_path / "n1.unsynced"
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)
    storage = open_unsynced(tmp_path)
    with pytest.raises(StorageDamaged, match=r"n1.unsynced: damaged record .* wipe n1$"):
        storage.load()
    storage.close()


def test_a_kill_between_merge_and_emptying_the_side_file_is_harmless(tmp_path: Path) -> None:
    """Records that were merged already are not merged twice."""
    with contextlib.closing(open_unsynced(tmp_path)) as storage:
        storage.load()
        storage.commit([Append("log", 1, added(1, 2)), Truncate("log", 2)])
        before = (tmp_path / "n1.unsynced").read_bytes()
        storage.sync()
        assert storage.unsynced_bytes == 0
        assert (tmp_path / "n1.unsynced").read_bytes() == b""
    (tmp_path / "n1.unsynced").write_bytes(before)
    with contextlib.closing(open_unsynced(tmp_path)) as storage:
        assert what_it_holds(storage.load()) == ({}, {"log": (1, [1])})


def test_losing_the_side_file_loses_exactly_what_was_not_synced(tmp_path: Path) -> None:
    """A power cut keeps everything up to the last sync and nothing behind it."""
    with contextlib.closing(open_unsynced(tmp_path)) as storage:
        storage.load()
        storage.commit([Save("counter", counter(1))])
        storage.sync()
        storage.commit([Save("counter", counter(2))])
    (tmp_path / "n1.unsynced").unlink()
    with contextlib.closing(open_unsynced(tmp_path)) as storage:
        assert what_it_holds(storage.load()) == ({"counter": 1}, {})


def test_the_side_file_is_merged_before_it_grows_large(tmp_path: Path) -> None:
    """Memory and side file stay bounded even if nobody asks for a sync."""
    with contextlib.closing(open_unsynced(tmp_path)) as storage:
        storage.load()
        large = pb.EchoRequest(text="x" * (UNSYNCED_BYTES_MAX // 4))
        for _ in range(6):
            storage.commit([Save("large", large)])
            assert storage.unsynced_bytes <= UNSYNCED_BYTES_MAX


def test_discarded_entries_free_their_room(tmp_path: Path) -> None:
    """The file does not grow with the number of writes when the log is discarded behind them."""
    with contextlib.closing(open_storage(tmp_path)) as storage:
        storage.load()
        sizes = []
        for index in range(1, 20_001, 100):
            storage.commit([Append("log", index, added(*range(100)))])
            storage.commit([Discard("log", index - 100)])
            sizes.append(storage.size_bytes())
    assert max(sizes[100:]) < 1.1 * max(sizes[:100])


def test_state_files_are_private(filled: Path) -> None:
    """Nobody but their owner may read a node's files."""
    assert (filled / "n1.db").stat().st_mode & 0o777 == 0o600
