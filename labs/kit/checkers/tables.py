"""What actions do, by number: states and actions are hashed once, and remembered as small ints."""

from __future__ import annotations

from typing import Final

from labs.kit.checkers.models import ILLEGAL, Action, Model, State
from labs.kit.checkers.outlook import Outlook

NOT_NOW: Final = -1  # not legal in this state
HOPELESS: Final = -2  # and not in any that can follow before it has to be


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


class Table(dict[int, int]):
    """What an action does: state before to state after, worked out when first asked for. With an
    outlook it says HOPELESS where that is so."""

    __slots__ = ("_action", "_hopeless", "_states", "_step")

    def __init__(
        self, model: Model, states: States, action: Action, outlook: Outlook | None = None
    ) -> None:
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
