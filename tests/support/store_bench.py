"""A few nodes of the quorum store, stepped by hand: messages are delivered at once, and timers fire
only when a test says so.

Time moves only by `wait`. A disk stands behind each node, so that it can be restarted with what it
had made durable, or with nothing.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from random import Random
from typing import TypeVar

from google.protobuf.message import Message

from labs.quorum_store.lab import SETTINGS
from nodes.core import (
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
    Started,
    TimerFired,
)
from nodes.cores.quorum_store import QuorumStore
from protos import quorum_store_pb2 as pb

DEFAULTS: dict[str, Param] = {setting.name: setting.default for setting in SETTINGS}
WALL_MS = 1_700_000_000_000
CLIENT = "client"

M = TypeVar("M", bound=Message)


class StoreBench:
    """Nodes n1, n2, ... with the lab's default settings; `down` ones answer nothing."""

    def __init__(self, size: int = 3, **params: Param) -> None:
        self.params = DEFAULTS | params
        self.nodes = tuple(f"n{number}" for number in range(1, size + 1))
        self.now_ms = 0
        self.down: set[NodeId] = set()
        self.disks: dict[NodeId, dict[str, Message]] = {node: {} for node in self.nodes}
        self.cores: dict[NodeId, QuorumStore] = {}
        self.effects: list[tuple[NodeId, Effect]] = []  # all, in order
        self.responses: dict[int, Message] = {}
        self._numbers = count(1)
        self._queue: deque[tuple[NodeId, Call, int]] = deque()
        self._calls: dict[int, tuple[NodeId, Call]] = {}
        self.lives: dict[NodeId, int] = dict.fromkeys(self.nodes, 0)
        for node in self.nodes:
            self.start(node)

    # --------------------------------------------------------------------------- what a test does

    def start(self, node: NodeId, *, amnesia: bool = False) -> None:
        """Comes up with what its disk holds; with nothing if that is lost."""
        if amnesia:
            self.disks[node] = {}
        self.down.discard(node)
        self.lives[node] += 1
        peers = tuple(peer for peer in self.nodes if peer != node)
        env = Env(node, peers, Random(f"{node}:{self.lives[node]}"), self.params)
        self.cores[node] = QuorumStore(env)
        self.step(node, Started(dict(self.disks[node]), {}, amnesia))
        self.deliver()

    def ask(self, node: NodeId, request: Message, response_type: type[M], by: str = CLIENT) -> M:
        """One request, with everything that follows from it; its response."""
        number = next(self._numbers)
        self.step(node, Requested(Caller(by, number), request))
        self.deliver()
        response = self.responses.pop(number)
        assert isinstance(response, response_type)
        return response

    def begin(self, node: NodeId, request: Message) -> None:
        """One request, whose response may take its time; nothing is delivered yet."""
        self.step(node, Requested(Caller(CLIENT, next(self._numbers)), request))

    def put(
        self,
        node: NodeId,
        key: str,
        value: bytes,
        context: pb.VersionVector | None = None,
        *,
        deleted: bool = False,
        w: int = 0,
    ) -> pb.PutResponse:
        """A write of a client."""
        request = pb.PutRequest(key=key, value=value, deleted=deleted, context=context, w=w)
        return self.ask(node, request, pb.PutResponse)

    def get(self, node: NodeId, key: str, *, r: int = 0, explain: bool = False) -> pb.GetResponse:
        """A read of a client."""
        return self.ask(node, pb.GetRequest(key=key, r=r, explain=explain), pb.GetResponse)

    def values(self, node: NodeId, key: str) -> list[bytes]:
        """What a client reads."""
        return sorted(one.value for one in self.get(node, key).siblings)

    def fire(self, node: NodeId, timer: str) -> None:
        """A timer runs out, with everything that follows from it."""
        self.step(node, TimerFired(timer))
        self.deliver()

    def wait(self, ms: int) -> None:
        """Time passes; nothing fires."""
        self.now_ms += ms

    # ------------------------------------------------------------------------ what a test looks at

    def held(self, node: NodeId, key: str) -> list[bytes]:
        """The values that a node itself holds, deleted ones left out."""
        record = self.inspect(node, key).record
        return sorted(one.value for one in record.siblings if not one.deleted)

    def inspect(self, node: NodeId, key: str) -> pb.InspectResponse:
        """What a node holds, and keeps for others."""
        return self.ask(node, pb.InspectRequest(key=key), pb.InspectResponse)

    def owners(self, key: str) -> list[NodeId]:
        """The preference list, as the first node sees it."""
        return list(self.inspect(self.nodes[0], key).preference_list)

    def view(self, node: NodeId) -> pb.QuorumStoreView:
        """What a node shows."""
        view = self.cores[node].view()
        assert isinstance(view, pb.QuorumStoreView)
        return view

    def places(self, node: NodeId) -> dict[NodeId, str]:
        """The ring as a node knows it."""
        entries = self.view(node).ring.entries
        return {entry.node: pb.Membership.Name(entry.membership) for entry in entries}

    def calls(self, request_type: type[Message]) -> list[tuple[NodeId, NodeId]]:
        """Who called whom with such a request, since the last `forget`."""
        return [
            (node, effect.peer)
            for node, effect in self.effects
            if isinstance(effect, Call) and isinstance(effect.request, request_type)
        ]

    def notes(self) -> list[str]:
        """The kinds of the notes since the last `forget`."""
        return [effect.kind for _, effect in self.effects if isinstance(effect, Note)]

    def forget(self) -> None:
        """Nothing has happened so far."""
        self.effects = []

    def key_owned_by(self, *nodes: NodeId) -> str:
        """A key that exactly these nodes own."""
        for number in count():
            key = f"k{number}"
            if set(self.owners(key)) == set(nodes):
                return key
        raise AssertionError

    def key_outside(self, node: NodeId) -> str:
        """A key that the node does not own."""
        return next(key for key in (f"k{n}" for n in count()) if node not in self.owners(key))

    # ----------------------------------------------------------------------------------- plumbing

    def step(self, node: NodeId, event: Event) -> list[Effect]:
        """One step, and its effects: saved, queued, answered."""
        now = Now(self.now_ms, WALL_MS + self.now_ms)
        effects = self.cores[node].step(event, now)
        for effect in effects:
            self.effects.append((node, effect))
            match effect:
                case Save():
                    if effect.removes:
                        self.disks[node].pop(effect.slot, None)
                    else:
                        self.disks[node][effect.slot] = effect.state
                case Call():
                    number = next(self._numbers)
                    self._queue.append((node, effect, number))
                case Respond(caller, response):
                    self._answer(caller, response)
                case SetTimer() | Note():
                    pass
        return effects

    def deliver(self) -> None:
        """Until nobody has anything to say any more."""
        while self._queue:
            node, call, number = self._queue.popleft()
            if call.peer in self.down:
                if node not in self.down:
                    self.step(node, CallFailed(call, "no response"))
                continue
            self._calls[number] = (node, call)
            self.step(call.peer, Requested(Caller(node, number), call.request))

    def _answer(self, caller: Caller, response: Message) -> None:
        called = self._calls.pop(caller.call_id, None)
        if called is None:
            self.responses[caller.call_id] = response
        elif called[0] not in self.down:
            self.step(called[0], Responded(called[1], response))
