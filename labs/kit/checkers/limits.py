"""Limits that a checker obeys: the clock, and what it holds in memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, overload

from labs.kit.history import Entry

MB: Final = 1_000_000
LOOK_EVERY: Final = 4096  # entries between two looks at the clock


class OutOfLimits(Exception):
    """The answer is not known within the limits; `reason` says which one, and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Limits:
    """Begins when it is made."""

    def __init__(self, time_limit_s: float, memory_mb: float) -> None:
        self.time_limit_s, self.memory_mb = time_limit_s, memory_mb
        self.began_s = time.perf_counter()
        self.deadline_s = self.began_s + time_limit_s
        self.memory_bytes = memory_mb * MB
        self.clock = time.perf_counter

    @property
    def elapsed_s(self) -> float:
        """Since it began."""
        return self.clock() - self.began_s

    def check(self, held_bytes: float = 0) -> None:
        """Raises OutOfLimits when it is late, or too much is held."""
        if held_bytes > self.memory_bytes:
            raise OutOfLimits(self.memory_reason())
        if self.clock() >= self.deadline_s:
            raise OutOfLimits(self.time_reason())

    def time_reason(self, where: str = "") -> str:
        """For a verdict."""
        return (
            f"not known after {self.time_limit_s:g} s{where}: raise the time limit, shorten the "
            f"history, or spread the operations over more keys"
        )

    def memory_reason(self, where: str = "") -> str:
        """For a verdict."""
        return (
            f"not known within {self.memory_mb:g} MB of memory{where}: shorten the history, use "
            f"fewer clients at once, or spread the operations over more keys"
        )


class Watched(Sequence[Entry]):
    """Entries whose reader is stopped by the clock: reading a million of them takes seconds."""

    def __init__(self, entries: Sequence[Entry], limits: Limits) -> None:
        self._entries, self._limits = entries, limits

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Entry]: ...
    def __getitem__(self, place: Any) -> Any:
        return self._entries[place]

    def __iter__(self) -> Iterator[Entry]:
        for start in range(0, len(self._entries), LOOK_EVERY):
            self._limits.check()
            yield from self._entries[start : start + LOOK_EVERY]


@contextmanager
def no_collector() -> Iterator[None]:
    """Without the search for cycles: what a checker makes has none, and there are millions."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
