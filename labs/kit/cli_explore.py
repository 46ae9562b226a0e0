"""`lab fuzz LAB --exhaustive`: not some courses of events but all, as far as a few moves go."""

from __future__ import annotations

from typing import Any, Final

from labs.kit.errors import ANSWER_IS_NO, COULD_NOT, DONE, LabError, nearest
from labs.kit.output import print_json, tell
from labs.kit.text import visible

STATES_MAX: Final = 2_000_000  # some 5 KB each
UNLIMITED_S: Final = 1e9


def run_exhaustive(
    lab: str,
    *,
    nodes: int,
    depth: int | None,
    mutant: str | None,
    limit_s: float | None,
    as_json: bool,
) -> int:
    """Explores and tells; returns the exit status: 0 nothing was violated in any state, 1 something
    was, 2 not every state was visited."""
    from labs.kit.explore.search import explore
    from labs.kit.explore.space import load_space

    space = load_space(lab)
    if mutant is not None and mutant not in space.mutants:
        raise LabError(f"--mutant {mutant}: {nearest(mutant, space.mutants)}")
    rules = space.rules(nodes, mutant)

    def told(level: int, states: int, rate: float) -> None:
        tell(f"{level} moves deep: {states:,} states, {rate:,.0f} a second")

    try:
        found = explore(
            rules,
            space.first(rules),
            depth=depth or space.depth,
            states_max=STATES_MAX,
            time_s=UNLIMITED_S if limit_s is None else limit_s,
            tell=told,
        )
    except KeyboardInterrupt:
        raise LabError("interrupted; nothing was violated so far") from None
    rate = found.states / max(found.elapsed_s, 1e-6)
    budget = space.budget
    bounds = (
        f"{budget.requests} client requests, {budget.timers} timers, {budget.crashes} crashes, "
        f"{budget.losses} lost messages"
    )
    document: dict[str, Any] = {
        "lab": lab,
        "mutant": mutant,
        "nodes": nodes,
        "depth": found.depth,
        "budget": budget._asdict(),
        "complete": found.complete,
        "states": found.states,
        "transitions": found.transitions,
        "elapsed_s": round(found.elapsed_s, 3),
        "states_per_s": round(rate),
        "violation": found.violation,
        "path": list(found.path),
    }
    if as_json:
        print_json(document)
    else:
        print(
            f"{found.states:,} states of {nodes} nodes, {found.transitions:,} moves between them, "
            f"in {found.elapsed_s:.1f} s: {rate:,.0f} states a second"
        )
        for number, line in enumerate(found.path, 1):
            print(f"{number:3}. {visible(line)}")
        print(_said(found.violation, found.depth, bounds, complete=found.complete))
    if found.violation is not None:
        return ANSWER_IS_NO
    return DONE if found.complete else COULD_NOT


def _said(violation: str | None, depth: int, bounds: str, *, complete: bool) -> str:
    if violation is not None:
        return f"violated: {visible(violation)}"
    if complete:
        return f"nothing was violated in any state within {depth} moves ({bounds})"
    return (
        f"could not tell: the search ended among states {depth} moves away; "
        "give it more --time, or less --depth"
    )
