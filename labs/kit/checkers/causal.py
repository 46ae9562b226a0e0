"""Causal memory (Ahamad, Neiger, Burns, Kohli and Hutto 1995): for each process there is an order
of its own operations and everyone's writes that keeps the causal order, in which its reads return
the latest write. Processes may see writes that are not causally related in different orders.

The causal order is each process's own, and from each write to the reads that saw it. With unique
values the question is decided by a few bad patterns (Bouajjani, Enea, Guerraoui and Hamza, "On
verifying causal consistency", POPL 2017, their CM): a cycle, or a read that saw a write, or none,
though another write to the key must come between. What must come between is found by saturation:
if a process read w2 after w1 was ordered before that read, w1 comes before w2 for this process.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from labs.kit.checkers.limits import Limits
from labs.kit.checkers.linearizable import Finding
from labs.kit.checkers.versions import INITIAL, Versions, because

BITS_A_BYTE: Final = 8


def judge_causal(history: Versions, limits: Limits) -> Finding:
    """Polynomial: cubic in the number of operations at worst, on sets of bits."""
    events = history.events
    limits.check(len(events) ** 2 / BITS_A_BYTE * 2)
    before = _causal_order(history, limits)
    if isinstance(before, Finding):
        return before
    writes: dict[str | None, int] = {}
    for place, event in enumerate(events):
        if event.writes:
            key = event.operation.key
            writes[key] = writes.get(key, 0) | 1 << place
    for session in history.sessions:
        bad = _of_process(history, session, list(before), writes, limits)
        if bad is not None:
            return bad
    return Finding(True)


def _causal_order(history: Versions, limits: Limits) -> list[int] | Finding:
    """For each event the set of those before it; or the cycle."""
    events = history.events
    direct: list[list[int]] = [[] for _ in events]
    after: list[list[int]] = [[] for _ in events]
    for session in history.sessions:
        for earlier, later in pairwise(session):
            direct[later].append(earlier)
    for place, event in enumerate(events):
        if event.saw is not None and event.saw != INITIAL:
            direct[place].append(event.saw)
    waiting = [len(earlier) for earlier in direct]
    for place, sources in enumerate(direct):
        for one in sources:
            after[one].append(place)
    ready = [place for place, count in enumerate(waiting) if not count]
    before = [0] * len(events)
    sorted_count = 0
    while ready:
        place = ready.pop()
        sorted_count += 1
        limits.check()
        for one in direct[place]:
            before[place] |= before[one] | 1 << one
        for later in after[place]:
            waiting[later] -= 1
            if not waiting[later]:
                ready.append(later)
    if sorted_count < len(events):
        stuck = [place for place, count in enumerate(waiting) if count]
        reader = next((p for p in stuck if events[p].saw in stuck), stuck[0])
        return Finding(
            False,
            because(
                f"{history.say(reader)} saw a write that was caused by it: cause and effect go in "
                f"a circle",
                [events[place].operation for place in stuck[:20]],
                events[reader].operation,
            ),
        )
    return before


def _of_process(
    history: Versions,
    session: list[int],
    before: list[int],
    writes: dict[str | None, int],
    limits: Limits,
) -> Finding | None:
    """Saturates the order as this process must see it; a Finding if that is impossible."""
    events = history.events
    reads = [place for place in session if events[place].saw is not None]
    changed = True
    while changed:
        changed = False
        for reader in reads:
            saw = events[reader].saw
            assert saw is not None
            earlier = before[reader] & writes.get(history.key(reader), 0)
            if saw == INITIAL:
                if earlier:
                    return _bad(history, reader, saw, earlier.bit_length() - 1)
                continue
            # Of those before the read, what is not yet before the write that it saw.
            new = earlier & ~before[saw] & ~(1 << saw)
            while new:
                limits.check()
                place = new.bit_length() - 1
                if before[place] >> saw & 1:
                    return _bad(history, reader, saw, place)
                gained = before[place] | 1 << place
                before[saw] |= gained
                bit = 1 << saw
                for other, earlier_ones in enumerate(before):
                    if earlier_ones & bit:
                        before[other] = earlier_ones | gained
                changed = True
                new &= ~before[saw]
    return None


def _bad(history: Versions, reader: int, saw: int, between: int) -> Finding:
    events = history.events
    what = "no write" if saw == INITIAL else history.say(saw)
    involved = [events[reader].operation, events[between].operation]
    if saw != INITIAL:
        involved.append(events[saw].operation)
    return Finding(
        False,
        because(
            f"{history.say(reader)} saw {what}, but for this process {history.say(between)} comes "
            f"{'before the read' if saw == INITIAL else 'between the two'}",
            involved,
            events[reader].operation,
        ),
    )
