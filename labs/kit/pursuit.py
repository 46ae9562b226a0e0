"""Finding the node that serves: whom to ask next, how long to wait, and what is known so far."""

from __future__ import annotations

BACKOFF_MS_MIN, BACKOFF_MS_MAX = 20, 200


class NobodyServed(Exception):
    """The deadline passed. `may_have_happened` when any attempt left its outcome open."""

    def __init__(self, reason: str, *, may_have_happened: bool, node: str | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_have_happened = may_have_happened
        self.node = node


class Pursuit:
    """Which node to ask next, and what is known so far about the outcome."""

    def __init__(self, nodes: tuple[str, ...], first: str | None) -> None:
        self._nodes = nodes
        self.node = first if first in nodes else nodes[0]
        self.outcome_open = False
        self._asked: str | None = None
        self._reason = "no node was asked"
        self._failures_in_a_row = 0
        self._follow_at_once = False

    def declined(self, node: str, reason: str, hint: str | None) -> None:
        """This attempt did nothing; `hint` may know better."""
        self._note(node, reason)
        self._follow_at_once = hint in self._nodes and hint != node
        self.node = hint if hint is not None and self._follow_at_once else self._after(node)

    def unknown(self, node: str, reason: str) -> None:
        """This attempt may have done it."""
        self._note(node, reason)
        self.outcome_open = True
        self._follow_at_once = False
        self.node = self._after(node)

    def pause_ms(self) -> int:
        """How long to wait before the next attempt: nothing after the first few good hints."""
        if self._follow_at_once and self._failures_in_a_row <= 2:
            return 0
        doubled = BACKOFF_MS_MIN << min(self._failures_in_a_row - 1, 10)
        return min(doubled, BACKOFF_MS_MAX)

    def give_up(self) -> NobodyServed:
        """What to raise when time is up."""
        return NobodyServed(self._reason, may_have_happened=self.outcome_open, node=self._asked)

    def _note(self, node: str, reason: str) -> None:
        self._asked, self._reason = node, reason
        self._failures_in_a_row += 1

    def _after(self, node: str) -> str:
        return self._nodes[(self._nodes.index(node) + 1) % len(self._nodes)]
