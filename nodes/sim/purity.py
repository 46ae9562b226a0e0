"""Proof that a core is what it claims: the same step twice has the same effects.

A core that reads a clock, rolls its own dice, or iterates over a set into its effects, is caught
the first time it matters. So is a `view` that changes something.
"""

from __future__ import annotations

import copy

from nodes.core import Core, Effect, Event, Now


class ImpureCore(Exception):
    """The core depends on something that is not in its arguments."""


def step_twice(core: Core, event: Event, now: Now) -> list[Effect]:
    """Steps `core`, and a copy of it as it was before, and compares.

    Raises ImpureCore when effects, or the views afterwards, differ.
    """
    twin = copy.deepcopy(core)
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
