"""What clients saw, as JSON Lines in Jepsen's shape and in real-time order.

    {"process": 0, "type": "invoke", "f": "write", "key": "x", "value": 1, "time": 12000000}

`type` is invoke, ok, fail (did not happen) or info (may have happened, and is open for ever);
`time` is in nanoseconds; `key` is missing when there is one object only. Fields that nobody here
knows are kept. A process has one operation at a time, and none after an info.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from labs.kit.errors import LabError
from labs.kit.text import visible

EntryType = Literal["invoke", "ok", "fail", "info"]
TYPES: Final = ("invoke", "ok", "fail", "info")
# Of labs with a bank or a shop. No model judges them; they are kept for pictures.
BUSINESS: Final = (
    *("transfer", "balance", "order-place", "order-status", "order-list"),
    *("order-retry", "order-skip", "order-compensate"),
)
FUNCTIONS: Final = (
    *("read", "write", "cas", "append", "add", "enqueue", "dequeue", "increment"),
    *("put", "get", "delete"),
    *BUSINESS,
)
# What a compare-and-set is told when it fails since another value than the expected is there.
OTHER_VALUE: Final = "the register held another value"
_KNOWN: Final = frozenset(("process", "type", "f", "key", "value", "time", "error"))


class HistoryMalformed(LabError):
    """The history cannot be judged; the message names the line."""


class Entry(NamedTuple):
    """One line. `extra` holds the fields that are not named here; it must not be changed."""

    process: int
    type: EntryType
    f: str
    value: Any = None
    key: str | None = None
    time: int = 0
    error: str | None = None
    extra: Mapping[str, Any] = {}

    def to_json(self) -> str:
        """The line, without its newline."""
        line: dict[str, Any] = {"process": self.process, "type": self.type, "f": self.f}
        if self.key is not None:
            line["key"] = self.key
        line |= {"value": self.value, "time": self.time}
        if self.error is not None:
            line["error"] = self.error
        return json.dumps({**line, **self.extra}, separators=(", ", ": "))


class Operation(NamedTuple):
    """An invocation with what became of it. `invoked` and `completed` are places in the history;
    `completed` is None when the outcome is info. `argument` is the invocation's value, `result`
    the completion's."""

    number: int
    process: int
    f: str
    key: str | None
    argument: Any
    result: Any
    outcome: Literal["ok", "fail", "info"]
    invoked: int
    completed: int | None
    invoked_ns: int
    completed_ns: int | None


class Recorder:
    """Writes a history as it happens. `now_ns` is monotonic.

    Ask for a `process` once a client, and again after every info.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.entries: list[Entry] = []
        self._now_ns = now_ns
        self._processes = 0

    def process(self) -> int:
        """A number that no process had before."""
        self._processes += 1
        return self._processes - 1

    def invoke(self, process: int, f: str, value: Any = None, key: str | None = None) -> Pending:
        """An operation begins."""
        self.entries.append(Entry(process, "invoke", f, value, key, self._now_ns()))
        return Pending(self, process, f, value, key)

    def complete(self, entry: Entry) -> None:
        """An operation ends; used by Pending."""
        self.entries.append(entry)

    def now_ns(self) -> int:
        """The time that goes into the history."""
        return self._now_ns()


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation under way; end it once, by one of its methods."""

    recorder: Recorder
    process: int
    f: str
    value: Any
    key: str | None

    def ok(self, value: Any = None) -> None:
        """It happened; what was read, or what was written again."""
        self._end("ok", self.value if value is None and self.f != "read" else value, None)

    def fail(self, error: str) -> None:
        """It certainly did not happen."""
        self._end("fail", self.value, error)

    def info(self, error: str) -> None:
        """Nobody knows. The process must not be used again."""
        self._end("info", self.value, error)

    def _end(self, type: EntryType, value: Any, error: str | None) -> None:
        now_ns = self.recorder.now_ns()
        self.recorder.complete(Entry(self.process, type, self.f, value, self.key, now_ns, error))


def write_history(path: Path, entries: Iterable[Entry]) -> None:
    """One line an entry."""
    with path.open("w", encoding="utf-8") as file:
        for entry in entries:
            file.write(entry.to_json() + "\n")


def read_history(path: Path) -> list[Entry]:
    """All entries. Raises HistoryMalformed with the number of the line: for one that is no entry or
    is out of order, and when there is none."""
    try:
        with path.open("rb") as file:
            entries = list(parse_history(file))
    except OSError as error:
        raise HistoryMalformed(f"cannot read {path}: {error.strerror}") from None
    if not entries:
        raise HistoryMalformed(f"{path} is empty: a history without operations proves nothing")
    return entries


def parse_history(lines: Iterable[bytes]) -> Iterator[Entry]:
    """The entries of these lines. Raises HistoryMalformed."""
    latest = 0
    for number, line in enumerate(lines, 1):
        entry = _entry(line, number)
        if entry.time < latest:
            raise _wrong(number, f"time {entry.time} is before the line above: sort by time first")
        latest = entry.time
        yield entry


def operations(entries: Sequence[Entry]) -> list[Operation]:
    """Invocations paired with their completions, in order of invocation; what has no completion is
    info. Raises HistoryMalformed for a completion without invocation, two operations of one process
    at once, and a process that goes on after an info."""
    found: list[Operation] = []
    under_way: dict[int, tuple[int, int, Entry]] = {}  # process -> number, place, invocation
    closed: set[int] = set()
    for place, entry in enumerate(entries):
        process, type, f, value, key, time_ns, _, _ = entry
        if type == "invoke":
            if process in under_way:
                at = under_way[process][1] + 1
                raise _wrong(
                    place + 1, f"process {process} invokes before its operation of {at} ended"
                )
            if process in closed:
                raise _wrong(
                    place + 1, f"process {process} goes on after an info; give it a new number"
                )
            under_way[process] = len(found), place, entry
            # What is never completed stays as it is here.
            found.append(
                Operation(
                    len(found), process, f, key, value, None, "info", place, None, time_ns, None
                )
            )
            continue
        begun = under_way.pop(process, None)
        if begun is None:
            raise _wrong(place + 1, f"process {process} completes what it did not invoke")
        number, invoked, first = begun
        if f != first.f or key != first.key:
            raise _wrong(place + 1, f"this completes another operation than {invoked + 1} invoked")
        if type == "info":
            closed.add(process)
            continue
        result = value if type == "ok" else None
        found[number] = Operation(
            number, process, f, key, first.value, result, type, invoked, place, first.time, time_ns
        )
    return found


def _entry(line: bytes, number: int) -> Entry:
    try:
        raw = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError) as cause:
        raise _wrong(number, f"no JSON ({cause})") from None
    if not isinstance(raw, dict):
        raise _wrong(number, "expected a JSON object")
    process, time_ns, key, error = (raw.get(name) for name in ("process", "time", "key", "error"))
    if type(process) is not int or process < 0:
        raise _wrong(number, f"process is {process!r}, expected a number from 0 on")
    if raw.get("type") not in TYPES:
        raise _wrong(number, f"type is {raw.get('type')!r}, expected one of {', '.join(TYPES)}")
    if raw.get("f") not in FUNCTIONS:
        raise _wrong(number, f"f is {raw.get('f')!r}, expected one of {', '.join(FUNCTIONS)}")
    if key is not None and not isinstance(key, str):
        raise _wrong(number, f"key is {key!r}, expected a string")
    if time_ns is not None and (type(time_ns) is not int or time_ns < 0):
        raise _wrong(number, f"time is {time_ns!r}, expected nanoseconds")
    return Entry(
        process=process,
        type=raw["type"],
        f=raw["f"],
        value=raw.get("value"),
        key=key,
        time=time_ns or 0,
        error=None if error is None else str(error),
        extra={name: value for name, value in raw.items() if name not in _KNOWN},
    )


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _wrong(line: int, what: str) -> HistoryMalformed:
    return HistoryMalformed(f"line {line}: {visible(what)}")
