"""What the operations on one object say, in columns: the layout and the foresight read millions.

Every claim is known by its place, in the order of invocation. Those that returned have a rank as
well, which counts the returns before their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from labs.kit.checkers.models import Action, Model


class Claim(NamedTuple):
    """An operation that says something. `returned` is None when it never returned."""

    number: int  # of the operation in the history
    action: Action
    invoked: int
    returned: int | None


class Columns:
    """The claims of one object, which are in the order of their invocations."""

    def __init__(self, model: Model, claims: Sequence[Claim]) -> None:
        self.claims = claims
        kinds: dict[Action, int] = {}
        # Actions are hashed once each: after this they are known by a number, their kind.
        self.kind = [kinds.setdefault(claim[1], len(kinds)) for claim in claims]
        self.actions = list(kinds)
        self.is_read = [action.verb in model.read_only for action in self.actions]
        self.invoked = [claim[2] for claim in claims]
        self.returned = [claim[3] for claim in claims]
        # One number each, the end in front: numbers are sorted twice as fast as pairs.
        shift = len(claims).bit_length()
        ends = sorted(
            [end << shift | place for place, end in enumerate(self.returned) if end is not None]
        )
        self.ends = [both >> shift for both in ends]
        place_bits = (1 << shift) - 1
        self.by_return = [both & place_bits for both in ends]
        self.never = len(ends)  # the rank of what did not return
        self.rank = [self.never] * len(claims)
        for rank, place in enumerate(self.by_return):
            self.rank[place] = rank
