"""Proof that a core is what it claims: the same step twice has the same effects.

A core that reads a clock, rolls its own dice, or iterates over a set into its effects, is caught
the first time it matters. So is a `view` that changes something.

The order of a set of strings differs from process to process, and never within one. So the copy of
the core gets its sets turned: they hold the same, and each member comes at another place. Sets that
live within one step only are not seen here; they show in digests under another PYTHONHASHSEED.
"""

from __future__ import annotations

import copy
import copyreg
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nodes.core import Core, Effect, Event, Now


def _moved(members: list[Any]) -> dict[Any, int]:
    """Each member with another place than it has now."""
    return {member: place for place, member in enumerate(members[1:] + members[:1])}


class _TurnedSet(set[Any]):
    def __init__(self, members: list[Any]) -> None:
        super().__init__(members)
        self.places = _moved(members)

    def __iter__(self) -> Iterator[Any]:
        yield from sorted(super().__iter__(), key=lambda member: self.places.get(member, -1))


class _TurnedFrozenSet(frozenset[Any]):
    places: dict[Any, int]

    def __new__(cls, members: list[Any]) -> _TurnedFrozenSet:
        turned = super().__new__(cls, members)
        turned.places = _moved(members)
        return turned

    def __iter__(self) -> Iterator[Any]:
        yield from sorted(super().__iter__(), key=lambda member: self.places.get(member, -1))


def _turned(members: Iterable[Any]) -> tuple[Callable[..., Any], tuple[list[Any]]]:
    kind = _TurnedSet if isinstance(members, set) else _TurnedFrozenSet
    return kind, (list(members),)


def _twin_of(core: Core) -> Core:
    """A deep copy with every plain set turned round."""
    table = copyreg.dispatch_table
    table[set] = table[frozenset] = _turned
    try:
        return copy.deepcopy(core)
    finally:
        del table[set], table[frozenset]


class ImpureCore(Exception):
    """The core depends on something that is not in its arguments."""


def step_twice(core: Core, event: Event, now: Now) -> list[Effect]:
    """Steps `core`, and a copy of it as it was before, and compares.

    Raises ImpureCore when effects, or the views afterwards, differ.
    """
    twin = _twin_of(core)
    effects = core.step(event, now)
    again = twin.step(copy.deepcopy(event), now)
    name = type(core).__name__
    if effects != again:
        difference = next(
            (
                f"{first} and then {second}"
                for first, second in zip(effects, again, strict=False)
                if first != second
            ),
            f"{len(effects)} effects and then {len(again)}",
        )
        raise ImpureCore(f"{name} is not repeatable: {type(event).__name__} gave {difference}")
    view = core.view()
    if view != twin.view():
        raise ImpureCore(f"{name} is not repeatable: its view differs after {type(event).__name__}")
    if view != core.view():
        raise ImpureCore(f"{name}.view() changes what it shows")
    return effects
