"""The operations of one object, laid out for the search: everything that it needs at each return.

Time is cut at the returns, in their order. At return number r the operations that were invoked and
have not returned before it are under way; each holds a slot, a bit that is free again after its
return. What has been linearized is then a number of few bits, however long the history is: all
that returned before r, and the slots of a mask. That is the windowed bitset.

Operations that never returned hold no slot. Those of one action are alike, so it is enough to count
how many of them have been linearized, in the order in which they were invoked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from labs.kit.checkers.claims import Claim, Columns
from labs.kit.checkers.foresight import beyond_help, holds, reads_ahead, useless
from labs.kit.checkers.models import Action, Model
from labs.kit.checkers.outlook import Outlook, outlook_of
from labs.kit.checkers.tables import States, Table

ENTRY_BYTES: Final = 8  # of a list of references
CLOCK_EVERY: Final = 1024  # returns between two looks at the clock

# An operation that may change the state: (bit, twins, table, claim, unit, field, count). One under
# way has a `bit`, and waits for those of the same action that return before it, the `twins`. One
# that never returned has `bit` 0, and is there while the `field` of its action in the number of
# used ones is less than `count`; `unit` adds one. `claim` is its place in Plan.claims; of the
# first of its field. A plain tuple, since the search unpacks millions of them.
Move = tuple[int, int, "Table", int, int, int, int]
Look = tuple[int, Table]  # a read under way: its bit, or 0 for one that is still to come


class Plan:
    """See the module. Claims are in the order of invocation. Raises what `tick` raises, which is
    called now and then with the bytes that the layout holds."""

    def __init__(
        self,
        model: Model,
        claims: Sequence[Claim],
        tick: Callable[[int], None],
        *,
        foresight: bool = True,
    ) -> None:
        self.model, self.claims = model, claims
        self.states = States()
        self.initial = self.states.number(model.initial)
        self.read_only = model.read_only
        # By number of the return, with one more for the end.
        self.return_bit: list[int] = []
        self.return_claim: list[int] = []
        self.reads: list[tuple[Look, ...]] = []  # under way at this return
        self.news: list[tuple[Look, ...]] = []  # of those, what was not at the return before
        self.moves: list[tuple[Move, ...]] = []
        self.open_moves: list[tuple[Move, ...]] = []
        self.open_claims: dict[int, list[int]] = {}  # field -> places in claims
        self.slots = self.open_bits = self.guards = 0
        self._columns = columns = Columns(model, claims)
        self.outlook = outlook_of(model, columns.actions) if foresight else Outlook()
        self._plain = _Tables(model, self.states, columns.actions)
        self._useless = useless(columns, self.outlook)
        self._open_units = self._units()
        self._lay_out(tick)
        # By state: the number of the return before which it must not be left.
        self.hold: dict[int, int] = {}
        if self.outlook.exact:
            found = holds(columns, model.initial)
            self.hold = {self.states.number(value): rank for value, rank in found.items()}
        del self._columns

    def _lay_out(self, tick: Callable[[int], None]) -> None:
        columns, outlook = self._columns, self.outlook
        kinds, is_read, invoked, rank = (
            columns.kind, columns.is_read, columns.invoked, columns.rank
        )  # fmt: skip
        never, count = columns.never, len(invoked)
        plain = self._plain.__getitem__
        # What a read does once it is beyond help, and may be called hopeless.
        sure = _Tables(self.model, self.states, columns.actions, outlook).__getitem__
        safe_from = beyond_help(columns, outlook)
        ahead: list[int | None] = []
        if safe_from is None:
            safe_from = [never] * count
        elif not outlook.exact:
            ahead = reads_ahead(columns, safe_from)
        free: list[int] = []  # bits
        slots = 0
        bits: dict[int, int] = {}  # by place
        looks_under_way: dict[int, Look] = {}
        now_sure: dict[int, list[int]] = {}  # rank -> reads that are beyond help from there on
        under_way = _UnderWay(kinds)
        newly: list[Look] = []
        looks: tuple[Look, ...] | None = ()
        moves: tuple[Move, ...] | None = ()
        opened: tuple[Move, ...] = ()
        next_one = held = 0
        for number, (end, place) in enumerate(zip(columns.ends, columns.by_return, strict=True)):
            while next_one < count and invoked[next_one] < end:
                one, next_one = next_one, next_one + 1
                its_rank, kind = rank[one], kinds[one]
                if its_rank == never:
                    if one not in self._useless:
                        opened = self._opened(one, opened)
                    continue
                if free:
                    bit = free.pop()
                else:
                    bit = 1 << slots
                    slots += 1
                bits[one] = bit
                if not is_read[kind]:
                    under_way.add(its_rank, (bit, 0, plain(kind), one, 0, 0, 0))
                    moves = None
                    continue
                safe = safe_from[one]
                if safe > number and safe != never:
                    now_sure.setdefault(safe, []).append(one)
                look = (bit, sure(kind) if safe <= number else plain(kind))
                looks_under_way[one] = look
                newly.append(look)
                looks = None
            if number in now_sure:
                for one in now_sure.pop(number):
                    if one in looks_under_way:
                        look = looks_under_way[one] = bits[one], sure(kinds[one])
                        newly.append(look)
                        looks = None
            if looks is None:
                looks = tuple(looks_under_way.values())
            if moves is None:
                moves = tuple(under_way.moves)
            self.moves.append(moves)
            self.open_moves.append(opened)
            bit = bits.pop(place)
            self.return_bit.append(bit)
            coming = ahead[number] if ahead else None
            if coming is None:
                self.reads.append(looks)
                self.news.append(tuple(newly) if newly else ())
            else:
                look = (0, sure(kinds[coming]))
                self.reads.append((*looks, look))
                self.news.append((*newly, look))
            if newly:
                newly = []
            free.append(bit)
            held += len(looks) + len(moves)
            if place in looks_under_way:
                del looks_under_way[place]
                looks = None
            else:
                under_way.first_returned()
                moves = None
            if number % CLOCK_EVERY == 0:
                tick(held * ENTRY_BYTES)
        tick(held * ENTRY_BYTES)
        self.slots, self.return_claim = slots, columns.by_return
        self.return_bit.append(0)
        self.reads.append(())
        self.news.append(())
        self.moves.append(())
        self.open_moves.append(opened)

    # ---------------------------------------------------------------------------- never returned

    def _units(self) -> dict[int, tuple[int, int]]:
        """For each kind of operations that never returned: the unit and the mask of its count."""
        columns = self._columns
        counts = Counter(
            columns.kind[place]
            for place, returned in enumerate(columns.returned)
            if returned is None and place not in self._useless
        )
        units = {}
        for kind, count in counts.items():
            width = count.bit_length()
            units[kind] = 1 << self.open_bits, ((1 << width) - 1) << self.open_bits
            # A bit above each count stays free, so that all counts are compared at once.
            self.guards |= 1 << (self.open_bits + width)
            self.open_bits += width + 1
        return units

    def _opened(self, place: int, opened: tuple[Move, ...]) -> tuple[Move, ...]:
        """One more that never returned has been invoked."""
        kind = self._columns.kind[place]
        unit, field = self._open_units[kind]
        places = self.open_claims.setdefault(field, [])
        places.append(place)
        if len(places) == 1:
            return (*opened, (0, 0, self._plain[kind], place, unit, field, unit))
        return tuple([(*move[:6], move[6] + unit) if move[5] == field else move for move in opened])


class _Tables(dict[int, Table]):
    """The tables by kind, made when first asked for: where values are unique, most never are."""

    def __init__(
        self,
        model: Model,
        states: States,
        actions: Sequence[Action],
        outlook: Outlook | None = None,
    ) -> None:
        self._model, self._states, self._actions, self._outlook = model, states, actions, outlook

    def __missing__(self, kind: int) -> Table:
        table = Table(self._model, self._states, self._actions[kind], self._outlook)
        self[kind] = table
        return table


class _UnderWay:
    """Moves under way in the order of their returns; `moves` is the list. Twins are kept right."""

    def __init__(self, kinds: Sequence[int]) -> None:
        self.moves: list[Move] = []
        self._kinds = kinds
        self._ranks: list[int] = []
        self._bits: dict[int, int] = {}  # kind -> the bits of its moves

    def add(self, rank: int, move: Move) -> None:
        """One was invoked."""
        kind = self._kinds[move[3]]
        at = bisect_left(self._ranks, rank)
        self._ranks.insert(at, rank)
        self.moves.insert(at, move)
        others = self._bits.get(kind, 0)
        self._bits[kind] = others | move[0]
        if others:
            self._find_twins(kind)

    def first_returned(self) -> None:
        """The one that returns first did."""
        del self._ranks[0]
        move = self.moves.pop(0)
        kind = self._kinds[move[3]]
        left = self._bits[kind] = self._bits[kind] ^ move[0]
        if left:
            self._find_twins(kind)

    def _find_twins(self, kind: int) -> None:
        earlier = 0
        for at, move in enumerate(self.moves):
            if self._kinds[move[3]] == kind:
                if move[1] != earlier:
                    self.moves[at] = (move[0], earlier, *move[2:])
                earlier |= move[0]


__all__ = ["Look", "Move", "Plan"]
