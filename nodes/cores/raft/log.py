"""A server's log in memory: entries behind a discarded prefix, numbered from 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from protos import raft_pb2 as pb


class RaftLog:
    """Entries base_index + 1 ... last_index.

    The prefix up to `base_index` has been discarded. `snapshot_index` is at or behind it: the
    entries in between are kept for followers that lag a little.
    """

    def __init__(self) -> None:
        self.base_index = 0
        self.snapshot_index = 0
        self.snapshot_term = 0
        self._entries: list[pb.LogEntry] = []

    @property
    def first_index(self) -> int:
        """Of the first entry held, or of the next one if none is."""
        return self.base_index + 1

    @property
    def last_index(self) -> int:
        """Of the last entry, or of the snapshot if there is none behind it."""
        return self.base_index + len(self._entries)

    @property
    def last_term(self) -> int:
        """Of the last entry, or of the snapshot if there is none behind it."""
        return self._entries[-1].term if self._entries else self.snapshot_term

    def term_at(self, index: int) -> int | None:
        """The term of the entry at `index`; None if it is not known (discarded, or not there)."""
        if index == 0:
            return 0
        if index == self.snapshot_index:
            return self.snapshot_term
        if self.base_index < index <= self.last_index:
            return self._entries[index - self.first_index].term
        return None

    def entry(self, index: int) -> pb.LogEntry:
        """Raises IndexError if the entry is not held."""
        if not self.base_index < index <= self.last_index:
            raise IndexError(f"no entry {index} in {self.first_index}..{self.last_index}")
        return self._entries[index - self.first_index]

    def tail(self, from_index: int) -> list[pb.LogEntry]:
        """All entries from `from_index` on."""
        return self._entries[max(from_index - self.first_index, 0) :]

    def batch(self, from_index: int, *, entries_max: int, bytes_max: int) -> list[pb.LogEntry]:
        """Entries from `from_index` on, within both limits but at least one if there is one."""
        start = from_index - self.first_index
        chosen = self._entries[start : start + entries_max]
        total_bytes = 0
        for count, entry in enumerate(chosen):
            total_bytes += entry.ByteSize()
            if total_bytes > bytes_max and count > 0:
                return chosen[:count]
        return chosen

    def backwards(self) -> Iterator[pb.LogEntry]:
        """From the last entry to the first."""
        return reversed(self._entries)

    def append(self, entries: Iterable[pb.LogEntry]) -> None:
        """Adds entries at the end; their indexes must follow on."""
        for entry in entries:
            assert entry.index == self.last_index + 1, "a log has no holes"
            self._entries.append(entry)

    def truncate(self, from_index: int) -> None:
        """Drops the entries from `from_index` on."""
        assert from_index > self.base_index, "what is in a snapshot is committed"
        del self._entries[from_index - self.first_index :]

    def discard(self, through_index: int) -> None:
        """Drops the entries up to and including `through_index`, which may lie behind the end."""
        del self._entries[: max(through_index - self.base_index, 0)]
        self.base_index = max(self.base_index, through_index)

    def first_index_of_term_at(self, index: int) -> int:
        """The first index held of the run of equal terms that `index` is in."""
        term = self.term_at(index)
        while index > self.first_index and self.term_at(index - 1) == term:
            index -= 1
        return index

    def last_index_of_term(self, term: int) -> int | None:
        """The last entry of `term`, or None. Terms never decrease along a log."""
        for entry in self.backwards():
            if entry.term <= term:
                return entry.index if entry.term == term else None
        return None
