"""Charts as SVG: bars with their spread, and lines over a logarithmic axis. No dependency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from labs.kit.bench.ratios import Spread, short
from labs.kit.svg import FAINT, INK, Drawing

COLOURS: Final = ("#1f6feb", "#0b9e8e", "#9a6700", "#8250df", "#6e7781", "#cf222e", "#116329")
MARGIN: Final = 24


@dataclass(frozen=True, slots=True)
class BarPanel:
    """One measurement: a bar for each name that has a figure."""

    title: str
    bars: Sequence[tuple[str, Spread]]
    colours: Sequence[str]


@dataclass(frozen=True, slots=True)
class Line:
    """Points of one series, by x."""

    name: str
    points: Sequence[tuple[float, Spread]]


@dataclass(frozen=True, slots=True)
class LinePanel:
    """Series over one axis; both axes are logarithmic."""

    title: str
    x_label: str
    lines: Sequence[Line]


# --------------------------------------------------------------------------------------- bars

BAR_PANEL_WIDTH: Final = 430
BAR_HEIGHT: Final = 15
BAR_STEP: Final = 22
NAME_WIDTH: Final = 105
FIGURE_WIDTH: Final = 70


def bar_chart(title: str, panels: Sequence[BarPanel], remarks: Sequence[str]) -> str:
    """Two panels in a row; the line on a bar goes from the least to the most."""
    drawing = Drawing()
    drawing.text(MARGIN, 34, title, size=17, bold=True)
    top = 64.0
    for place in range(0, len(panels), 2):
        row = panels[place : place + 2]
        for column, panel in enumerate(row):
            _bars(drawing, panel, MARGIN + column * (BAR_PANEL_WIDTH + MARGIN), top)
        top += 40 + BAR_STEP * max(len(panel.bars) for panel in row)
    for remark in remarks:
        for words in wrapped(remark, 145):
            drawing.text(MARGIN, top, words, size=11, colour="#57606a")
            top += 15
    return drawing.document(2 * BAR_PANEL_WIDTH + 3 * MARGIN, top + MARGIN / 2)


def _bars(drawing: Drawing, panel: BarPanel, left: float, top: float) -> None:
    drawing.text(left, top, panel.title, size=13, bold=True)
    most = max((spread.most for _, spread in panel.bars), default=0) or 1.0
    room = BAR_PANEL_WIDTH - NAME_WIDTH - FIGURE_WIDTH
    for number, ((name, spread), colour) in enumerate(zip(panel.bars, panel.colours, strict=True)):
        y = top + 10 + number * BAR_STEP
        middle, begin = y + BAR_HEIGHT / 2, left + NAME_WIDTH
        drawing.text(begin - 6, middle + 4, name, anchor="end")
        drawing.box(begin, y, room * spread.median / most, BAR_HEIGHT, colour)
        low, high = (begin + room * figure / most for figure in (spread.least, spread.most))
        if spread.count > 1:
            drawing.line([(low, middle), (high, middle)], INK)
            for x in (low, high):
                drawing.line([(x, middle - 4), (x, middle + 4)], INK)
        drawing.text(max(high, begin) + 6, middle + 4, short(spread.median))


# -------------------------------------------------------------------------------------- lines

LINE_PANEL_WIDTH: Final = 360
LINE_PANEL_HEIGHT: Final = 230
AXIS_WIDTH: Final = 52


def line_chart(title: str, panels: Sequence[LinePanel], columns: int) -> str:
    """Panels in rows of `columns`; those of a row share their vertical axis, so they compare."""
    drawing = Drawing()
    drawing.text(MARGIN, 34, title, size=17, bold=True)
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    colours = dict(zip(names, COLOURS * (1 + len(names) // len(COLOURS)), strict=False))
    x: float = MARGIN
    for name in names:
        drawing.box(x, 52, 14, 10, colours[name])
        drawing.text(x + 20, 61, name)
        x += 34 + 7.5 * len(name)
    for number, panel in enumerate(panels):
        left = MARGIN + (number % columns) * (LINE_PANEL_WIDTH + MARGIN)
        top = 92 + (number // columns) * (LINE_PANEL_HEIGHT + 66)
        row = number // columns * columns
        _lines(drawing, panel, left, top, _decades(panels[row : row + columns]), colours)
    rows = -(-len(panels) // columns)
    width = columns * (LINE_PANEL_WIDTH + MARGIN) + MARGIN
    return drawing.document(width, 92 + rows * (LINE_PANEL_HEIGHT + 66))


def _lines(
    drawing: Drawing,
    panel: LinePanel,
    left: float,
    top: float,
    span: tuple[float, float],
    colours: dict[str, str],
) -> None:
    drawing.text(left, top, panel.title, size=13, bold=True)
    bottom, begin = top + LINE_PANEL_HEIGHT, left + AXIS_WIDTH
    room, height = LINE_PANEL_WIDTH - AXIS_WIDTH - 8, LINE_PANEL_HEIGHT - 14
    ticks = sorted({x for line in panel.lines for x, _ in line.points}) or [1.0]
    first, last = math.log(ticks[0]), math.log(ticks[-1])

    def at_x(value: float) -> float:
        share = (math.log(value) - first) / (last - first) if last > first else 0.5
        return begin + share * room

    def at_y(value: float) -> float:
        low, high = (math.log(edge) for edge in span)
        return bottom - height * (math.log(max(value, span[0])) - low) / (high - low)

    figure = span[0]
    while figure <= span[1] * 1.001:
        drawing.line([(begin, at_y(figure)), (begin + room, at_y(figure))], FAINT)
        drawing.text(begin - 6, at_y(figure) + 4, f"{figure:,g}", anchor="end", size=11)
        figure *= 10
    for tick in ticks:
        drawing.text(at_x(tick), bottom + 16, f"{tick:g}", anchor="middle", size=11)
    drawing.text(begin + room / 2, bottom + 32, panel.x_label, anchor="middle", size=11)
    for line in panel.lines:
        colour = colours[line.name]
        drawing.line([(at_x(x), at_y(spread.median)) for x, spread in line.points], colour, 2)
        for x, spread in line.points:
            drawing.line([(at_x(x), at_y(spread.least)), (at_x(x), at_y(spread.most))], colour)
            drawing.dot(at_x(x), at_y(spread.median), colour)


def _decades(panels: Sequence[LinePanel]) -> tuple[float, float]:
    """Powers of ten around everything in these panels."""
    spreads = [spread for panel in panels for line in panel.lines for _, spread in line.points]
    least = min((spread.least for spread in spreads if spread.least > 0), default=1.0)
    most = max((spread.most for spread in spreads if spread.most > 0), default=1.0)
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return 10.0**low, 10.0 ** max(high, low + 1)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many characters, where there are spaces."""
    import textwrap

    return textwrap.wrap(text, width) or [""]
