"""Hybrid logical clocks (Kulkarni and others, 2014): stamps that never contradict cause and effect,
and stay close to wall clocks."""

from __future__ import annotations

HybridStamp = tuple[int, int]
"""Milliseconds, and a count that orders what happens within one of them."""


class HybridClock:
    """Of one node. Each stamp it gives is greater than all that it gave or witnessed.

    The first half of a stamp is the greatest wall clock known of, so it runs ahead of the own wall
    clock only as far as the fastest clock that was heard from. `last` is what must survive a
    restart.
    """

    def __init__(self, last: HybridStamp = (0, 0)) -> None:
        self.last = last

    def tick(self, wall_ms: int) -> HybridStamp:
        """The stamp of something that happens here."""
        time, logical = self.last
        self.last = (wall_ms, 0) if wall_ms > time else (time, logical + 1)
        return self.last

    def witness(self, stamp: HybridStamp, wall_ms: int) -> HybridStamp:
        """The stamp of having heard of `stamp`, whose cause lies elsewhere."""
        self.last = max(self.last, stamp)
        return self.tick(wall_ms)
