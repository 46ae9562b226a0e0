"""Colours that colour-blind people and printers tell apart: Okabe and Ito's, by lightness as well.

No meaning hangs on a colour alone: operations differ in shape, lost messages end in a cross, roles
and faults carry their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from labs.kit.timeline.model import DOWN, PAUSED


@dataclass(frozen=True, slots=True)
class Paint:
    """How a band is filled, and what colour its words have."""

    fill: str
    ink: str
    edge: str = "none"
    dashed: bool = False


HUMBLE: Final = Paint("#d9e3ec", "#1f2328")
POWERFUL: Final = Paint("#0072b2", "#ffffff")
_BETWEEN: Final = (
    Paint("#f8e7b0", "#1f2328", "#b98900"),
    Paint("#e69f00", "#1f2328"),
    Paint("#66c2a5", "#1f2328"),
    Paint("#c9a0dc", "#1f2328"),
)
UNKNOWN: Final = Paint("#eef1f4", "#57606a")
STATES: Final[Mapping[str, Paint]] = {
    DOWN: Paint("#ffffff", "#a33c00", "#a33c00", dashed=True),
    PAUSED: Paint("url(#fl-paused)", "#1f2328", "#57606a"),
}

# What lasts at a node: undoing is dashed, so that no meaning hangs on the colour.
SPANS: Final[Mapping[str, Paint]] = {
    "work": Paint("#cfe3f5", "#1f2328", "#0072b2"),
    "undo": Paint("#f6e6f0", "#1f2328", "#8a4b78", dashed=True),
    "hold": Paint("#f8e7b0", "#1f2328", "#b98900"),
}

OK_FILL: Final = "#009e73"
INFO_EDGE: Final = "#8a4b78"
FAIL_EDGE: Final = "#57606a"
FAULT: Final = "#d55e00"
FAULT_PALE: Final = "#fbe3d3"
FAULT_INK: Final = "#7a3300"
VIOLATION: Final = "#000000"
_OFTEN: Final = ("#7f8b98", "#7fa5d6", "#a98fc0", "#8fb58a")
_KINDS: Final = ("#7a3e9d", "#00665e", "#8c510a", "#1f2328", "#b0256f")
GROUPS: Final = ("#d55e00", "#e69f00", "#cc79a7", "#8c510a", "#7f8b98")


def role_paints(roles: Sequence[str]) -> dict[str, Paint]:
    """By role: the humblest pale, the most powerful dark."""
    paints = dict(STATES)
    if len(roles) == 1:
        return paints | {roles[0]: HUMBLE}
    for place, role in enumerate(roles):
        if place == 0:
            paints[role] = HUMBLE
        elif place == len(roles) - 1:
            paints[role] = POWERFUL
        else:
            paints[role] = _BETWEEN[(place - 1) % len(_BETWEEN)]
    return paints


def kind_colours(kinds: Sequence[str], routine: frozenset[str]) -> dict[str, str]:
    """By kind of message: what comes all the time is pale, so that the rest stands out."""
    often = [kind for kind in kinds if kind in routine]
    rare = [kind for kind in kinds if kind not in routine]
    strong = {kind: _KINDS[place % len(_KINDS)] for place, kind in enumerate(rare)}
    return strong | {kind: _OFTEN[place % len(_OFTEN)] for place, kind in enumerate(often)}
