"""Client operations: a bar each, in a row with others of its client; shape and colour say how it
ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from labs.kit.timeline import palette
from labs.kit.timeline.model import OperationBar, Violation
from labs.kit.timeline.sheet import PLOT_WIDTH, Sheet, time_text

ROWS_MAX: Final = 32
BARS_MAX: Final = 3000
NARROWEST_PX: Final = 3.0
_FAIL_END = "<path d='M-3-3l6 6m0-6l-6 6' stroke='#57606a' stroke-width='1.6' fill='none'/>"
_INFO_END = f"<path d='M0-4l6 4l-6 4z' fill='{palette.INFO_EDGE}'/>"


def rows_of(bars: Sequence[OperationBar], sheet: Sheet) -> list[list[OperationBar]]:
    """Which bars share a row: those of one process, and of the process that took over from it."""
    rows: list[list[OperationBar]] = []
    row_of_process: dict[int, int] = {}
    free_at: list[float] = []
    left = Counter(bar.process for bar in bars)
    for bar in sorted(bars, key=lambda bar: (bar.began_ms, bar.number)):
        row = row_of_process.get(bar.process)
        if row is None:
            taken = set(row_of_process.values())
            free = [place for place, at in enumerate(free_at) if at <= bar.began_ms]
            # A process that does not come back leaves its row to the next one.
            row = next((place for place in free if place not in taken), None)
            if row is None:
                row = len(rows)
                rows.append([])
                free_at.append(0.0)
            row_of_process[bar.process] = row
        rows[row].append(bar)
        free_at[row] = sheet.window.to_ms if bar.ended_ms is None else bar.ended_ms
        left[bar.process] -= 1
        if bar.outcome == "info" or not left[bar.process]:
            del row_of_process[bar.process]
    return rows


def merged(
    rows: Sequence[Sequence[OperationBar]], sheet: Sheet, apart_px: float, keep: int | None
) -> list[list[OperationBar]]:
    """The same rows with neighbours of one outcome as one bar, where less than `apart_px` is
    between the beginning of the one and the end of the other. The operation `keep` stays as it
    is."""
    return [_merge_row(row, sheet, apart_px, keep) for row in rows]


def _merge_row(
    row: Sequence[OperationBar], sheet: Sheet, apart_px: float, keep: int | None
) -> list[OperationBar]:
    found: list[OperationBar] = []
    counts: list[int] = []
    for bar in row:
        before = found[-1] if found else None
        if (
            before is not None
            and before.ended_ms is not None
            and bar.ended_ms is not None
            and before.outcome == bar.outcome
            and keep not in (before.number, bar.number)
            and sheet.x(bar.ended_ms) - sheet.x(before.began_ms) < apart_px
        ):
            counts[-1] += 1
            found[-1] = replace(before, ended_ms=bar.ended_ms)
            continue
        found.append(bar)
        counts.append(1)
    meaning = {"ok": "all ok", "fail": "none happened", "info": "all of unknown outcome"}
    return [
        bar
        if count == 1
        else replace(bar, label=str(count), title=f"{count} operations, {meaning[bar.outcome]}")
        for bar, count in zip(found, counts, strict=True)
    ]


def few_enough(
    rows: Sequence[Sequence[OperationBar]], sheet: Sheet, violation: Violation | None
) -> list[list[OperationBar]]:
    """Merges neighbours, more and more of them, until there are not too many."""
    keep = violation.operation if violation is not None else None
    found, apart_px = [list(row) for row in rows[:ROWS_MAX]], NARROWEST_PX
    while sum(map(len, found)) > BARS_MAX and apart_px < PLOT_WIDTH:
        found = merged(rows[:ROWS_MAX], sheet, apart_px, keep)
        apart_px *= 2
    return found


def row_height(count: int) -> float:
    """Fewer rows are higher, so that words fit into them."""
    return 18.0 if count <= 10 else 11.0 if count <= 20 else 7.0


def draw_operations(
    sheet: Sheet, rows: Sequence[Sequence[OperationBar]], top: float, violation: Violation | None
) -> int:
    """Draws the first rows, and returns how many operations of others were left out."""
    height = row_height(min(len(rows), ROWS_MAX))
    shown = few_enough(rows, sheet, violation)
    stuck: tuple[float, float, float] | None = None
    for number, row in enumerate(shown):
        y = top + number * height
        for bar in row:
            begin, end = _draw_bar(sheet, bar, y + 1, height - 3)
            if violation is not None and violation.operation == bar.number:
                stuck = (begin, end, y)
    if stuck is not None:
        _mark(sheet, *stuck, height, violation)
    return sum(len(row) for row in rows[ROWS_MAX:])


def _draw_bar(sheet: Sheet, bar: OperationBar, y: float, height: float) -> tuple[float, float]:
    begin, end = sheet.span(bar.began_ms, bar.ended_ms)
    width = end - begin
    where = "" if bar.ended_ms is not None else "; no response by the end"
    title = f"{bar.title}; from {time_text(bar.began_ms)}{where}"
    middle = y + height / 2
    if bar.outcome == "ok":
        style = f"rx='2' fill='{palette.OK_FILL}'"
        sheet.box(begin, y, width, height, style, title, least=NARROWEST_PX)
    elif bar.outcome == "fail":
        style = f"rx='2' fill='#ffffff' stroke='{palette.FAIL_EDGE}'"
        sheet.box(begin, y, width, height, style, title, least=NARROWEST_PX)
        sheet.stay(end, middle, _FAIL_END, title)
    else:
        style = f"fill='url(#fl-info)' stroke='{palette.INFO_EDGE}' stroke-dasharray='3 2'"
        sheet.box(begin, y, width, height, style, title, least=NARROWEST_PX)
        sheet.stay(end, middle, _INFO_END, title)
    if height >= 12:
        colour = "#ffffff" if bar.outcome == "ok" else "#1f2328"
        sheet.label(begin, end, middle + 3.6, bar.label, size=10, colour=colour, bold=True)
    return begin, end


def _mark(
    sheet: Sheet, begin: float, end: float, y: float, height: float, violation: Violation | None
) -> None:
    style = f"rx='5' fill='none' stroke='{palette.VIOLATION}' stroke-width='2.5'"
    text = violation.text if violation is not None else ""
    sheet.box(begin, y - 2, end - begin, height + 2, style, text, least=8.0)
