"""A disk with synced and unsynced state.

What a core orders (Save, SaveAll, Append, Truncate, Discard) is first written, then synced. A crash
keeps what was synced and, of the writes behind it, a prefix drawn by the seed, the last of them
perhaps torn. A disk that lies about syncing shows its lie only at a power cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from google.protobuf.message import Message

from nodes.core import (
    Append,
    Discard,
    DurableEffect,
    Save,
    SaveAll,
    Started,
    StoredLog,
    Truncate,
    copy_of,
)


class MisuseOfDisk(Exception):
    """A core gave an order that no log can carry out: a hole, or a cut in the wrong place."""


@dataclass(slots=True)
class _Log:
    first_index: int = 1
    entries: list[Message] = field(default_factory=list)

    @property
    def next_index(self) -> int:
        return self.first_index + len(self.entries)


class SimDisk:
    """One node's disk. `lies` makes sync() keep nothing safe from a power cut, as fsync off
    does."""

    def __init__(self, rng: Random, *, lies: bool = False) -> None:
        self.rng = rng
        self.lies = lies
        self._slots: dict[str, Message] = {}
        self._logs: dict[str, _Log] = {}
        self._written: list[DurableEffect] = []  # not even claimed to be synced
        self._claimed: list[DurableEffect] = []  # claimed to be synced, by a disk that lies

    def write(self, effect: DurableEffect) -> None:
        """Takes an order; it is safe only after sync()."""
        self._written.append(effect)

    def sync(self) -> None:
        """Everything written so far is durable from now on, or so the disk says."""
        if self.lies:
            self._claimed += self._written
        else:
            for effect in self._written:
                self._carry_out(effect)
        self._written = []

    def flush(self) -> None:
        """What the operating system does by itself now and then, also for those who never sync."""
        for effect in self._claimed:
            self._carry_out(effect)
        self._claimed = []

    def crash(self, *, power_cut: bool) -> None:
        """The process is gone; with `power_cut`, so is the page cache."""
        if not power_cut:
            self.flush()
        pending = self._claimed + self._written
        kept = self.rng.randint(0, len(pending))
        for effect in pending[:kept]:
            self._carry_out(effect)
        if kept < len(pending):
            self._tear(pending[kept])
        self._claimed, self._written = [], []

    def wipe(self) -> None:
        """Nothing is left."""
        self._slots, self._logs = {}, {}
        self._claimed, self._written = [], []

    def load(self, *, amnesia: bool) -> Started:
        """What a node finds when it comes up."""
        slots = {name: copy_of(state) for name, state in self._slots.items()}
        logs = {
            name: StoredLog(log.first_index, tuple(map(copy_of, log.entries)))
            for name, log in self._logs.items()
        }
        return Started(slots, logs, amnesia)

    def _tear(self, effect: DurableEffect) -> None:
        """A write that was under way may have got through in part: some entries, but no half ones,
        since each row carries a checksum; and nothing of what is saved as one."""
        if isinstance(effect, Append):
            kept = self.rng.randint(0, len(effect.entries) - 1)
            if kept:
                self._carry_out(Append(effect.log, effect.first_index, effect.entries[:kept]))

    def _carry_out(self, effect: DurableEffect) -> None:
        match effect:
            case Save(slot) if effect.removes:
                self._slots.pop(slot, None)
            case Save(slot, state):
                self._slots[slot] = state
            case SaveAll(saves):
                for save in saves:
                    self._carry_out(save)
            case Append(name, first_index, entries):
                log = self._log(name)
                if first_index != log.next_index:
                    raise MisuseOfDisk(
                        f"append to {name} at {first_index}, but it ends before {log.next_index}"
                    )
                log.entries.extend(entries)
            case Truncate(name, from_index):
                log = self._log(name)
                if not log.first_index <= from_index <= log.next_index:
                    raise MisuseOfDisk(
                        f"truncate {name} from {from_index}, "
                        f"but it holds {log.first_index}..{log.next_index - 1}"
                    )
                del log.entries[from_index - log.first_index :]
            case Discard(name, through_index):
                log = self._log(name)
                del log.entries[: max(through_index + 1 - log.first_index, 0)]
                log.first_index = max(log.first_index, through_index + 1)

    def _log(self, name: str) -> _Log:
        return self._logs.setdefault(name, _Log())
