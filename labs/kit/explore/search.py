"""Follows every course of events up to a depth, breadth first, and each state once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from labs.kit.explore.rules import Rules
from labs.kit.explore.state import Move, State
from labs.kit.explore.step import Violation

TOLD_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """What an exploration came to. `path` is a shortest course of events to the violation.

    `complete`: every state up to `depth` was visited; not so when it ended by its time or by the
    number of states.
    """

    states: int
    transitions: int
    depth: int
    complete: bool
    elapsed_s: float
    violation: str | None = None
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Way:
    """How a state was reached."""

    state: State
    before: _Way | None
    move: Move | None


def explore(
    rules: Rules,
    first: State,
    *,
    depth: int,
    states_max: int,
    time_s: float,
    tell: Callable[[int, int, float], None] = lambda _depth, _states, _rate: None,
) -> Found:
    """All states within `depth` moves of the first, until one violates something.

    `tell` hears about once a second of the depth, the states so far, and states a second.
    """
    began = told = time.monotonic()
    seen = {first.key()}
    frontier = [_Way(first, None, None)]
    transitions = 0
    for level in range(1, depth + 1):
        following: list[_Way] = []
        for way in frontier:
            for move in rules.moves(way.state):
                transitions += 1
                try:
                    state = rules.follow(way.state, move)
                except Violation as violation:
                    path = _path(rules, _Way(way.state, way, move))
                    took_s = time.monotonic() - began
                    said = str(violation)
                    return Found(len(seen), transitions, level, False, took_s, said, path)
                key = state.key()
                if key not in seen:
                    seen.add(key)
                    following.append(_Way(state, way, move))
            now = time.monotonic()
            if now - told > TOLD_EVERY_S:
                told = now
                tell(level, len(seen), len(seen) / (now - began))
            if now - began > time_s or len(seen) > states_max:
                return Found(len(seen), transitions, level, False, now - began)
        if not following:
            break
        frontier = following
    return Found(len(seen), transitions, level, True, time.monotonic() - began)


def _path(rules: Rules, way: _Way) -> tuple[str, ...]:
    """The moves from the first state on, in words."""
    lines: list[str] = []
    step: _Way | None = way
    while step is not None and step.before is not None and step.move is not None:
        lines.append(rules.describe(step.before.state, step.move))
        step = step.before
    return tuple(reversed(lines))
