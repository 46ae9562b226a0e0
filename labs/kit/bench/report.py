"""The results of a benchmark as a document and as tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from labs.kit.bench.bench import Bench, Goal
from labs.kit.bench.contender import Contender
from labs.kit.bench.ratios import Spread, ratios, short
from labs.kit.bench.rounds import (
    MANY_CLIENTS,
    MEASUREMENTS,
    VALUE_BYTES,
    Measurement,
    Results,
)

if TYPE_CHECKING:
    from rich.table import Table

MISSING = "-"


def machine() -> dict[str, Any]:
    """What the figures were taken on; nothing that names the machine."""
    versions = {}
    for package in ("grpcio", "protobuf", "uvloop"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
        **versions,
    }


def document(
    bench: Bench,
    nodes: int,
    contenders: Sequence[Contender],
    left_out: Sequence[tuple[str, str]],
    results: Results,
) -> dict[str, Any]:
    """One JSON document with every sample, their medians, and the ratios round by round."""
    return {
        "lab": bench.lab,
        "title": bench.title,
        "nodes": nodes,
        "machine": machine(),
        "effort": asdict(results.effort),
        "contenders": [_contender(one, results) for one in contenders],
        "left_out": [{"name": name, "reason": reason} for name, reason in left_out],
        "measurements": {one.id: _measurement(one, results) for one in MEASUREMENTS},
        "ratios": ratio_rows(bench, [one.name for one in contenders], results),
    }


def _contender(contender: Contender, results: Results) -> dict[str, Any]:
    visits = results.visits[contender.name]
    return {
        "name": contender.name,
        "note": contender.note,
        "failed_writes": sum(visit.failed_writes for visit in visits),
        "trouble": [visit.trouble for visit in visits if visit.trouble],
        "kills_ms": [took for visit in visits for took in visit.kills_ms],
    }


def _measurement(measurement: Measurement, results: Results) -> dict[str, Any]:
    rows = {}
    for name in results.visits:
        samples = results.samples(measurement.id, name)
        spread = Spread.of(samples)
        if spread is not None:
            rows[name] = {**spread.to_json(), "samples": samples}
    return {
        "title": measurement.title,
        "unit": measurement.unit,
        "better": measurement.better,
        "contenders": rows,
    }


def ratio_rows(bench: Bench, names: Sequence[str], results: Results) -> list[dict[str, Any]]:
    """Ours to all others, for every measurement that both have; with the goal where there is
    one."""
    own = [name for name in names if name.startswith(f"{bench.lab} ")]
    rows = []
    for measurement in MEASUREMENTS:
        for name in own:
            for peer in (other for other in names if other != name):
                spread = ratios(
                    results.samples(measurement.id, name), results.samples(measurement.id, peer)
                )
                if spread is not None:
                    row = {"measurement": measurement.id, "of": name, "to": peer}
                    goal = _goal(bench, measurement, name, peer, spread, results)
                    rows.append(row | spread.to_json() | goal)
    return rows


def _goal(
    bench: Bench, measurement: Measurement, of: str, to: str, spread: Spread, results: Results
) -> dict[str, Any]:
    if measurement.id == "memory_mib" and not results.effort.writes:
        return {"goal": None, "reached": None}  # after a few writes it says little
    for goal in bench.goals:
        if (goal.measurement, goal.of, goal.to) == (measurement.id, of, to):
            return {
                "goal": goal_text(goal, measurement),
                "reached": reached(goal, measurement, spread),
            }
    return {"goal": None, "reached": None}


def goal_text(goal: Goal, measurement: Measurement) -> str:
    """As in a table."""
    if goal.bound is None:
        return ""
    return f"{'<=' if measurement.better == 'lower' else '>='} {goal.bound:g}x"


def reached(goal: Goal, measurement: Measurement, spread: Spread) -> bool | None:
    """By the median of the ratios; None when nothing is wanted."""
    if goal.bound is None:
        return None
    if measurement.better == "lower":
        return spread.median <= goal.bound
    return spread.median >= goal.bound


# ------------------------------------------------------------------------------------- tables


def figures_table(found: dict[str, Any]) -> Table:
    """A row a measurement, a column a contender: medians over the rounds, and their extremes."""
    from rich.table import Table

    names = [one["name"] for one in found["contenders"]]
    table = Table(title=f"{found['title']}, {found['nodes']} nodes", title_justify="left")
    table.add_column("median (least-most)")
    for name in names:
        table.add_column(name, justify="right")
    for row in found["measurements"].values():
        cells = [_cell(row["contenders"].get(name)) for name in names]
        if any(cell != MISSING for cell in cells):
            table.add_row(f"{row['title']}, {row['unit']}", *cells)
    return table


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return MISSING
    if row["count"] == 1:
        return short(row["median"])
    return f"{short(row['median'])}\n({short(row['min'])}-{short(row['max'])})"


def ratios_table(found: dict[str, Any]) -> Table:
    """Ours to theirs where there is a goal, then all others in the document only."""
    from rich.table import Table

    table = Table(title="ratios, median of the rounds' (least-most)", title_justify="left")
    for column in ("", "ours / theirs", "ratio", "goal", ""):
        table.add_column(column)
    for row in found["ratios"]:
        if row["goal"] is None:
            continue
        measurement = found["measurements"][row["measurement"]]
        table.add_row(
            measurement["title"],
            f"{row['of']} / {row['to']}",
            ratio_text(row),
            row["goal"],
            {True: "reached", False: "missed", None: ""}[row["reached"]],
        )
    return table


def ratio_text(row: dict[str, Any]) -> str:
    """A ratio with its spread."""
    if row["count"] == 1:
        return f"{row['median']:.2f}x"
    return f"{row['median']:.2f}x ({row['min']:.2f}-{row['max']:.2f})"


def remarks(found: dict[str, Any]) -> list[str]:
    """What one must know to read the tables, a line each."""
    lines = [f"{one['name']}: {one['note']}" for one in found["contenders"]]
    for one in found["contenders"]:
        if one["failed_writes"]:
            lines.append(f"{one['name']}: {one['failed_writes']} writes were not acknowledged")
        lines += [f"{one['name']}: a round broke off: {why}" for why in one["trouble"]]
    lines += [f"left out: {one['name']}: {one['reason']}" for one in found["left_out"]]
    effort, here = found["effort"], found["machine"]
    after = f"{effort['writes']:,} more writes" if effort["writes"] else "the writes of the loads"
    lines.append(
        f"a round: {effort['starts']} starts, {effort['serial_s']:g} s of serial writes, "
        f"{effort['many_s']:g} s of {MANY_CLIENTS} clients, {VALUE_BYTES}-byte values, memory (of "
        f"the largest node) after {after}, {effort['kills']} kills"
    )
    lines.append(
        f"{effort['rounds']} rounds, all in turn, on {here['cores']} cores that they share with "
        f"the load ({here['system']}, Python {here['python']}, load average at the end "
        f"{here['load_average']:g}); quote ratios, not figures"
    )
    return lines
