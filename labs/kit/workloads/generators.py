"""What clients do next, by model.

Every value that is written is unique, so that what a read returns names the write it saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

SEPARATOR = b","


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, as histories name it: `f` is read, write, cas (value [old, new]) or
    append."""

    f: str
    key: str
    value: Any = None


class Generator(Protocol):
    """Decides what a client does next; `model` is what the history is judged by."""

    model: str
    kinds: tuple[str, ...]
    keys: tuple[str, ...]

    def next(self) -> Operation:
        """The next operation, whoever carries it out."""

    def seen(self, operation: Operation, result: Any) -> None:
        """What came of one that succeeded."""

    def result(self, value: bytes, found: bool) -> Any:
        """What a read returned, as it stands in the history."""


class Registers:
    """Reads, writes and compare-and-sets of registers. `mix` are shares of reads and of cas; the
    rest are writes."""

    model = "cas-register"

    def __init__(
        self, keys: Sequence[str], rng: Random, *, reads: float = 0.5, cas: float = 0.0
    ) -> None:
        self.keys = tuple(keys)
        self.kinds: tuple[str, ...] = ("read", "write", "cas") if cas else ("read", "write")
        self._rng, self._reads, self._cas = rng, reads, cas
        self._written = 0
        self._latest: dict[str, int] = {}

    def next(self) -> Operation:
        """See Generator.next."""
        key, drawn = self._rng.choice(self.keys), self._rng.random()
        if drawn < self._reads:
            return Operation("read", key)
        self._written += 1
        if drawn < self._reads + self._cas and key in self._latest:
            return Operation("cas", key, [self._latest[key], self._written])
        return Operation("write", key, self._written)

    def seen(self, operation: Operation, result: Any) -> None:
        """Compare-and-sets expect what was seen last."""
        value = operation.value[1] if operation.f == "cas" else operation.value or result
        if isinstance(value, int):
            self._latest[operation.key] = value

    def result(self, value: bytes, found: bool) -> Any:
        """A whole number, or None for a key that is not there."""
        return int(value) if found else None


class Appends:
    """Appends of unique numbers to lists, and reads of them: the strongest witness, since every
    read tells the whole order so far."""

    model = "append-list"
    kinds: tuple[str, ...] = ("append", "read")

    def __init__(self, keys: Sequence[str], rng: Random, *, reads: float = 0.3) -> None:
        self.keys = tuple(keys)
        self._rng, self._reads = rng, reads
        self._appended = 0

    def next(self) -> Operation:
        """See Generator.next."""
        key = self._rng.choice(self.keys)
        if self._rng.random() < self._reads:
            return Operation("read", key)
        self._appended += 1
        return Operation("append", key, self._appended)

    def seen(self, operation: Operation, result: Any) -> None:
        """Nothing that comes later depends on it."""

    def result(self, value: bytes, found: bool) -> Any:
        """The list."""
        return [int(item) for item in value.split(SEPARATOR)[:-1]]
