"""The points of a lab's core at which a node can be made to die, by the names that users write."""

from __future__ import annotations

from collections.abc import Mapping

from labs.kit.errors import LabError, nearest
from nodes.cluster.fault_kinds import CrashAt, Fault


def check_point(fault: Fault, lab: str, points: Mapping[str, str]) -> None:
    """Raises LabError for a fault at a crash point that this lab does not have: it would never be
    reached, and look like a node that survives."""
    if not isinstance(fault, CrashAt) or fault.point in points:
        return
    if not points:
        raise LabError(f"the {lab} lab has no crash points; `lab fault kill` ends a node anywhere")
    raise LabError(
        f"{fault.point} is no crash point of the {lab} lab; {known(fault.point, points)}"
    )


def known(point: str, points: Mapping[str, str]) -> str:
    """The nearest of them, each with what it means."""
    clause = nearest(point, points)
    meant = [name for name in points if f" {name}" in clause] if "did you mean" in clause else []
    return clause + "".join(f" ({name}: {points[name]})" for name in meant[:1])
