"""The ring in `lab status` and `lab watch`: as the nodes believe it is, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.kit.lab import Value, View, Views
from labs.quorum_store.ring_picture import OUTSIDE, RingState, fit, ring_lines


def ring_in(views: Views, settings: Mapping[str, Value]) -> RingState | None:
    """The ring by the newest that any node knows of each. None while nobody says anything."""
    newest: dict[str, Mapping[str, Any]] = {}
    for view in views.values():
        for entry in _entries(view):
            known = newest.get(str(entry["node"]))
            if known is None or int(entry["version"]) > int(known["version"]):
                newest[str(entry["node"])] = entry
    if not newest:
        return None
    memberships = dict.fromkeys(views, OUTSIDE)
    memberships |= {node: str(entry["membership"]) for node, entry in newest.items()}
    return RingState(memberships, int(settings["tokens"]), int(settings["replication"]))


def ring_status(views: Views, settings: Mapping[str, Value]) -> list[str]:
    """The members with their shares; and, while a change spreads, who has not heard of it."""
    ring = ring_in(views, settings)
    if ring is None:
        return []
    behind = [node for node, view in views.items() if _differs(view, ring)]
    late = [f"  not heard of everything yet: {', '.join(behind)}"] if behind else []
    return fit([*ring_lines(ring), *late])


def _entries(view: View) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = (view.get("ring") or {}).get("entries", [])
    return found


def _differs(view: View, ring: RingState) -> bool:
    seen = {str(entry["node"]): str(entry["membership"]) for entry in _entries(view)}
    return any(seen.get(node, OUTSIDE) != phase for node, phase in ring.memberships.items())
