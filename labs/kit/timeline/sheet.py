"""The sheet that a diagram is drawn on: where time and lanes are, and shapes that can be zoomed.

The plot is drawn in its own coordinates. A page may stretch it along the time axis: lines and boxes
stretch, and a group of class `s` keeps its form and moves. Class `l` is a label between `data-a`
and `data-b`, `data-w` wide, and left out where `data-over` is there as room for a longer one. A box
drawn wider than it is, so that it can be seen, has its true width in `data-n`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from labs.kit.svg import INK, text_width, words
from labs.kit.svg import title as tooltip
from labs.kit.timeline.model import Window
from nodes.cluster.api import CLIENT

LEFT, RIGHT, PLOT_WIDTH = 118.0, 42.0, 1480.0
BAND_HEIGHT: Final = 18.0
LABEL_PAD: Final = 5.0
CLIENTS: Final = CLIENT


@dataclass(slots=True)
class Sheet:
    """`lanes` are the middles of the lanes by name, set by the layout."""

    window: Window
    lanes: dict[str, float] = field(default_factory=dict)
    shapes: list[str] = field(default_factory=list)

    def x(self, at_ms: float) -> float:
        """Where a moment is."""
        share = (at_ms - self.window.from_ms) / self.window.length_ms
        return share * PLOT_WIDTH

    def span(self, began_ms: float, ended_ms: float | None) -> tuple[float, float]:
        """Where a stretch of time is, as far as it is inside; it goes on when its end is None."""
        end = self.window.to_ms if ended_ms is None else ended_ms
        begin_x, end_x = self.x(began_ms), self.x(end)
        return min(max(begin_x, 0.0), PLOT_WIDTH), min(max(end_x, 0.0), PLOT_WIDTH)

    def add(self, shape: str) -> None:
        """A shape in coordinates of the plot."""
        self.shapes.append(shape)

    def box(
        self, x: float, y: float, width: float, height: float, style: str, title: str = "",
        *, least: float = 0.0,
    ) -> None:  # fmt: skip
        """A rectangle that stretches with time, drawn at least so wide."""
        true_width = f" data-n='{max(width, 0.0):.2f}'" if width < least else ""
        width = max(width, least)
        inner = f">{tooltip(title)}</rect>" if title else "/>"
        self.shapes.append(
            f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(width, 0.0):.1f}' height='{height:.1f}'"
            f"{true_width} {style}{inner}"
        )

    def stay(self, x: float, y: float, shape: str, title: str = "") -> None:
        """A shape around (0, 0) that keeps its form at (x, y)."""
        self.shapes.append(staying(x, y, (tooltip(title) if title else "") + shape))

    def label(
        self, a: float, b: float, y: float, text: str, *, size: float = 11, colour: str = INK,
        bold: bool = False, always: bool = False, longer: str = "",
    ) -> None:  # fmt: skip
        """Words at the beginning of a stretch from `a` to `b`; not seen where they do not fit,
        unless `always`, nor where there is room for the `longer` ones."""
        if not text:
            return
        room = text_width(text, size, bold=bold) + 2 * LABEL_PAD
        limit = text_width(longer, size, bold=bold) + 2 * LABEL_PAD if longer else float("inf")
        hidden = "" if always or room <= b - a < limit else " visibility='hidden'"
        mode = " data-always='1'" if always else f" data-over='{limit:.1f}'" if longer else ""
        weight = " font-weight='600'" if bold else ""
        self.shapes.append(
            f"<text class='l' data-a='{a:.1f}' data-b='{b:.1f}' data-w='{room:.1f}'{mode}{hidden} "
            f"transform='translate({a + LABEL_PAD:.1f} {y:.1f})' font-size='{size:g}' "
            f"fill='{colour}'{weight} pointer-events='none'>{words(text)}</text>"
        )


def staying(x: float, y: float, shape: str) -> str:
    """The group of class `s`."""
    return f"<g class='s' transform='translate({x:.1f} {y:.1f})'>{shape}</g>"


def time_text(at_ms: float) -> str:
    """A moment, for a title."""
    return f"{at_ms:,.1f} ms" if at_ms < 10_000 else f"{at_ms / 1000:,.3f} s"
