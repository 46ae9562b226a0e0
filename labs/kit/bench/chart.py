"""The document of a benchmark as a chart."""

from __future__ import annotations

from typing import Any

from labs.kit.bench.ratios import Spread
from labs.kit.bench.report import remarks
from labs.kit.bench.svg import COLOURS, BarPanel, bar_chart


def chart(found: dict[str, Any]) -> str:
    """A panel a measurement that two or more have."""
    names = [one["name"] for one in found["contenders"]]
    colour = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    panels = []
    for row in found["measurements"].values():
        have = [name for name in names if name in row["contenders"]]
        if have:
            bars = [(name, _spread(row["contenders"][name])) for name in have]
            title = f"{row['title']}, {row['unit']} ({row['better']} is better)"
            panels.append(BarPanel(title, bars, [colour[name] for name in have]))
    return bar_chart(f"{found['title']}, {found['nodes']} nodes", panels, remarks(found))


def _spread(row: dict[str, Any]) -> Spread:
    return Spread(row["median"], row["min"], row["max"], row["count"])
