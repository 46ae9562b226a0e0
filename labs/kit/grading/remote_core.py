"""The judge's end of a core that lives in a player."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from google.protobuf.message import DecodeError, Message

from nodes.core import (
    Append,
    Call,
    Caller,
    CallFailed,
    CancelTimer,
    Core,
    CrashPoint,
    Discard,
    Effect,
    Env,
    Event,
    NodeId,
    Note,
    Now,
    Requested,
    Respond,
    Responded,
    Save,
    SaveAll,
    SetTimer,
    Started,
    TimerFired,
    Truncate,
)
from protos import step_pb2 as pb

if TYPE_CHECKING:
    from labs.kit.grading.player import Player
    from labs.kit.grading.wire import Types

Turn = pb.Turn
E = pb.Effect


@dataclass(frozen=True, slots=True)
class NumberedCall(Call):
    """A call by the number that the player knows it by, so that its request need not go back."""

    number: int = 0


class RemoteCore(Core):
    """Steps a core in the player; raises LearnerError for what goes wrong there. `player` and
    `numbers` belong to a run, for which there is a subclass."""

    player: ClassVar[Player]
    numbers: ClassVar[dict[NodeId, int]]

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._number = self.numbers[env.node_id]
        self._peers = frozenset(env.peers)
        self._types: Types = self.player.types
        self._view: Message | None = None
        self._view_bytes: tuple[int, bytes] | None = None
        turn = Turn(kind=Turn.MAKE, core=self._number)
        turn.making.node_id = env.node_id
        turn.making.peers.extend(env.peers)
        for name, value in env.params.items():
            field = turn.making.params.add(name=name)
            if isinstance(value, int):
                field.number = value
            else:
                field.text = value
        turn.making.rng.extend(env.rng.getstate()[1])
        self.player.play(turn)

    def step(self, event: Event, now: Now) -> list[Effect]:
        """See Core."""
        player = self.player
        turn = player.turn
        turn.Clear()
        turn.core, turn.mono_ms, turn.wall_ms = self._number, now.mono_ms, now.wall_ms
        kind = type(event)
        if kind is TimerFired:
            turn.kind, turn.name = Turn.TIMER_FIRED, event.name  # type: ignore[union-attr]  # by type
        elif kind is Requested:
            self._request(turn, event)
        elif kind is Responded:
            self._response(turn, event)
        else:
            self._rare(turn, event)
        reply = player.play(turn)
        try:
            if reply.HasField("view"):
                self._view_bytes, self._view = (reply.view.type, reply.view.value), None
            return [_DECODE[effect.kind](self, effect) for effect in reply.effects]
        except (DecodeError, LookupError) as error:
            _nonsense(error)

    def view(self) -> Message:
        """What came with the latest step that changed it."""
        if self._view is None:
            if self._view_bytes is None:
                _nonsense("no view")
            number, value = self._view_bytes
            try:
                self._view = self._message(number, value)
            except (DecodeError, LookupError) as error:
                _nonsense(error)
        return self._view

    # -------------------------------------------------------------------------------------- events

    def _request(self, turn: pb.Turn, event: Any) -> None:
        turn.kind, turn.name, turn.call = Turn.REQUESTED, event.caller.node, event.caller.call_id
        turn.type = self._types.number_of[type(event.request)]
        turn.content = event.request.SerializeToString()

    def _response(self, turn: pb.Turn, event: Any) -> None:
        turn.kind, turn.call = Turn.RESPONDED, event.call.number
        turn.type = self._types.number_of[type(event.response)]
        turn.content = event.response.SerializeToString()

    def _rare(self, turn: pb.Turn, event: Event) -> None:
        if isinstance(event, CallFailed):
            assert isinstance(event.call, NumberedCall), "it was this core's"
            turn.kind, turn.call, turn.name = Turn.CALL_FAILED, event.call.number, event.reason
            return
        assert isinstance(event, Started), "there is no other event"
        turn.kind = Turn.STARTED
        turn.stored.amnesia = event.amnesia
        for name, state in event.slots.items():
            slot = turn.stored.slots.add(name=name)
            self._fill(slot.state, state)
        for name, log in event.logs.items():
            stored = turn.stored.logs.add(name=name, first_index=log.first_index)
            for entry in log.entries:
                self._fill(stored.entries.add(), entry)

    def _fill(self, content: pb.Content, message: Message) -> None:
        content.type = self._types.number_of[type(message)]
        content.value = message.SerializeToString()

    # ------------------------------------------------------------------------------------- effects

    def _message(self, number: int, content: bytes) -> Message:
        return self._types.of_number[number].FromString(content)

    def _call(self, effect: pb.Effect) -> Effect:
        peer = effect.name
        if peer not in self._peers:
            _nonsense(f"a call to {peer!r}")
        request = self._message(effect.type, effect.content)
        return NumberedCall(peer, request, effect.number, effect.call)

    def _respond(self, effect: pb.Effect) -> Effect:
        caller = Caller(effect.name, effect.call)
        return Respond(caller, self._message(effect.type, effect.content))

    def _save(self, effect: pb.Effect) -> Effect:
        return Save(effect.name, self._message(effect.type, effect.content))

    def _save_all(self, effect: pb.Effect) -> Effect:
        return SaveAll(
            tuple(
                Save(slot.name, self._message(slot.state.type, slot.state.value))
                for slot in effect.saves
            )
        )

    def _append(self, effect: pb.Effect) -> Effect:
        entries = tuple(self._message(entry.type, entry.value) for entry in effect.entries)
        return Append(effect.name, effect.number, entries)

    def _truncate(self, effect: pb.Effect) -> Effect:
        return Truncate(effect.name, effect.number)

    def _discard(self, effect: pb.Effect) -> Effect:
        return Discard(effect.name, effect.number)

    def _set_timer(self, effect: pb.Effect) -> Effect:
        return SetTimer(effect.name, effect.number)

    def _cancel_timer(self, effect: pb.Effect) -> Effect:
        return CancelTimer(effect.name)

    def _note(self, effect: pb.Effect) -> Effect:
        fields = {
            field.name: getattr(field, field.WhichOneof("value") or "text")
            for field in effect.fields
        }
        return Note(effect.name, MappingProxyType(fields))

    def _crash_point(self, effect: pb.Effect) -> Effect:
        return CrashPoint(effect.name)


_DECODE: dict[int, Callable[[RemoteCore, pb.Effect], Effect]] = {
    E.CALL: RemoteCore._call,
    E.RESPOND: RemoteCore._respond,
    E.SAVE: RemoteCore._save,
    E.APPEND: RemoteCore._append,
    E.TRUNCATE: RemoteCore._truncate,
    E.DISCARD: RemoteCore._discard,
    E.SET_TIMER: RemoteCore._set_timer,
    E.CANCEL_TIMER: RemoteCore._cancel_timer,
    E.NOTE: RemoteCore._note,
    E.SAVE_ALL: RemoteCore._save_all,
    E.CRASH_POINT: RemoteCore._crash_point,
}


def _nonsense(what: object) -> NoReturn:
    from labs.kit.grading.learner_error import LearnerError

    raise LearnerError(f"its process said what no core can: {what}", kind="misbehaved")
