"""Events, the facts that a core is told, and effects, the orders that it gives.

`nodes.core` says what they are for, and has them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, overload

from google.protobuf.message import Message

NodeId: TypeAlias = str
NoteValue: TypeAlias = int | str | bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Handle of one incoming request; a response must carry it."""

    node: NodeId
    call_id: int


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A named log as it was found on disk. `first_index` is that of entries[0], or of the next
    entry if none."""

    first_index: int = 1
    entries: tuple[Message, ...] = ()


# ------------------------------------------------------------------------------------ events: facts


@dataclass(frozen=True, slots=True)
class Started:
    """The node came up. Slots and logs are what was durable when it last went down.

    `amnesia` means that the node has been here before and its disk was wiped since: it may have
    made promises that it no longer knows.
    """

    slots: Mapping[str, Message] = field(default_factory=dict)
    logs: Mapping[str, StoredLog] = field(default_factory=dict)
    amnesia: bool = False


@dataclass(frozen=True, slots=True)
class Requested:
    """A peer or a client asks for something."""

    caller: Caller
    request: Message


@dataclass(frozen=True, slots=True)
class Responded:
    """A peer answered a call of ours; the call comes along."""

    call: Call
    response: Message


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call of ours got no response. The peer may or may not have acted on it."""

    call: Call
    reason: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer set earlier ran out."""

    name: str


Event: TypeAlias = Started | Requested | Responded | CallFailed | TimerFired


# ---------------------------------------------------------------------------------- effects: orders


@dataclass(frozen=True, slots=True)
class Save:
    """Replace the slot's content. An empty message removes the slot: the next start does not find
    it, and a default message stands for it as well."""

    slot: str
    state: Message

    @property
    def removes(self) -> bool:
        """Whether the slot is gone after it."""
        return self.state.ByteSize() == 0


@dataclass(frozen=True, slots=True)
class SaveAll:
    """Several slots at once, as by one local transaction: after a crash all are found as they are
    here, or none."""

    saves: tuple[Save, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """Add entries at the end of a log; `first_index` is where its end must be."""

    log: str
    first_index: int
    entries: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Truncate:
    """Drop the entries of a log from `from_index` on."""

    log: str
    from_index: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Drop the entries of a log up to and including `through_index`. The log then begins behind it,
    even when it had not reached that far."""

    log: str
    through_index: int


@dataclass(frozen=True, slots=True)
class Call:
    """Send a request to a peer. Ends in Responded or CallFailed within `timeout_ms`."""

    peer: NodeId
    request: Message
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer a request, of this step or of a much earlier one."""

    caller: Caller
    response: Message


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Start a timer; one timer a name, setting it again replaces it. A delay of 0 fires after all
    events that wait already."""

    name: str
    delay_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Stop a timer; no harm if it is not set."""

    name: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth telling the timeline. Never changes anything."""

    kind: str
    fields: Mapping[str, NoteValue]


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """A moment at which the node dies if this point is armed there; nothing happens otherwise.

    Effects before it are done: what was ordered is durable, what was sent has left. Those behind it
    never are.
    """

    name: str


DurableEffect: TypeAlias = Save | SaveAll | Append | Truncate | Discard
Effect: TypeAlias = DurableEffect | Call | Respond | SetTimer | CancelTimer | Note | CrashPoint
DURABLE = (Save, SaveAll, Append, Truncate, Discard)
SingleOrder: TypeAlias = Save | Append | Truncate | Discard
SingleEffect: TypeAlias = SingleOrder | Call | Respond | SetTimer | CancelTimer | Note | CrashPoint


def saves_of(effect: Effect) -> tuple[Save, ...]:
    """The slots that an effect replaces, alone or together with others."""
    match effect:
        case Save():
            return (effect,)
        case SaveAll(saves):
            return saves
    return ()


@overload
def one_by_one(effects: Iterable[DurableEffect]) -> Iterator[SingleOrder]: ...
@overload
def one_by_one(effects: Iterable[Effect]) -> Iterator[SingleEffect]: ...
def one_by_one(effects: Iterable[Effect]) -> Iterator[SingleEffect]:
    """The same, with slots that are saved together in a row: for those to whom it makes no
    difference that all are durable or none."""
    for effect in effects:
        if isinstance(effect, SaveAll):
            yield from effect.saves
        else:
            yield effect
