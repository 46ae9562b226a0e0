"""What can be known before the search: which reads are beyond help, and how long a value must stay.

The outlook of a model says what helps a read; here it is laid over the history.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable
from itertools import accumulate

from labs.kit.checkers.claims import Columns
from labs.kit.checkers.models import State
from labs.kit.checkers.outlook import NEVER, Outlook


def useless(columns: Columns, outlook: Outlook) -> set[int]:
    """Places of writes that never returned and that nobody can have noticed: leaving them out of an
    order makes nothing illegal. A compare-and-set that said no may have noticed any of them."""
    if not outlook.exact or columns.never == len(columns.claims):
        return set()
    if any(action.verb == "not" for action in columns.actions):
        return set()
    wanted = {action.value for action in columns.actions if action.verb in ("read", "cas")}
    unnoticed = [
        (action.value if action.verb == "write" else action.new) not in wanted
        for action in columns.actions
    ]
    return {
        place
        for place, returned in enumerate(columns.returned)
        if returned is None and unnoticed[columns.kind[place]]
    }


def beyond_help(columns: Columns, outlook: Outlook) -> list[int] | None:
    """By place: the rank from which no help can come any more to this read; `columns.never` if it
    always can. None if nothing is known of any."""
    if type(outlook) is Outlook:
        return None
    kinds, is_read, actions = columns.kind, columns.is_read, columns.actions
    tags = [
        outlook.helped_by(action) if is_read[kind] else outlook.helps(action)
        for kind, action in enumerate(actions)
    ]
    helpers: dict[Hashable, list[int]] = {tag: [] for tag in tags if tag is not NEVER}
    adds = [
        None if is_read[kind] or tag is NEVER else helpers[tag].append
        for kind, tag in enumerate(tags)
    ]
    for place, kind in enumerate(kinds):
        add = adds[kind]
        if add is not None:
            add(place)
    # For each tag: when its helpers were invoked, and the last return of those up to there.
    latest = {
        tag: (
            [columns.invoked[place] for place in places],
            list(accumulate((columns.rank[place] for place in places), max)),
        )
        for tag, places in helpers.items()
    }
    nothing: tuple[list[int], list[int]] = ([], [])
    helped = [
        latest.get(tags[kind], nothing) if action.verb == "read" else None
        for kind, action in enumerate(actions)
    ]
    safe_from = [columns.never] * len(kinds)
    for place, (kind, returned) in enumerate(zip(kinds, columns.returned, strict=True)):
        found = helped[kind]
        if found is not None and returned is not None:
            invoked, upto = found
            at = bisect_left(invoked, returned)
            safe_from[place] = upto[at - 1] + 1 if at else 0
    return safe_from


def reads_ahead(columns: Columns, safe_from: list[int]) -> list[int | None]:
    """By rank: the place of the next read that is still to come, if no help can come to that."""
    is_read = [action.verb == "read" for action in columns.actions]
    coming = [place for place, kind in enumerate(columns.kind) if is_read[kind]]
    ahead: list[int | None] = []
    at = 0
    for rank, end in enumerate(columns.ends):
        while at < len(coming) and columns.invoked[coming[at]] < end:
            at += 1
        reader = coming[at] if at < len(coming) else None
        ahead.append(reader if reader is not None and safe_from[reader] <= rank else None)
    return ahead


def holds(columns: Columns, initial: State) -> dict[State, int]:
    """The rank before which a value must not be left. One that a single operation writes must stay
    until its last reader was invoked: left before, it never comes back."""
    writers: dict[Hashable, int] = {initial: 1}
    needed: dict[Hashable, int] = {}
    counts = Counter(columns.kind)
    # The last one of a kind wins: places are in the order of invocation.
    last = {
        kind: place
        for place, (kind, returned) in enumerate(zip(columns.kind, columns.returned, strict=True))
        if returned is not None
    }
    for kind, (verb, value, new) in enumerate(columns.actions):
        if verb in ("write", "cas"):
            made = value if verb == "write" else new
            writers[made] = writers.get(made, 0) + counts[kind]
        if verb in ("read", "cas") and kind in last:
            needed[value] = max(needed.get(value, 0), columns.invoked[last[kind]])
    return {
        value: bisect_left(columns.ends, invoked)
        for value, invoked in needed.items()
        if writers.get(value) == 1
    }
