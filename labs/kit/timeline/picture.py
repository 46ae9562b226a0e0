"""The space-time diagram as one SVG: readable on paper, and without any script."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from labs.kit.svg import BACK, FAINT, FONT, INK, attribute, text_width, words
from labs.kit.svg import title as tooltip
from labs.kit.timeline import palette
from labs.kit.timeline.arrows import Bundles, bundled, draw_arrows
from labs.kit.timeline.lanes_layer import (
    FAULT_ROW,
    FAULT_ROWS_MAX,
    draw_bands,
    draw_faults,
    draw_marks,
    draw_stripes,
    draw_tints,
    fault_rows,
)
from labs.kit.timeline.model import DOWN, PAUSED, Diagram, Violation
from labs.kit.timeline.operations_layer import ROWS_MAX, draw_operations, row_height, rows_of
from labs.kit.timeline.sheet import CLIENTS, LEFT, PLOT_WIDTH, RIGHT, Sheet
from labs.kit.timeline.spans_layer import draw_spans, room

WIDTH: Final = LEFT + PLOT_WIDTH + RIGHT
QUIET: Final = "#57606a"
_PATTERNS = f"""<defs>
<pattern id='fl-info' width='6' height='6' patternUnits='userSpaceOnUse'>
<rect width='6' height='6' fill='#f6e6f0'/>
<path d='M-1 7l8-8' stroke='{palette.INFO_EDGE}' stroke-width='1'/></pattern>
<pattern id='fl-paused' width='6' height='6' patternUnits='userSpaceOnUse'>
<rect width='6' height='6' fill='#ffffff'/>
<path d='M-1-1l8 8' stroke='#9aa4ae' stroke-width='1'/></pattern>
</defs>"""


@dataclass(slots=True)
class _Page:
    """What is around the plot, from the top down."""

    shapes: list[str] = field(default_factory=list)
    y: float = 0.0

    def text(
        self, x: float, y: float, text: str, *, size: float = 12, colour: str = INK,
        anchor: str = "start", bold: bool = False,
    ) -> None:  # fmt: skip
        weight = " font-weight='600'" if bold else ""
        self.shapes.append(
            f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' text-anchor='{anchor}' "
            f"fill='{colour}'{weight}>{words(text)}</text>"
        )


def svg(diagram: Diagram, *, title: str = "", fine: bool = False) -> str:
    """The picture. `fine` keeps more arrows apart, for a page in which one can zoom."""
    sheet, page = Sheet(diagram.window), _Page(y=20.0)
    heading = title or "Space-time diagram"
    page.text(20, page.y + 8, heading, size=18, bold=True)
    page.y += 22
    body_top = 0.0
    operations, faults = rows_of(diagram.operations, sheet), fault_rows(sheet, diagram.faults)
    rows, shown_faults = min(len(operations), ROWS_MAX), min(len(faults), FAULT_ROWS_MAX)
    faults_top = body_top + 6
    operations_top = faults_top + shown_faults * FAULT_ROW + (10 if shown_faults else 0)
    nodes_top = operations_top + rows * row_height(rows) + 6
    if any(CLIENTS in (message.source, message.target) for message in diagram.messages):
        sheet.lanes[CLIENTS] = nodes_top + 8
        nodes_top += 16
    half = (39.0 if len(diagram.nodes) <= 7 else 28.0) + room(diagram.spans)
    for place, node in enumerate(diagram.nodes):
        sheet.lanes[node] = nodes_top + half * (2 * place + 1)
    bottom = nodes_top + 2 * half * len(diagram.nodes)

    # From what lies at the back to what lies in front.
    paints = palette.role_paints(diagram.roles)
    bundles = bundled(diagram.messages, sheet, fine=fine)
    draw_tints(sheet, diagram.faults, half)
    draw_arrows(sheet, bundles)
    draw_stripes(sheet, diagram.faults)
    left_out = {
        "role bands": draw_bands(sheet, diagram.bands, paints),
        "steps and locks": draw_spans(sheet, diagram.spans),
        "marks": draw_marks(sheet, diagram, half),
        "faults": draw_faults(sheet, faults, faults_top, bottom),
        "operations": draw_operations(sheet, operations, operations_top, diagram.violation),
    }
    if diagram.violation is not None:
        _draw_violation(sheet, diagram.violation, bottom)

    _legend(page, diagram, bundles, paints)
    _remarks(page, diagram, bundles, left_out)
    _say_violation(page, diagram.violation)
    top = page.y + 8
    _lane_names(page, sheet, diagram, top, half, faults_top if shown_faults else None,
                operations_top if rows else None)  # fmt: skip
    return _document(page, sheet, diagram, top, bottom, heading)


def _document(
    page: _Page, sheet: Sheet, diagram: Diagram, top: float, bottom: float, title: str
) -> str:
    height = top + bottom + 44
    window = diagram.window
    axis = "\n".join(_axis(diagram, bottom))
    around, plot = "\n".join(page.shapes), "\n".join(sheet.shapes)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH:.0f} {height:.0f}' "
        f"width='{WIDTH:.0f}' height='{height:.0f}' {FONT} class='fl-diagram' role='img' "
        f"aria-label={attribute(title)} data-from='{window.from_ms:.3f}' "
        f"data-to='{window.from_ms + window.length_ms:.3f}' data-width='{PLOT_WIDTH:.0f}' "
        f"data-height='{bottom:.1f}'>\n"
        f"{tooltip(title)}\n{_PATTERNS}\n"
        f"<clipPath id='fl-clip'><rect x='-8' y='-4' width='{PLOT_WIDTH + 16:.0f}' "
        f"height='{bottom + 8:.1f}'/></clipPath>\n"
        f"<rect width='100%' height='100%' fill='{BACK}'/>\n{around}\n"
        f"<g transform='translate({LEFT:g} {top:.1f})'>\n<g class='fl-axis'>\n{axis}\n</g>\n"
        f"<g clip-path='url(#fl-clip)'>\n<g class='fl-plot'>\n{plot}\n</g>\n</g>\n</g>\n</svg>\n"
    )


# ------------------------------------------------------------------------------------ around it


def _lane_names(
    page: _Page, sheet: Sheet, diagram: Diagram, top: float, half: float,
    faults_y: float | None, operations_y: float | None,
) -> None:  # fmt: skip
    for place, node in enumerate(diagram.nodes):
        middle = top + sheet.lanes[node]
        if place % 2 == 0:
            page.shapes.append(
                f"<rect x='8' y='{middle - half:.1f}' width='{WIDTH - 16:.0f}' "
                f"height='{2 * half:.1f}' fill='#f6f8fa'/>"
            )
        name = node if len(node) <= 12 else f"{node[:11]}..."
        page.text(LEFT - 12, middle + 5, name, size=14, anchor="end", bold=True)
    for name, y in (("faults", faults_y), ("clients", operations_y)):
        if y is not None:
            page.text(LEFT - 12, top + y + 12, name, size=12, anchor="end", colour=QUIET)
    if CLIENTS in sheet.lanes:
        y = top + sheet.lanes[CLIENTS]
        page.shapes.append(
            f"<line x1='{LEFT:.0f}' y1='{y:.1f}' x2='{LEFT + PLOT_WIDTH:.0f}' y2='{y:.1f}' "
            f"stroke='{QUIET}' stroke-dasharray='6 3'/>"
        )
        page.text(LEFT - 12, y + 4, "client calls", size=11, anchor="end", colour=QUIET)


def _axis(diagram: Diagram, bottom: float) -> Iterator[str]:
    window = diagram.window
    step = tick_step_ms(window.length_ms)
    number = -(-window.from_ms // step)
    while number * step <= window.to_ms:
        at_ms = number * step
        x = (at_ms - window.from_ms) / window.length_ms * PLOT_WIDTH
        yield (
            f"<line x1='{x:.1f}' y1='0' x2='{x:.1f}' y2='{bottom + 6:.1f}' stroke='{FAINT}'/>"
            f"<text x='{x:.1f}' y='{bottom + 22:.1f}' font-size='12' text-anchor='middle' "
            f"fill='{INK}'>{tick_text(at_ms, step)}</text>"
        )
        number += 1


def tick_step_ms(length_ms: float) -> float:
    """1, 2 or 5 times a power of ten, so that there are about ten ticks."""
    step = 1e-3
    for factor in (2, 2.5, 2) * 20:
        if length_ms / step <= 14:
            break
        step *= factor
    return step


def tick_text(at_ms: float, step_ms: float) -> str:
    """In seconds where ticks are far apart."""
    at_ms = at_ms or 0.0  # never "-0"
    return f"{at_ms / 1000:,.10g} s" if step_ms >= 1000 else f"{at_ms:,.10g} ms"


def _legend(
    page: _Page, diagram: Diagram, bundles: Bundles, paints: dict[str, palette.Paint]
) -> None:
    entries: list[tuple[str, str]] = []
    present = dict.fromkeys(band.role for band in diagram.bands)
    for role in (*diagram.roles, DOWN, PAUSED):
        if role in present:
            entries.append((_swatch(paints[role]), role.replace("_", " ")))
    kinds_of_spans = {span.kind for span in diagram.spans}
    for kind, text in (("work", "a step"), ("undo", "being undone"), ("hold", "held")):
        if kind in kinds_of_spans:
            entries.append((_swatch(palette.SPANS[kind]), text))
    outcomes = {bar.outcome for bar in diagram.operations}
    ok = f"<rect y='-9' width='26' height='11' rx='2' fill='{palette.OK_FILL}'/>"
    fail = (
        f"<rect y='-9' width='23' height='11' rx='2' fill='#ffffff' stroke='{palette.FAIL_EDGE}'/>"
        f"<path d='M20-6l6 6m0-6l-6 6' stroke='{palette.FAIL_EDGE}' fill='none'/>"
    )
    info = (
        f"<rect y='-9' width='20' height='11' fill='url(#fl-info)' stroke='{palette.INFO_EDGE}' "
        f"stroke-dasharray='3 2'/><path d='M20-8l6 4l-6 4z' fill='{palette.INFO_EDGE}'/>"
    )
    for outcome, sample, text in (
        ("ok", ok, "operation: ok"),
        ("fail", fail, "did not happen"),
        ("info", info, "may have happened"),
    ):
        if outcome in outcomes:
            entries.append((sample, text))
    colours = palette.kind_colours([kind for kind, _ in bundles.kinds], bundles.routine)
    for kind, count in bundles.kinds[:8]:
        faded = ", faded" if kind in bundles.routine else ""
        entries.append((_sample(colours[kind]), f"{kind} ({count:,}{faded})"))
    fates = {message.fate for message in diagram.messages}
    if any(message.is_response for message in diagram.messages):
        entries.append((_sample(INK, "stroke-dasharray='4 3'"), "response"))
    if "lost" in fates:
        cross = "<path d='M15-8l8 8m0-8l-8 8' stroke-width='2'/>"
        entries.append((_sample(palette.FAULT, end=cross), "lost"))
    if "open" in fates:
        entries.append((_sample(INK, "stroke-dasharray='1 3'", end=""), "arrival not recorded"))
    _flow(page, entries)


def _swatch(paint: palette.Paint) -> str:
    edge = paint.edge if paint.edge != "none" else "#ffffff"
    dashes = " stroke-dasharray='4 3'" if paint.dashed else ""
    return f"<rect y='-10' width='26' height='13' fill='{paint.fill}' stroke='{edge}'{dashes}/>"


def _sample(colour: str, style: str = "", end: str = "<path d='M26-4l-7-3v6z' />") -> str:
    return (
        f"<g stroke='{colour}' fill='{colour}'><line x1='0' y1='-4' x2='20' y2='-4' {style}/>"
        f"{end}</g>"
    )


def _flow(page: _Page, entries: list[tuple[str, str]]) -> None:
    x, page.y = 20.0, page.y + 14
    for sample, text in entries:
        room = 32 + text_width(text, 12) + 18
        if x + room > WIDTH - 20:
            x, page.y = 20.0, page.y + 20
        page.shapes.append(f"<g transform='translate({x:.1f} {page.y:.1f})'>{sample}</g>")
        page.text(x + 32, page.y, text)
        x += room
    page.y += 6


def _remarks(page: _Page, diagram: Diagram, bundles: Bundles, left_out: dict[str, int]) -> None:
    missing = [f"{count:,} {what}" for what, count in left_out.items() if count]
    remarks = [bundles.remark(), *diagram.remarks]
    if missing:
        remarks.append(f"not drawn, since there are too many: {', '.join(missing)}")
    text = "; ".join(remark for remark in remarks if remark)
    for line in textwrap.wrap(text, 220):
        page.y += 15
        page.text(20, page.y, line, size=11, colour=QUIET)


def _say_violation(page: _Page, violation: Violation | None) -> None:
    if violation is None:
        return
    lines = textwrap.wrap(f"Violation: {violation.text}", 190)[:4] or ["Violation"]
    page.y += 10
    height = 8 + 17 * len(lines)
    page.shapes.append(
        f"<rect x='20' y='{page.y:.1f}' width='{WIDTH - 40:.0f}' height='{height}' rx='4' "
        f"fill='{palette.VIOLATION}'/>"
    )
    for number, line in enumerate(lines):
        y = page.y + 17 + 17 * number
        page.text(30, y, line, size=13, colour="#ffffff", bold=True)
    page.y += height


def _draw_violation(sheet: Sheet, violation: Violation, bottom: float) -> None:
    if violation.at_ms is None:
        return
    x = sheet.x(violation.at_ms)
    sheet.add(
        f"<g stroke='{palette.VIOLATION}' stroke-width='2.5' fill='none'>"
        f"{tooltip(violation.text)}<line x1='{x:.1f}' y1='0' x2='{x:.1f}' y2='{bottom:.1f}' "
        "stroke-dasharray='8 4'/></g>"
    )
    if violation.node in sheet.lanes:
        ring = f"<circle r='17' stroke='{palette.VIOLATION}' stroke-width='3' fill='none'/>"
        sheet.stay(x, sheet.lanes[violation.node], ring, violation.text)
