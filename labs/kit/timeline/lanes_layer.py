"""The lanes of the nodes: role and term bands, faults that act on a node, marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Final

from labs.kit.svg import text_width, words
from labs.kit.timeline import palette
from labs.kit.timeline.faults import TAKE_DOWN
from labs.kit.timeline.model import DOWN, PAUSED, Diagram, FaultBand, Mark, RoleBand
from labs.kit.timeline.palette import Paint
from labs.kit.timeline.sheet import BAND_HEIGHT, LABEL_PAD, PLOT_WIDTH, Sheet, time_text

STRIPE_HEIGHT: Final = 9.0
STRIPES_MAX: Final = 2
MARK_SIZE: Final = 9
BANDS_MAX, MARKS_MAX = 2000, 600
FAULT_ROW: Final = 20.0
FAULT_ROWS_MAX: Final = 6
_DIAMOND = "<path d='M0-3.5l3.5 3.5l-3.5 3.5l-3.5-3.5z' fill='#1f2328'/>"


def draw_bands(sheet: Sheet, bands: Sequence[RoleBand], paints: Mapping[str, Paint]) -> int:
    """Returns how many bands were too many to be drawn."""
    for band in bands[:BANDS_MAX]:
        middle = sheet.lanes[band.node]
        begin, end = sheet.span(band.began_ms, band.ended_ms)
        paint = paints.get(band.role, palette.UNKNOWN)
        dashes = " stroke-dasharray='4 3'" if paint.dashed else ""
        edge = f" stroke='{paint.edge}'{dashes}" if paint.edge != "none" else " stroke='#ffffff'"
        y = middle - BAND_HEIGHT / 2
        style = f"fill='{paint.fill}'{edge}"
        sheet.box(begin, y, end - begin, BAND_HEIGHT, style, _describe(band), least=1.5)
        long, short = band_words(band)
        sheet.label(begin, end, middle + 4, long, colour=paint.ink, bold=True)
        if short != long:
            sheet.label(begin, end, middle + 4, short, colour=paint.ink, bold=True, longer=long)
    return max(0, len(bands) - BANDS_MAX)


def band_words(band: RoleBand) -> tuple[str, str]:
    """What stands on a band with much room, and with little."""
    if band.role in (DOWN, PAUSED):
        return band.role, band.role
    role = band.role.replace("_", " ")
    if band.term is None:
        return role, role
    return f"{role}, term {band.term}".removeprefix(", "), f"t{band.term}"


def _describe(band: RoleBand) -> str:
    until = "" if band.ended_ms is None else f" to {time_text(band.ended_ms)}"
    words = f"{band.node}: {band_words(band)[0] or 'up'}, {time_text(band.began_ms)}{until}"
    return f"{words}; {band.text}" if band.text else words


def draw_tints(sheet: Sheet, faults: Sequence[FaultBand], half: float) -> None:
    """A killed or paused node shows by its band; its lane is tinted, too."""
    for fault in faults:
        if fault.kind not in TAKE_DOWN and fault.kind != "pause":
            continue
        begin, end = sheet.span(fault.began_ms, fault.ended_ms)
        style = f"fill='{palette.FAULT}' opacity='0.09' pointer-events='none'"
        for node in fault.nodes:
            sheet.box(begin, sheet.lanes[node] - half + 2, end - begin, 2 * half - 4, style)


def draw_stripes(sheet: Sheet, faults: Sequence[FaultBand]) -> None:
    """Every other fault that lasts, on the lanes of the nodes that it is about."""
    rows: dict[str, list[float]] = {node: [] for node in sheet.lanes}
    for fault in faults:
        if not fault.lasts or fault.kind in TAKE_DOWN or fault.kind == "pause":
            continue
        begin, end = sheet.span(fault.began_ms, fault.ended_ms)
        for node in fault.nodes:
            row = _free_row(rows[node], begin, end)
            if row < STRIPES_MAX:
                y = sheet.lanes[node] + BAND_HEIGHT / 2 + 1 + row * (STRIPE_HEIGHT + 1)
                _stripe(sheet, fault, node, begin, end, y)


def _stripe(sheet: Sheet, fault: FaultBand, node: str, begin: float, end: float, y: float) -> None:
    group = next((place for place, group in enumerate(fault.groups) if node in group), None)
    colour = palette.GROUPS[(group or 0) % len(palette.GROUPS)]
    style = f"fill='{palette.FAULT_PALE}' stroke='{colour}' stroke-width='0.7'"
    sheet.box(begin, y, end - begin, STRIPE_HEIGHT, style, fault.text, least=1.0)
    text = fault.kind
    if len(fault.groups) > 1 and group is not None:
        text = f"{fault.kind}, side {ascii_uppercase[group % 26]}"
    sheet.label(begin, end, y + STRIPE_HEIGHT - 1.5, text, size=8.5, colour=palette.FAULT_INK)


def _free_row(ends: list[float], begin: float, end: float) -> int:
    for row, taken_until in enumerate(ends):
        if taken_until <= begin:
            ends[row] = end
            return row
    ends.append(end)
    return len(ends) - 1


def fault_rows(sheet: Sheet, faults: Sequence[FaultBand]) -> list[list[FaultBand]]:
    """Faults in rows in which neither bars nor their words overlap."""
    rows: list[list[FaultBand]] = []
    ends: list[float] = []
    for fault in faults:
        begin, end, _ = _extent(sheet, fault)
        if (row := _free_row(ends, begin, end + 8)) == len(rows):
            rows.append([])
        rows[row].append(fault)
    return rows


def _extent(sheet: Sheet, fault: FaultBand) -> tuple[float, float, float]:
    """From where to where bar and words reach, and where the words begin: inside the bar, or behind
    it, or before it where the plot ends."""
    begin, end = sheet.span(fault.began_ms, fault.ended_ms)
    room = text_width(_fault_words(fault), 11) + 2 * LABEL_PAD
    if end - begin >= room or (end + room > PLOT_WIDTH and begin - room < 0):
        return begin, max(end, begin + room), begin
    if end + room <= PLOT_WIDTH:
        return begin, end + room, end
    return begin - room, end, begin - room


def _fault_words(fault: FaultBand) -> str:
    text = fault.text
    return text if len(text) <= 80 else f"{text[:77]}..."


def draw_faults(sheet: Sheet, rows: Sequence[Sequence[FaultBand]], top: float, down: float) -> int:
    """Bars with their sentences; a dotted line shows on every lane when each began and ended.
    Returns how many faults were left out."""
    for number, row in enumerate(rows[:FAULT_ROWS_MAX]):
        y = top + number * FAULT_ROW
        for fault in row:
            _draw_fault(sheet, fault, y, down)
    return sum(len(row) for row in rows[FAULT_ROWS_MAX:])


def _draw_fault(sheet: Sheet, fault: FaultBand, y: float, down: float) -> None:
    begin, end = sheet.span(fault.began_ms, fault.ended_ms)
    for x in (begin, end) if fault.lasts else (begin,):
        if 0 < x < PLOT_WIDTH:
            sheet.add(
                f"<line x1='{x:.1f}' y1='{y + FAULT_ROW - 4:.1f}' x2='{x:.1f}' "
                f"y2='{down:.1f}' stroke='{palette.FAULT}' stroke-dasharray='1 3'/>"
            )
    until = "" if fault.ended_ms is None else f" to {time_text(fault.ended_ms)}"
    title = f"{fault.kind}: {fault.text}; {time_text(fault.began_ms)}{until}"
    style = f"rx='3' fill='{palette.FAULT_PALE}' stroke='{palette.FAULT}'"
    sheet.box(begin, y, end - begin, FAULT_ROW - 4, style, title, least=3.0)
    words_x = _extent(sheet, fault)[2]
    text = _fault_words(fault)
    if begin <= words_x < end:
        sheet.label(words_x, end, y + 12, text, colour=palette.FAULT_INK, always=True)
    else:
        # Behind or before its bar, the sentence moves along with that end of it.
        at = end if words_x >= end else begin
        sheet.stay(at, y + 12, beside(text, words_x - at + LABEL_PAD, palette.FAULT_INK))


def beside(text: str, x: float, colour: str) -> str:
    """Words beside the point where something stays."""
    return f"<text x='{x:.1f}' font-size='11' fill='{colour}'>{words(text)}</text>"


def draw_marks(sheet: Sheet, found: Diagram, half: float) -> int:
    """What nodes said of themselves and no band shows. Returns how many were left out."""
    shown = {(band.node, band.began_ms) for band in found.bands}
    left = [mark for mark in found.marks if (mark.node, mark.at_ms) not in shown]
    free: dict[str, float] = {}
    for mark in left[:MARKS_MAX]:
        x, y = sheet.x(mark.at_ms), sheet.lanes[mark.node] - BAND_HEIGHT / 2 - 6
        sheet.stay(x, y, _DIAMOND, f"{time_text(mark.at_ms)}: {mark.text}")
        room = text_width(_mark_words(mark), MARK_SIZE) + 10
        if not mark.about_role and x >= free.get(mark.node, -1.0) and half >= 24:
            sheet.stay(x, y, _mark_label(mark, room))
            free[mark.node] = x + room + 6
        else:
            free[mark.node] = max(free.get(mark.node, 0.0), x + 8)
    return max(0, len(left) - MARKS_MAX)


def _mark_words(mark: Mark) -> str:
    return mark.kind.replace("_", " ")[:24]


def _mark_label(mark: Mark, room: float) -> str:
    text = words(_mark_words(mark))
    return (
        f"<rect x='5' y='-6' width='{room - 6:.1f}' height='11' fill='#ffffff' opacity='0.8'/>"
        f"<text x='6' y='3' font-size='{MARK_SIZE}' fill='#1f2328'>{text}</text>"
    )
