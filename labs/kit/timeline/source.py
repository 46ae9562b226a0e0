"""Reads what was recorded: the events of a lab that runs, of the last one, or of a kept run.

Files may be torn at their end, rotated, half overwritten or gone: what can be read is read, and
what cannot is counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from labs.kit.errors import LabError
from labs.kit.history import Entry, HistoryMalformed, operations, parse_history
from labs.kit.last_run import FACTS_NAME, HISTORY_NAME
from nodes.timeline import TimelineEvent

LINE_BYTES_MAX: Final = 1 << 20
EVENTS_SUFFIX: Final = ".events.jsonl"


@dataclass(slots=True)
class Recording:
    """Everything that is known of a run. `lab` is a lab's id, or empty; `remarks` say what could
    not be read."""

    lab: str = ""
    name: str = ""
    nodes: tuple[str, ...] = ()
    events: list[TimelineEvent] = field(default_factory=list)
    history: list[Entry] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def read_events(paths: Iterable[Path]) -> tuple[list[TimelineEvent], int]:
    """The events of these files, and how many lines were none. A torn last line counts for
    nothing: a node was killed, or is just writing it."""
    events: list[TimelineEvent] = []
    unreadable = 0
    for path in paths:
        for line, whole in _lines(path):
            event = _event(line)
            if event is not None:
                events.append(event)
            elif whole and line.strip():
                unreadable += 1
    return events, unreadable


def event_files(folder: Path) -> list[Path]:
    """Below the folder, what was rotated before what came later; links are not followed."""
    found = [
        path
        for path in folder.rglob("*")
        if path.name.removesuffix(".1").endswith(EVENTS_SUFFIX)
        and path.is_file()
        and not path.is_symlink()
    ]
    return sorted(found, key=lambda path: (path.name.removesuffix(".1"), path.suffix != ".1"))


def read_cluster(folder: Path, name: str) -> Recording:
    """Of a folder in which a conductor let its nodes write."""
    recording = Recording(name=name)
    recording.events, unreadable = read_events(event_files(folder))
    facts = read_json(folder / FACTS_NAME)
    recording.lab = str(facts.get("lab", ""))
    nodes = facts.get("nodes")
    if isinstance(nodes, list):
        recording.nodes = tuple(node for node in nodes if isinstance(node, str))
    recording.report = facts
    recording.history = _history(folder / HISTORY_NAME, recording.remarks)
    _count(unreadable, recording.remarks)
    return recording


def read_run(folder: Path, name: str) -> Recording:
    """Of a folder below `.lab/runs`. Raises LabError when it holds no events."""
    recording = Recording(name=name)
    paths = [folder / "events.jsonl"] if (folder / "events.jsonl").is_file() else []
    recording.events, unreadable = read_events(paths or event_files(folder))
    if not recording.events:
        raise LabError(f"the run {name} holds no events (looked in {folder})")
    recording.report = read_json(folder / "report.json")
    recording.lab = str(recording.report.get("lab", ""))
    recording.history = _history(folder / "history.jsonl", recording.remarks)
    _count(unreadable, recording.remarks)
    return recording


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty when there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _lines(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Each line, and whether it has its end. One of absurd length is passed over."""
    try:
        with path.open("rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                yield line, line.endswith(b"\n")
    except OSError:
        return


def _event(line: bytes) -> TimelineEvent | None:
    try:
        event = TimelineEvent.from_json(line.decode())
    except (ValueError, RecursionError):
        return None
    well_formed = (
        isinstance(event.node, str)
        and isinstance(event.kind, str)
        and type(event.seq) is int
        and type(event.lamport) is int
        and isinstance(event.at_ms, int | float)
        and not isinstance(event.at_ms, bool)
        and abs(event.at_ms) < 1e15  # also refuses what JSON has no number for
    )
    return event if well_formed else None


def _history(path: Path, remarks: list[str]) -> list[Entry]:
    """What clients saw; of a history that is wrong, the part before that."""
    entries: list[Entry] = []
    try:
        with path.open("rb") as file:
            for entry in parse_history(line for line in file if line.endswith(b"\n")):
                entries.append(entry)
    except FileNotFoundError:
        return []
    except OSError as error:
        remarks.append(f"the history cannot be read: {error.strerror}")
    except HistoryMalformed as wrong:
        remarks.append(f"of the history only what comes before its {wrong.message}")
    try:
        operations(entries)
    except HistoryMalformed as wrong:
        remarks.append(f"the history is left out: {wrong.message}")
        return []
    return entries


def _count(unreadable: int, remarks: list[str]) -> None:
    if unreadable:
        remarks.append(f"{unreadable:,} lines of the event files could not be read")
