"""The histories of ../shared/porcupine_data, as entries: logs of Jepsen and maps in EDN."""

from __future__ import annotations

import csv
import re
from typing import Any

from labs.kit.history import TYPES, Entry
from tests.support.source_rules import ROOT

FOLDER = ROOT.parent / "shared" / "porcupine_data"
ABSENT = f"{FOLDER} is not there: the recorded histories are not part of the project"
_LOG = re.compile(r"INFO\s+jepsen\.util - (\d+)\t:(\w+)\t:(\w+)\t(.*)")
_MAP = re.compile(r'\{:process (\d+), :type :(\w+), :f :(\w+), :key "(.*)", :value (nil|".*")\}')


def expected() -> dict[str, bool]:
    """Verdicts by the file's name below the folder."""
    with (FOLDER / "expected.csv").open() as file:
        return {row["file"]: row["linearizable"] == "true" for row in csv.DictReader(file)}


def model_of(name: str) -> str:
    """What a file is judged by."""
    return "kv" if name.startswith("kv/") else "cas-register"


def load(name: str) -> list[Entry]:
    """The entries of one file. Raises ValueError for a line that is of neither format."""
    lines = (FOLDER / name).read_text().splitlines()
    return _kv(lines) if name.startswith("kv/") else _jepsen(lines)


def _jepsen(lines: list[str]) -> list[Entry]:
    """Times are absent. An operation that timed out has no completion: a read, too, says nothing
    then, though its line says `:fail`."""
    entries = []
    for line in lines:
        process, type, f, value = _matched(_LOG, line)
        if value == ":timed-out":
            type, value = "info", "nil"
        entries.append(_entry(process, type, f, None, _argument(value)))
    return _fresh_processes(entries)


def _kv(lines: list[str]) -> list[Entry]:
    """A key that is not there is "" in these files and null in ours."""
    entries = []
    for line in lines:
        process, type, f, key, value = _matched(_MAP, line)
        text = None if value == "nil" else value[1:-1]
        if f == "get" and text == "":
            text = None
        entries.append(_entry(process, type, f, key, text))
    return entries


def _matched(pattern: re.Pattern[str], line: str) -> tuple[str, ...]:
    match = pattern.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"neither a Jepsen log nor a map: {line!r}")
    return match.groups()


def _argument(text: str) -> Any:
    if text == "nil":
        return None
    if text.startswith("["):
        return [int(word) for word in text[1:-1].split()]
    return int(text)


def _entry(process: str, type: str, f: str, key: str | None, value: Any) -> Entry:
    for known in TYPES:
        if known == type:
            return Entry(int(process), known, f, value, key)
    raise ValueError(f"no type of entry: {type}")


def _fresh_processes(entries: list[Entry]) -> list[Entry]:
    """After an info these clients go on under their old number; ours take a new one."""
    made, now = [], {entry.process: entry.process for entry in entries}
    fresh = max(now, default=0) + 1
    for entry in entries:
        process = now[entry.process]
        made.append(Entry(process, entry.type, entry.f, entry.value, entry.key))
        if entry.type == "info":
            now[entry.process], fresh = fresh, fresh + 1
    return made
