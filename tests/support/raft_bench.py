"""One Raft server stepped by hand: a test plays its events and looks at its effects.

Time moves only by `wait`; nothing arrives, fires or gets lost unless the test says so. A disk
stands behind the server, so that a test can restart it with what it had made durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from random import Random
from typing import TypeVar

from google.protobuf.message import Message

from labs.raft.lab import SETTINGS
from nodes.core import (
    DURABLE,
    Call,
    Caller,
    CallFailed,
    Effect,
    Env,
    Event,
    NodeId,
    Note,
    Now,
    Param,
    Requested,
    Respond,
    Responded,
    Save,
    SetTimer,
    TimerFired,
)
from nodes.cores.raft import Raft
from nodes.sim.disk import SimDisk
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb

DEFAULTS: dict[str, Param] = {setting.name: setting.default for setting in SETTINGS}
ELECTION_MIN_MS = 300  # the default settings' shortest election timeout
ELECTION_MAX_MS = 600

M = TypeVar("M", bound=Message)
E = TypeVar("E")


class Effects(list[Effect]):
    """The effects of one step, in order, with the questions that tests ask of them."""

    def of(self, kind: type[E]) -> list[E]:
        """All effects of one kind."""
        return [effect for effect in self if isinstance(effect, kind)]

    def calls(self, request_type: type[Message] = Message) -> list[Call]:
        """All calls of one type of request."""
        return [call for call in self.of(Call) if isinstance(call.request, request_type)]

    def sent(self, peer: NodeId, request_type: type[M]) -> M:
        """The one request of this type to a peer."""
        [request] = [c.request for c in self.of(Call) if c.peer == peer and is_a(c, request_type)]
        assert isinstance(request, request_type)
        return request

    def response(self, response_type: type[M]) -> M:
        """The one response of this type."""
        [response] = [
            effect.response
            for effect in self.of(Respond)
            if isinstance(effect.response, response_type)
        ]
        assert isinstance(response, response_type)
        return response

    def timers(self) -> dict[str, int]:
        """The timers that were set, with their delays in milliseconds."""
        return {effect.name: effect.delay_ms for effect in self.of(SetTimer)}

    def notes(self) -> list[str]:
        """The kinds of the notes."""
        return [note.kind for note in self.of(Note)]

    def vote(self) -> pb.Vote:
        """The last vote that was saved."""
        state = [save.state for save in self.of(Save) if save.slot == "vote"][-1]
        assert isinstance(state, pb.Vote)
        return state

    def place(self, kind: type[object]) -> int:
        """Where the first effect of a kind stands."""
        return next(place for place, effect in enumerate(self) if isinstance(effect, kind))


def is_a(call: Call, request_type: type[Message]) -> bool:
    return isinstance(call.request, request_type)


class Bench:
    """A server `node` of a cluster n1 ... n`size`, with the lab's default settings."""

    def __init__(self, node: NodeId = "n1", *, size: int = 3, **params: Param) -> None:
        self.ids = tuple(f"n{number}" for number in range(1, size + 1))
        self.node = node
        self.params = DEFAULTS | params
        self.disk = SimDisk(Random(0))
        self.now = Now(1_000, 1_700_000_000_000)
        self._call_ids = count(1)
        self.restart()

    def restart(self, *, amnesia: bool = False) -> Effects:
        """Starts, or starts again, with what the disk holds."""
        peers = tuple(id for id in self.ids if id != self.node)
        self.core = Raft(Env(self.node, peers, Random(7), self.params))
        return self.step(self.disk.load(amnesia=amnesia))

    def step(self, event: Event) -> Effects:
        """Plays one event; what it orders to be durable is durable."""
        effects = Effects(self.core.step(event, self.now))
        for effect in effects:
            if isinstance(effect, DURABLE):
                self.disk.write(effect)
        self.disk.sync()
        return effects

    def ask(self, request: Message, *, by: NodeId = "n2") -> Effects:
        """A peer's or a client's request arrives."""
        return self.step(Requested(Caller(by, next(self._call_ids)), request))

    def client(self, request: Message) -> Effects:
        """A client's request arrives, and the write that it may have waited for is flushed."""
        effects = self.ask(request, by="client")
        if effects.timers().get("flush") == 0:
            effects += self.fire("flush")
        return effects

    def put(self, key: str = "x", value: bytes = b"1") -> Effects:
        """A client writes."""
        return self.client(kv.PutRequest(key=key, value=value))

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

    def skew(self, ms: int) -> None:
        """The wall clock alone jumps."""
        self.now = Now(self.now.mono_ms, self.now.wall_ms + ms)

    @property
    def view(self) -> pb.RaftView:
        """What the server believes."""
        view = self.core.view()
        assert isinstance(view, pb.RaftView)
        return view

    # ------------------------------------------------------------------------------ common stories

    def append(
        self,
        *entries: pb.LogEntry,
        term: int = 1,
        prev: tuple[int, int] = (0, 0),
        commit: int = 0,
        leader: NodeId = "n2",
    ) -> Effects:
        """The leader's AppendEntries arrives. `prev` is the index and the term before `entries`."""
        request = pb.AppendEntriesRequest(
            term=term,
            leader_id=leader,
            prev_log_index=prev[0],
            prev_log_term=prev[1],
            entries=entries,
            leader_commit=commit,
        )
        return self.ask(request, by=leader)

    def accept(self, call: Call) -> Effects:
        """The peer answers an AppendEntries with success."""
        assert isinstance(call.request, pb.AppendEntriesRequest)
        return self.respond(call, pb.AppendEntriesResponse(term=call.request.term, success=True))

    def accept_all(self, effects: Effects, *peers: NodeId) -> Effects:
        """The named peers, or all of them, answer the AppendEntries among `effects` with
        success."""
        after = Effects()
        for call in effects.calls(pb.AppendEntriesRequest):
            if not peers or call.peer in peers:
                after += self.accept(call)
        return after

    def campaign(self) -> Effects:
        """The election timer fires, and every peer would vote for us; returns the requests."""
        effects = self.fire("election")
        for call in effects.calls(pb.PreVoteRequest):
            response = pb.PreVoteResponse(term=self.view.term, vote_granted=True)
            effects = self.respond(call, response) or effects
            if effects.calls(pb.RequestVoteRequest):
                break
        return effects

    def lead(self) -> Effects:
        """Becomes leader by as few votes as will do; returns the effects of the last vote."""
        effects = self.campaign()
        for call in effects.calls(pb.RequestVoteRequest):
            granted = pb.RequestVoteResponse(term=self.view.term, vote_granted=True)
            effects = self.respond(call, granted)
            if self.view.role == pb.LEADER:
                break
        assert self.view.role == pb.LEADER
        return effects

    def serve(self) -> None:
        """Becomes a leader that has committed its no-op, all followers being up to date."""
        self.accept_all(self.lead())
        self.accept_all(self.fire("heartbeat"))
        assert self.view.ready


def noop(index: int, term: int) -> pb.LogEntry:
    """A new leader's first entry."""
    return pb.LogEntry(index=index, term=term, no_op=pb.NoOp())


def put(index: int, term: int, key: str = "x", value: bytes = b"1") -> pb.LogEntry:
    """A write."""
    command = kv.Command(put=kv.PutRequest(key=key, value=value))
    return pb.LogEntry(index=index, term=term, command=command)


def configuration(index: int, term: int, *voters: NodeId) -> pb.LogEntry:
    """A change of membership."""
    return pb.LogEntry(index=index, term=term, configuration=pb.Configuration(voters=voters))


def entries(*terms: int) -> Sequence[pb.LogEntry]:
    """A log whose entries have these terms."""
    return [put(index, term) for index, term in enumerate(terms, start=1)]
