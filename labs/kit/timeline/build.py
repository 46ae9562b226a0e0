"""From what was recorded to what is drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from labs.kit.history import BUSINESS, Entry, Operation, operations
from labs.kit.lab import Lab, no_role, no_spans
from labs.kit.sentences import sentence
from labs.kit.text import visible
from labs.kit.timeline.faults import fault_bands
from labs.kit.timeline.messages import Coverage, coverage, pair
from labs.kit.timeline.model import Diagram, OperationBar, Violation, Window
from labs.kit.timeline.roles import as_mapping, marks, role_bands
from labs.kit.timeline.spans import spans
from nodes.cluster.api import CLIENT
from nodes.timeline import TimelineEvent

VALUE_LENGTH_MAX = 40
_PARTS = re.compile(r"(\d+)")


def diagram(
    events: Iterable[TimelineEvent],
    history: Sequence[Entry] = (),
    *,
    lab: Lab | None = None,
    nodes: Sequence[str] | None = None,
    violation: Violation | None = None,
    from_ms: float | None = None,
    to_ms: float | None = None,
) -> Diagram:
    """All layers between `from_ms` and `to_ms`; by default the whole run.

    `lab` gives roles and sentences. `nodes` are the lanes in order; by default whoever has an
    event. Raises HistoryMalformed when the history cannot be read as one.
    """
    ordered = sorted(events, key=lambda event: (event.at_ms, event.lamport, event.node, event.seq))
    bars = _bars(history)
    lanes = tuple(nodes) if nodes is not None else _lanes(ordered)
    window = _window(ordered, bars, from_ms, to_ms)
    covered = coverage(ordered)

    def say(event: TimelineEvent) -> str:
        return _say(lab, event)

    everyone = frozenset((*lanes, CLIENT))
    messages = [
        message
        for message in pair(ordered, covered)
        if message.source in everyone
        and message.target in everyone
        and window.touches(message.at_ms, message.received_ms or message.at_ms)
    ]
    role_in_note = lab.role_in_note if lab is not None else no_role
    quiet = lab.quiet_kinds if lab is not None else frozenset()
    bands = role_bands(ordered, lanes, role_in_note, say)
    return Diagram(
        nodes=lanes,
        window=window,
        operations=[bar for bar in bars if window.touches(bar.began_ms, bar.ended_ms)],
        messages=messages,
        faults=[
            band
            for band in fault_bands(ordered, lanes)
            if window.touches(band.began_ms, band.ended_ms)
        ],
        bands=[band for band in bands if window.touches(band.began_ms, band.ended_ms)],
        marks=[
            mark
            for mark in marks(ordered, lanes, quiet, role_in_note, say)
            if _inside(window, mark.at_ms)
        ],
        spans=[
            span
            for span in spans(ordered, lanes, lab.spans_in_note if lab is not None else no_spans)
            if window.touches(span.began_ms, span.ended_ms)
        ],
        violation=_one_line(violation),
        roles=lab.roles if lab is not None else (),
        remarks=_remarks(covered, lanes),
    )


def operation_label(operation: Operation) -> str:
    """In as few characters as possible: `w x=1`, `r x: 1`, `cas x 1>2`."""
    key = "" if operation.key is None else f" {operation.key}"
    short = {"write": "w", "read": "r"}.get(operation.f, operation.f)
    if operation.f in ("read", "get", "dequeue"):
        result = f": {_value(operation.result)}" if operation.outcome == "ok" else ""
        return visible(f"{short}{key}{result}")
    argument = operation.argument
    if operation.f in BUSINESS:
        return visible(f"{short}{key}")  # what it is of is too long
    if operation.f == "cas" and isinstance(argument, list) and len(argument) == 2:
        return visible(f"cas{key} {_value(argument[0])}>{_value(argument[1])}")
    if argument is None:
        return visible(f"{short}{key}")
    return visible(f"{short}{key}={_value(argument)}")


def _bars(history: Sequence[Entry]) -> list[OperationBar]:
    heard: dict[int, list[Entry]] = {}  # by process, its completions in order
    for entry in history:
        if entry.type != "invoke":
            heard.setdefault(entry.process, []).append(entry)
    turns = {process: iter(entries) for process, entries in heard.items()}
    bars = []
    for operation in operations(history):
        # A process has one operation at a time, so its completions come in the same order.
        last = next(turns.get(operation.process, iter(())), None)
        bars.append(_bar(operation, last))
    return bars


def _bar(operation: Operation, last: Entry | None) -> OperationBar:
    began_ms = operation.invoked_ns / 1e6
    ended_ms = None if last is None else last.time / 1e6
    label = operation_label(operation)
    took = "" if ended_ms is None else f", {ended_ms - began_ms:.1f} ms"
    meaning = {"ok": "ok", "fail": "did not happen", "info": "may have happened"}[operation.outcome]
    error = f": {last.error}" if last is not None and last.error else ""
    title = f"process {operation.process}: {label}; {meaning}{took}{error}"
    return OperationBar(
        operation.number,
        operation.process,
        label,
        visible(title),
        operation.outcome,
        began_ms,
        ended_ms,
    )


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= VALUE_LENGTH_MAX else f"{text[: VALUE_LENGTH_MAX - 3]}..."


def _say(lab: Lab | None, event: TimelineEvent) -> str:
    if lab is not None:
        return sentence(lab, as_mapping(event))
    fields = ", ".join(f"{name} {value}" for name, value in event.fields.items())
    return visible(f"{event.node}: {event.kind.replace('_', ' ')}" + (fields and f" ({fields})"))


def _lanes(events: Sequence[TimelineEvent]) -> tuple[str, ...]:
    names = {event.node for event in events} - {CLIENT}
    return tuple(sorted(names, key=_natural))


def _natural(name: str) -> list[tuple[int, str]]:
    """n2 before n10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in _PARTS.split(name)]


def _window(
    events: Sequence[TimelineEvent],
    bars: Sequence[OperationBar],
    from_ms: float | None,
    to_ms: float | None,
) -> Window:
    first = min((event.at_ms for event in events), default=0.0)
    last = max((event.at_ms for event in events), default=first)
    first = min((bar.began_ms for bar in bars), default=first) if not events else first
    last = max([last, *(bar.ended_ms or bar.began_ms for bar in bars)]) if bars else last
    begin = first if from_ms is None else from_ms
    end = last if to_ms is None else to_ms
    return Window(begin, max(end, begin))


def _one_line(violation: Violation | None) -> Violation | None:
    """An explanation may have several lines; a picture wraps them by itself."""
    return violation and replace(violation, text=" ".join(violation.text.split()))


def _inside(window: Window, at_ms: float) -> bool:
    return window.from_ms <= at_ms <= window.to_ms


def _remarks(covered: dict[str, Coverage], nodes: tuple[str, ...]) -> tuple[str, ...]:
    gaps = [f"{node} ({covered[node].missing})" for node in nodes if _has_gaps(covered, node)]
    if not gaps:
        return ()
    return (
        f"events are missing from the record of {', '.join(gaps)}: "
        "what they received may show as not arrived",
    )


def _has_gaps(covered: dict[str, Coverage], node: str) -> bool:
    return node in covered and covered[node].missing > 0
