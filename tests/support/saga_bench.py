"""Shops for tests: a simulated one, and a core that is stepped by hand."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from google.protobuf.message import Message

from labs.saga.lab import LAB
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.core import (
    Call,
    Caller,
    CallFailed,
    CrashPoint,
    Effect,
    Env,
    Event,
    Note,
    Now,
    Param,
    Requested,
    Respond,
    Responded,
    Save,
    SaveAll,
    SetTimer,
    Started,
    TimerFired,
)
from nodes.cores.saga import OrderSaga
from protos import saga_pb2 as pb

NODES = ("n1", "n2", "n3", "n4")


def saga_spec(seed: int = 0, /, **params: Param) -> ClusterSpec:
    """A shop with the lab's settings, but for these."""
    nodes = tuple(NodeSpec(node, LAB.core) for node in NODES)
    return ClusterSpec(LAB.id, LAB.protos, nodes, LAB.defaults(simulated=True) | params, seed)


def order(
    id: str = "o1",
    *,
    item: str = "book",
    customer: str = "alice",
    quantity: int = 2,
    price: int = 30,
) -> pb.Order:
    """Two books for alice, unless said otherwise."""
    return pb.Order(id=id, item=item, customer=customer, quantity=quantity, price=price)


class Bench:
    """One node of the shop, stepped by hand; its disk is `slots`."""

    def __init__(self, node: str, **params: Param) -> None:
        self.node = node
        self.params = LAB.defaults(simulated=True) | params
        self.slots: dict[str, Message] = {}
        self.log: list[Message] = []
        self.now_ms = 0
        self.calls = 0
        self.core = self.make()
        self.step(Started())

    def make(self) -> OrderSaga:
        """A core that knows nothing yet."""
        peers = tuple(one for one in NODES if one != self.node)
        return OrderSaga(Env(self.node, peers, Random(1), self.params))

    def restart(self) -> list[Effect]:
        """The node comes up with what is on its disk."""
        self.core = self.make()
        return self.step(Started(dict(self.slots)))

    def step(self, event: Event) -> list[Effect]:
        """The effects of one event, in order; what is saved is on the disk."""
        effects = self.core.step(event, Now(self.now_ms, self.now_ms))
        for effect in effects:
            saves = effect.saves if isinstance(effect, SaveAll) else (effect,)
            for save in saves:
                if isinstance(save, Save):
                    self.slots[save.slot] = save.state
                    if save.removes:
                        del self.slots[save.slot]
        return effects

    def ask(self, request: Message, *, by: str = "client") -> list[Effect]:
        """A request comes in."""
        self.calls += 1
        return self.step(Requested(Caller(by, self.calls), request))

    def answer(self, effects: list[Effect], response: Message) -> list[Effect]:
        """The only call among these effects is answered so."""
        return self.step(Responded(call_in(effects), response))

    def unanswered(self, effects: list[Effect]) -> list[Effect]:
        """The only call among these effects fails."""
        return self.step(CallFailed(call_in(effects), "deadline"))

    def fire(self, timer: str, *, after_ms: int = 0) -> list[Effect]:
        """A timer goes off."""
        self.now_ms += after_ms
        return self.step(TimerFired(timer))

    @property
    def view(self) -> pb.SagaView:
        """What the node shows."""
        view = self.core.view()
        assert isinstance(view, pb.SagaView)
        return view


def call_in(effects: list[Effect]) -> Call:
    """The only call."""
    (call,) = [effect for effect in effects if isinstance(effect, Call)]
    return call


def do_in(effects: list[Effect]) -> pb.DoRequest:
    """The only call, which asks for a step."""
    request = call_in(effects).request
    assert isinstance(request, pb.DoRequest)
    return request


def done_in(effects: list[Effect]) -> pb.DoResponse:
    """What a service answered."""
    (response,) = responses(effects)
    assert isinstance(response, pb.DoResponse)
    return response


def responses(effects: list[Effect]) -> list[Message]:
    """What was answered."""
    return [effect.response for effect in effects if isinstance(effect, Respond)]


def saves_in(effects: list[Effect]) -> list[Mapping[str, Message]]:
    """What was saved, each transaction by itself."""
    found: list[Mapping[str, Message]] = []
    for effect in effects:
        if isinstance(effect, SaveAll):
            found.append({save.slot: save.state for save in effect.saves})
        elif isinstance(effect, Save):
            found.append({effect.slot: effect.state})
    return found


def kinds(effects: list[Effect]) -> list[type[Effect]]:
    """The order of effects, but for what only people see."""
    return [type(one) for one in effects if not isinstance(one, Note | CrashPoint | SetTimer)]
