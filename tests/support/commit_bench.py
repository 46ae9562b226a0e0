"""One node of the commit lab stepped by hand: a test plays its events and looks at its effects.

Time moves only by `wait`; nothing arrives, fires or gets lost unless the test says so. A disk
stands behind the node, so that a test can restart it with what it had made durable.
"""

from __future__ import annotations

from itertools import count
from random import Random

from google.protobuf.message import Message

from labs.commit.lab import SETTINGS
from nodes.core import (
    DURABLE,
    Call,
    Caller,
    CallFailed,
    Env,
    Event,
    NodeId,
    Now,
    Param,
    Requested,
    Respond,
    Responded,
    SaveAll,
    TimerFired,
)
from nodes.cores.commit import AtomicCommit
from nodes.sim.disk import SimDisk
from protos import commit_pb2 as pb
from tests.support.raft_bench import Effects

DEFAULTS: dict[str, Param] = {setting.name: setting.default for setting in SETTINGS}
DOUBT_MS = 500  # the default
RETRY_MS = 300  # the default
NOTHING: dict[str, Param] = {"presume": "nothing"}
THREE: dict[str, Param] = {"protocol": "3pc"}

State = pb.InquireResponse


class Bench:
    """A node of a cluster n1 ... n4, with the lab's default settings. alice and dave are at n2, bob
    at n3, carol at n4; n1 holds nothing."""

    def __init__(self, node: NodeId = "n1", /, **params: Param) -> None:
        self.ids = ("n1", "n2", "n3", "n4")
        self.node = node
        self.params = DEFAULTS | params
        self.disk = SimDisk(Random(0))
        self.now = Now(1_000, 1_700_000_000_000)
        self._numbers = count(1)
        self.restart()

    def restart(self, *, amnesia: bool = False) -> Effects:
        """Starts, or starts again, with what the disk holds."""
        peers = tuple(id for id in self.ids if id != self.node)
        env = Env(self.node, peers, Random(next(self._numbers)), self.params)
        self.core = AtomicCommit(env)
        return self.step(self.disk.load(amnesia=amnesia))

    def step(self, event: Event) -> Effects:
        """Plays one event; what it orders to be durable is durable."""
        effects = Effects(self.core.step(event, self.now))
        for effect in effects:
            if isinstance(effect, DURABLE):
                self.disk.write(effect)
        self.disk.sync()
        return effects

    def ask(self, request: Message, *, by: NodeId = "n1") -> Effects:
        """A peer's or a client's request arrives."""
        return self.step(Requested(Caller(by, next(self._numbers)), request))

    def respond(self, call: Call, response: Message) -> Effects:
        """A peer's response to a call arrives."""
        return self.step(Responded(call, response))

    def fail(self, call: Call) -> Effects:
        """A call gets no response in time."""
        return self.step(CallFailed(call, "deadline"))

    def fire(self, timer: str) -> Effects:
        """A timer runs out."""
        return self.step(TimerFired(timer))

    def wait(self, ms: int) -> None:
        """Both clocks go on."""
        self.now = Now(self.now.mono_ms + ms, self.now.wall_ms + ms)

    @property
    def view(self) -> pb.CommitView:
        """What the node shows."""
        view = self.core.view()
        assert isinstance(view, pb.CommitView)
        return view

    @property
    def slots(self) -> dict[str, Message]:
        """What is on its disk."""
        return dict(self.disk.load(amnesia=False).slots)

    def rows(self, table: str) -> list[str]:
        """The keys of a table on its disk."""
        prefix = f"{table}/"
        return [slot.removeprefix(prefix) for slot in self.slots if slot.startswith(prefix)]

    # ------------------------------------------------------------------------------ common stories

    def transact(self, name: str = "t", **deltas: int) -> Effects:
        """A client asks; `alice=-10` changes account/alice."""
        return self.ask(transaction(name, **deltas), by="client")

    def votes(self, effects: Effects, **no: str) -> Effects:
        """Everyone who was asked to prepare answers: yes, or no with the reason given."""
        after = Effects()
        for call in effects.calls(pb.PrepareRequest):
            reason = no.get(call.peer, "")
            after += self.respond(call, pb.PrepareResponse(yes=not reason, reason=reason))
        return after

    def acknowledge(self, effects: Effects) -> Effects:
        """Everyone who was told an outcome acknowledges it."""
        after = Effects()
        for call in effects.calls(pb.DecideRequest):
            after += self.respond(call, pb.DecideResponse())
        return after

    def prepare(
        self, name: str = "t#1", /, *, age: int = 1, by: NodeId = "n1", **deltas: int
    ) -> Effects:
        """A coordinator asks this node to prepare its share."""
        return self.ask(prepare(name, age=age, by=by, **deltas), by=by)

    def decide(self, outcome: pb.Outcome, name: str = "t#1", *, by: NodeId = "n1") -> Effects:
        """A coordinator tells the outcome."""
        return self.ask(pb.DecideRequest(transaction=name, outcome=outcome), by=by)

    def doubt(self) -> Effects:
        """It has been in doubt for so long that it asks."""
        self.wait(DOUBT_MS)
        return self.fire("doubt")

    def inquiry(self, name: str = "t#1", *, cooperative: bool = False) -> State.State | None:
        """What it says when it is asked; None when it keeps silent."""
        request = pb.InquireRequest(transaction=name, cooperative=cooperative)
        responses = [one.response for one in self.ask(request, by="n3").of(Respond)]
        states = [one.state for one in responses if isinstance(one, pb.InquireResponse)]
        return states[0] if states else None


def transaction(name: str, **deltas: int) -> pb.TransactRequest:
    """What a client asks for."""
    return pb.TransactRequest(transaction=name, changes=changes(**deltas))


def prepare(
    name: str = "t#1",
    *,
    age: int = 1,
    by: NodeId = "n1",
    **deltas: int,
) -> pb.PrepareRequest:
    """What a coordinator asks for; the smaller the age, the older."""
    return pb.PrepareRequest(
        transaction=name,
        coordinator=by,
        participants=("n2", "n3", "n4"),
        changes=changes(**deltas),
        priority=pb.Priority(time_ms=age, transaction=name),
    )


def changes(**deltas: int) -> list[pb.Change]:
    """Of accounts."""
    return [pb.Change(resource=f"account/{name}", delta=delta) for name, delta in deltas.items()]


def saved(effects: Effects) -> list[str]:
    """The slots that are saved, in order; those of one SaveAll joined by +."""
    return ["+".join(save.slot for save in one.saves) for one in effects.of(SaveAll)]


def told(effects: Effects) -> list[tuple[NodeId, pb.Outcome]]:
    """Who was told which outcome, in order."""
    return [
        (call.peer, call.request.outcome)
        for call in effects.of(Call)
        if isinstance(call.request, pb.DecideRequest)
    ]
