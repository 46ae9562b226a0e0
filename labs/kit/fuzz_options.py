"""Options that `lab fuzz` and `lab replay` have in common."""

from __future__ import annotations

from typing import Annotated

import typer

from labs.kit.durations import parse_ms
from labs.kit.errors import LabError

SEED_MAX = 2**53
DURATION_MS_MIN, DURATION_MS_MAX = 1, 3_600_000

MutantOption = Annotated[
    str | None,
    typer.Option(help="With this planted bug in every node; `list` shows them.", metavar="NAME"),
]
DurationOption = Annotated[
    str | None,
    typer.Option(help="Of the faults, in virtual time. Default: 20s.", metavar="DURATION"),
]


def duration_ms_of(duration: str | None) -> int:
    """Of the faults; the usual one when nothing was said. Raises LabError."""
    from labs.kit.fuzz.target import DURATION_MS

    if duration is None:
        return DURATION_MS
    value = parse_ms(duration, "--duration")
    if not DURATION_MS_MIN <= value <= DURATION_MS_MAX:
        raise LabError(f"--duration {duration}: expected 1ms to 1h")
    return value
