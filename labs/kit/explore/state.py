"""One state of a small cluster that is explored, and what can happen in it.

Nothing in a state is ever changed: a step works on copies of what it touches. Time is only what
timers make of it: a timer may fire whenever it is set, and the clock goes on by its delay then. A
generator of random numbers that always gives the least takes the dice away.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pickle import Pickler
from random import Random
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from nodes.core import Call, Core, Env, NodeId
from nodes.sim.cluster import Observer
from nodes.sim.disk import SimDisk


class Least(Random):
    """Always the least: which delay is drawn makes no difference where timers fire at any time."""

    def random(self) -> float:
        """0."""
        return 0.0

    def getrandbits(self, bits: int) -> int:
        """0."""
        return 0

    def __reduce__(self) -> tuple[Any, ...]:
        return _least, ()

    def __deepcopy__(self, memo: object) -> Least:
        return self


LEAST: Final = Least()


def _least() -> Least:
    return LEAST


class Budget(NamedTuple):
    """How much may happen besides deliveries: without bounds there would be no end."""

    requests: int = 1  # of clients
    timers: int = 3  # firings, those without delay not counted
    crashes: int = 1
    losses: int = 0

    def less(self, what: str) -> Budget:
        """One less of it."""
        return self._replace(**{what: getattr(self, what) - 1})


class Packet(NamedTuple):
    """A request or, when there is a `response`, that, under way from `source` to `target`."""

    call_id: int
    source: NodeId
    target: NodeId
    call: Call  # of the one who called
    response: Message | None = None

    def key(self) -> tuple[int, bool, NodeId, str, bytes]:
        """Orders packets, and is equal for equal ones."""
        carried = self.call.request if self.response is None else self.response
        content = carried.SerializeToString(deterministic=True)
        name = type(carried).__name__
        return self.call_id, self.response is not None, self.target, name, content


class Node(NamedTuple):
    """`core` None: down. `key` stands for core and disk; timers with their delays, by name."""

    core: Core | None
    disk: SimDisk
    key: bytes
    timers: tuple[tuple[str, int], ...] = ()


class State(NamedTuple):
    """Everything there is; `observers` is what they have seen on the way here."""

    nodes: tuple[Node, ...]
    packets: tuple[Packet, ...]
    awaited: tuple[Packet, ...]  # requests that have arrived and have no response yet
    now_ms: int
    calls: int
    budget: Budget
    observers: Sequence[Observer]
    observed: bytes  # stands for the observers

    def key(self) -> bytes:
        """Equal for equal states."""
        held = [(node.key, node.timers) for node in self.nodes]
        under_way = sorted(packet.key() for packet in self.packets)
        awaited = sorted(packet.key() for packet in self.awaited)
        rest = (self.now_ms, self.calls, self.budget, self.observed)
        return blake2b(repr((held, under_way, awaited, rest)).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that may happen next. `keep`: the node crashes once it has carried out that many
    effects of its step; None: it does not crash."""

    kind: str
    node: int
    packet: int = -1
    timer: str = ""
    keep: int | None = None


class _Writer(Pickler):
    """Leaves out what is the same in every state."""

    def __init__(self, file: io.BytesIO, env: Env | None) -> None:
        super().__init__(file, protocol=5)
        self._env = env

    def persistent_id(self, thing: Any) -> str | None:
        """Of the surroundings of a core."""
        return "env" if self._env is not None and thing is self._env else None


def digest_of(*things: object, env: Env | None = None) -> bytes:
    """Equal for equal things; for unequal ones it differs, and rarely for equal ones."""
    file = io.BytesIO()
    writer = _Writer(file, env)
    for thing in things:
        writer.dump(thing)
    return blake2b(file.getvalue(), digest_size=16).digest()


def twin_of(core: Core) -> Core:
    """A copy that may be stepped, in the same surroundings."""
    return copy.deepcopy(core, {id(core.env): core.env})
