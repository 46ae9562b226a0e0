"""From the record of faults to bands with a beginning and an end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labs.kit.timeline.model import FaultBand
from nodes.cluster.fault_kinds import CrashAt
from nodes.timeline import CRASHED, FAULT, POINT, STARTED, TimelineEvent

TAKE_DOWN = frozenset({"kill", "power-cut"})
AT_ONCE = frozenset({"restart", "wipe", "resume", "heal"})  # over as they happen
_SECOND_WORDS = ("sentence", "text")


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault as the record tells of it."""

    kind: str
    plain: Mapping[str, Any]  # as in a schedule
    text: str
    began_ms: float
    ended_ms: float  # when it had been brought about

    def nodes(self) -> tuple[str, ...]:
        """Every node that it names."""
        named: list[str] = []
        for value in self.plain.values():
            named += _names(value)
        kind = self.plain.get("do")
        return tuple(dict.fromkeys(name for name in named if name != kind))

    def groups(self, known: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """The sides of a partition of the `known` nodes; an isolated node is a side, too."""
        groups = [_names(group) for group in _list(self.plain.get("groups"))]
        if self.kind == "isolate":
            groups = [list(self.nodes())]
        named = {node for group in groups for node in group}
        rest = [node for node in known if node not in named]
        # Who is not named is together on the other side.
        sides = [*groups, rest] if groups and rest else groups
        return tuple(tuple(side) for side in sides)


def injections(events: Sequence[TimelineEvent]) -> list[Injection]:
    """In order of time. What is no fault is passed over."""
    found = [_injection(event) for event in events if event.kind == FAULT]
    return sorted((one for one in found if one is not None), key=lambda one: one.began_ms)


def fault_bands(events: Sequence[TimelineEvent], known: tuple[str, ...]) -> list[FaultBand]:
    """Each fault until it was undone: by a heal, by a start of its nodes, by another of its
    kind."""
    starts: dict[str, list[float]] = {}
    for event in events:
        if event.kind == STARTED:
            starts.setdefault(event.node, []).append(event.at_ms)
    open_bands: list[_Open] = []
    done: list[_Open] = []
    for one in injections(events):
        open_bands = _ended_by(one, open_bands, known)
        groups = one.groups(known)
        named = {node for group in groups for node in group} | set(one.nodes())
        band = _Open(one, tuple(node for node in known if node in named), groups)
        done.append(band)
        if one.kind not in AT_ONCE:
            open_bands.append(band)
    bands = []
    for band in done:
        if band.fault.kind == "heal":
            continue
        if band.fault.kind in TAKE_DOWN:
            band.ended_ms = _all_started(band, starts)
        if band.fault.kind == CrashAt.kind:
            band.ended_ms = _all_died(band, events) or band.ended_ms
        bands.append(band.closed())
    return bands


@dataclass(slots=True)
class _Open:
    """A band whose end is not known yet."""

    fault: Injection
    nodes: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    ended_ms: float | None = None
    undone: set[str] = field(default_factory=set)

    def closed(self) -> FaultBand:
        fault = self.fault
        lasts = fault.kind not in AT_ONCE
        return FaultBand(
            kind=fault.kind,
            text=fault.text,
            nodes=self.nodes,
            groups=self.groups,
            began_ms=fault.began_ms,
            ended_ms=self.ended_ms if lasts else fault.ended_ms,
            lasts=lasts,
        )


def _ended_by(one: Injection, bands: list[_Open], known: tuple[str, ...]) -> list[_Open]:
    """The bands that this fault leaves open."""
    kept = []
    for band in bands:
        nodes = set(one.nodes())
        if one.kind == "heal":
            band.ended_ms = one.ended_ms
            continue
        if band.fault.kind == "pause" and one.kind in TAKE_DOWN | {"resume", "restart", "wipe"}:
            band.undone |= nodes
            if band.undone >= set(band.nodes):
                band.ended_ms = one.began_ms
                continue
        if band.fault.kind == "skew" == one.kind and nodes >= set(band.nodes):
            band.ended_ms = one.began_ms
            continue
        kept.append(band)
    return kept


def _all_died(band: _Open, events: Sequence[TimelineEvent]) -> float | None:
    """When the last of its nodes came to the crash point; None when not all did."""
    until_ms = float("inf") if band.ended_ms is None else band.ended_ms
    died: dict[str, float] = {}
    for event in events:
        here = event.kind == CRASHED and event.fields.get(POINT) == band.fault.plain.get("point")
        if here and band.fault.began_ms <= event.at_ms < until_ms:
            died.setdefault(event.node, event.at_ms)
    if not band.nodes or not died.keys() >= set(band.nodes):
        return None
    return max(died[node] for node in band.nodes)


def _all_started(band: _Open, starts: Mapping[str, list[float]]) -> float | None:
    """When the last of the nodes was back; None as long as one is not."""
    back = []
    for node in band.nodes:
        after = [at_ms for at_ms in starts.get(node, ()) if at_ms >= band.fault.began_ms]
        if not after:
            return None
        back.append(min(after))
    return max(back, default=None)


def _injection(event: TimelineEvent) -> Injection | None:
    plain = _mapping(event.fields.get("fault"))
    if plain is None or not isinstance(plain.get("do"), str):
        return None
    began = event.fields.get("began_ms")
    began_ms = float(began) if isinstance(began, int | float) else event.at_ms
    text = next((str(event.fields[word]) for word in _SECOND_WORDS if word in event.fields), "")
    kind = str(plain["do"])
    return Injection(kind, plain, text or kind, min(began_ms, event.at_ms), event.at_ms)


def _mapping(value: object) -> Mapping[str, Any] | None:
    """A fault as a mapping, or as JSON: a note holds no mapping."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple):
        return [name for one in value for name in _names(one)]
    return []
