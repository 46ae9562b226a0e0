"""Durations as users write them."""

from __future__ import annotations

import re

from labs.kit.errors import LabError

_DURATION = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)(ms|s|m|min|h)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000}


def parse_ms(text: str, what: str) -> int:
    """`200ms`, `1.5s`, `2min`, `1h`, `-5s` in milliseconds. Raises LabError naming `what`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise LabError(f"{what} {text}: expected a number with a unit, such as 200ms or 1.5s")
    return round(float(match[1]) * _UNIT_MS[match[2]])
