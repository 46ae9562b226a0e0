"""What a protocol is made of: events in, effects out.

A core is a synchronous object. `step(event, now)` tells it one thing that happened and returns, in
order, what it wants done. It has no clock, socket, file, thread or randomness of its own, so the
same object runs in a process behind gRPC, in a container, and in a simulation that replays bit for
bit from a seed.

    class Ping(Core):
        @handles(pb.PingRequest)
        def ping(self, request: pb.PingRequest, caller: Caller) -> pb.PingResponse:
            return pb.PingResponse(text=request.text)

The order of effects is the durability contract: what Save, SaveAll, Append, Truncate or Discard
says is durable before any later effect of that step happens. Saying something first and saving it
after is a bug that the simulator finds, by crashing between any two effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias, TypeVar

from google.protobuf.message import Message

from nodes.effects import DURABLE as DURABLE
from nodes.effects import Append as Append
from nodes.effects import Call as Call
from nodes.effects import Caller as Caller
from nodes.effects import CallFailed as CallFailed
from nodes.effects import CancelTimer as CancelTimer
from nodes.effects import CrashPoint as CrashPoint
from nodes.effects import Discard as Discard
from nodes.effects import DurableEffect as DurableEffect
from nodes.effects import Effect as Effect
from nodes.effects import Event as Event
from nodes.effects import NodeId as NodeId
from nodes.effects import Note as Note
from nodes.effects import NoteValue as NoteValue
from nodes.effects import Requested as Requested
from nodes.effects import Respond as Respond
from nodes.effects import Responded as Responded
from nodes.effects import Save as Save
from nodes.effects import SaveAll as SaveAll
from nodes.effects import SetTimer as SetTimer
from nodes.effects import Started as Started
from nodes.effects import StoredLog as StoredLog
from nodes.effects import TimerFired as TimerFired
from nodes.effects import Truncate as Truncate
from nodes.effects import one_by_one as one_by_one
from nodes.effects import saves_of as saves_of
from nodes.parts.exercise import Exercise as Exercise
from nodes.parts.exercise import NotWritten as NotWritten
from nodes.parts.exercise import exercise as exercise

Param: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class Now:
    """The two clocks of a node, in milliseconds.

    `mono_ms` measures intervals and never goes back; `wall_ms` is a timestamp, and may be skewed by
    a fault.
    """

    mono_ms: int
    wall_ms: int


@dataclass(frozen=True, slots=True)
class Env:
    """What a core may know of the world: its name, its peers, a seeded generator, its settings."""

    node_id: NodeId
    peers: tuple[NodeId, ...]
    rng: Random
    params: Mapping[str, Param]

    def number(self, name: str) -> int:
        """A setting that is a whole number. Raises TypeError when it is not."""
        value = self.params[name]
        if not isinstance(value, int):
            raise TypeError(f"setting {name} is {value!r}, expected a whole number")
        return value

    def text(self, name: str) -> str:
        """A setting that is a word. Raises TypeError when it is not."""
        value = self.params[name]
        if not isinstance(value, str):
            raise TypeError(f"setting {name} is {value!r}, expected a word")
        return value


# ----------------------------------------------------------------------------------------- handlers

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)
_Result = TypeVar("_Result", bound=Message | None)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _mark(function: _Function, key: tuple[str, object]) -> _Function:
    function.__dict__.setdefault("_handles", []).append(key)
    return function


_Handler: TypeAlias = Callable[[Any, _Request, Caller], _Result]


def handles(
    request_type: type[_Request],
) -> Callable[[_Handler[_Request, _Result]], _Handler[_Request, _Result]]:
    """The method serves this request; it returns the response, or None to `respond` later."""
    return lambda function: _mark(function, ("request", request_type))


def on_response(
    request_type: type[_Request], response_type: type[_Response]
) -> Callable[
    [Callable[[Any, NodeId, _Request, _Response], None]],
    Callable[[Any, NodeId, _Request, _Response], None],
]:
    """The method takes a peer's response to this kind of request, together with the request."""
    return lambda function: _mark(function, ("response", (request_type, response_type)))


def on_timer(name: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """The method runs when the timer of this name fires."""
    return lambda function: _mark(function, ("timer", name))


class Core:
    """Base of all protocols: dispatches events to handlers and collects their effects.

    Raises TypeError, when a subclass is defined, if two methods of it handle the same thing. `step`
    raises LookupError for an event that nothing handles; a core that does not care says so with an
    empty handler.
    """

    _handlers: ClassVar[Mapping[tuple[str, object], str]] = MappingProxyType({})

    def __init__(self, env: Env) -> None:
        self.env = env
        self.now = Now(0, 0)
        self._effects: list[Effect] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        handlers = dict(cls._handlers)
        own: dict[tuple[str, object], str] = {}
        for name, member in vars(cls).items():
            for key in getattr(member, "_handles", ()):
                if key in own:
                    raise TypeError(f"{cls.__name__}.{name} and {own[key]} both handle {key}")
                if key in handlers and handlers[key] != name:
                    raise TypeError(f"{cls.__name__}.{name} and {handlers[key]} both handle {key}")
                own[key] = name
        cls._handlers = MappingProxyType(handlers | own)

    @classmethod
    def served_requests(cls) -> tuple[type[Message], ...]:
        """The request types that this core answers."""
        return tuple(
            key for kind, key in cls._handlers if kind == "request" and isinstance(key, type)
        )

    # -------------------------------------------------------------------------- called by the world

    def step(self, event: Event, now: Now) -> list[Effect]:
        """Takes one event and returns what is to be done, in order. Never blocks, never raises on
        bad peers."""
        self.now = now
        self._effects = []
        match event:
            case Requested(caller, request):
                response = self._handler("request", type(request))(request, caller)
                if response is not None:
                    self.respond(caller, response)
            case Responded(call, response):
                key = (type(call.request), type(response))
                self._handler("response", key)(call.peer, call.request, response)
            case TimerFired(name):
                self._handler("timer", name)()
            case CallFailed(call, reason):
                self.on_call_failed(call, reason)
            case Started():
                self.on_start(event)
        effects, self._effects = self._effects, []
        return effects

    def view(self) -> Message:
        """What the node believes, as a message of the lab's proto. Must not change anything."""
        raise NotImplementedError

    # ---------------------------------------------------------------------- written by the protocol

    def on_start(self, started: Started) -> None:
        """Restores what was durable and sets the first timers."""

    def on_call_failed(self, call: Call, reason: str) -> None:
        """A call got no response. By default nothing: a timer will try again."""

    # ---------------------------------------------------------- what handlers may do with the world
    # Messages are copied here, so that a core can pass live state and change it afterwards.

    def call(self, peer: NodeId, request: Message, *, timeout_ms: int) -> None:
        """Sends `request` to `peer`; ends in a response or in `on_call_failed`."""
        self._effects.append(Call(peer, copy_of(request), timeout_ms))

    def respond(self, caller: Caller, response: Message) -> None:
        """Answers a request, of this step or of an earlier one."""
        self._effects.append(Respond(caller, copy_of(response)))

    def save(self, slot: str, state: Message) -> None:
        """Replaces the slot's content, durably before any later effect; an empty message removes
        the slot."""
        self._effects.append(Save(slot, copy_of(state)))

    def save_all(self, states: Mapping[str, Message]) -> None:
        """Replaces the contents of several slots as one: a crash leaves all of it or none."""
        if states:
            saves = tuple(Save(slot, copy_of(state)) for slot, state in states.items())
            self._effects.append(SaveAll(saves))

    def append(self, log: str, first_index: int, entries: Sequence[Message]) -> None:
        """Adds entries at the end of a log, durably before any later effect."""
        if entries:
            self._effects.append(Append(log, first_index, tuple(map(copy_of, entries))))

    def truncate(self, log: str, from_index: int) -> None:
        """Drops a log's entries from `from_index` on, durably before any later effect."""
        self._effects.append(Truncate(log, from_index))

    def discard(self, log: str, through_index: int) -> None:
        """Drops a log's entries up to and including `through_index`, durably before any later
        effect."""
        self._effects.append(Discard(log, through_index))

    def set_timer(self, name: str, delay_ms: int) -> None:
        """Starts or restarts the timer of this name."""
        self._effects.append(SetTimer(name, delay_ms))

    def cancel_timer(self, name: str) -> None:
        """Stops the timer of this name."""
        self._effects.append(CancelTimer(name))

    def note(self, kind: str, **fields: NoteValue) -> None:
        """Tells the timeline."""
        self._effects.append(Note(kind, MappingProxyType(fields)))

    def crash_point(self, name: str) -> None:
        """Here the node dies, if somebody armed this point: all effects before are done, none
        behind."""
        self._effects.append(CrashPoint(name))

    def _handler(self, kind: str, key: object) -> Callable[..., Message | None]:
        name = self._handlers.get((kind, key))
        if name is None:
            raise LookupError(f"{type(self).__name__} has no handler for {kind} {key}")
        handler: Callable[..., Message | None] = getattr(self, name)
        return handler


def copy_of(message: Message) -> Message:
    """A message of its own with the same content."""
    duplicate = type(message)()
    duplicate.CopyFrom(message)
    return duplicate
