"""Who keeps what: preference lists on the ring (Dynamo 4.2, 4.3), and who seems to be down.

While a node comes or goes there are two rings: one to read by, and the other, which was before or
comes next. A write goes to the owners by both, so that coordinators that are one phase apart still
overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodes.core import Call, Env, NodeId, Started, exercise
from nodes.cores.quorum_store.replica import Replica
from nodes.parts.hash_ring import HashRing
from nodes.parts.merkle import digest_of
from protos import quorum_store_pb2 as pb

RING = "ring"
READ_FROM = (pb.SETTLING, pb.MEMBER, pb.LEAVING)
# By the other ring, a node that comes is in or not yet in, and one that goes is out or not yet out.
OTHERWISE = (pb.JOINING, pb.MEMBER, pb.DRAINING)


@dataclass(frozen=True, slots=True)
class Owner:
    """A node that shall have a record: to be read from, and to be counted in which quorums."""

    node: NodeId
    read: bool
    other: bool


def in_between(entry: pb.RingEntry) -> bool:
    """The node is coming or going."""
    return entry.membership not in (pb.MEMBER, pb.OUTSIDE)


class RingView(Replica):
    """The ring as this node knows it."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.replication = env.number("replication")
        self.tokens = env.number("tokens")
        self.sloppy = env.text("quorum") == "sloppy"
        self.suspect_ms = env.number("suspect_ms")
        self.hint_window_ms = env.number("hint_window_ms")
        self.suspects: dict[NodeId, int] = {}  # when it last failed, on the monotonic clock
        self.silent_since: dict[NodeId, int] = {}  # when it failed first after it was last heard
        self.entries: dict[NodeId, pb.RingEntry] = {}
        everyone = sorted((env.node_id, *env.peers), key=lambda node: (len(node), node))
        for node in everyone[: env.number("members") or len(everyone)]:
            self.entries[node] = pb.RingEntry(node=node, membership=pb.MEMBER, version=1)
        self.draw()

    def on_start(self, started: Started) -> None:
        saved = started.slots.get(RING)
        if isinstance(saved, pb.Ring):
            self.entries = {entry.node: entry for entry in saved.entries}
            self.redraw()
        super().on_start(started)

    def redraw(self) -> None:
        """The entries have changed."""
        self.draw()
        self.on_ring_changed()

    def draw(self) -> None:
        """Both rings anew, from the entries."""
        self.read_ring = self.ring_of(READ_FROM)
        self.other_ring = self.ring_of(OTHERWISE)
        self.changing = any(map(in_between, self.entries.values()))
        self.ring_digest = digest_of(RING, self.ring().SerializeToString(deterministic=True))

    def ring_of(self, memberships: tuple[pb.Membership, ...]) -> HashRing:
        """The ring of those that are in it by this reading."""
        members = (node for node, entry in self.entries.items() if entry.membership in memberships)
        return HashRing(members, self.tokens)

    # --------------------------------------------------------------------------------------- owners

    @exercise(part=1, brief="go clockwise from the key, and take each node once")
    def preference_list(self, ring: HashRing, key: str) -> list[NodeId]:
        """The first nodes that one meets on a ring, as many as a key has replicas. A node has many
        tokens, so that it is met more than once (4.3)."""
        found: list[NodeId] = []
        for node in ring.clockwise(key):
            if len(found) == self.replication:
                break
            if node not in found:
                found.append(node)
        return found

    @exercise(part=1, brief="who shall have the key: by the ring to read by, and by the other")
    def owners(self, key: str) -> list[Owner]:
        """Who shall have a key, in the order of the preference list; while the ring changes, the
        owners by the other reading follow."""
        read = self.preference_list(self.read_ring, key)
        if not self.changing:
            return [Owner(node, read=True, other=True) for node in read]
        other = self.preference_list(self.other_ring, key)
        found = [Owner(node, read=True, other=node in other) for node in read]
        return found + [Owner(node, read=False, other=True) for node in other if node not in read]

    def owns(self, node: NodeId, key: str) -> bool:
        """By either reading."""
        return node in self.owner_ids(key)

    def owner_ids(self, key: str) -> list[NodeId]:
        """The owners by either reading."""
        return [owner.node for owner in self.owners(key)]

    @exercise(part=1, brief="who stands in: no owner, and nobody who seems to be down")
    def fallbacks(self, key: str) -> list[NodeId]:
        """Those that stand in, in this order: the next on the ring that do not seem to be down."""
        owners = self.owner_ids(key)
        return [
            node
            for node in self.read_ring.walk(key)
            if node not in owners and not self.seems_down(node)
        ]

    def members(self) -> list[NodeId]:
        """Everyone who takes part in the ring, in whatever phase."""
        entries = self.entries.values()
        return sorted(one.node for one in entries if one.membership != pb.OUTSIDE)

    def other_members(self) -> list[NodeId]:
        """The same without this node."""
        return [node for node in self.members() if node != self.env.node_id]

    # ------------------------------------------------------------------------------------ suspicion

    def seems_down(self, node: NodeId) -> bool:
        """A call to it failed a while ago, and nothing was heard from it since (4.8.3)."""
        since_ms = self.suspects.get(node)
        return since_ms is not None and self.now.mono_ms - since_ms < self.suspect_ms

    def away_too_long(self, node: NodeId) -> bool:
        """It has kept silent for longer than the hint window. Nothing more is kept for it, or a
        node that never comes back would fill the disks of its neighbours: they count no more as it
        would, and anti-entropy alone brings it up to date (Cassandra)."""
        since_ms = self.silent_since.get(node)
        return since_ms is not None and self.now.mono_ms - since_ms > self.hint_window_ms

    def on_call_failed(self, call: Call, reason: str) -> None:
        if call.peer not in self.suspects:
            self.note("suspected", peer=call.peer, reason=reason)
        self.suspects[call.peer] = self.now.mono_ms
        self.silent_since.setdefault(call.peer, self.now.mono_ms)

    def heard_from(self, node: NodeId) -> None:
        """It is there."""
        self.silent_since.pop(node, None)
        if self.suspects.pop(node, None) is not None:
            self.note("trusted", peer=node)

    # ----------------------------------------------------------------------------- for later layers

    def on_ring_changed(self) -> None:
        """Some key may have other owners now."""

    def ring(self) -> pb.Ring:
        """The ring as it is gossiped and saved."""
        return pb.Ring(entries=[self.entries[node] for node in sorted(self.entries)])
