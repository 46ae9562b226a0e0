"""Arguments and options that several commands have in common."""

from __future__ import annotations

from typing import Annotated, Final

import typer

JOBS_MAX: Final = 256


def full_lab_name(name: str | None) -> str | None:
    """What stands for LAB may be shortened; commands get the whole of it."""
    from labs.kit.registry import lab_id

    return None if name is None else lab_id(name)


LAB_HELP: Final = "As `lab list` names it, or the beginning of that."
LabArgument = Annotated[str, typer.Argument(metavar="LAB", help=LAB_HELP, callback=full_lab_name)]
JobsOption = Annotated[
    int | None,
    typer.Option(min=1, max=JOBS_MAX, help="Processes. Default: one a core.", metavar="J"),
]
