"""A failure that was found, kept as files below `.lab/fuzz/`, with the command that shows it again.

The schedule is a file for people to read and edit; a file beside it, of the same name with `.json`,
says how it failed, so that a replay can tell whether it fails in the same way.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import Any

from labs.kit.appends import History, Operation
from labs.kit.errors import LabError
from labs.kit.fuzz.run import Failure, Record
from labs.kit.fuzz.target import DURATION_MS, Case
from labs.kit.history import Entry
from labs.kit.registry import load_lab
from labs.kit.text import visible

WINDOW_MS = 1500  # before the failure, as the diagram shows it
LINES_MAX = 40
BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that fails, and how."""

    lab: str
    case: Case
    failure: Failure

    @property
    def name(self) -> str:
        """Of its files, without their ends."""
        return "-".join(filter(None, (self.lab, str(self.case.seed), self.case.mutant)))

    def command(self, schedule: Path) -> str:
        """What runs it again."""
        words = ["lab", "replay", self.lab, "--seed", str(self.case.seed)]
        words += ["--schedule", str(schedule)]
        if self.case.mutant is not None:
            words += ["--mutant", self.case.mutant]
        if self.case.clients is not None:
            words += ["--clients", str(self.case.clients)]
        if self.case.duration_ms != DURATION_MS:
            words += ["--duration", f"{self.case.duration_ms}ms"]
        return shlex.join(words)

    def save(self, folder: Path) -> Path:
        """Writes both files; returns the schedule's. Raises LabError when that cannot be done."""
        assert self.case.schedule is not None, "what is kept has its faults written out"
        path = folder / f"{self.name}.yaml"
        head = [
            f"{self.lab}, seed {self.case.seed}: {self.failure.message}",
            self.command(path),
        ]
        comments = "".join(f"# {visible(' '.join(line.split()))}\n" for line in head)
        known = {"lab": self.lab, "seed": self.case.seed, "mutant": self.case.mutant}
        known |= {"promise": self.failure.promise, "message": self.failure.message}
        known |= {"at_ms": self.failure.at_ms, "replay": self.command(path)}
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(comments + self.case.schedule.dump(), encoding="utf-8")
            path.with_suffix(".json").write_text(json.dumps(known, indent=2) + "\n", "utf-8")
        except OSError as error:
            raise LabError(f"{path}: cannot be written: {error.strerror}") from None
        return path


def expected_promise(schedule: Path) -> str | None:
    """How the schedule failed when it was saved; None when nobody said."""
    path = schedule.with_suffix(".json")
    try:
        with path.open(encoding="utf-8") as file:
            known: Any = json.loads(file.read(BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return None  # A schedule that was written by hand, for instance.
    promise = known.get("promise") if isinstance(known, dict) else None
    return promise if isinstance(promise, str) else None


def picture(lab: str, record: Record, *, lines: int = LINES_MAX) -> str:
    """The space-time diagram of the last moments before the failure, or of the run's end."""
    from labs.kit.timeline import Violation, text_diagram

    failure = record.outcome.failure
    until_ms = failure.at_ms if failure else record.outcome.virtual_ms
    return text_diagram(
        record.events,
        entries(record.history),
        lab=load_lab(lab),
        nodes=record.nodes,
        violation=Violation(failure.message, failure.at_ms) if failure else None,
        from_ms=max(0, until_ms - WINDOW_MS),
        to_ms=until_ms + 1,
        lines_max=lines,
    )


def entries(history: History) -> Sequence[Entry]:
    """The history in the form in which histories are exchanged."""
    by_client: dict[int, list[Operation]] = {}
    for operation in history.operations:
        by_client.setdefault(operation.client, []).append(operation)
    # After an unknown outcome a client is another process: numbers that no client has.
    fresh = iter(range(len(by_client), len(by_client) + len(history.operations) + 1))
    streams = [list(_entries(client, ops, fresh)) for client, ops in sorted(by_client.items())]
    return list(merge(*streams, key=lambda entry: entry.time))


def _entries(process: int, operations: list[Operation], fresh: Iterator[int]) -> Iterator[Entry]:
    for op in operations:
        argument = visible(op.token.decode()) if op.kind == "append" else None
        yield Entry(process, "invoke", op.kind, argument, op.key, op.invoked_ms * 1_000_000)
        if op.completed_ms is None:
            process = next(fresh)
            continue
        read = op.kind == "read" and op.outcome == "ok"
        result = op.value.decode() if read else argument
        at_ns = op.completed_ms * 1_000_000
        yield Entry(process, op.outcome, op.kind, result, op.key, at_ns)
