"""Sequential consistency (Lamport 1979): one order of all operations, the same for everyone, that
keeps each process's own order. Real time between processes does not count.

Unlike linearizability it is no property of single keys: two keys that are each sequential may not
fit into one order. So all keys are searched together. Values are unique, so a value must not be
written over while one of its readers is still to come; that decides most choices.
"""

from __future__ import annotations

from typing import Final

from labs.kit.checkers.limits import Limits
from labs.kit.checkers.linearizable import Finding
from labs.kit.checkers.versions import INITIAL, Versions, because
from labs.kit.verdict import Counterexample

STEPS_A_LOOK: Final = 256
ENTRY_BYTES: Final = 120  # of a remembered place, and per session on top
SESSION_BYTES: Final = 16


def judge_sequential(history: Versions, limits: Limits) -> Finding:
    """Depth first over how far each session is, without recursion."""
    events, sessions = history.events, history.sessions
    left: dict[tuple[str | None, int], int] = {}  # (key, write) -> its readers to come
    for event in events:
        if event.saw is not None:
            at = event.operation.key, event.saw
            left[at] = left.get(at, 0) + 1
    positions = [0] * len(sessions)
    current: dict[str | None, int] = {}
    memo: set[tuple[object, ...]] = set()
    # What was done, to be undone: (session, key, value before) and where choices begin.
    done: list[tuple[int, str | None, int]] = []
    frames: list[tuple[int, int]] = []  # (length of `done`, next session to try)
    best: list[int] = list(positions)
    best_done = -1

    def legal(session: int) -> bool:
        place = sessions[session][positions[session]]
        event = events[place]
        key = event.operation.key
        now = current.get(key, INITIAL)
        if event.saw is not None and event.saw != now:
            return False
        if not event.writes:
            return True
        return left.get((key, now), 0) == (1 if event.saw is not None else 0)

    def do(session: int) -> None:
        place = sessions[session][positions[session]]
        event = events[place]
        key = event.operation.key
        done.append((session, key, current.get(key, INITIAL)))
        if event.saw is not None:
            left[key, event.saw] -= 1
        if event.writes:
            current[key] = place
        positions[session] += 1

    def undo() -> None:
        session, key, before = done.pop()
        positions[session] -= 1
        event = events[sessions[session][positions[session]]]
        if event.saw is not None:
            left[key, event.saw] += 1
        current[key] = before

    def reads() -> None:
        """Reads that are legal now change nothing: they are done at once, never a choice."""
        again = True
        while again:
            again = False
            for session, places in enumerate(sessions):
                while positions[session] < len(places):
                    if events[places[positions[session]]].writes or not legal(session):
                        break
                    do(session)
                    again = True

    reads()
    frames.append((len(done), 0))
    steps = 0
    while frames:
        steps += 1
        if steps % STEPS_A_LOOK == 0:
            limits.check(len(memo) * (ENTRY_BYTES + SESSION_BYTES * len(sessions)))
        length, session = frames[-1]
        while len(done) > length:
            undo()
        if length == len(events):
            return Finding(True)
        if length > best_done:
            best_done, best = length, list(positions)
        while session < len(sessions) and (
            positions[session] == len(sessions[session]) or not legal(session)
        ):
            session += 1
        if session == len(sessions):
            frames.pop()
            continue
        frames[-1] = length, session + 1
        do(session)
        reads()
        # A value without readers to come may be anything; it is written over in any case.
        needed = tuple(
            sorted((str(key), now) for key, now in current.items() if left.get((key, now), 0))
        )
        place = (*positions, needed)
        if place not in memo:
            memo.add(place)
            frames.append((len(done), 0))
    return Finding(False, _why(history, best))


def _why(history: Versions, best: list[int]) -> Counterexample:
    fronts = [
        places[at] for places, at in zip(history.sessions, best, strict=True) if at < len(places)
    ]
    waiting = "; ".join(history.say(place) for place in fronts[:6])
    more = f"; and {len(fronts) - 6} more" if len(fronts) > 6 else ""
    return because(
        f"there is no order of all operations that keeps each process's own: after the "
        f"{sum(best)} operations of the longest one found, none of these can be next: "
        f"{waiting}{more}",
        [history.events[place].operation for place in fronts],
        history.events[fronts[0]].operation,
    )
