"""The operations of one object, laid out for the search: everything that it needs at each return.

Time is cut at the returns, in their order. At return number r the operations that were invoked and
have not returned before it are under way; each holds a slot, a bit that is free again after its
return. What has been linearized is then a number of few bits, however long the history is: all
that returned before r, and the slots of a mask. That is the windowed bitset.

Operations that never returned hold no slot. Those of one action are alike, so it is enough to count
how many of them have been linearized, in the order in which they were invoked.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Sequence
from typing import Final, NamedTuple

from labs.kit.checkers.models import ILLEGAL, Action, Model, State
from labs.kit.checkers.outlook import ANY, NEVER, Exact, Outlook, outlook_of

NOT_NOW: Final = -1  # not legal in this state
HOPELESS: Final = -2  # and not in any that can follow before it has to be
ENTRY_BYTES: Final = 8  # of a list of references
CLOCK_EVERY: Final = 2048  # events between two looks at the clock


class Claim(NamedTuple):
    """An operation that says something. `returned` is None when it never returned."""

    number: int  # of the operation in the history
    action: Action
    invoked: int
    returned: int | None


class States:
    """States by number, so that they are compared and remembered cheaply."""

    def __init__(self) -> None:
        self.values: list[State] = []
        self._numbers: dict[State, int] = {}

    def number(self, state: State) -> int:
        """The number of a state."""
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self.values)
            self.values.append(state)
        return number

    def known(self, state: State) -> int | None:
        """Its number, if it has one."""
        return self._numbers.get(state)


class Table(dict[int, int]):
    """What an action does: state before to state after, worked out when first asked for."""

    __slots__ = ("_action", "_hopeless", "_states", "_step")

    def __init__(
        self, model: Model, states: States, action: Action, outlook: Outlook | None = None
    ) -> None:
        super().__init__()
        self._step, self._states, self._action = model.step, states, action
        self._hopeless = outlook.hopeless if outlook is not None else None

    def __missing__(self, state: int) -> int:
        value = self._states.values[state]
        after = self._step(value, self._action)
        if after is not ILLEGAL:
            number = self._states.number(after)
        elif self._hopeless is not None and self._hopeless(value, self._action):
            number = HOPELESS
        else:
            number = NOT_NOW
        self[state] = number
        return number


# An operation that may change the state: (bit, twins, table, claim, unit, field, count). One under
# way has a `bit`, and waits for those of the same action that return before it, the `twins`. One
# that never returned has `bit` 0, and is there while the `field` of its action in the number of
# used ones is less than `count`; `unit` adds one. `claim` is its place in Plan.claims; of the
# first of its field. A plain tuple, since the search unpacks millions of them.
Move = tuple[int, int, "Table", int, int, int, int]
Look = tuple[int, Table]  # a read under way: its bit, or 0 for one that is still to come


class Plan:
    """See the module. Raises what `tick` raises, which is called now and then."""

    def __init__(
        self,
        model: Model,
        claims: Sequence[Claim],
        tick: Callable[[int], None],
        *,
        foresight: bool = True,
    ) -> None:
        self.model, self.claims, self.tick = model, claims, tick
        self.states = States()
        self.initial = self.states.number(model.initial)
        self.outlook = outlook_of(model, {c.action for c in claims}) if foresight else Outlook()
        self.read_only = model.read_only
        # By number of the return, with one more for the end.
        self.return_bit: list[int] = []
        self.return_claim: list[int] = []
        self.reads: list[tuple[Look, ...]] = []  # under way at this return
        self.news: list[tuple[Look, ...]] = []  # of those, what was not at the return before
        self.moves: list[tuple[Move, ...]] = []
        self.open_moves: list[tuple[Move, ...]] = []
        self.open_claims: dict[int, list[int]] = {}  # field -> places in claims
        self.hold: dict[int, int] = {}  # state -> the return before which it must not be left
        self.slots = self.open_bits = self.guards = 0
        # Actions are hashed once each: claims know theirs by its number.
        kinds: dict[Action, int] = {}
        self._kind = [kinds.setdefault(claim.action, len(kinds)) for claim in claims]
        self._actions = list(kinds)
        self._reads = [action.verb in model.read_only for action in self._actions]
        self._tables: tuple[dict[int, Table], dict[int, Table]] = ({}, {})  # plain, with outlook
        self._made: dict[int, Move] = {}
        self._sweep(self._events())
        if isinstance(self.outlook, Exact):
            self._find_holds()
        del self._made

    # ---------------------------------------------------------------------------------- layout

    def _events(self) -> list[tuple[int, int, bool]]:
        useless = self._useless()
        events = [
            (claim.invoked, place, False)
            for place, claim in enumerate(self.claims)
            if place not in useless
        ]
        events += [
            (claim.returned, place, True)
            for place, claim in enumerate(self.claims)
            if claim.returned is not None
        ]
        events.sort()
        return events

    def _useless(self) -> set[int]:
        """Writes that never returned and that nobody can have noticed: leaving them out of an order
        makes nothing illegal. A compare-and-set that said no may have noticed any of them."""
        if not self.outlook.exact:
            return set()
        actions = [claim.action for claim in self.claims]
        if any(action.verb == "not" for action in actions):
            return set()
        wanted = {action.value for action in actions if action.verb in ("read", "cas")}
        return {
            place
            for place, claim in enumerate(self.claims)
            if claim.returned is None
            and (claim.action.value if claim.action.verb == "write" else claim.action.new)
            not in wanted
        }

    def _sweep(self, events: list[tuple[int, int, bool]]) -> None:
        returns = {place: r for r, place in enumerate(p for _, p, returns in events if returns)}
        safe_from, ahead_of = self._foresee(returns)
        free: list[int] = []
        bits: dict[int, int] = {}
        reads: dict[int, Look] = {}
        late: list[tuple[int, int]] = []  # (return from which it may be called hopeless, place)
        under_way: list[tuple[int, int]] = []  # moves, by their return
        newly: list[Look] = []
        moves: tuple[Move, ...] = ()
        looks: tuple[Look, ...] = ()
        opened: tuple[Move, ...] = ()
        fields: dict[Action, Move] = {}
        units = self._units(events)
        number = held = 0
        for at, (_, place, is_return) in enumerate(events):
            claim = self.claims[place]
            if not is_return and claim.returned is None:
                opened = self._opened(place, opened, fields, units)
                continue
            if not is_return:
                slot = free.pop() if free else self.slots
                self.slots = max(self.slots, slot + 1)
                bits[place] = bit = 1 << slot
                if self._reads[self._kind[place]]:
                    sure = safe_from[place] <= number
                    if not sure and safe_from[place] < len(returns):
                        insort(late, (safe_from[place], place))
                    reads[place] = bit, self._table(place, sure)
                    newly.append(reads[place])
                    looks = ()
                else:
                    insort(under_way, (returns[place], place))
                    moves = ()
                continue
            while late and late[0][0] <= number:
                _, sure_now = late.pop(0)
                if sure_now in reads:
                    look = bits[sure_now], self._table(sure_now, True)
                    reads[sure_now] = look
                    newly.append(look)
                    looks = ()
            looks = looks or tuple(reads.values())
            moves = moves or self._under_way(under_way, bits)
            ahead = ahead_of[number] if ahead_of else ()
            self.return_bit.append(bits[place])
            self.return_claim.append(place)
            self.reads.append(looks + ahead)
            self.news.append((*newly, *ahead))
            self.moves.append(moves)
            self.open_moves.append(opened)
            newly = []
            held += len(looks) + len(moves)
            number += 1
            if at % CLOCK_EVERY < 2:
                self.tick(held * ENTRY_BYTES)
            free.append(bits[place].bit_length() - 1)
            if place in reads:
                del reads[place]
                looks = ()
            else:
                del under_way[0]
                self._made.pop(place, None)
                moves = ()
        self.return_bit.append(0)
        self.reads.append(())
        self.news.append(())
        self.moves.append(())
        self.open_moves.append(opened)

    def _table(self, place: int, sure: bool = False) -> Table:
        """What a claim does; with the outlook if it may be called hopeless."""
        kind = self._kind[place]
        found = self._tables[sure].get(kind)
        if found is None:
            outlook = self.outlook if sure else None
            found = Table(self.model, self.states, self._actions[kind], outlook)
            self._tables[sure][kind] = found
        return found

    def _under_way(
        self, under_way: list[tuple[int, int]], bits: dict[int, int]
    ) -> tuple[Move, ...]:
        twins: dict[int, int] = {}
        moves, kinds, made = [], self._kind, self._made
        for _, place in under_way:
            kind = kinds[place]
            earlier = twins.get(kind, 0)
            move = made.get(place)
            if move is None or move[1] != earlier:
                move = (bits[place], earlier, self._table(place), place, 0, 0, 0)
                made[place] = move
            twins[kind] = earlier | move[0]
            moves.append(move)
        return tuple(moves)

    # ---------------------------------------------------------------------------- never returned

    def _units(self, events: list[tuple[int, int, bool]]) -> dict[Action, tuple[int, int]]:
        """For each action of operations that never returned: the unit and the mask of its count."""
        counts: dict[Action, int] = {}
        places = [place for _, place, is_return in events if not is_return]
        for claim in (self.claims[place] for place in places):
            if claim.returned is not None:
                continue
            action = claim.action
            counts[action] = counts.get(action, 0) + 1
        units = {}
        for action, count in counts.items():
            width = count.bit_length()
            units[action] = 1 << self.open_bits, ((1 << width) - 1) << self.open_bits
            # A bit above each count stays free, so that all counts are compared at once.
            self.guards |= 1 << (self.open_bits + width)
            self.open_bits += width + 1
        return units

    def _opened(
        self,
        place: int,
        opened: tuple[Move, ...],
        fields: dict[Action, Move],
        units: dict[Action, tuple[int, int]],
    ) -> tuple[Move, ...]:
        action = self.claims[place].action
        unit, field = units[action]
        before = fields.get(action)
        if before is None:
            move: Move = (0, 0, self._table(place), place, unit, field, unit)
            opened = (*opened, move)
        else:
            move = (*before[:6], before[6] + unit)
            opened = tuple([move if one is before else one for one in opened])
        fields[action] = move
        self.open_claims.setdefault(field, []).append(place)
        return opened

    # ------------------------------------------------------------------------------- foresight

    def _foresee(
        self, returns: dict[int, int]
    ) -> tuple[dict[int, int], list[tuple[Look, ...]] | None]:
        """For each read, the return from which no help can come any more; and for each return the
        next read that is still to come, if no help can come to that one."""
        helpers: dict[Hashable, list[tuple[int, int]]] = {}  # tag -> (invoked, its return)
        helping: dict[int, Hashable] = {}
        outlook, never = self.outlook, len(returns)
        if type(outlook) is Outlook:
            return dict.fromkeys(range(len(self.claims)), never), None
        for place, claim in enumerate(self.claims):
            if not self._reads[self._kind[place]]:
                kind = self._kind[place]
                if kind not in helping:
                    helping[kind] = outlook.helps(claim.action)
                tag = helping[kind]
                if tag is not NEVER:
                    helpers.setdefault(tag, []).append((claim.invoked, returns.get(place, never)))
        latest: dict[Hashable, tuple[list[int], list[int]]] = {}
        for tag, found in helpers.items():
            found.sort()
            worst, upto = -1, []
            for _, at in found:
                worst = max(worst, at)
                upto.append(worst)
            latest[tag] = [invoked for invoked, _ in found], upto
        from_ = {}
        tags: dict[int, Hashable] = {}
        for place, claim in enumerate(self.claims):
            kind = self._kind[place]
            if not self._reads[kind]:
                continue
            if self._actions[kind].verb != "read":
                from_[place] = never
                continue
            if kind not in tags:
                tags[kind] = outlook.helped_by(self._actions[kind])
            invoked, upto = latest.get(tags[kind], ([], []))
            assert claim.returned is not None, "reads of unknown result are dropped"
            at = bisect_left(invoked, claim.returned)
            from_[place] = upto[at - 1] + 1 if at else 0
        return from_, None if outlook.exact else self._ahead(returns, from_)

    def _ahead(self, returns: dict[int, int], from_: dict[int, int]) -> list[tuple[Look, ...]]:
        order = sorted(returns, key=returns.__getitem__)
        coming = sorted(
            (self.claims[place].invoked, place)
            for place in from_
            if self.claims[place].action.verb == "read"
        )
        ahead: list[tuple[Look, ...]] = []
        next_one = 0
        for number, place in enumerate(order):
            returned = self.claims[place].returned
            assert returned is not None
            while next_one < len(coming) and coming[next_one][0] < returned:
                next_one += 1
            looks: tuple[Look, ...] = ()
            if next_one < len(coming):
                reader = coming[next_one][1]
                if from_[reader] <= number:
                    looks = ((0, self._table(reader, True)),)
            ahead.append(looks)
        return ahead

    def _find_holds(self) -> None:
        """A value that only one operation writes must stay until its last reader was invoked: left
        before, it never comes back."""
        writers: dict[Hashable, int] = {self.model.initial: 1}
        last_needed: dict[Hashable, int] = {}
        for claim in self.claims:
            verb, value, new = claim.action
            if verb in ("write", "cas"):
                made = value if verb == "write" else new
                writers[made] = writers.get(made, 0) + 1
            if verb in ("read", "cas") and claim.returned is not None:
                last_needed[value] = max(last_needed.get(value, 0), claim.invoked)
        ends = [self.claims[place].returned or 0 for place in self.return_claim]
        for value, invoked in last_needed.items():
            if writers.get(value) == 1:
                self.hold[self.states.number(value)] = bisect_left(ends, invoked)


__all__ = ["ANY", "HOPELESS", "NOT_NOW", "Claim", "Look", "Move", "Plan", "States", "Table"]
