"""Arguments and options that several commands have in common."""

from __future__ import annotations

from typing import Annotated, Final

import typer

JOBS_MAX: Final = 256

LabArgument = Annotated[str, typer.Argument(metavar="LAB", help="As `lab list` names it.")]
JobsOption = Annotated[
    int | None,
    typer.Option(min=1, max=JOBS_MAX, help="Processes. Default: one a core.", metavar="J"),
]
