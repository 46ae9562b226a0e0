"""Medians with their spread, and ratios of figures that were taken in the same round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and extremes of `count` figures."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, figures: Sequence[float | None]) -> Spread | None:
        """None when there is no figure; rounds without one are left out."""
        known = [figure for figure in figures if figure is not None]
        if not known:
            return None
        return cls(statistics.median(known), min(known), max(known), len(known))

    def to_json(self) -> dict[str, Any]:
        """As in the document of a benchmark."""
        return {"median": self.median, "min": self.least, "max": self.most, "count": self.count}


def percentile(figures: Sequence[float], share: float) -> float:
    """The smallest figure that at least this share of them does not exceed. Raises ValueError when
    there is none."""
    if not figures:
        raise ValueError("no figures")
    ordered = sorted(figures)
    place = math.ceil(round(len(ordered) * share, 9))
    return ordered[max(0, place - 1)]


def ratios(of: Sequence[float | None], to: Sequence[float | None]) -> Spread | None:
    """Of figures round by round: the noise of a round falls on both and cancels."""
    pairs = zip(of, to, strict=True)
    return Spread.of([one / other for one, other in pairs if one is not None and other])


def short(figure: float) -> str:
    """Three digits that count, and thousands set apart."""
    if figure == 0:
        return "0"
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}" if abs(figure) < 1 else f"{figure:.{2 if abs(figure) < 10 else 1}f}"
