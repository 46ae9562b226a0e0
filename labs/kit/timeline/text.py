"""The space-time diagram for a terminal: a lane a node, time downwards, a line an event.

Plain ASCII without colours or control characters, so that it survives logs, pipes and mail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from labs.kit.history import Entry
from labs.kit.lab import Lab
from labs.kit.text import visible
from labs.kit.timeline.build import diagram
from labs.kit.timeline.model import DOWN, PAUSED, Diagram, Message, RoleBand, Violation
from nodes.cluster.api import CLIENT
from nodes.timeline import TimelineEvent

LINES_MAX, WIDTH = 60, 100
TIME_WIDTH: Final = 10
# What comes all the time: so many, or fewer that are a large share of all.
ROUTINE_COUNT, ROUTINE_COUNT_MIN, ROUTINE_SHARE_MIN = 60, 12, 0.25
DESCRIPTION_WIDTH_MIN: Final = 30
UP, TOP, BETWEEN, GONE, FROZEN = "|", "#", "!", " ", ":"


@dataclass(frozen=True, slots=True)
class _Row:
    """One line: what the lanes show over their usual marks, and words. `message` only for a message
    that may be folded together with its neighbours."""

    at_ms: float
    order: int
    words: str
    node: str | None = None
    message: Message | None = None
    rule: bool = False


def text_diagram(
    events: Iterable[TimelineEvent],
    history: Sequence[Entry] = (),
    *,
    lab: Lab | None = None,
    nodes: Sequence[str] | None = None,
    violation: Violation | None = None,
    from_ms: float | None = None,
    to_ms: float | None = None,
    lines_max: int = LINES_MAX,
    width: int = WIDTH,
) -> str:
    """The last `lines_max` lines of the diagram, with a heading above them; ends in a newline."""
    found = diagram(
        events, history, lab=lab, nodes=nodes, violation=violation, from_ms=from_ms, to_ms=to_ms
    )
    return write(found, lines_max=lines_max, width=width)


def write(found: Diagram, *, lines_max: int = LINES_MAX, width: int = WIDTH) -> str:
    """The same for a diagram that is there already."""
    lanes = _Lanes(found, width)
    counts = Counter(message.kind for message in found.messages)
    routine = {
        kind
        for kind, count in counts.items()
        if count > ROUTINE_COUNT
        or (count > ROUTINE_COUNT_MIN and count > ROUTINE_SHARE_MIN * len(found.messages))
    }
    lines = [*_lines(sorted(_rows(found), key=lambda row: (row.at_ms, row.order)), lanes, routine)]
    left_out = len(lines) - lines_max
    heading = lanes.heading()
    if left_out > 0:
        lines = lines[-lines_max:]
        heading.append(f"{'...':>{TIME_WIDTH}}  {left_out:,} lines before these are left out")
    elif not lines:
        heading.append("nothing was recorded in this stretch of time")
    tail = [f"note: {remark}" for remark in found.remarks]
    return "\n".join(line.rstrip() for line in [*heading, *lines, *tail]) + "\n"


def _rows(found: Diagram) -> Iterator[_Row]:
    window = found.window
    for fault in found.faults:
        yield _Row(fault.began_ms, 0, f"fault: {visible(fault.text)}", rule=True)
        if fault.lasts and fault.ended_ms is not None and fault.ended_ms <= window.to_ms:
            yield _Row(fault.ended_ms, 0, f"over: {visible(fault.text)}", rule=True)
    for message in found.messages:
        # What arrives comes before what it causes, what is sent behind what caused it.
        received_ms = message.received_ms
        order, at_ms = (1, received_ms) if received_ms is not None else (3, message.at_ms)
        yield _Row(at_ms, order, "", message=message)
    for mark in found.marks:
        yield _Row(mark.at_ms, 2, mark.text, node=mark.node)
    for bar in found.operations:
        if bar.ended_ms is not None and bar.outcome != "ok":
            yield _Row(bar.ended_ms, 4, f"client {bar.title}")
    if found.violation is not None:
        at_ms = window.to_ms if found.violation.at_ms is None else found.violation.at_ms
        words = f"VIOLATION: {visible(found.violation.text)}"
        yield _Row(at_ms, 5, words, node=found.violation.node, rule=True)


def _lines(rows: Sequence[_Row], lanes: _Lanes, routine: set[str]) -> Iterator[str]:
    """Messages of routine kinds that stand together become one line."""
    place = 0
    while place < len(rows):
        row = rows[place]
        end = place + 1
        if _is_routine(row, routine):
            while end < len(rows) and _is_routine(rows[end], routine):
                end += 1
        if end - place > 2:
            yield lanes.folded(rows[place:end])
        else:
            yield from (lanes.line(one) for one in rows[place:end])
        place = end


def _is_routine(row: _Row, routine: set[str]) -> bool:
    return row.message is not None and row.message.kind in routine


class _Lanes:
    """Where the lanes are, and what each node was at the moment of the line. Ask for lines in order
    of time."""

    def __init__(self, found: Diagram, width: int) -> None:
        crossing = {one.source for one in found.messages} | {one.target for one in found.messages}
        names = ((CLIENT,) if CLIENT in crossing else ()) + found.nodes
        room = width - TIME_WIDTH - 4 - DESCRIPTION_WIDTH_MIN
        self._step = max(3, min(6, room // max(len(names), 1)))
        # Lanes that do not fit even so are cut off: a picture of a hundred nodes is no picture.
        shown = names[: max(1, room // self._step)]
        self._hidden = len(names) - len(shown)
        self._names = shown
        self._at = {name: self._step // 2 + place * self._step for place, name in enumerate(shown)}
        self._width = width
        self._roles = found.roles
        self._bands: dict[str, list[RoleBand]] = {name: [] for name in names}
        for band in sorted(found.bands, key=lambda band: band.began_ms, reverse=True):
            self._bands[band.node].append(band)
        self._now = dict.fromkeys(names, UP)

    def heading(self) -> list[str]:
        """The names of the lanes, and what their marks mean."""
        short = {name: visible(name)[: self._step - 1] for name in self._names}
        if len(CLIENT) >= self._step:
            short[CLIENT] = CLIENT[:3]
        cells = "".join(short[name].center(self._step) for name in self._names)
        lines = [f"{'ms':>{TIME_WIDTH}}  {cells}"]
        humble = self._roles[0].replace("_", " ") if self._roles else "up"
        meanings = [f"{UP} {humble}"]
        if len(self._roles) > 2:
            meanings.append(f"{BETWEEN} {', '.join(self._roles[1:-1]).replace('_', ' ')}")
        if len(self._roles) > 1:
            meanings.append(f"{TOP} {self._roles[-1].replace('_', ' ')}")
        meanings += [f"{FROZEN} paused", "blank: down"]
        marks = "o--> message   o--x lost   o--? arrival not recorded   * what a node says"
        above = [self._cut("   ".join(meanings)), self._cut(marks)]
        if self._hidden:
            above.append(f"{self._hidden} more nodes have no lane here")
        return above + lines

    def line(self, row: _Row) -> str:
        """One event."""
        cells = self._cells(row.at_ms)
        words = row.words
        if row.rule:
            cells = [cell if cell != " " else "-" for cell in cells]
        if row.message is not None:
            words = self._arrow(cells, row.message)
        if row.node in self._at:
            cells[self._at[row.node]] = "*"
        return self._join(f"{row.at_ms:>{TIME_WIDTH},.1f}", cells, words)

    def folded(self, rows: Sequence[_Row]) -> str:
        """Many messages of routine kinds."""
        messages = [row.message for row in rows if row.message is not None]
        lost = sum(message.fate == "lost" for message in messages)
        cells = self._cells(rows[-1].at_ms)
        kinds = Counter(visible(message.kind) for message in messages).most_common()
        words = f"since {rows[0].at_ms:,.1f}: " + (f"{lost} lost of " if lost else "")
        words += ", ".join(f"{count} {kind}" for kind, count in kinds)
        return self._join(f"{rows[-1].at_ms:>{TIME_WIDTH},.1f}", cells, words)

    def _cells(self, at_ms: float) -> list[str]:
        cells = [" "] * (len(self._names) * self._step)
        for name in self._names:
            bands = self._bands[name]
            while bands and bands[-1].began_ms <= at_ms:
                self._now[name] = self._mark(bands.pop().role)
            cells[self._at[name]] = self._now[name]
        return cells

    def _mark(self, role: str) -> str:
        if role in (DOWN, PAUSED):
            return GONE if role == DOWN else FROZEN
        if role not in self._roles or role == self._roles[0]:
            return UP
        return TOP if role == self._roles[-1] else BETWEEN

    def _arrow(self, cells: list[str], message: Message) -> str:
        what = visible(message.kind) + (" response" if message.is_response else "")
        fate = {
            "lost": f"{what} lost" + (f": {visible(message.why)}" if message.why else ""),
            "open": f"{what}, arrival not recorded",
            "arrived": what,
        }[message.fate]
        way = visible(f"{message.source}>{message.target}")
        source, target = self._at.get(message.source), self._at.get(message.target)
        if source is None or target is None or source == target:
            return f"{fate} {way}"
        step = 1 if target > source else -1
        end = target if message.fate == "arrived" else source + (target - source) * 2 // 3
        for place in range(source + step, end, step):
            cells[place] = "-"
        cells[source] = "o"
        cells[end] = {"arrived": ">" if step > 0 else "<", "lost": "x", "open": "?"}[message.fate]
        if message.sent_ms is not None and message.received_ms is not None:
            return f"{fate} after {message.received_ms - message.sent_ms:.1f} ms"
        return fate

    def _join(self, time: str, cells: Sequence[str], words: str) -> str:
        return self._cut(f"{time}  {''.join(cells)} {words}")

    def _cut(self, line: str) -> str:
        return line if len(line) <= self._width else f"{line[: self._width - 3]}..."
