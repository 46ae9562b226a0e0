"""Hinted handoff (Dynamo 4.6): what was kept for a node goes to it once it is there again.

A record that lies at a node which does not own it, because the ring has changed, is handed on in
the same way: to all of its owners, and it is dropped when all of them have it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from nodes.core import Call, Env, NodeId, Started, exercise, on_timer
from nodes.cores.quorum_store.records import Held
from nodes.cores.quorum_store.wire import pack, unpack
from nodes.cores.quorum_store.writes import Writes
from protos import quorum_store_pb2 as pb

UNDER_WAY_MAX = 32  # hints, and as many records: a node that comes back is not to be flooded


@dataclass(slots=True)
class Moving:
    """A record on its way to its owners: who has yet to take it, and who was asked just now."""

    held: Held
    waiting_for: list[NodeId]
    asked: list[NodeId] = field(default_factory=list)


class Handoff(Writes):
    """Delivers what is not this node's own."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.handoff_ms = env.number("handoff_ms")
        self.handing: dict[tuple[NodeId, str], pb.Hint] = {}  # on their way, by home and key
        self.foreign: dict[str, None] = {}  # keys held here and owned by others only
        self.moving: dict[str, Moving] = {}  # those of them that are on their way
        self.handed_off = 0
        self.transferred = 0

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        if self.handoff_ms:
            self.set_timer("handoff", self.handoff_ms)

    # ----------------------------------------------------------------------------------- candidates

    def on_record_changed(self, key: str, before: int, after: int) -> None:
        super().on_record_changed(key, before, after)
        if after and not self.owns(self.env.node_id, key):
            self.foreign[key] = None
        else:
            self.foreign.pop(key, None)
            self.moving.pop(key, None)

    def on_ring_changed(self) -> None:
        super().on_ring_changed()
        self.moving = {}
        own = self.env.node_id
        self.foreign = {key: None for key in self.records if not self.owns(own, key)}

    @on_timer("handoff")
    def hand_off(self) -> None:
        """Looks for what can be delivered."""
        self.set_timer("handoff", self.handoff_ms)
        self.drop_old_hints()
        for home in sorted(self.hinted):
            self.hand_hints(home)
        self.move_records()

    # ---------------------------------------------------------------------------------------- hints

    @exercise(part=5, brief="send a node that seems to be there what is kept for it, a few at once")
    def hand_hints(self, home: NodeId) -> None:
        """Sends a node what is kept for it, as much as may be under way."""
        # As many again as may be under way: those are skipped.
        for key in list(islice(self.hinted.get(home, ()), 2 * UNDER_WAY_MAX)):
            if len(self.handing) >= UNDER_WAY_MAX or self.seems_down(home):
                return
            if (home, key) in self.handing:
                continue
            hint = self.hints[key][home]
            if home == self.env.node_id or not (self.changing or self.owns(home, key)):
                # The ring has changed since: it is ours, or on its way as any foreign record is.
                self.keep(key, unpack(hint.record))
                self.drop_hint(home, key)
                continue
            self.handing[home, key] = hint
            request = pb.StoreRequest(key=key, record=hint.record)
            self.call(home, request, timeout_ms=self.replica_timeout_ms)

    @exercise(part=5, brief="the home has a hint: drop it, unless there is more in it by now")
    def hint_delivered(self, home: NodeId, key: str) -> None:
        """The home has what was sent. A write that came in meanwhile it has not."""
        sent = self.handing.pop((home, key))
        if self.hints.get(key, {}).get(home) == sent:
            self.drop_hint(home, key)
            self.handed_off += 1
            self.note("handed_off", peer=home, key=key)
        self.hand_hints(home)

    def drop_old_hints(self) -> None:
        """What was kept for a node that stays away for too long is dropped, as nothing new is kept
        for it (`away_too_long`)."""
        oldest_ms = self.now.wall_ms - self.hint_window_ms
        for home in sorted(self.hinted):
            for key in list(self.hinted[home]):
                if self.hints[key][home].since_ms < oldest_ms:
                    self.drop_hint(home, key)
                    self.note("hint_dropped", peer=home, key=key)

    # -------------------------------------------------------------------------------------- records

    def move_records(self) -> None:
        """Hands records to those who own them. Not while the ring changes: who owns what by then
        is not known yet."""
        if self.changing:
            return
        under_way = sum(bool(moving.asked) for moving in self.moving.values())
        for key in self.foreign:
            if under_way >= UNDER_WAY_MAX:
                return
            moving = self.moving.get(key)
            if moving is None or moving.held != self.held(key):
                moving = self.moving[key] = Moving(self.held(key), self.owner_ids(key))
            if not moving.asked:
                self.move(key, moving)
                under_way += bool(moving.asked)

    def move(self, key: str, moving: Moving) -> None:
        """Sends a record to those that have yet to take it, and seem to be there."""
        moving.asked = [owner for owner in moving.waiting_for if not self.seems_down(owner)]
        request = pb.StoreRequest(key=key, record=pack(moving.held))
        for owner in moving.asked:
            self.call(owner, request, timeout_ms=self.replica_timeout_ms)

    def record_delivered(self, owner: NodeId, key: str) -> None:
        """One owner has it; when all have, it is dropped here."""
        moving = self.moving[key]
        moving.asked.remove(owner)
        moving.waiting_for.remove(owner)
        if moving.waiting_for:
            return
        del self.moving[key]
        if key in self.foreign and self.held(key) == moving.held:
            self.drop(key)
            self.transferred += 1
        self.move_records()

    # -------------------------------------------------------------------------------------- answers

    def on_stored(self, peer: NodeId, request: pb.StoreRequest, response: pb.StoreResponse) -> None:
        super().on_stored(peer, request, response)
        if request.operation:
            return
        hint = self.handing.get((peer, request.key))
        if hint is not None and hint.record == request.record:
            self.hint_delivered(peer, request.key)
        if self.is_moving(peer, request):
            self.record_delivered(peer, request.key)

    def is_moving(self, peer: NodeId, request: pb.StoreRequest) -> bool:
        """The request was one of those that move a record."""
        moving = self.moving.get(request.key)
        return moving is not None and peer in moving.asked and pack(moving.held) == request.record

    def on_call_failed(self, call: Call, reason: str) -> None:
        super().on_call_failed(call, reason)
        match call.request:
            case pb.StoreRequest(operation=0) as request:
                hint = self.handing.get((call.peer, request.key))
                if hint is not None and hint.record == request.record:
                    del self.handing[call.peer, request.key]
                if self.is_moving(call.peer, request):
                    self.moving[request.key].asked.remove(call.peer)
