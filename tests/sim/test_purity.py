"""The purity check catches a core that depends on anything but its arguments."""

from __future__ import annotations

import random
import time
from random import Random
from types import MappingProxyType

import pytest

from nodes.core import Caller, Core, Env, Event, Now, Requested, handles
from nodes.cores.raft import Raft
from nodes.sim.purity import ImpureCore, step_twice
from tests.support import ping_pb2 as pb
from tests.support.ping_core import Ping
from tests.support.raft_bench import DEFAULTS, Bench

ECHO = Requested(Caller("client", 1), pb.EchoRequest(text="x"))
PEERS = ("n2", "n3", "n4")


class Base(Core):
    """Echoes, and shows nothing."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.unacked = set(PEERS)
        self.frozen = frozenset(PEERS)
        self.looks = 0

    @handles(pb.EchoRequest)
    def echo(self, request: pb.EchoRequest, caller: Caller) -> pb.EchoResponse:
        return pb.EchoResponse(text=self.text())

    def text(self) -> str:
        return ""

    def view(self) -> pb.PingView:
        return pb.PingView()


class ReadsClock(Base):
    def text(self) -> str:
        return str(time.perf_counter_ns())


class RollsDice(Base):
    def text(self) -> str:
        return str(random.random())


class IteratesSet(Base):
    def text(self) -> str:
        return ",".join(peer for peer in self.unacked)


class IteratesFrozenSet(Base):
    def text(self) -> str:
        return ",".join(self.frozen)


class CallsInSetOrder(Base):
    def text(self) -> str:
        for peer in self.unacked:
            self.call(peer, pb.EchoRequest(), timeout_ms=1)
        return ""


class ShowsIdentity(Base):
    def text(self) -> str:
        return str(id(self))


class ViewMutates(Base):
    def view(self) -> pb.PingView:
        self.looks += 1
        return pb.PingView(echoes=self.looks)


class ViewOfSetOrder(Base):
    def view(self) -> pb.PingView:
        return pb.PingView(echoes=list(self.unacked).index("n2"))


class Pure(Base):
    """Uses sets and its own generator as one may."""

    def text(self) -> str:
        self.unacked.discard("n3")
        self.unacked |= {"n5"}
        listed = [peer for peer in PEERS if peer in self.unacked] + sorted(self.frozen)
        return f"{listed} {len(self.unacked)} {min(self.unacked)} {self.env.rng.random()}"


def make(core: type[Core]) -> Core:
    return core(Env("n1", PEERS, Random(1), MappingProxyType({"a": 1}) | DEFAULTS))


def step(core: Core, event: Event = ECHO) -> object:
    return step_twice(core, event, Now(1, 2))


@pytest.mark.parametrize(
    "core",
    [
        ReadsClock,
        RollsDice,
        IteratesSet,
        IteratesFrozenSet,
        CallsInSetOrder,
        ShowsIdentity,
        ViewMutates,
        ViewOfSetOrder,
    ],
)
def test_an_impure_core_is_caught(core: type[Core]) -> None:
    """At the first step that shows it, with the core's name."""
    with pytest.raises(ImpureCore, match=core.__name__):
        step(make(core))


@pytest.mark.parametrize("core", [Pure, Ping])
def test_a_pure_core_is_left_alone(core: type[Core]) -> None:
    """Its effects are those of a single step, and its generator moves once."""
    checked, plain = make(core), make(core)
    for _ in range(3):
        assert step(checked) == plain.step(ECHO, Now(1, 2))


def test_raft_is_pure() -> None:
    """The events of an election."""
    bench = Bench()
    effects = bench.fire("election")
    other = make(Raft)
    assert effects.calls()
    assert step(other, bench.disk.load(amnesia=False))


def test_the_check_leaves_sets_as_they_were() -> None:
    """Copies of sets made afterwards are ordinary sets again."""
    import copy

    step(make(Pure))
    assert type(copy.deepcopy({1, 2})) is set
    assert type(copy.deepcopy(frozenset({1}))) is frozenset
