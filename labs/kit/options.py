"""Arguments and options that several commands have in common."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from labs.kit.errors import LabError, nearest
from labs.kit.text import visible

JOBS_MAX: Final = 256
RUN_RUNTIMES: Final = ("sim", "auto", "local", "compose")


def full_lab_name(name: str | None) -> str | None:
    """What stands for LAB may be shortened; commands get the whole of it."""
    from labs.kit.registry import lab_id

    return None if name is None else lab_id(name)


def require_runtime(name: str) -> None:
    """Raises LabError unless a measured run can be made in it."""
    if name not in RUN_RUNTIMES:
        raise LabError(f"--runtime {visible(name)}: {nearest(name, RUN_RUNTIMES)}")


LAB_HELP: Final = "As `lab list` names it, or the beginning of that."
LabArgument = Annotated[str, typer.Argument(metavar="LAB", help=LAB_HELP, callback=full_lab_name)]
JobsOption = Annotated[
    int | None,
    typer.Option(min=1, max=JOBS_MAX, help="Processes. Default: one a core.", metavar="J"),
]
