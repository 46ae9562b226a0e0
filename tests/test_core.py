"""The base of all cores: dispatch, order of effects, copies at the boundary."""

from __future__ import annotations

from random import Random

import pytest

from nodes.core import (
    Append,
    Call,
    Caller,
    CallFailed,
    CancelTimer,
    Core,
    Discard,
    Env,
    Exercise,
    NodeId,
    Note,
    Now,
    Requested,
    Respond,
    Responded,
    Save,
    SetTimer,
    Started,
    TimerFired,
    Truncate,
    exercise,
    handles,
    on_response,
    on_timer,
)
from tests.support import ping_pb2 as pb

NOW = Now(5, 1_700_000_000_005)
CALLER = Caller("n2", 9)


class Everything(Core):
    """Uses all that a core may use."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.heard: list[object] = []
        self.counter = pb.Counter(total=1)

    def on_start(self, started: Started) -> None:
        self.heard.append(started)

    @handles(pb.EchoRequest)
    def echo(self, request: pb.EchoRequest, caller: Caller) -> pb.EchoResponse:
        self.heard.append((request.text, caller))
        return pb.EchoResponse(text=request.text)

    @exercise(part=3, brief="add it up")
    @handles(pb.AddRequest)
    def add(self, request: pb.AddRequest, caller: Caller) -> None:
        self.save("counter", self.counter)
        self.append("added", 1, [pb.Added(amount=1)])
        self.append("added", 2, [])
        self.truncate("added", 1)
        self.discard("added", 4)
        self.call("n2", pb.EchoRequest(text="x"), timeout_ms=7)
        self.set_timer("wake", 3)
        self.cancel_timer("wake")
        self.note("added", amount=1, whole=True)
        self.respond(caller, pb.AddResponse(total=1))

    @on_response(pb.EchoRequest, pb.EchoResponse)
    def echoed(self, peer: NodeId, request: pb.EchoRequest, response: pb.EchoResponse) -> None:
        self.heard.append((peer, request.text, response.text))

    @on_timer("wake")
    def wake(self) -> None:
        self.heard.append(self.now)

    def on_call_failed(self, call: Call, reason: str) -> None:
        self.heard.append((call.peer, reason))


def env() -> Env:
    return Env("n1", ("n2",), Random(0), {"size": 3, "mode": "fast"})


def test_effects_come_in_the_order_in_which_they_were_ordered() -> None:
    """The list is the durability contract: what is saved before a call stands before it."""
    core = Everything(env())
    assert core.step(Requested(CALLER, pb.AddRequest()), NOW) == [
        Save("counter", pb.Counter(total=1)),
        Append("added", 1, (pb.Added(amount=1),)),
        Truncate("added", 1),
        Discard("added", 4),
        Call("n2", pb.EchoRequest(text="x"), 7),
        SetTimer("wake", 3),
        CancelTimer("wake"),
        Note("added", {"amount": 1, "whole": True}),
        Respond(CALLER, pb.AddResponse(total=1)),
    ]


def test_what_a_handler_returns_is_the_response() -> None:
    """It comes last in the step."""
    core = Everything(env())
    effects = core.step(Requested(CALLER, pb.EchoRequest(text="hi")), NOW)
    assert effects == [Respond(CALLER, pb.EchoResponse(text="hi"))]
    assert core.heard == [("hi", CALLER)]


def test_each_event_reaches_its_handler() -> None:
    """And the time of the step is there to read."""
    core = Everything(env())
    call = Call("n2", pb.EchoRequest(text="q"), 7)
    started = Started()
    core.step(started, NOW)
    core.step(Responded(call, pb.EchoResponse(text="r")), NOW)
    core.step(CallFailed(call, "deadline"), NOW)
    core.step(TimerFired("wake"), NOW)
    assert core.heard == [started, ("n2", "q", "r"), ("n2", "deadline"), NOW]


def test_effects_do_not_pile_up() -> None:
    """Each step returns its own."""
    core = Everything(env())
    event = Requested(CALLER, pb.EchoRequest())
    assert len(core.step(event, NOW)) == len(core.step(event, NOW)) == 1


def test_messages_are_copied_at_the_boundary() -> None:
    """A core may pass live state and change it afterwards."""
    core = Everything(env())
    save = core.step(Requested(CALLER, pb.AddRequest()), NOW)[0]
    core.counter.total = 99
    assert save == Save("counter", pb.Counter(total=1))


@pytest.mark.parametrize(
    "event",
    [
        Requested(CALLER, pb.RelayRequest()),
        TimerFired("nobody"),
        Responded(Call("n2", pb.RelayRequest(), 1), pb.RelayResponse()),
        Responded(Call("n2", pb.EchoRequest(), 1), pb.RelayResponse()),
    ],
)
def test_an_event_that_nothing_handles_is_an_error(event: Requested) -> None:
    """A core that does not care says so with an empty handler."""
    with pytest.raises(LookupError, match="Everything has no handler for"):
        Everything(env()).step(event, NOW)


def test_two_handlers_for_one_thing_are_refused() -> None:
    """When the class is defined, not when the event comes."""
    with pytest.raises(TypeError, match=r"Twice\.two and one both handle"):

        class Twice(Core):
            @on_timer("t")
            def one(self) -> None: ...

            @on_timer("t")
            def two(self) -> None: ...


def test_a_subclass_may_not_take_a_handler_under_another_name() -> None:
    """Else both would be there, and one of them silently dead."""
    with pytest.raises(TypeError, match=r"Other\.other and wake both handle"):

        class Other(Everything):
            @on_timer("wake")
            def other(self) -> None: ...


def test_a_subclass_overrides_a_handler_by_its_name() -> None:
    """With or without saying again what it handles: that is how mutants are made."""

    class Deaf(Everything):
        def wake(self) -> None:
            self.heard.append("overridden")

    core = Deaf(env())
    core.step(TimerFired("wake"), NOW)
    assert core.heard == ["overridden"]


def test_a_core_says_what_it_serves() -> None:
    """Requests only, those of its base classes too."""

    class More(Everything):
        @handles(pb.RelayRequest)
        def relay(self, request: pb.RelayRequest, caller: Caller) -> None: ...

    assert set(More.served_requests()) == {pb.EchoRequest, pb.AddRequest, pb.RelayRequest}


def test_an_exercise_is_marked() -> None:
    """Part and brief, for the learner's file; the handler stays one."""
    marked = Everything.add.__dict__["_exercise"]
    assert marked == Exercise(3, "add it up")


def test_settings_are_typed() -> None:
    """A number is a number and a word is a word; else the error names the setting."""
    settings = env()
    assert (settings.number("size"), settings.text("mode")) == (3, "fast")
    with pytest.raises(TypeError, match="setting mode is 'fast', expected a whole number"):
        settings.number("mode")
    with pytest.raises(TypeError, match="setting size is 3, expected a word"):
        settings.text("size")
    with pytest.raises(KeyError):
        settings.number("missing")


def test_a_core_without_a_view_says_so() -> None:
    """Every protocol must show itself."""
    with pytest.raises(NotImplementedError):
        Core(env()).view()
