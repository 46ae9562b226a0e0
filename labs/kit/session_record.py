"""What the conductor itself writes down of a session: faults, client operations, which lab it is.

With the nodes' own events that is everything a space-time diagram needs. Writing it never stops a
lab: once the disk is full or the record long enough, the rest is not recorded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from labs.kit.history import BUSINESS, Entry
from labs.kit.last_run import CLIENT_EVENTS_NAME, FACTS_NAME, HISTORY_NAME
from labs.kit.operations import NODE_VERBS, Operation, Outcome
from labs.kit.text import visible_bytes
from nodes.cluster.api import CLIENT
from nodes.timeline import CRASHED, FAULT, TimelineEvent

BYTES_MAX: Final = 8 << 20  # of each file
VALUE_LENGTH_MAX: Final = 200  # of a value in the history; longer ones are cut, and say so


class SessionRecord:
    """Of one session, in the folder of its cluster. `now_ms` is the cluster's clock."""

    def __init__(self, folder: Path, now_ms: Callable[[], float]) -> None:
        self._folder = folder
        self._began_ns = time.monotonic_ns() - int(now_ms() * 1e6)
        self._room = {CLIENT_EVENTS_NAME: BYTES_MAX, HISTORY_NAME: BYTES_MAX}
        self._seq = 0
        self._lamport = 0
        self._idle: list[int] = []
        self._processes = 0

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Says which lab this is."""
        self._append(FACTS_NAME, json.dumps(facts))

    def now_ms(self) -> float:
        """The session's time, finer than the cluster tells it."""
        return self._now_ns() / 1e6

    def fault(self, result: Mapping[str, Any], began_ms: float) -> None:
        """A fault has been brought about, in the time since `began_ms`."""
        fields = {
            "fault": json.dumps(result["fault"]),
            "sentence": str(result["sentence"]),
            "began_ms": round(began_ms, 3),
        }
        self._event(FAULT, fields)

    def died(self, node: str, text: str) -> None:
        """A node is down, and no fault did it."""
        self._event(CRASHED, {"of": node, "text": text})

    def invoked(self, operation: Operation) -> Callable[[Outcome], None]:
        """A client operation begins; call what is returned when it has ended. One that is about a
        node and no key is told by the nodes' own events."""
        if operation.verb in NODE_VERBS:
            return lambda _outcome: None
        process = self._idle.pop() if self._idle else self._processes
        self._processes = max(self._processes, process + 1)
        bare = operation.verb in ("get", "delete") or (
            operation.verb in BUSINESS and not operation.value
        )
        value: Any = None if bare else _shown(operation.value)
        if operation.verb == "cas":
            old = None if operation.expected is None else _shown(operation.expected)
            value = [old, value]
        extra = {"node": operation.node} if operation.node is not None else {}
        extra |= {name: str(getattr(operation, name)) for name in operation.options()}

        def write(type: Any, value: Any, error: str | None) -> None:
            entry = Entry(
                process, type, operation.verb, value, operation.key, self._now_ns(), error, extra
            )
            self._append(HISTORY_NAME, entry.to_json())

        def ended(outcome: Outcome) -> None:
            if outcome.ok is None:
                write("info", value, outcome.error)
                return  # an operation that may still happen keeps its process for ever
            self._idle.append(process)
            result = _read(outcome) if operation.verb == "get" else value
            write("ok" if outcome.ok else "fail", result, outcome.error)

        write("invoke", value, None)
        return ended

    def _event(self, kind: str, fields: Mapping[str, Any]) -> None:
        self._seq += 1
        self._lamport += 1
        at_ms = round(self.now_ms(), 3)
        event = TimelineEvent(CLIENT, self._seq, self._lamport, at_ms, kind, fields)
        self._append(CLIENT_EVENTS_NAME, event.to_json())

    def _append(self, name: str, line: str) -> None:
        data = line.encode() + b"\n"
        room = self._room.get(name, BYTES_MAX) - len(data)
        if room < 0:
            return
        self._room[name] = room
        try:
            with (self._folder / name).open("ab") as file:
                file.write(data)
        except OSError:
            self._room[name] = 0

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._began_ns


def _read(outcome: Outcome) -> str | list[str] | None:
    if len(outcome.values) > 1:
        return [_shown(value) for value in outcome.values]
    return None if outcome.value is None else _shown(outcome.value)


def _shown(value: bytes) -> str:
    text = visible_bytes(value[: VALUE_LENGTH_MAX + 1])
    return text if len(value) <= VALUE_LENGTH_MAX else f"{text[:VALUE_LENGTH_MAX]}..."
