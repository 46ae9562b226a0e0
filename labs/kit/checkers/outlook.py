"""What a state means for the reads to come: which of them it makes impossible.

The search asks before it goes on. Without it, a wrong order of two writes is found out only when
their reader is reached, after everything between has been tried in every order.

A read is hopeless in a state if nothing but operations that do not `help` it can come before it,
and it is not legal, nor can they make it so. `helps` and `helped_by` are compared: an operation
helps a read if both have the same tag.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable

from labs.kit.checkers.models import Action, Model, State
from labs.kit.checkers.models import Counter as CounterModel

ANY: Hashable = ("any",)
NEVER: Hashable = ("never",)


class Outlook:
    """Knows nothing: no read is ever hopeless."""

    exact = False  # a read names the one state that it needs

    def hopeless(self, state: State, read: Action) -> bool:
        """Whether the read cannot become legal after `state` without help."""
        del state, read
        return False

    def helps(self, action: Action) -> Hashable:
        """The tag of the reads that this may make legal from any state; NEVER for none."""
        del action
        return ANY

    def helped_by(self, read: Action) -> Hashable:
        """The tag of what may make this read legal from any state."""
        del read
        return ANY


class Exact(Outlook):
    """Registers without appends: a value comes back only if it is written again."""

    exact = True

    def hopeless(self, state: State, read: Action) -> bool:
        """See Outlook.hopeless."""
        return read.verb == "read" and state != read.value

    def helps(self, action: Action) -> Hashable:
        """See Outlook.helps."""
        return ("value", action.value if action.verb == "write" else action.new)

    def helped_by(self, read: Action) -> Hashable:
        """See Outlook.helped_by."""
        return ("value", read.value) if read.verb == "read" else ANY


class Growing(Outlook):
    """States that grow: lists, strings, sets, sums. What was overtaken does not come back, unless
    something writes over it."""

    def hopeless(self, state: State, read: Action) -> bool:
        """See Outlook.hopeless."""
        return read.verb == "read" and not grows_into(state, read.value)

    def helps(self, action: Action) -> Hashable:
        """See Outlook.helps."""
        if action.verb in ("write", "cas"):
            return ANY
        shrinks = action.verb == "add" and isinstance(action.value, int) and action.value < 0
        return ANY if shrinks else NEVER

    def helped_by(self, read: Action) -> Hashable:
        """See Outlook.helped_by."""
        del read
        return ANY


class GrowingSet(Growing):
    """Sets: an element may be a number, and is no sum."""

    def helps(self, action: Action) -> Hashable:
        """See Outlook.helps."""
        del action
        return NEVER


def outlook_of(model: Model, actions: Collection[Action]) -> Outlook:
    """What can be known about these actions on one object."""
    verbs = {action.verb for action in actions}
    if model.values_identify_writes:
        return Growing() if "append" in verbs else Exact()
    if isinstance(model, CounterModel):
        return Growing()
    if "read" in model.read_only:
        return GrowingSet()
    return Outlook()


def grows_into(state: State, value: Hashable) -> bool:
    """Whether appending or adding can make `value` of `state`."""
    match state, value:
        case None, (str() | tuple() | None):
            return True
        case str(), str():
            return value.startswith(state)
        case tuple(), tuple():
            return value[: len(state)] == state
        case frozenset(), frozenset():
            return state <= value
        case int(), int():
            return state <= value
    return state == value
