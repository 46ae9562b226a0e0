"""What must hold in the store at every step, whatever fails.

Each invariant watches a simulated cluster between steps. It looks at what nodes were sent, what
they sent and what they put on their disks, never into the core, so that a learner's store is held
to the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from labs.kit.violation import InvariantViolated
from nodes.core import (
    Caller,
    Effect,
    Event,
    NodeId,
    Requested,
    Respond,
    Save,
    Started,
    one_by_one,
    saves_of,
)
from nodes.cores.quorum_store.wire import stamp_key, unpack, unpack_context
from nodes.parts.dotted_versions import covers, descends, join
from nodes.sim.cluster import Observer, SimCluster
from protos import quorum_store_pb2 as pb

RECORD, HINT, RING, ACTOR = "record/", "hint/", "ring", "actor"
Dot: TypeAlias = tuple[str, int]
# A change goes round this circle by one step at a time; calling it off is one step back.
CIRCLE = (pb.OUTSIDE, pb.JOINING, pb.SETTLING, pb.MEMBER, pb.LEAVING, pb.DRAINING)


def invariants() -> list[Observer]:
    """Fresh watchers for one run."""
    return [Dots(), Disks(), Phases()]


def key_of(slot: str) -> str | None:
    """The key that a slot is about, if it is about one."""
    if slot.startswith(RECORD):
        return slot.removeprefix(RECORD)
    if slot.startswith(HINT):
        return slot.removeprefix(HINT).partition("/")[2]
    return None


def record_in(state: object) -> pb.Record:
    """The record in a slot; an empty one in other slots."""
    match state:
        case pb.Record():
            return state
        case pb.Hint():
            return state.record
    return pb.Record()


def name_of(sibling: pb.Sibling) -> Dot:
    """The write's dot."""
    return (sibling.dot.actor, sibling.dot.counter)


def includes(held: pb.Record, told: pb.Record) -> bool:
    """Whoever has `held` has all that `told` says, or knows that it was overwritten."""
    if not told.context.entries:
        greatest = max((stamp_key(one.stamp) for one in held.siblings), default=(0, 0, "", 0))
        return all(stamp_key(one.stamp) <= greatest for one in told.siblings)
    ours = unpack(held)
    known = all(
        name_of(one) in ours.siblings or covers(ours.context, name_of(one)) for one in told.siblings
    )
    return known and descends(ours.context, unpack_context(told.context))


class Dots:
    """A dot names one write."""

    def __init__(self) -> None:
        self.written: dict[tuple[str, Dot], tuple[bytes, bool, NodeId]] = {}

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        saves = [save for effect in effects for save in saves_of(effect)]
        for key, save in ((key_of(save.slot), save) for save in saves):
            if key is None:
                continue
            for one in record_in(save.state).siblings:
                known = self.written.setdefault((key, name_of(one)), (one.value, one.deleted, node))
                if known[:2] != (one.value, one.deleted):
                    raise InvariantViolated(
                        "a dot names one write",
                        f"{name_of(one)} of {key} is {known[0]!r} at {known[2]} "
                        f"and {one.value!r} at {node}",
                    )


class Disks:
    """What is promised is durable first, on as many disks as it takes; nothing vanishes that nobody
    overwrote; hints and records are given up only when others have them."""

    def __init__(self) -> None:
        self.slots: dict[NodeId, dict[str, object]] = {}
        self.puts: dict[tuple[NodeId, Caller], pb.PutRequest] = {}
        self.hinted_at: dict[tuple[NodeId, NodeId, str], int] = {}  # by who keeps it, and its home
        self.seen_by_clients: dict[str, dict[str, int]] = {}  # by key, the contexts of all writes

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        match event:
            case Started():
                self.slots[node] = dict(event.slots)
            case Requested(caller, pb.PutRequest() as request):
                self.puts[node, caller] = request
                seen = self.seen_by_clients.get(request.key, {})
                self.seen_by_clients[request.key] = join(seen, unpack_context(request.context))
        for effect in one_by_one(effects):
            match effect:
                case Save():
                    self.check_save(cluster, node, effect)
                    self.write(node, effect)
                    if isinstance(effect.state, pb.Hint) and not effect.removes:
                        home, key = effect.state.home, effect.state.key
                        self.hinted_at[node, home, key] = cluster.now_ms()
                case Respond(caller, response):
                    self.check_response(cluster, node, event, caller, response)

    def write(self, node: NodeId, save: Save) -> None:
        """What a node orders is what it holds from then on."""
        if save.removes:
            self.slots[node].pop(save.slot, None)
        else:
            self.slots[node][save.slot] = save.state

    def held(self, node: NodeId, key: str) -> pb.Record:
        """A node's own record of a key."""
        return record_in(self.slots.get(node, {}).get(RECORD + key))

    def kept(self, node: NodeId, key: str) -> Iterator[pb.Record]:
        """Everything that a node keeps of a key, for itself and for others."""
        yield self.held(node, key)
        for slot, state in self.slots.get(node, {}).items():
            if slot.startswith(HINT) and key_of(slot) == key:
                yield record_in(state)

    # -------------------------------------------------------------------------------- what vanishes

    def check_save(self, cluster: SimCluster, node: NodeId, save: Save) -> None:
        """What is about to be overwritten or dropped may be."""
        key = key_of(save.slot)
        before = self.slots[node].get(save.slot)
        if key is None or before is None:
            return
        if not save.removes:
            self.check_replaced(node, key, record_in(before), record_in(save.state))
        elif isinstance(before, pb.Hint):
            self.check_given_up(cluster, node, key, before.record, hint=before)
        elif not all(one.deleted for one in record_in(before).siblings):
            self.check_given_up(cluster, node, key, record_in(before), hint=None)

    def check_replaced(self, node: NodeId, key: str, before: pb.Record, after: pb.Record) -> None:
        """A sibling goes only if a client that had seen it wrote; a stamp yields to a greater."""
        if not after.context.entries:
            if not includes(after, before):
                raise InvariantViolated(
                    "stamps never go back", f"{node} replaced {key} by an older value"
                )
            return
        left = {name_of(one) for one in after.siblings}
        seen = self.seen_by_clients.get(key, {})
        for one in before.siblings:
            if name_of(one) not in left and not covers(seen, name_of(one)):
                raise InvariantViolated(
                    "only what a writer has seen is overwritten",
                    f"{node} dropped {one.value!r} of {key}, {name_of(one)}, which no client that "
                    "wrote since had seen",
                )

    def check_given_up(
        self, cluster: SimCluster, node: NodeId, key: str, record: pb.Record, hint: pb.Hint | None
    ) -> None:
        """A hint or a record is dropped when its home or an owner has it."""
        if hint is not None:
            window_ms = cluster.spec.params["hint_window_ms"]
            assert isinstance(window_ms, int)
            kept_ms = cluster.now_ms() - self.hinted_at[node, hint.home, key]
            if kept_ms > window_ms / 2:  # By a clock that may have been set.
                return
        others = [other for other in cluster.nodes if other != node or hint is not None]
        # An old tombstone is not taken by who holds nothing, and is nothing to lose.
        needed = not all(one.deleted for one in record.siblings)
        if needed and not any(includes(self.held(other, key), record) for other in others):
            what = f"its hint for {hint.home}" if hint is not None else "its record"
            raise InvariantViolated(
                "what is handed on has arrived",
                f"{node} dropped {what} of {key}, and nobody has it",
            )

    # ----------------------------------------------------------------------------- what is promised

    def check_response(
        self, cluster: SimCluster, node: NodeId, event: Event, caller: Caller, response: object
    ) -> None:
        """What is about to be said is true."""
        match event, response:
            case Requested(_, pb.StoreRequest() as request), pb.StoreResponse():
                if not response.HasField("refused"):
                    self.check_durable(node, request.key, request.record)
            case Requested(_, pb.MintRequest() as request), pb.MintResponse():
                if not response.HasField("refused"):
                    self.check_durable(node, request.key, response.record)
            case _, pb.PutResponse():
                put = self.puts.pop((node, caller), None)
                failed = response.HasField("refused") or response.HasField("outcome_unknown")
                if put is not None and not failed:
                    self.check_quorum(cluster, node, put)

    def check_durable(self, node: NodeId, key: str, record: pb.Record) -> None:
        """A replica that says that it has a record has it on its disk."""
        if all(one.deleted for one in record.siblings):
            return  # An old tombstone says nothing new to who holds nothing.
        if not any(includes(held, record) for held in self.kept(node, key)):
            raise InvariantViolated(
                "durable before it is promised",
                f"{node} said that it keeps {key}, and does not have it on its disk",
            )

    def check_quorum(self, cluster: SimCluster, node: NodeId, request: pb.PutRequest) -> None:
        """W nodes have what a client is told to be written."""
        if request.deleted:
            return  # Nothing tells one tombstone from another.
        params = cluster.spec.params
        needed = request.w or params["write_quorum"]
        assert isinstance(needed, int)
        holders = [
            other
            for other in cluster.nodes
            if any(self.has_write(held, request) for held in self.kept(other, request.key))
        ]
        if len(holders) < needed:
            raise InvariantViolated(
                "an acknowledged write is on W disks",
                f"{node} acknowledged {request.value!r} for {request.key}, which takes {needed} "
                f"replicas; on disks: {', '.join(holders) or 'nowhere'}",
            )

    def has_write(self, held: pb.Record, request: pb.PutRequest) -> bool:
        """The value is there, or something that may have replaced it."""
        if any(one.value == request.value for one in held.siblings):
            return True
        if not held.context.entries:
            return bool(held.siblings)  # Another write may have had a greater stamp.
        names = [
            name_of(one)
            for other in self.slots
            for record in self.kept(other, request.key)
            for one in record.siblings
            if one.value == request.value
        ]
        seen = self.seen_by_clients.get(request.key, {})
        ours = unpack(held).context
        # Overwritten everywhere already: then a client had seen it, and this node the write.
        return any(covers(ours, name) for name in names) or (not names and bool(seen))


class Phases:
    """No two nodes are more than one phase of a change apart."""

    def __init__(self) -> None:
        self.rings: dict[NodeId, dict[NodeId, pb.Membership]] = {}
        self.ignorant: set[NodeId] = set()  # lost their disk, and coordinate nothing yet

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        if isinstance(event, Started):
            ring = event.slots.get(RING)
            self.take(node, ring if isinstance(ring, pb.Ring) else self.first_ring(cluster))
            actor = event.slots.get(ACTOR)
            lost = event.amnesia or (isinstance(actor, pb.Actor) and actor.recovering)
            (self.ignorant.add if lost and ring is None else self.ignorant.discard)(node)
        for effect in one_by_one(effects):
            if isinstance(effect, Save) and isinstance(effect.state, pb.Ring):
                self.take(node, effect.state)
                self.ignorant.discard(node)
                self.check(cluster, node)

    def take(self, node: NodeId, ring: pb.Ring) -> None:
        """From now on the node acts by this ring."""
        self.rings[node] = {entry.node: entry.membership for entry in ring.entries}

    def first_ring(self, cluster: SimCluster) -> pb.Ring:
        """The ring that a cluster starts with."""
        count = cluster.spec.params["members"]
        assert isinstance(count, int)
        nodes = sorted(cluster.nodes, key=lambda node: (len(node), node))
        return pb.Ring(
            entries=[
                pb.RingEntry(node=node, membership=pb.MEMBER, version=1)
                for node in nodes[: count or len(nodes)]
            ]
        )

    def check(self, cluster: SimCluster, node: NodeId) -> None:
        """Compares what a node has just learned with what everyone else acts by."""
        ours = self.rings[node]
        for other in cluster.nodes:
            theirs = self.rings.get(other)
            if theirs is None or other in self.ignorant:
                continue
            for one in sorted(ours.keys() | theirs.keys()):
                a, b = ours.get(one, pb.OUTSIDE), theirs.get(one, pb.OUTSIDE)
                steps = (CIRCLE.index(a) - CIRCLE.index(b)) % len(CIRCLE)
                if min(steps, len(CIRCLE) - steps) > 1:
                    raise InvariantViolated(
                        "one phase apart",
                        f"{node} takes {one} to be {pb.Membership.Name(a)}, and {other} "
                        f"{pb.Membership.Name(b)}",
                    )
