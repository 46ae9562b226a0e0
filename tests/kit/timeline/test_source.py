"""What can be read of a record is read, however its writers ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.kit.errors import LabError
from labs.kit.timeline.source import event_files, read_cluster, read_events, read_run
from tests.kit.timeline.script import election


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A cluster's folder with the events of three nodes."""
    (tmp_path / "events").mkdir()
    for event in election().events:
        with (tmp_path / "events" / f"{event.node}.events.jsonl").open("a") as file:
            file.write(event.to_json() + "\n")
    (tmp_path / "lab.json").write_text(json.dumps({"lab": "raft", "nodes": ["n1", "n2", "n3"]}))
    return tmp_path


def test_everything_is_read(record: Path) -> None:
    """Events of all nodes and of the conductor, and which lab it was."""
    found = read_cluster(record, "ended")
    assert len(found.events) == len(election().events)
    assert (found.lab, found.nodes, found.remarks) == ("raft", ("n1", "n2", "n3"), [])


def test_a_torn_last_line_is_no_event(record: Path) -> None:
    """A node that was killed while it wrote leaves half a line, which is nobody's fault."""
    path = record / "events" / "n1.events.jsonl"
    whole = path.read_bytes()
    for cut in range(len(whole) - 60, len(whole)):
        path.write_bytes(whole[:cut])
        events, unreadable = read_events([path])
        assert unreadable == 0
        assert len(events) in (whole.count(b"\n") - 1, whole.count(b"\n"))


def test_garbage_in_the_middle_is_counted(record: Path) -> None:
    """Lines that are no event are passed over and told."""
    head = '"node":"n1","seq":1,"lamport":1'
    with (record / "events" / "n1.events.jsonl").open("ab") as file:
        file.write(b"\xff\xfe\n{}\n[" + b"[" * 100_000 + b"\n\n")
        file.write(f'{{{head},"at_ms":"soon","kind":"x"}}\n'.encode())
        file.write(f'{{{head},"at_ms":NaN,"kind":"x"}}\n'.encode())
        file.write(f'{{{head},"at_ms":1,"kind":[]}}\n'.encode())
    found = read_cluster(record, "ended")
    assert len(found.events) == len(election().events)
    assert found.remarks == ["6 lines of the event files could not be read"]


def test_rotated_files_come_first(record: Path) -> None:
    """What was moved aside is read, and before what was written later."""
    folder = record / "events"
    (folder / "n2.events.jsonl").rename(folder / "n2.events.jsonl.1")
    (folder / "n2.events.jsonl").write_text("")
    names = [path.name for path in event_files(record)]
    assert names.index("n2.events.jsonl.1") + 1 == names.index("n2.events.jsonl")
    assert len(read_cluster(record, "ended").events) == len(election().events)


def test_links_are_not_followed(record: Path, tmp_path: Path) -> None:
    """A planted link shows nothing of somebody else's."""
    (record / "events" / "n9.events.jsonl").symlink_to(record / "events" / "n1.events.jsonl")
    assert all("n9" not in path.name for path in event_files(record))


def test_of_a_wrong_history_only_what_is_right(record: Path) -> None:
    """A torn last line is left out; a wrong one is told by its number."""
    good = '{"process": 0, "type": "invoke", "f": "read", "key": "x", "time": 5}\n'
    (record / "history.jsonl").write_text(good + '{"process": 0, "ty')
    assert len(read_cluster(record, "ended").history) == 1
    (record / "history.jsonl").write_text(good + "nonsense\n")
    found = read_cluster(record, "ended")
    assert len(found.history) == 1
    assert "line 2: no JSON" in found.remarks[0]
    (record / "history.jsonl").write_text(good + good)
    found = read_cluster(record, "ended")
    assert found.history == []
    assert "the history is left out: line 2" in found.remarks[0]


def test_a_run_has_one_merged_file(tmp_path: Path) -> None:
    """As experiments leave it; without events there is nothing to show."""
    with pytest.raises(LabError, match="holds no events"):
        read_run(tmp_path, "r1")
    lines = "".join(event.to_json() + "\n" for event in election().events)
    (tmp_path / "events.jsonl").write_text(lines)
    (tmp_path / "report.json").write_text('{"lab": "raft", "experiment": "leader-crash"}')
    found = read_run(tmp_path, "r1")
    assert len(found.events) == len(election().events)
    assert (found.lab, found.report["experiment"]) == ("raft", "leader-crash")
