"""What a node holds: records by key, hints for others, and the name under which it versions writes.

The store is written in layers, each a class that adds one chapter to the one before: RecordStore,
Replica, RingView, Coordinator, Reads, Writes, Handoff, AntiEntropy, Members, and QuorumStore with
the view. A layer calls a later one only through the hooks at the end of its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from nodes.core import Core, Env, NodeId, Started, exercise, on_timer
from nodes.cores.quorum_store.wire import alone, pack, pack_context, stamp_key, unpack
from nodes.parts.dotted_versions import Dot, Versions, merge, write
from nodes.parts.hybrid_clock import HybridClock
from nodes.parts.merkle import digest_of
from protos import quorum_store_pb2 as pb

Held: TypeAlias = Versions[pb.Sibling]

ACTOR = "actor"
RECORD = "record/"
HINT = "hint/"


def digest(key: str, held: Held) -> int:
    """Equal for two nodes that hold the same of a key; 0 for nothing."""
    if not held.siblings and not held.context:
        return 0
    return digest_of(key, pack(held).SerializeToString(deterministic=True))


class RecordStore(Core):
    """Keeps records, and merges what comes in; the order in which it comes makes no difference."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.versions = env.text("versions")  # siblings, lww or abd
        self.tombstone_grace_ms = env.number("tombstone_grace_ms")
        self.records: dict[str, Held] = {}
        self.hints: dict[str, dict[NodeId, pb.Hint]] = {}  # by key, then by the node it is for
        self.hinted: dict[NodeId, dict[str, None]] = {}  # by the node, the keys kept for it
        self.digests: dict[str, int] = {}  # of the records, by key
        self.tombstones: dict[str, None] = {}  # keys of which nothing but tombstones is left
        self.clock = HybridClock()
        # Who versions writes here: the node in one of its lives (see `forgot`).
        self.life = 0
        self.counter = 0
        self.recovering = False  # the disk was lost, and with it what others count on

    @property
    def actor(self) -> str:
        """The name in the dots that this node gives."""
        return f"{self.env.node_id}#{self.life}"

    # ----------------------------------------------------------------------------------- durability

    def on_start(self, started: Started) -> None:
        for name, state in started.slots.items():
            match state:
                case pb.Actor():
                    self.life, self.counter = state.life, state.counter
                    self.recovering = state.recovering
                case pb.Record():
                    self.take(name.removeprefix(RECORD), unpack(state))
                case pb.Hint():
                    self.put_hint(state)
        if started.amnesia and not self.recovering:
            # It may have named writes before, and no longer knows up to which number.
            self.life = self.env.rng.getrandbits(48)
            self.recovering = self.env.number("anti_entropy_ms") > 0
            self.save_actor()
        if self.recovering:
            self.note("recovering")
        self.watch_tombstones()

    def save_actor(self) -> None:
        """A dot that was given once is never given again."""
        actor = pb.Actor(life=self.life, counter=self.counter, recovering=self.recovering)
        self.save(ACTOR, actor)

    def take(self, key: str, held: Held) -> None:
        """Replaces what is held of a key in memory, and tells the later layers."""
        before, after = self.digests.get(key, 0), digest(key, held)
        if after:
            self.records[key], self.digests[key] = held, after
        else:
            self.records.pop(key, None)
            self.digests.pop(key, None)
        if held.siblings and all(one.deleted for one in held.siblings.values()):
            self.tombstones[key] = None
        else:
            self.tombstones.pop(key, None)
        self.on_record_changed(key, before, after)

    # -------------------------------------------------------------------------------------- records

    def held(self, key: str) -> Held:
        """What this node holds of a key as a replica."""
        return self.records.get(key) or Versions({}, {})

    @exercise(part=5, brief="a record, and what the hints for others say of the same key")
    def known(self, key: str) -> Held:
        """The same, together with what it keeps of the key for others."""
        held = self.held(key)
        for hint in self.hints.get(key, {}).values():
            held = self.merged(held, unpack(hint.record))
        return held

    @exercise(part=3, brief="what two records are together: all siblings, or the greatest stamp")
    def merged(self, a: Held, b: Held) -> Held:
        """What both together know. Where stamps decide, there is only one sibling."""
        if self.versions == "siblings":
            return merge(a, b)
        siblings = [*a.siblings.values(), *b.siblings.values()]
        if not siblings:
            return a
        return alone(max(siblings, key=lambda one: stamp_key(one.stamp)))

    @exercise(part=2, brief="merge what came in with what is held, and save it if that is news")
    def keep(self, key: str, incoming: Held) -> bool:
        """Takes a record in; whether there was news in it."""
        self.witness(incoming)
        held = self.held(key)
        merged = self.merged(held, incoming)
        if merged == held or (key not in self.records and self.is_expired(incoming)):
            return False
        self.save(RECORD + key, pack(merged))
        self.take(key, merged)
        return True

    @exercise(part=5, brief="keep a record for another node: merged with its hint, and saved")
    def keep_hint(self, home: NodeId, key: str, incoming: Held) -> None:
        """Takes a record in for a node that could not be reached (4.6)."""
        self.witness(incoming)
        before = self.hints.get(key, {}).get(home)
        held = unpack(before.record) if before else Versions[pb.Sibling]({}, {})
        merged = self.merged(held, incoming)
        if before and merged == held:
            return
        # The time counts from the latest write: each is kept as long as was promised.
        hint = pb.Hint(home=home, key=key, record=pack(merged), since_ms=self.now.wall_ms)
        self.put_hint(hint)
        self.save(f"{HINT}{home}/{key}", hint)

    def put_hint(self, hint: pb.Hint) -> None:
        """In memory, under its key and under its home."""
        self.hints.setdefault(hint.key, {})[hint.home] = hint
        self.hinted.setdefault(hint.home, {})[hint.key] = None

    def drop(self, key: str) -> None:
        """A record is not this node's to keep any more."""
        self.forgot(self.held(key))
        self.save(RECORD + key, pb.Record())
        self.take(key, Versions({}, {}))

    def drop_hint(self, home: NodeId, key: str) -> None:
        """A hint was delivered, or is too old."""
        hints, keys = self.hints[key], self.hinted[home]
        self.forgot(unpack(hints.pop(home).record))
        del keys[key]
        if not hints:
            del self.hints[key]
        if not keys:
            del self.hinted[home]
        self.save(f"{HINT}{home}/{key}", pb.Hint())

    @exercise(part=5, brief="take a new life when a record is dropped in which we named writes")
    def forgot(self, held: Held) -> None:
        """What this node named in a record, it must remember as long as it names writes of that
        key: the context of a later dot would cover the earlier one, which nobody overwrote. So it
        goes on under a new name."""
        if self.actor in held.context:
            self.life += 1
            self.save_actor()

    # --------------------------------------------------------------------------------------- writes

    @exercise(part=3, brief="give a write its dot: it replaces what its context covers, no more")
    def mint(
        self, key: str, sibling: pb.Sibling, context: Mapping[str, int], home: NodeId = ""
    ) -> tuple[Held, Dot]:
        """Versions a write and keeps it, as a replica or as a hint for `home`.

        Returns the whole record, which is what the other replicas need, and the write's dot.
        """
        known = self.known(key)
        # A context that claims more of us than we named must not make two writes share a name.
        claimed = max(context.get(self.actor, 0), known.context.get(self.actor, 0))
        self.counter = max(self.counter, claimed) + 1
        self.save_actor()
        dot = (self.actor, self.counter)
        named = pb.Sibling()
        named.CopyFrom(sibling)
        named.dot.actor, named.dot.counter = dot
        record = write(known, dict(context), dot, named)
        if home:
            self.keep_hint(home, key, record)
        else:
            self.keep(key, record)
        return record, dot

    def sibling(self, value: bytes, *, deleted: bool) -> pb.Sibling:
        """A value, or a tombstone, that is written now."""
        deleted_at_ms = self.now.wall_ms if deleted else 0
        return pb.Sibling(
            value=value, deleted=deleted, deleted_at_ms=deleted_at_ms, stamp=self.new_stamp()
        )

    @exercise(part=3, brief="a stamp greater than all that were seen, or just what the clock says")
    def new_stamp(self) -> pb.Stamp:
        """Later than all that this node has seen; by a bare wall clock, as late as that says."""
        time, logical = self.now.wall_ms, 0
        if self.env.text("clock") == "hybrid":
            time, logical = self.clock.tick(self.now.wall_ms)
        return self.tag(time, logical)

    def tag(self, time: int, logical: int = 0) -> pb.Stamp:
        """A stamp that nobody else gives, even at the same time."""
        nonce = self.env.rng.getrandbits(48)
        return pb.Stamp(time=time, logical=logical, writer=self.env.node_id, nonce=nonce)

    def witness(self, held: Held) -> None:
        """The hybrid clock goes past the stamps that come in."""
        if self.versions == "abd":
            return  # Its stamps are counters.
        for sibling in held.siblings.values():
            stamp = (sibling.stamp.time, sibling.stamp.logical)
            self.clock.witness(stamp, self.now.wall_ms)

    # ----------------------------------------------------------------------------------- tombstones

    def watch_tombstones(self) -> None:
        """Looks for tombstones past their time again in a while."""
        if self.tombstone_grace_ms:
            self.set_timer("tombstones", max(1, self.tombstone_grace_ms // 4))

    @on_timer("tombstones")
    def collect_tombstones(self) -> None:
        """Drops records of which nothing but old tombstones is left. A replica that was away for
        longer than the grace period still has the value, and brings it back."""
        for key in list(self.tombstones):
            self.collect(key)
        self.watch_tombstones()

    def collect(self, key: str) -> None:
        """Drops a record if nothing but old tombstones is left of it."""
        if key in self.tombstones and self.is_expired(self.held(key)):
            # No new life: all that we ever named here was overwritten by the tombstones.
            self.save(RECORD + key, pb.Record())
            self.take(key, Versions({}, {}))
            self.note("dropped_tombstone", key=key)

    @exercise(part=4, brief="is there nothing but tombstones, all older than the grace period?")
    def is_expired(self, held: Held) -> bool:
        """Nothing but tombstones, and all past their time. Who dropped them does not take them
        again from one who has yet to: they would go to and fro for ever."""
        if not self.tombstone_grace_ms or not held.siblings:
            return False
        oldest_ms = self.now.wall_ms - self.tombstone_grace_ms
        return all(one.deleted and one.deleted_at_ms <= oldest_ms for one in held.siblings.values())

    # ----------------------------------------------------------------------------- for later layers

    def on_record_changed(self, key: str, before: int, after: int) -> None:
        """What is held of a key has another digest now; 0 is nothing."""


def seen(held: Held) -> pb.VersionVector:
    """The context that a client gets who sees all siblings."""
    return pack_context(held.context)
