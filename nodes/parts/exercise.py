"""What a learner is asked to write: methods of a core, by part.

Cores take these names from nodes.core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Exercise:
    """What the learner is asked to write: the part of the lab, and one line that says what."""

    part: int
    brief: str


def exercise(part: int, brief: str) -> Callable[[_Function], _Function]:
    """The learner writes this method: the exercise file has it blanked, with `brief` as its
    TODO."""

    def mark(function: _Function) -> _Function:
        function.__dict__["_exercise"] = Exercise(part, brief)
        return function

    return mark


class NotWritten(NotImplementedError):
    """What a method of an exercise raises until the learner has written it."""

    def __init__(self, part: int, name: str) -> None:
        super().__init__(f"part {part} is not written yet: {name}")
        self.part, self.name = part, name
