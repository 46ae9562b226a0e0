"""What the learner's code did instead of its part."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "raised", "too slow", "exited", "wrong result", "not written", "cannot load", "misbehaved"
]


class LearnerError(Exception):
    """`message` is one line; `where` a place in the learner's file, such as `exercise.py:88`, or
    nothing when there is none."""

    def __init__(self, message: str, where: str = "", kind: Kind = "raised") -> None:
        super().__init__(message)
        self.message, self.where, self.kind = message, where, kind
