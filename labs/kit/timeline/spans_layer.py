"""Bars above the roles of a node: what lasts there, in rows that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from labs.kit.timeline import palette
from labs.kit.timeline.model import Span
from labs.kit.timeline.sheet import BAND_HEIGHT, Sheet, time_text

ROWS_MAX: Final = 3
ROW_HEIGHT: Final = 10.0
ABOVE_MARKS: Final = 13.0  # marks are between the bars and the roles
SPANS_MAX: Final = 3000


def room(spans: Sequence[Span]) -> float:
    """By how much lanes grow so that bars fit above what else is in them."""
    return ROWS_MAX * ROW_HEIGHT / 2 if spans else 0.0


def draw_spans(sheet: Sheet, spans: Sequence[Span]) -> int:
    """Returns how many bars were too many to be drawn: too many at a time, or altogether."""
    ends: dict[str, list[float]] = {node: [] for node in sheet.lanes}
    left_out = max(0, len(spans) - SPANS_MAX)
    for span in spans[:SPANS_MAX]:
        begin, end = sheet.span(span.began_ms, span.ended_ms)
        rows = ends[span.node]
        row = next((place for place, taken in enumerate(rows) if taken <= begin), len(rows))
        if row == ROWS_MAX:
            left_out += 1
            continue
        rows[row : row + 1] = [max(end, begin + 1.0)]
        _draw(sheet, span, row, begin, end)
    return left_out


def _draw(sheet: Sheet, span: Span, row: int, begin: float, end: float) -> None:
    y = sheet.lanes[span.node] - BAND_HEIGHT / 2 - ABOVE_MARKS - (row + 1) * ROW_HEIGHT
    paint = palette.SPANS[span.kind]
    dashes = " stroke-dasharray='3 2'" if paint.dashed else ""
    style = f"rx='2' fill='{paint.fill}' stroke='{paint.edge}' stroke-width='0.7'{dashes}"
    until = f" to {time_text(span.ended_ms)}" if span.ended_ms is not None else ", and goes on"
    title = f"{span.node}: {span.label}; {time_text(span.began_ms)}{until}"
    sheet.box(begin, y, end - begin, ROW_HEIGHT - 1, style, title, least=1.5)
    sheet.label(begin, end, y + ROW_HEIGHT - 2.5, span.label, size=8.5, colour=paint.ink)
