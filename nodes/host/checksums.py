"""By which a row that is damaged, and a row that is missing, are noticed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32


def checksum(*columns: str | int | bytes) -> int:
    """CRC-32 of a row's content. Lengths are part of it, so that no two rows look alike."""
    result = 0
    for column in columns:
        raw = column if isinstance(column, bytes) else str(column).encode()
        result = crc32(raw, crc32(b"%d:" % len(raw), result))
    return result


@dataclass(frozen=True, slots=True)
class SlotTally:
    """Which slots there must be in a table: how many, and the sum of their names' checksums. A list
    of names would be written whole with each new slot, and a core may have thousands."""

    count: int = 0
    total: int = 0

    @classmethod
    def of(cls, names: Iterable[str]) -> SlotTally:
        """That of these slots."""
        checksums = [checksum(name) for name in names]
        return cls(len(checksums), sum(checksums))

    def plus(self, name: str) -> SlotTally:
        """With one slot more."""
        return SlotTally(self.count + 1, self.total + checksum(name))

    def without(self, name: str) -> SlotTally:
        """With one slot less."""
        return SlotTally(self.count - 1, self.total - checksum(name))

    def __str__(self) -> str:
        return f"{self.count}:{self.total}"
