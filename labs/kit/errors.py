"""The one way in which a command of this project says no."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

DONE = 0
ANSWER_IS_NO = 1
COULD_NOT = 2


class LabError(Exception):
    """What the user is told instead of a traceback: one line with the cause and the way out.

    `status` is the exit status: 2 for usage, environment and "could not tell", 1 when the answer is
    no.
    """

    def __init__(self, message: str, status: int = COULD_NOT) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Interrupted(LabError):
    """Whoever runs it wants it to end; nothing else is begun after it."""


def end_as(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Ends this process as `main` says of its arguments, for tools besides the `lab` command."""
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        print(error.message, file=sys.stderr)
        sys.exit(error.status)


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that helps with a mistyped name: the nearest known ones, or all of them."""
    names = sorted(known)
    if not names:
        return "there is none"
    close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(names)}"
