"""The recorder writes what happened, and what it cannot write it counts; it never waits."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from nodes.host.causality import Causality
from nodes.host.recorder import Recorder, last_numbers, older_file
from nodes.timeline import TimelineEvent


def read(path: Path) -> list[TimelineEvent]:
    return [TimelineEvent.from_json(line) for line in path.read_text().splitlines()]


def test_events_are_written_as_the_timeline_reads_them(tmp_path: Path) -> None:
    """Every field survives, and a core's field cannot disguise itself as the host's."""
    path = tmp_path / "n1.events.jsonl"
    recorder = Recorder("n1", path, began_ms=0)
    recorder.record(5, "leader", {"term": 3, "votes": "n1,n2\x1b", "ready": True, "node": "n9"})
    recorder.close()
    (event,) = read(path)
    assert (event.node, event.seq, event.lamport, event.kind) == ("n1", 1, 5, "leader")
    assert event.fields == {"term": 3, "votes": "n1,n2\x1b", "ready": True}
    assert "\x1b" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_does_not_fit_is_dropped_and_counted(tmp_path: Path) -> None:
    """A full queue costs events, not time; the gap shows in their numbers."""
    path = tmp_path / "n1.events.jsonl"
    recorder = Recorder("n1", path, began_ms=0, queue_length_max=10)
    for _ in range(10_000):
        recorder.record(1, "note", {})
    assert recorder.dropped > 0
    recorder.record(1, "note", {})
    recorder.close()
    events = read(path)
    assert len(events) == recorder.recorded
    assert recorder.recorded + recorder.dropped == recorder.last_seq == 10_001
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))


def test_a_stuck_disk_never_blocks_the_node(tmp_path: Path) -> None:
    """With a writer that cannot write, recording returns at once and memory stays bounded."""
    path = tmp_path / "n1.events.jsonl"
    recorder = Recorder("n1", path, began_ms=0, queue_length_max=100)
    stuck = threading.Event()
    recorder._write_waiting = lambda: stuck.wait(10)  # type: ignore[assignment,method-assign]  # a stuck disk
    for _ in range(1_000):
        recorder.record(1, "note", {})
    assert len(recorder._queue) == 100
    assert recorder.dropped == 900
    del recorder._write_waiting
    stuck.set()
    recorder.close()
    assert len(read(path)) == 100


def test_rotation_keeps_one_older_file(tmp_path: Path) -> None:
    """The file is capped; what was before is in the older one, whole lines in both."""
    path = tmp_path / "n1.events.jsonl"
    recorder = Recorder("n1", path, began_ms=0, file_bytes_max=5_000)
    for number in range(400):
        recorder.record(number, "note", {"text": "x" * 50})
        if number % 40 == 0:
            recorder._write_waiting()
    recorder.close()
    assert path.stat().st_size <= 25_000
    events = read(older_file(path)) + read(path)
    assert events[-1].seq == 400
    assert [event.seq for event in events] == list(range(events[0].seq, 401))
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, older_file(path).name}


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    """A node that comes back goes on with its numbers and its Lamport clock, behind a torn line."""
    path = tmp_path / "n1.events.jsonl"
    recorder = Recorder("n1", path, began_ms=0)
    causality = Causality("n1", recorder, boot=0)
    causality.received("m", "n2", "Echo", "request", 41)
    recorder.close()
    with path.open("a") as file:
        file.write('{"node":"n1","se')
    recorder = Recorder("n1", path, began_ms=0)
    assert (recorder.last_seq, recorder.last_lamport) == (1, 42)
    Causality("n1", recorder, boot=1).happened("started", {})
    recorder.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    event = TimelineEvent.from_json(lines[-1])
    assert (event.seq, event.lamport) == (2, 43)


def test_a_receive_is_later_than_its_send() -> None:
    """Lamport's rule, both ways of a call."""
    times = list[int]()
    left = Causality("n1", Recorder("n1", None, began_ms=0), boot=0)
    right = Causality("n2", Recorder("n2", None, began_ms=0), boot=0)
    for _ in range(3):
        times.append(left.sent("m", "n2", "Echo", "request"))
        right.received("m", "n1", "Echo", "request", times[-1])
        times.append(right.sent("mr", "n1", "Echo", "response"))
        left.received("mr", "n2", "Echo", "response", times[-1])
    assert times == sorted(set(times))


def test_without_a_file_nothing_is_recorded() -> None:
    """Events off costs nothing and counts nothing."""
    recorder = Recorder("n1", None, began_ms=0)
    recorder.record(1, "note", {})
    recorder.close()
    assert (recorder.recorded, recorder.dropped, recorder.last_seq) == (0, 0, 0)


def test_no_file_no_numbers(tmp_path: Path) -> None:
    """A node that never ran begins at 0."""
    assert last_numbers(tmp_path / "none") == (0, 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_is_full_costs_events_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failing write is said once, counted, and the node goes on."""
    recorder = Recorder("n1", tmp_path / "n1.events.jsonl", began_ms=0)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, recorder._file)
    os.close(full)
    for _ in range(3):
        recorder.record(1, "note", {})
    recorder.close()
    assert recorder.dropped == 3
    assert recorder.recorded == 0
    assert capsys.readouterr().err.count("events are lost") == 1
