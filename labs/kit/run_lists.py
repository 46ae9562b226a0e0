"""What can be run, and what was run: `lab run LAB`, `lab run --list`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labs.kit.errors import DONE
from labs.kit.output import print_json, tell
from labs.kit.text import visible

if TYPE_CHECKING:
    from rich.table import Table

    from labs.kit.experiment import Experiment
    from labs.kit.lab import Lab

PLAIN_WIDTH = 160  # of a table that goes into a file or a pipe


def list_experiments(lab: Lab, experiments: Sequence[Experiment], *, json: bool) -> int:
    """What a lab can measure."""
    if json:
        print_json(
            {
                "lab": lab.id,
                "experiments": [
                    {
                        "id": one.id,
                        "title": one.title,
                        "question": one.question,
                        "runtimes": list(one.runtimes),
                        "settings": {setting.name: setting.default for setting in one.settings},
                        "measurements": {
                            measured.name: {"unit": measured.unit, "meaning": measured.meaning}
                            for measured in one.measurements
                        },
                    }
                    for one in experiments
                ],
            }
        )
        return DONE
    from labs.kit.experiment.table import experiments_table

    print_tables(experiments_table(lab.id, experiments))
    tell(f"run one: lab run {lab.id} {experiments[0].id}")
    return DONE


def list_kept(lab: str | None, *, json: bool) -> int:
    """Runs that were kept, of one lab or of all."""
    from labs.kit.runs import listed, run_folders
    from labs.kit.session import home_folder

    rows = [
        row
        for row in listed(run_folders(home_folder()))
        if lab is None or f"-{lab}-" in str(row["name"])
    ]
    if json:
        print_json({"runs": rows})
    else:
        for row in rows:
            print(f"{row['status']:9}  {visible(str(row['name']))}")
    if not rows:
        tell("no run was kept yet; `lab run LAB EXPERIMENT` makes one")
    return DONE


def print_tables(*tables: Table) -> None:
    """Onto stdout, wide enough also where it is no terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
    for table in tables:
        console.print(table)
