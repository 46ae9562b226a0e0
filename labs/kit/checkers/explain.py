"""Why a history is not linearizable: the longest prefix that is, and what does not fit.

The prefix of a history up to a return holds what had returned by then; what was under way may or
may not have happened. The first return up to which there is no order belongs to the operation that
fits nowhere. The search names it where it tried everything; where it left a path because of what
was still to come, the prefixes are searched again, each by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from labs.kit.checkers.claims import Claim
from labs.kit.checkers.limits import Limits, OutOfLimits
from labs.kit.checkers.models import describe
from labs.kit.checkers.plan import Plan
from labs.kit.checkers.search import Frame, Search
from labs.kit.history import Operation
from labs.kit.verdict import Counterexample

EXPLAIN_S_MAX: Final = 2.0  # once it is known that there is no order
Tick = Callable[[int], None]


def counterexample(
    key: str | None, search: Search, found: Sequence[Operation], limits: Limits
) -> Counterexample:
    """Of a search that found no order."""
    longest, stopped_at, exact = _longest(search, limits)
    plan = longest.plan
    order = path(longest)
    stuck = search.plan.claims[search.plan.return_claim[stopped_at]]
    numbers = {claim.number for claim in search.plan.claims}
    linearized = [
        (plan.claims[place].number, plan.model.show_state(plan.states.values[state]))
        for place, state in order
    ]
    return Counterexample(
        explanation=_sentences(found[stuck.number], key, linearized, found, plan, exact),
        key=key,
        operations=[operation for operation in found if operation.number in numbers],
        linearized=linearized,
        stuck=stuck.number,
    )


def path(search: Search) -> list[tuple[int, int]]:
    """The longest path as (place in claims, state after), with the reads that it implies."""
    plan = search.plan
    frames: list[Frame] = []
    frame = search.best
    while frame is not None:
        frames.append(frame)
        frame = frame[0]
    frames.reverse()
    order: list[tuple[int, int]] = []
    open_used: dict[int, int] = {}
    done: set[int] = set()
    at = 0
    reads = sorted(
        (claim.invoked, place)
        for place, claim in enumerate(plan.claims)
        if claim.action.verb in plan.read_only
    )
    ends = [plan.claims[place].returned for place in plan.return_claim]
    bits = dict(zip(plan.return_claim, plan.return_bit, strict=False))
    waiting: list[int] = []
    for _, number, mask, used, state, _, _, taken in frames:
        if taken >= 0:
            move = plan.claims[taken]
            if move.returned is None:
                field = _field(plan, taken)
                nth = open_used.get(field, 0)
                open_used[field] = nth + 1
                taken = plan.open_claims[field][nth]
            order.append((taken, state))
        # Reads that became legal here: those that have returned by now, or whose bit is set.
        limit = ends[number] if number < len(ends) else None
        while at < len(reads) and (limit is None or reads[at][0] < limit):
            waiting.append(reads[at][1])
            at += 1
        still = []
        for place in waiting:
            returned = plan.claims[place].returned
            assert returned is not None
            passed = limit is None or returned < limit
            if (passed or mask & bits[place]) and place not in done:
                done.add(place)
                order.append((place, state))
            else:
                still.append(place)
        waiting = still
        del used
    return order


def _field(plan: Plan, taken: int) -> int:
    for field, places in plan.open_claims.items():
        if taken in places:
            return field
    raise AssertionError("an operation that never returned is in no field")


def _longest(search: Search, limits: Limits) -> tuple[Search, int, bool]:
    """A search whose best path is the longest one, the number of the first return that it cannot
    pass, and whether both are certain."""
    if not search.looked_ahead:
        return search, search.best_return, True
    until_s = min(limits.deadline_s, limits.clock() + EXPLAIN_S_MAX)

    def tick(held: int) -> None:
        if limits.clock() >= until_s or held > limits.memory_bytes:
            raise OutOfLimits("no time to explain")

    try:
        if search.plan.outlook.exact:
            return _without_foresight(search, tick, until_s, limits)
        return _by_prefixes(search, tick, until_s, limits)
    except OutOfLimits:
        return search, search.best_return, False


def _without_foresight(
    search: Search, tick: Tick, until_s: float, limits: Limits
) -> tuple[Search, int, bool]:
    """The same search, which now goes as far as it can."""
    plain = Search(Plan(search.plan.model, search.plan.claims, tick, foresight=False))
    done = plain.run(until_s, limits.memory_bytes, limits.clock) is not None
    if not done and plain.best_return < search.best_return:
        return search, search.best_return, False
    return plain, plain.best_return, done


def _by_prefixes(
    search: Search, tick: Tick, until_s: float, limits: Limits
) -> tuple[Search, int, bool]:
    """Prefixes of the history, each searched by itself: where objects grow, an order that is wrong
    is found out too late without foresight."""

    def prefix(count: int) -> Search:
        """Up to return number `count`, that one included."""
        one = Search(Plan(search.plan.model, _prefix(search.plan, count), tick))
        if one.run(until_s, limits.memory_bytes, limits.clock) is None:
            raise OutOfLimits("no time to explain")
        return one

    works, fails, stride = search.best_return - 1, len(search.plan.return_claim) - 1, 1
    best = None
    while fails - works > 1:
        middle = min(works + stride, (works + fails) // 2) if stride else (works + fails) // 2
        one = prefix(middle)
        if one.valid:
            best, works, stride = one, middle, stride * 2
        else:
            fails, stride = middle, 0
    return best or prefix(works), fails, True


def _prefix(plan: Plan, count: int) -> list[Claim]:
    """What is claimed up to return number `count`; what returned later was under way then. With -1:
    nothing has returned."""
    places = plan.return_claim
    following = plan.claims[places[count + 1]].returned if count + 1 < len(places) else None
    last = plan.claims[places[count]].returned if count >= 0 else -1
    assert last is not None
    kept = []
    for claim in plan.claims:
        if following is not None and claim.invoked >= following:
            continue
        if claim.returned is not None and claim.returned > last:
            if claim.action.verb not in plan.read_only:
                kept.append(claim._replace(returned=None))
        else:
            kept.append(claim)
    return kept


def _sentences(
    stuck: Operation,
    key: str | None,
    linearized: Sequence[tuple[int, str]],
    found: Sequence[Operation],
    plan: Plan,
    exact: bool,
) -> str:
    where = "" if key is None else f" of key {key}"
    what = f"{describe(stuck)} of process {stuck.process} (line {stuck.invoked + 1})"
    state = linearized[-1][1] if linearized else plan.model.show_state(plan.model.initial)
    after = ""
    if linearized:
        last = found[linearized[-1][0]]
        after = f" after {describe(last)} of process {last.process} (line {last.invoked + 1})"
    begin = f"{what} fits nowhere"
    if not exact:
        begin = f"no order was found that holds {what}; it may not be the first that does not fit"
    count = len(linearized)
    prefix = f"The longest order that works up to its response has {count} operations{where}"
    if count == 0:
        prefix = f"Nothing{where} can come before it"
    return f"{begin}. {prefix}; the state{after} is {state}."
