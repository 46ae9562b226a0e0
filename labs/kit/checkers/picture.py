"""A history and its verdict as SVG: a row a process, a bar an operation, time from left to right.

A bar spans from invocation to response; one that never returned fades out at the right edge. A dot
in a bar is the moment at which the operation takes effect in the longest order that works, with its
place in that order; the operation that fits nowhere is red. Places on the axis are lines of the
history, evenly spaced, since that is what order means; they are named by their times if they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from labs.kit.checkers.models import describe
from labs.kit.history import Entry, Operation, operations
from labs.kit.svg import BACK, FAINT, INK, Drawing, text_width, title, words
from labs.kit.verdict import Counterexample, Verdict

RED, RED_BACK, BLUE, BLUE_BACK, GREY, GREY_BACK = (
    *("#cf222e", "#ffebe9", "#0969da", "#ddf4ff", "#57606a", "#eaeef2"),
)
LEFT, RIGHT, MARGIN = 110.0, 24.0, 24.0
ROW, BAR = 44.0, 26.0
SHOWN_MAX: Final = 40  # operations in a picture: those around the one that fits nowhere
SLOT: Final = 56.0  # width that an operation should have on average
LABEL: Final = 11
WIDTH_MIN: Final = 760.0


@dataclass(frozen=True, slots=True)
class _View:
    """What is shown, and where."""

    shown: Sequence[Operation]
    hidden: int
    rows: dict[int, int]
    first: int
    last: int
    width: float

    def x(self, place: float) -> float:
        """Of a line of the history."""
        share = (place - self.first) / max(1, self.last - self.first)
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, operation: Operation) -> float:
        """Top of its bar."""
        return 96 + self.rows[operation.process] * ROW


def svg(verdict: Verdict, entries: Sequence[Entry]) -> str:
    """The picture: of a violation around it, else of the beginning of the history."""
    why = verdict.counterexample
    view = _view(_candidates(why, entries), why)
    drawing = Drawing()
    drawing.text(MARGIN, 34, _headline(verdict), size=17, bold=True)
    _legend(drawing, why, view)
    _axis(drawing, view, entries)
    order = {} if why is None else {n: (at, state) for at, (n, state) in enumerate(why.linearized)}
    moments = {} if why is None else _moments(why)
    for operation in view.shown:
        stuck = why is not None and operation.number == why.stuck
        _bar(drawing, view, operation, order.get(operation.number), stuck)
    previous: tuple[float, float] | None = None
    for number, moment in moments.items():
        one = next((o for o in view.shown if o.number == number), None)
        if one is None:
            previous = None
            continue
        at = view.x(moment), view.y(one) + BAR
        if previous is not None:
            drawing.add(
                f"<line x1='{previous[0]:.1f}' y1='{previous[1]:.1f}' x2='{at[0]:.1f}' "
                f"y2='{at[1]:.1f}' stroke='{BLUE}' stroke-opacity='0.35' stroke-dasharray='3 3'/>"
            )
        previous = at
    for number, moment in moments.items():
        one = next((o for o in view.shown if o.number == number), None)
        if one is not None:
            drawing.dot(view.x(moment), view.y(one) + BAR, BLUE)
    bottom = 96 + len(view.rows) * ROW + 26
    if why is not None:
        for line in _wrapped(why.explanation, int((view.width - 2 * MARGIN) / 6.6)):
            drawing.text(MARGIN, bottom, line, size=12)
            bottom += 17
    return drawing.document(view.width, bottom + 6)


def _candidates(why: Counterexample | None, entries: Sequence[Entry]) -> list[Operation]:
    if why is not None and why.operations:
        return list(why.operations)
    return operations(entries)[:SHOWN_MAX]


def _view(found: list[Operation], why: Counterexample | None) -> _View:
    found = sorted(found, key=lambda one: one.invoked)
    shown = found
    if why is not None and len(found) > SHOWN_MAX:
        shown = _around(found, why)
    places = [one.invoked for one in shown]
    places += [one.completed for one in shown if one.completed is not None]
    first, last = min(places, default=0), max(places, default=1) + 1
    processes = sorted({one.process for one in shown})
    width = max(WIDTH_MIN, LEFT + RIGHT + SLOT * len(shown))
    rows = {process: row for row, process in enumerate(processes)}
    return _View(shown, len(found) - len(shown), rows, first, last, width)


def _around(found: list[Operation], why: Counterexample) -> list[Operation]:
    """What was at work last before the violation, and the last writers, wherever they are."""
    stuck = next((one for one in found if one.number == why.stuck), None)
    end = (
        stuck.completed if stuck is not None and stuck.completed is not None else found[-1].invoked
    )
    ordered = [number for number, _ in why.linearized][-SHOWN_MAX * 2 // 3 :]
    wanted = {*ordered, *(() if stuck is None else (stuck.number,))}
    near = [one for one in found if one.invoked <= end and one.number in wanted]
    begin = min((one.invoked for one in near if one.completed is not None), default=0)
    wanted |= {
        one.number
        for one in found
        if begin <= one.invoked <= end or (one.completed or -1) >= begin > one.invoked
    }
    kept = [one for one in found if one.number in wanted and one.invoked <= end]
    return kept[-SHOWN_MAX:] if stuck is None or stuck in kept[-SHOWN_MAX:] else [
        stuck, *kept[-SHOWN_MAX + 1 :]
    ]  # fmt: skip


def _moments(why: Counterexample) -> dict[int, float]:
    """A moment for each operation of the order: increasing, and inside its bar."""
    by_number = {one.number: one for one in why.operations}
    order = [by_number[number] for number, _ in why.linearized]
    latest: list[float] = []
    limit = float(max((one.completed or one.invoked + 1 for one in why.operations), default=0))
    for one in reversed(order):
        limit = min(limit, limit if one.completed is None else float(one.completed))
        latest.append(max(limit, one.invoked + 1.0))
    latest.reverse()
    earliest: list[float] = []
    for one in order:
        earliest.append(max(float(one.invoked), earliest[-1] if earliest else 0.0))
    # Several may begin at one place: they share the room up to the next place in their order.
    for place, group in groupby(range(len(order)), key=lambda at: earliest[at]):
        members = list(group)
        for nth, at in enumerate(members, 1):
            earliest[at] = place + nth / (len(members) + 1)
    # Between the earliest and the latest moment; the middle keeps the order of both.
    return {
        one.number: (earliest[at] + max(latest[at], earliest[at])) / 2
        for at, one in enumerate(order)
    }


def _bar(
    drawing: Drawing,
    view: _View,
    operation: Operation,
    order: tuple[int, str] | None,
    stuck: bool,
) -> None:
    left, top = view.x(operation.invoked), view.y(operation)
    opened = operation.completed is None or operation.completed > view.last
    end = view.last if opened else operation.completed
    assert end is not None
    right = max(view.x(end), left + 6)
    edge, fill = (BLUE, BLUE_BACK) if order is not None else (GREY, GREY_BACK)
    if stuck:
        edge, fill = RED, RED_BACK
    dashes = " stroke-dasharray='4 3'" if opened else ""
    label = describe(operation)
    said = f"{label} of process {operation.process}, line {operation.invoked + 1}"
    if order is not None:
        said += f"; number {order[0] + 1} in the order, state after it: {order[1]}"
    if stuck:
        said += "; fits nowhere"
    room = right - left - 8
    short = label
    while short and text_width(short, LABEL) > room:
        short = short[:-1]
    if short != label:
        short = f"{short[:-1]}.." if len(short) > 3 else ""
    weight = " font-weight='600'" if stuck else ""
    drawing.add(
        f"<g>{title(said)}<rect x='{left:.1f}' y='{top:.1f}' width='{right - left:.1f}' "
        f"height='{BAR:.0f}' rx='3' fill='{fill}' stroke='{edge}' "
        f"stroke-width='{2 if stuck else 1}'{dashes}/>"
        f"<text x='{left + 4:.1f}' y='{top + 17:.1f}' font-size='{LABEL}' "
        f"fill='{RED if stuck else INK}'{weight}>{words(short)}</text></g>"
    )


def _axis(drawing: Drawing, view: _View, entries: Sequence[Entry]) -> None:
    for process, row in view.rows.items():
        y = 96 + row * ROW
        drawing.text(LEFT - 10, y + 17, f"process {process}", anchor="end")
        drawing.line([(LEFT, y + BAR + 8), (view.width - RIGHT, y + BAR + 8)], FAINT)
    timed = bool(entries) and entries[0].time != entries[-1].time
    count = max(2, int((view.width - LEFT - RIGHT) // 130))
    for tick in range(count + 1):
        place = round(view.first + (view.last - view.first) * tick / count)
        x = view.x(place)
        drawing.line([(x, 84), (x, 88)], GREY)
        entry = entries[min(place, len(entries) - 1)] if entries else None
        label = f"line {place + 1}"
        if timed and entry is not None:
            label = f"{entry.time / 1e6:,.1f} ms"
        anchor = "end" if tick == count else "middle"
        drawing.text(x, 80, label, size=10, anchor=anchor, colour=GREY)
    drawing.line([(LEFT, 88), (view.width - RIGHT, 88)], GREY)


def _headline(verdict: Verdict) -> str:
    said = {True: "yes", False: "NO", None: "could not tell"}[verdict.valid]
    return f"{verdict.consistency}: {said} ({verdict.model}, {verdict.operations:,} operations)"


def _legend(drawing: Drawing, why: Counterexample | None, view: _View) -> None:
    x = MARGIN
    entries = [(GREY, GREY_BACK, "operation")]
    if why is not None:
        entries = [
            (BLUE, BLUE_BACK, "in the longest order that works, dots are its moments"),
            (RED, RED_BACK, "fits nowhere"),
            (GREY, GREY_BACK, "not reached, or not needed"),
        ]
    for edge, fill, label in entries:
        drawing.add(
            f"<rect x='{x:.1f}' y='46' width='14' height='11' rx='2' fill='{fill}' "
            f"stroke='{edge}'/>"
        )
        drawing.text(x + 20, 56, label, size=11)
        x += 36 + text_width(label, 11)
    if view.hidden:
        drawing.text(x, 56, f"{view.hidden:,} operations are not shown", size=11, colour=GREY)


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(40, width))


__all__ = ["BACK", "svg"]
