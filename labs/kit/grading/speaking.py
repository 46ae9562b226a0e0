"""A core whose effects are written into a reply as they come about, each looked at first: what is
wrong with one is raised in the line that asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from google.protobuf.message import Message

from labs.kit.grading.wire import Types
from nodes.core import Caller, Core, NodeId
from protos import step_pb2 as pb

NUMBER_MAX: Final = 1 << 48
EFFECTS_MAX: Final = 10_000  # of one step
E = pb.Effect


class WrongResult(Exception):
    """A core asked for what cannot be done, or `method` of it returned what makes no sense."""

    def __init__(self, reason: str, method: str = "") -> None:
        super().__init__(reason)
        self.method = method


class Speaking:
    """Comes before the core among the bases of a class, and takes its effects. Its own names must
    not be those of any core."""

    env: Any
    _player_reply: pb.Reply  # of this turn
    _player_types: Types
    _player_calls: dict[int, tuple[NodeId, int, bytes, int]]  # of ours that have not ended
    _player_last_call = 0

    def call(self, peer: NodeId, request: Message, *, timeout_ms: int) -> None:
        """See Core."""
        if peer not in self.env.peers:
            _wrong(f"a call to {shown(peer)}, expected one of {', '.join(self.env.peers)}")
        kind = self._player_type_of(request, "a call")
        effect = self._player_effect(E.CALL, peer)
        effect.number = _whole(timeout_ms, "timeout_ms")
        effect.type, effect.content = kind, request.SerializeToString()
        self._player_last_call += 1
        effect.call = self._player_last_call
        self._player_calls[self._player_last_call] = peer, kind, effect.content, timeout_ms

    def respond(self, caller: Caller, response: Message) -> None:
        """See Core."""
        if type(caller) is not Caller:
            _wrong(f"a response to {shown(caller)}, expected the Caller that came with a request")
        kind = self._player_type_of(response, "a response")
        effect = self._player_effect(E.RESPOND, caller.node)
        effect.call = caller.call_id
        effect.type, effect.content = kind, response.SerializeToString()

    def save(self, slot: str, state: Message) -> None:
        """See Core."""
        kind = self._player_type_of(state, "the content of a slot")
        effect = self._player_effect(E.SAVE, _word(slot, "the name of a slot"))
        effect.type, effect.content = kind, state.SerializeToString()

    def save_all(self, states: Mapping[str, Message]) -> None:
        """See Core."""
        if not isinstance(states, Mapping):
            _wrong(f"what is saved at once is {shown(states)}, expected slots and their contents")
        contents = [
            (
                _word(slot, "the name of a slot"),
                self._player_type_of(state, "the content of a slot"),
                state.SerializeToString(),
            )
            for slot, state in states.items()
        ]
        if not contents:
            return
        effect = self._player_effect(E.SAVE_ALL, "")
        for slot, kind, value in contents:
            effect.saves.add(name=slot, state=pb.Content(type=kind, value=value))

    def append(self, log: str, first_index: int, entries: Sequence[Message]) -> None:
        """See Core."""
        if not entries:
            return
        kinds = [self._player_type_of(entry, "an entry") for entry in entries]
        effect = self._player_effect(E.APPEND, _word(log, "the name of a log"))
        effect.number = _whole(first_index, "first_index")
        for kind, entry in zip(kinds, entries, strict=True):
            effect.entries.add(type=kind, value=entry.SerializeToString())

    def truncate(self, log: str, from_index: int) -> None:
        """See Core."""
        effect = self._player_effect(E.TRUNCATE, _word(log, "the name of a log"))
        effect.number = _whole(from_index, "from_index")

    def discard(self, log: str, through_index: int) -> None:
        """See Core."""
        effect = self._player_effect(E.DISCARD, _word(log, "the name of a log"))
        effect.number = _whole(through_index, "through_index")

    def set_timer(self, name: str, delay_ms: int) -> None:
        """See Core."""
        effect = self._player_effect(E.SET_TIMER, _word(name, "the name of a timer"))
        effect.number = _whole(delay_ms, "delay_ms")

    def cancel_timer(self, name: str) -> None:
        """See Core."""
        self._player_effect(E.CANCEL_TIMER, _word(name, "the name of a timer"))

    def note(self, kind: str, **fields: Any) -> None:
        """See Core."""
        effect = self._player_effect(E.NOTE, _word(kind, "the kind of a note"))
        for name, value in fields.items():
            field = effect.fields.add(name=name)
            if isinstance(value, bool):
                field.truth = value
            elif isinstance(value, int):
                field.number = value
            elif isinstance(value, str):
                field.text = value
            else:
                _wrong(f"{name} of a note is {shown(value)}, expected a number or a word")

    def crash_point(self, name: str) -> None:
        """See Core."""
        self._player_effect(E.CRASH_POINT, _word(name, "the name of a crash point"))

    def _player_effect(self, kind: pb.Effect.Kind, name: str) -> pb.Effect:
        if len(self._player_reply.effects) >= EFFECTS_MAX:
            _wrong(f"more than {EFFECTS_MAX:,} effects in one step")
        return self._player_reply.effects.add(kind=kind, name=name)

    def _player_type_of(self, message: object, what: str) -> int:
        number = self._player_types.number_of.get(type(message))
        if number is None:
            _wrong(f"{what} is {shown(message)}, expected a message of the lab's protos")
        return number


def speaking(core: type[Core]) -> type[Core]:
    """The core with its effects taken by Speaking."""
    return type(core.__name__, (Speaking, core), {})


def _whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < NUMBER_MAX:
        _wrong(f"{what} is {shown(value)}, expected a whole number from 0 on")
    return value


def _word(value: object, what: str) -> str:
    if not isinstance(value, str):
        _wrong(f"{what} is {shown(value)}, expected a word")
    return value


def shown(value: object) -> str:
    """A value in a message, however large or odd it is."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)[:60]
    return f"one of type {type(value).__name__}"


def _wrong(reason: str) -> NoReturn:
    raise WrongResult(reason)
