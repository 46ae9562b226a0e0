"""What a check says when a guarantee does not hold."""

from __future__ import annotations


class Failed(Exception):
    """A guarantee was broken: what was expected, and what was observed instead.

    Messages that come from nodes are shown with their control characters escaped.
    """

    def __init__(self, expected: str, observed: str) -> None:
        self.expected = escaped(expected)
        self.observed = escaped(observed)
        super().__init__(f"expected {self.expected}; observed {self.observed}")


class Vacuous(Exception):
    """The run proves nothing: the fault did not act, or nothing happened meanwhile.

    Neither a pass nor a failure of what was checked; `reason` says what was missing.
    """

    def __init__(self, reason: str) -> None:
        self.reason = escaped(reason)
        super().__init__(f"this run proves nothing: {self.reason}")


def expect(holds: bool, expected: str, observed: str) -> None:
    """Raises Failed unless the guarantee holds."""
    if not holds:
        raise Failed(expected, observed)


def require(holds: bool, missing: str) -> None:
    """Raises Vacuous unless the check's own precondition came about."""
    if not holds:
        raise Vacuous(missing)


def escaped(text: str) -> str:
    """`text` with every character that a terminal would act on written out."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
