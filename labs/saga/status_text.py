"""Sagas in lines for people: those under way and those that are stuck, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labs.kit.lab import Value, Views
from labs.kit.text import counted, visible

PLAN = ("reserve", "charge", "ship", "confirm")
PIVOT = "ship"
SHOWN_MAX = 8
WIDTH = 80


def saga_status(views: Views, settings: Mapping[str, Value]) -> Sequence[str]:
    """See Lab.picture: the sagas that are not over, and the events that nobody has yet."""
    sagas = [saga for view in views.values() for saga in view.get("sagas") or ()]
    stuck = [saga for saga in sagas if saga["status"] == "stuck"]
    going = [saga for saga in sagas if saga["status"] != "stuck"]
    waiting = [
        f"{counted(int(view['outbox']), 'event')} at {node}"
        for node, view in views.items()
        if view.get("outbox")
    ]
    lines = [
        *_section(f"{counted(len(stuck), 'order')} stuck: lab order retry|skip|compensate", stuck),
        *_section(f"{counted(len(going), 'order')} under way", going),
    ]
    if waiting:
        lines.append(f"in the outbox: {', '.join(waiting)}")
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..." for line in lines]


def _section(title: str, sagas: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not sagas:
        return
    yield title
    for saga in sagas[:SHOWN_MAX]:
        yield f"  {visible(str(saga['order']['id']))}  {track(saga)}"
    if len(sagas) > SHOWN_MAX:
        yield f"  and {len(sagas) - SHOWN_MAX} more"


def track(saga: Mapping[str, Any]) -> str:
    """All steps in one line: `reserve done, charge undone, ship ..., confirm -`."""
    return "  ".join(f"{step}:{state_of(saga, step)}" for step in PLAN)


def state_of(saga: Mapping[str, Any], step: str) -> str:
    """done, undone, skipped, under way (with its attempts), or not begun."""
    at_hand = saga.get("step") == step and saga.get("status") not in ("completed", "compensated")
    attempts = int(saga.get("attempts", 0))
    if at_hand and saga["status"] == "stuck":
        back = saga.get("before_stuck") == "compensating"
        return f"{'undo ' if back else ''}stuck"
    if at_hand:
        word = "undoing" if saga["status"] == "compensating" else "doing"
        return word + (f" (attempt {attempts + 1})" if attempts else "")
    if step in saga.get("undone", ()):
        return "undone" + (" by operator" if step in saga.get("skipped", ()) else "")
    if step in saga.get("done", ()):
        return "done" + (" by operator" if step in saga.get("skipped", ()) else "")
    return "-"
