"""Shapes of SVG pictures, as text. No dependency, no style sheet, nothing loaded from elsewhere.

Every word is escaped, and what could steer its reader's screen is shown as an escape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from labs.kit.text import visible

FONT: Final = "font-family='system-ui, \"DejaVu Sans\", Arial, sans-serif'"
INK, FAINT, BACK = "#1f2328", "#d0d7de", "#ffffff"
TITLE_LENGTH_MAX: Final = 400
# Widths of an average character of the fonts above, as a share of the size: an estimate that errs
# on the wide side, since text that overlaps is worse than text that is left out.
_WIDTH, _WIDTH_BOLD = 0.57, 0.62


def text_width(words: str, size: float, *, bold: bool = False) -> float:
    """About how wide the words are."""
    wide = sum(1 if ord(character) < 0x1100 else 1.8 for character in words)
    return wide * size * (_WIDTH_BOLD if bold else _WIDTH)


def words(text: str) -> str:
    """Text as an element's content. XML 1.0 cannot hold some characters at all, not even escaped:
    `visible` has turned those into words."""
    return escape(visible(text).replace("\ufffe", "?").replace("\uffff", "?"))


def attribute(text: str) -> str:
    """Text as an attribute's value, with its quotes."""
    return quoteattr(visible(text).replace("\ufffe", "?").replace("\uffff", "?"))


def title(text: str) -> str:
    """What is shown while the pointer rests on an element: the first child of that element."""
    short = text if len(text) <= TITLE_LENGTH_MAX else f"{text[: TITLE_LENGTH_MAX - 3]}..."
    return f"<title>{words(short)}</title>"


@dataclass(slots=True)
class Drawing:
    """Shapes, in the order in which they cover each other."""

    shapes: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, text: str, *, size: int = 12, anchor: str = "start",
        colour: str = INK, bold: bool = False,
    ) -> None:  # fmt: skip
        """`anchor` is start, middle or end."""
        weight = " font-weight='600'" if bold else ""
        self.shapes.append(
            f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' "
            f"fill='{colour}'{weight}>{words(text)}</text>"
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle."""
        self.shapes.append(
            f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(width, 0):.1f}' height='{height:.1f}' "
            f"rx='2' fill='{colour}'/>"
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1.0) -> None:
        """Through all points."""
        listed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.shapes.append(
            f"<polyline points='{listed}' fill='none' stroke='{colour}' stroke-width='{width:g}'/>"
        )

    def dot(self, x: float, y: float, colour: str) -> None:
        """A point of a series."""
        self.shapes.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>")

    def add(self, shape: str) -> None:
        """A shape that is written already."""
        self.shapes.append(shape)

    def document(self, width: float, height: float) -> str:
        """The whole picture."""
        body = "\n".join(self.shapes)
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
            f"width='{width:.0f}' height='{height:.0f}' {FONT}>\n"
            f"<rect width='100%' height='100%' fill='{BACK}'/>\n{body}\n</svg>\n"
        )
