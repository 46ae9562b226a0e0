"""Linearizability of a whole history: by key, the keys in turns.

Herlihy and Wing 1990: every operation seems to take effect at one moment between its invocation and
its response. It holds for a history if it holds for each object of it, so each key is searched by
itself. The keys take turns with growing budgets: else the first hard one hides an easy violation
of another for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from labs.kit.checkers.claims import Claim
from labs.kit.checkers.explain import counterexample
from labs.kit.checkers.limits import Limits
from labs.kit.checkers.models import Action, Model
from labs.kit.checkers.plan import Plan
from labs.kit.checkers.search import Search
from labs.kit.history import Entry, Operation
from labs.kit.verdict import Counterexample

BUDGET_S: Final = 0.002  # of a key's first turn
GROWTH: Final = 4  # of the budget, a round
PLAIN: Final = (int, str, type(None))
CLOCK_EVERY: Final = 4096  # operations between two looks at the clock


@dataclass(frozen=True, slots=True)
class Finding:
    """What came out; `valid` None with a `reason`."""

    valid: bool | None
    counterexample: Counterexample | None = None
    reason: str = ""


def judge_linearizable(
    found: Sequence[Operation], entries: Sequence[Entry], model: Model, limits: Limits
) -> Finding:
    """Whether there is an order. Raises HistoryMalformed, and OutOfLimits."""
    keys = by_key(found, entries, model, limits)
    return _in_turns(keys, found, model, limits)


def by_key(
    found: Sequence[Operation], entries: Sequence[Entry], model: Model, limits: Limits
) -> dict[str | None, list[Claim]]:
    """What the operations on each key claim."""
    keys: dict[str | None, list[Claim]] = {}
    # What succeeded says the same whenever it looks the same; values that are often written are
    # looked up faster than worked out. Of plain ones only: others may be equal and not the same.
    said: dict[tuple[str, Any, Any], Action | None] = {}
    for operation in found:
        number, _, f, key, argument, result, outcome, invoked, returned, _, _ = operation
        if number % CLOCK_EVERY == 0:
            limits.check()
        if outcome == "ok" and type(argument) in PLAIN and type(result) in PLAIN:
            looks = f, argument, result
            try:
                action = said[looks]
            except KeyError:
                action = said[looks] = model.action(operation, entries)
        else:
            action = model.action(operation, entries)
        if action is None or (returned is None and action.verb in model.read_only):
            continue
        claims = keys.get(key)
        if claims is None:
            claims = keys[key] = []
        claims.append(Claim(number, action, invoked, returned))
    return keys


def _in_turns(
    keys: dict[str | None, list[Claim]],
    found: Sequence[Operation],
    model: Model,
    limits: Limits,
) -> Finding:
    waiting = list(keys)
    plans: dict[str | None, Plan] = {}
    searches: dict[str | None, Search] = {}
    held = 0.0

    def tick(more: int) -> None:
        limits.check(held + more)

    budget_s = BUDGET_S
    while waiting:
        unknown = []
        for key in waiting:
            began_s = limits.clock()
            if key not in searches:
                plans[key] = Plan(model, keys[key], tick)
                searches[key] = Search(plans[key])
            search = searches[key]
            until_s = limits.deadline_s
            if len(waiting) > 1:
                until_s = min(until_s, began_s + budget_s)
            room = limits.memory_bytes - held + search.held_bytes
            held -= search.held_bytes
            valid = search.run(until_s, room, limits.clock)
            held += search.held_bytes
            if valid is False:
                return Finding(False, counterexample(key, search, found, limits))
            if valid is True:
                held -= search.held_bytes
                del searches[key], plans[key]
                continue
            where = "" if key is None else f" at key {key}"
            if held > limits.memory_bytes:
                return Finding(None, reason=limits.memory_reason(where))
            if limits.clock() >= limits.deadline_s:
                return Finding(None, reason=limits.time_reason(where))
            unknown.append(key)
        waiting = unknown
        budget_s *= GROWTH
    return Finding(True)


__all__ = ["Finding", "by_key", "judge_linearizable"]
