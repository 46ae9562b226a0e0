"""The search for an order: Wing and Gong 1993, with Lowe's memo (2017), on one object.

Depth first: linearize an operation that is under way, go on from there, come back if that leads
nowhere, and never go on twice from the same place. What makes it fast, beyond the layout of
`plan.py`: a read that is legal is linearized at once and is never a choice, since doing it earlier
changes no later state; of operations that claim the same, the one that returns first goes first; an
operation that never returned is taken only for what it makes possible; and a state that makes a
read to come impossible is left at once (`outlook.py`).

No recursion: the path is a chain of frames, so that the longest one is kept by a reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from labs.kit.checkers.plan import Move, Plan
from labs.kit.checkers.tables import HOPELESS

STEPS_A_LOOK: Final = 512  # places that are entered or left between two looks at the clock
ENTRY_BYTES: Final = 110  # of the memo: a number in a set, with the set's spare room
FRONT_BYTES: Final = 330  # the same where operations never returned: a list of counts each
STATE_BYTES: Final = 300  # of a state, with its places in tables; what it holds comes on top

# (frame before, return, mask, used, state, previous state or -1, moves left, claim that was taken)
Frame = tuple[Any, int, int, int, int, int, Iterator[Move], int]


class Search:
    """One search, which can be interrupted and resumed. `valid` is None until it is known."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.valid: bool | None = None
        self.best_return = -1  # how many operations have returned in the longest path so far
        self.best: Frame | None = None
        self.looked_ahead = False  # something was left because of what is still to come
        # Where the search has been: return, mask and state. If some operations never returned:
        # with the counts of those that had been used up there.
        self._memo: set[int] = set()
        self._fronts: dict[Any, list[int]] = {}
        self._current: Frame | None = None

    @property
    def held_bytes(self) -> int:
        """About what the search holds."""
        return (
            len(self._memo) * ENTRY_BYTES
            + len(self._fronts) * FRONT_BYTES
            + len(self.plan.states.values) * STATE_BYTES
        )

    def run(self, deadline_s: float, memory_bytes: float, clock: Any) -> bool | None:
        """Goes on until the answer is known, or the clock or the memory is at its limit."""
        plan, memo = self.plan, self._memo
        hold, end = plan.hold, len(plan.return_claim)
        return_bit, reads, news = plan.return_bit, plan.reads, plan.news
        moves, open_moves = plan.moves, plan.open_moves
        number_bits = end.bit_length()
        mask_shift, state_shift = number_bits, number_bits + plan.slots
        guards = plan.guards
        if self._current is None:
            start = self._start()
            if start is None:
                return self.valid
            parent, number, mask, used, state, previous, left, taken = start
        else:
            parent, number, mask, used, state, previous, left, taken = self._current
        steps = STEPS_A_LOOK
        while True:
            steps -= 1
            if not steps:
                if clock() >= deadline_s or self.held_bytes > memory_bytes:
                    self._current = parent, number, mask, used, state, previous, left, taken
                    return None
                steps = STEPS_A_LOOK
            for bit, twins, table, claim, unit, field, count in left:
                if bit:
                    if mask & bit or mask & twins != twins:
                        continue
                elif used & field >= count:
                    continue
                after = table[state]
                if after < 0:
                    continue
                if previous >= 0 and table[previous] == after:
                    continue  # the operation before, which never returned, was of no use to this
                new_mask, at, new_used = mask | bit, number, used
                if unit:
                    if after == state:
                        continue
                    new_used += unit
                if after != state:
                    for read, legal in reads[at]:
                        if not new_mask & read:
                            result = legal[after]
                            if result >= 0:
                                new_mask |= read
                            elif result == HOPELESS:
                                at = -1
                                break
                    if at < 0:
                        self.looked_ahead = True
                        continue
                while new_mask & return_bit[at]:
                    new_mask ^= return_bit[at]
                    at += 1
                    for read, legal in news[at]:
                        if not new_mask & read:
                            result = legal[after]
                            if result >= 0:
                                new_mask |= read
                            elif result == HOPELESS:
                                at = -1
                                break
                    if at < 0:
                        break
                if at < 0:
                    self.looked_ahead = True
                    continue
                if at == end:
                    frame = parent, number, mask, used, state, previous, left, taken
                    self.best_return = end
                    self.best = frame, at, new_mask, new_used, after, -1, iter(()), claim
                    self.valid = True
                    self._forget()
                    return True
                key = after << state_shift | new_mask << mask_shift | at
                before = -1
                if not guards:
                    if key in memo:
                        continue
                    memo.add(key)
                else:
                    if self._spent_less(key, new_used):
                        continue
                    if unit and at == number and new_mask == mask:
                        # Nothing came of it yet: what comes next must need it.
                        before = state
                        if self._spent_less((key, state), new_used, keep=True):
                            continue
                    else:
                        self._fronts.setdefault(key, []).append(new_used)
                parent = parent, number, mask, used, state, previous, left, taken
                number, mask, used, state = at, new_mask, new_used, after
                previous, taken = before, claim
                if hold and hold.get(state, 0) > number:
                    self.looked_ahead = True
                    left = iter(())
                elif open_moves[number]:
                    left = chain(moves[number], open_moves[number])
                else:
                    left = iter(moves[number])
                break
            else:
                if number > self.best_return:
                    self.best_return = number
                    self.best = parent, number, mask, used, state, previous, left, taken
                if parent is None:
                    self.valid = False
                    self._forget()
                    return False
                parent, number, mask, used, state, previous, left, taken = parent

    def _spent_less(self, key: Any, used: int, *, keep: bool = False) -> bool:
        """Whether the search has gone on from here already with no more of any kind used up: then
        it has tried whatever this could. Otherwise this is remembered, if it is to be kept."""
        front, guards = self._fronts.get(key), self.plan.guards
        if front is None:
            if keep:
                self._fronts[key] = [used]
            return False
        guarded = used | guards
        for less in front:
            if (guarded - less) & guards == guards:
                return True
        if keep:
            front.append(used)
        return False

    def _forget(self) -> None:
        self._memo.clear()
        self._fronts.clear()

    def _start(self) -> Frame | None:
        """The place before the first choice; None if nothing is left to choose."""
        plan, state = self.plan, self.plan.initial
        mask = number = 0
        looks = plan.reads[0]
        while True:
            for read, legal in looks:
                result = legal[state]
                if result >= 0:
                    mask |= read
                elif result == HOPELESS and not mask & read:
                    # The one who needs it may be far ahead: others can return before it.
                    self.looked_ahead = True
            if not mask & plan.return_bit[number]:
                break
            mask ^= plan.return_bit[number]
            number += 1
            looks = plan.news[number]
        moves: Iterator[Move] = chain(plan.moves[number], plan.open_moves[number])
        if number == len(plan.return_claim):
            self.valid, self.best_return = True, number
            self.best = None, number, mask, 0, state, -1, iter(()), -1
            return None
        if plan.hold.get(state, 0) > number:
            self.looked_ahead, moves = True, iter(())
        return None, number, mask, 0, state, -1, moves, -1
