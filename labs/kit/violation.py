"""What the invariants of all labs say when they do not hold."""

from __future__ import annotations


class InvariantViolated(Exception):
    """Something that must never happen has happened.

    `invariant` names it, with the section of the paper; it is the same for every such violation.
    """

    def __init__(self, invariant: str, details: str) -> None:
        super().__init__(f"{invariant}: {details}")
        self.invariant = invariant
        self.details = details
