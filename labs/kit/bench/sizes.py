"""Cost against size: nodes, value sizes, clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from labs.kit.bench.contender import Contender, ContenderFailed, Work
from labs.kit.bench.ratios import Spread, percentile, short
from labs.kit.bench.report import machine
from labs.kit.bench.rounds import started
from labs.kit.bench.svg import Line, LinePanel, line_chart
from nodes.cluster.api import RuntimeFailure

if TYPE_CHECKING:
    from rich.table import Table

NODES: Final = (3, 5, 7, 9)
VALUE_BYTES: Final = (16, 1024, 65_536)
CLIENTS: Final = (1, 8, 64, 256)
KEYS: Final = 100  # few, so that a snapshot of the largest values stays a few megabytes


@dataclass(slots=True)
class Cell:
    """One combination: a figure a round."""

    contender: str
    nodes: int
    value_bytes: int
    clients: int
    rates: list[float] = field(default_factory=list)
    p50s_ms: list[float] = field(default_factory=list)
    failed_writes: int = 0
    failure: str = ""  # the reason of the last one

    def to_json(self) -> dict[str, Any]:
        """As in the document; null where nothing was acknowledged."""
        rate, p50 = Spread.of(self.rates), Spread.of(self.p50s_ms)
        return {
            "contender": self.contender,
            "nodes": self.nodes,
            "value_bytes": self.value_bytes,
            "clients": self.clients,
            "rate_per_s": rate.to_json() if rate else None,
            "p50_ms": p50.to_json() if p50 else None,
            "failed_writes": self.failed_writes,
            "failure": self.failure,
        }


async def run_sizes(
    own: Callable[[int], Sequence[Contender]],
    *,
    rounds: int,
    seconds: float,
    tell: Callable[[str], None],
) -> list[Cell]:
    """Every combination, a cluster for each number of nodes and each of ours, rounds in turn."""
    cells: dict[tuple[str, int], list[Cell]] = {}
    for number in range(rounds):
        for nodes in NODES:
            for contender in own(nodes):
                name = contender.name
                mine = cells.setdefault((name, nodes), _cells(name, nodes))
                what = f"round {number + 1} of {rounds}: {name}, {nodes} nodes"
                try:
                    await _measure_all(contender, mine, seconds)
                    tell(f"{what}: {_summary(mine)}")
                except (ContenderFailed, RuntimeFailure, TimeoutError) as error:
                    tell(f"{what}: broke off: {error}")
    return [cell for several in cells.values() for cell in several]


def _cells(name: str, nodes: int) -> list[Cell]:
    return [Cell(name, nodes, size, many) for size in VALUE_BYTES for many in CLIENTS]


async def _measure_all(contender: Contender, cells: Sequence[Cell], seconds: float) -> None:
    async with started(contender):
        await contender.load(Work(8, VALUE_BYTES[0], seconds / 2, keys=KEYS))
        for cell in cells:
            load = await contender.load(Work(cell.clients, cell.value_bytes, seconds, keys=KEYS))
            cell.failed_writes += load.failed
            cell.failure = load.failure or cell.failure
            if load.times_ms:
                cell.rates.append(load.rate_per_s)
                cell.p50s_ms.append(percentile(load.times_ms, 0.5))


def _summary(cells: Sequence[Cell]) -> str:
    serial, best = cells[0], max(cells, key=lambda cell: cell.rates[-1] if cell.rates else 0)
    p50, rate = (figures[-1] if figures else 0.0 for figures in (serial.p50s_ms, best.rates))
    return f"serial p50 {short(p50)} ms, at best {short(rate)}/s ({best.clients} clients)"


def document(lab: str, cells: Sequence[Cell], rounds: int) -> dict[str, Any]:
    """Every cell."""
    return {
        "lab": lab,
        "contenders": list(dict.fromkeys(cell.contender for cell in cells)),
        "machine": machine(),
        "rounds": rounds,
        "keys": KEYS,
        "cells": [cell.to_json() for cell in cells],
    }


def table(found: dict[str, Any], name: str) -> Table:
    """A row for every number of nodes and value size; writes a second and p50 by clients."""
    from rich.table import Table

    title = f"{name}: writes/s, and p50 in ms (medians of {found['rounds']} rounds)"
    made = Table(title=title, title_justify="left")
    made.add_column("nodes", justify="right")
    made.add_column("value", justify="right")
    for clients in CLIENTS:
        made.add_column(f"{clients} client{'s' * (clients > 1)}", justify="right")
    by_place = {
        (cell["nodes"], cell["value_bytes"], cell["clients"]): cell
        for cell in found["cells"]
        if cell["contender"] == name
    }
    for nodes in NODES:
        for size in VALUE_BYTES:
            cells = [_cell(by_place[nodes, size, clients]) for clients in CLIENTS]
            made.add_row(str(nodes), size_text(size), *cells, end_section=size == VALUE_BYTES[-1])
    return made


def _cell(cell: dict[str, Any]) -> str:
    if cell["rate_per_s"] is None:
        return "-"
    failed = f" ({cell['failed_writes']} failed)" if cell["failed_writes"] else ""
    return f"{short(cell['rate_per_s']['median'])}/s  {short(cell['p50_ms']['median'])}{failed}"


def size_text(size_bytes: int) -> str:
    """16 B, 1 KiB, 64 KiB."""
    return f"{size_bytes} B" if size_bytes < 1024 else f"{size_bytes // 1024} KiB"


def chart(found: dict[str, Any]) -> str:
    """Rates and latencies of each: a panel a value size, a line for every number of nodes."""
    panels = []
    for name in found["contenders"]:
        for field_name, what in (("rate_per_s", "writes/s"), ("p50_ms", "p50, ms")):
            for size in VALUE_BYTES:
                title = f"{name}, {size_text(size)}: {what}"
                panels.append(LinePanel(title, "clients", _lines(found, name, field_name, size)))
    return line_chart("cost against size", panels, columns=len(VALUE_BYTES))


def _lines(found: dict[str, Any], name: str, field_name: str, size: int) -> list[Line]:
    lines = []
    for nodes in NODES:
        points = [
            (float(cell["clients"]), _spread(cell[field_name]))
            for cell in found["cells"]
            if (cell["contender"], cell["nodes"], cell["value_bytes"]) == (name, nodes, size)
            and cell[field_name]
        ]
        if points:
            lines.append(Line(f"{nodes} nodes", points))
    return lines


def remarks(found: dict[str, Any]) -> list[str]:
    """Why writes failed where they did, a line each."""
    return [
        f"{cell['contender']}, {cell['nodes']} nodes, {size_text(cell['value_bytes'])}, "
        f"{cell['clients']} clients: {cell['failed_writes']} writes failed, the last: "
        f"{cell['failure']}"
        for cell in found["cells"]
        if cell["failed_writes"]
    ]


def _spread(row: dict[str, Any]) -> Spread:
    return Spread(row["median"], row["min"], row["max"], row["count"])
