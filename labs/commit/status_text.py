"""Transactions in lines for people: those that are under way or in doubt, and who holds locks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labs.kit.lab import Value, Views
from labs.kit.text import counted, visible

SHOWN_MAX = 8
WIDTH = 80


def commit_status(views: Views, settings: Mapping[str, Value]) -> Sequence[str]:
    """See Lab.picture."""
    coordinated = _of(views, "coordinated")
    doubts, locks = _of(views, "in_doubt"), _of(views, "locks")
    lines = [
        *_section("under way", coordinated, _phase),
        *_section("in doubt", doubts, lambda node, one: _doubt(node, one, views)),
        *_section("locked", locks, _lock),
    ]
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..." for line in lines]


def _of(views: Views, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(node, one) for node, view in views.items() for one in view.get(name) or ()]


def _section(
    title: str, entries: Sequence[tuple[str, Mapping[str, Any]]], line: Any
) -> Iterator[str]:
    if not entries:
        return
    yield f"{title}: {len(entries)}"
    for node, one in entries[:SHOWN_MAX]:
        yield f"  {line(node, one)}"
    if len(entries) > SHOWN_MAX:
        yield f"  and {len(entries) - SHOWN_MAX} more"


def _phase(node: str, one: Mapping[str, Any]) -> str:
    waiting = ", ".join(map(str, one.get("waiting_for") or ()))
    what = f"{visible(str(one['transaction']))}  {one['phase']} at {node}"
    return what + (f", waits for {waiting}" if waiting else "")


def _doubt(node: str, one: Mapping[str, Any], views: Views) -> str:
    coordinator = str(one["coordinator"])
    down = "" if coordinator in views else ", which does not answer"
    knows = "knows that all voted yes" if one.get("precommitted") else "voted yes"
    name = visible(str(one["transaction"]))
    return f"{name}  {node} {knows} {one.get('since_ms', 0)} ms ago; asks {coordinator}{down}"


def _lock(node: str, one: Mapping[str, Any]) -> str:
    waiting = one.get("waiting") or ()
    what = f"{visible(str(one['resource']))} at {node} by {visible(str(one['holder']))}"
    return what + (f", {counted(len(waiting), 'transaction')} waiting" if waiting else "")
