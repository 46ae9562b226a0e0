"""A run as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from labs.kit.experiment.definition import Experiment
from labs.kit.text import visible

_WORDS = {True: "yes", False: "NO", None: "could not tell"}


def measurements_table(report: Mapping[str, Any]) -> Table:
    """What was measured, with its spread over trials."""
    table = Table(title=f"{report['title']} ({report['runtime']}, seed {report['seed']})")
    table.add_column("measurement", no_wrap=True)
    for column in ("value", "unit", "of", "min", "median", "p90", "max", "n"):
        table.add_column(column, justify="left" if column in ("unit", "of") else "right")
    table.add_column("meaning")
    for name, one in report["measurements"].items():
        spread = (_shown(one.get(column)) for column in ("min", "median", "p90", "max"))
        table.add_row(
            visible(name),
            _shown(one["value"]),
            one["unit"],
            one["statistic"] if one["samples"] > 1 else "",
            *spread,
            str(one["samples"]),
            visible(one["meaning"]),
        )
    return table


def verdicts_table(report: Mapping[str, Any]) -> Table:
    """Each claim, whether it holds, and what was seen."""
    table = Table()
    table.add_column("holds", no_wrap=True)
    table.add_column("claim")
    table.add_column("observed")
    for one in report["verdicts"]:
        table.add_row(_WORDS[one["holds"]], visible(one["claim"]), visible(one["observed"]))
    return table


def experiments_table(lab: str, experiments: Sequence[Experiment]) -> Table:
    """What can be run, and which question it answers."""
    table = Table(title=f"Experiments of {lab}")
    table.add_column("experiment", no_wrap=True)
    table.add_column("question")
    table.add_column("settings of its own (--set)")
    for one in experiments:
        settings = ", ".join(f"{setting.name}={setting.default}" for setting in one.settings)
        table.add_row(one.id, one.question, settings)
    return table


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:,}"
