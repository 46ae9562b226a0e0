"""Your QuorumStore: the methods that you write. Everything else is given.

Work part by part; labs/quorum_store/README.md leads through the course.

    lab check quorum-store --mine --part 1 --watch   judges part 1 again whenever you save
    lab hint quorum-store                            the next hint for the first check that fails
    lab check quorum-store --mine                    the whole grade
    lab reset quorum-store [--part P]                a fresh file, with the parts before P filled in

Replace each `raise NotWritten(...)` by your code. Methods of later parts are taken from the
reference while they are blank, so part 1 can pass before part 2 is begun.

Handlers say what they want through self, and it happens in this order (nodes/core.py):

    self.save(slot, message)                  durable before all that follows
    self.call(peer, request, timeout_ms=...)  the response comes to the method @on_response
    self.respond(caller, response)            a handler may also return its response
    self.set_timer(name, delay_ms)            fires the method @on_timer(name)
    self.cancel_timer(name)
    self.note(kind, name=value)               a line in the timeline, for people

    self.now.mono_ms                          the only clock; self.env.rng is the only chance
    self.env.node_id, self.env.peers          this node, and all others

Your code must depend on nothing else: no time, random, files or threads, or it could not be
replayed. What the names of this lab mean stands with each part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from nodes.core import NodeId, NotWritten
from nodes.cores.quorum_store import QuorumStore
from nodes.cores.quorum_store.exchange import MESSAGE_BYTES
from nodes.cores.quorum_store.handoff import UNDER_WAY_MAX
from nodes.cores.quorum_store.membership import NEXT_PHASE
from nodes.cores.quorum_store.operation import Asked, Operation, Target
from nodes.cores.quorum_store.reads import Get
from nodes.cores.quorum_store.records import HINT, RECORD, Held
from nodes.cores.quorum_store.ring import Owner
from nodes.cores.quorum_store.wire import alone, pack, stamp_key, unpack
from nodes.cores.quorum_store.writes import Phase, Put
from nodes.parts.dotted_versions import Dot, Versions, merge, write
from nodes.parts.hash_ring import HashRing
from protos import node_pb2 as node
from protos import quorum_store_pb2 as pb


class MyQuorumStore(QuorumStore):
    """Your QuorumStore. What is not here is as in nodes.cores.quorum_store."""

    # ----------------------------------------------------------------------------- part 1: The ring
    # All nodes agree who keeps a key, without asking anyone.
    # Read: Dynamo paper 4.2, 4.3; Karger and others 1997 on consistent hashing
    # self.read_ring, self.other_ring: who is read from, and the ring of before or after while
    #   self.changing; HashRing (nodes/parts/hash_ring.py): clockwise(key), walk(key), members.
    # self.replication: how many nodes keep a key. Owner(node, read, other): by which ring it is
    #   one.
    # Given: seems_down(node), owns(node, key), owner_ids(key), members().

    def preference_list(self, ring: HashRing, key: str) -> list[NodeId]:
        """The first nodes that one meets on a ring, as many as a key has replicas. A node has many
        tokens, so that it is met more than once (4.3)."""
        # TODO: go clockwise from the key, and take each node once
        raise NotWritten(1, "preference_list")

    def owners(self, key: str) -> list[Owner]:
        """Who shall have a key, in the order of the preference list; while the ring changes, the
        owners by the other reading follow."""
        # TODO: who shall have the key: by the ring to read by, and by the other
        raise NotWritten(1, "owners")

    def fallbacks(self, key: str) -> list[NodeId]:
        """Those that stand in, in this order: the next on the ring that do not seem to be down."""
        # TODO: who stands in: no owner, and nobody who seems to be down
        raise NotWritten(1, "fallbacks")

    # ------------------------------------------------------------------------------ part 2: Quorums
    # A write is acknowledged when W replicas have it, a read answered when R have said.
    # Read: Dynamo paper 4.5; Gifford 1979 on weighted voting
    # An Operation (operation.py) is a request under way: targets, needed, count(state), answered;
    #   call proceed() when something has changed, failed(target) when a replica cannot answer.
    # A Target: node, state (Asked.NOT_YET, WAITING, ANSWERED, FAILED), held; read and other say in
    #   which quorum it counts; home names the node that it stands in for.
    # On disk: the slot RECORD + key holds a pb.Record; pack and unpack turn records into messages.
    # Given: held(key), merged(a, b), take(key, held), witness(held), replace_suspects(key,
    #   targets).
    # Settings: self.sloppy, self.fan_out, self.replication.

    def keep(self, key: str, incoming: Held) -> bool:
        """Takes a record in; whether there was news in it."""
        # TODO: merge what came in with what is held, and save it if that is news
        raise NotWritten(2, "keep")

    def enough(
        self,
        operation: Operation,
        needed: int,
        *,
        reads: bool,
        states: tuple[Asked, ...] = (Asked.ANSWERED,),
    ) -> bool:
        """So many owners have answered. While the ring changes, a write needs as many by both of
        its readings, and a read by the one to read by."""
        # TODO: have enough owners answered, by both readings of the ring?
        raise NotWritten(2, "enough")

    def targets_of(self, key: str, *, reads: bool) -> list[Target]:
        """Those to be asked, the likeliest to answer first."""
        # TODO: whom to ask: of the owners those that count, ourselves first
        raise NotWritten(2, "targets_of")

    def fetched(self, operation: Operation, target: Target, response: pb.FetchResponse) -> None:
        # TODO: a replica answered, or cannot tell: remember it, and go on
        raise NotWritten(2, "fetched")

    def may_have_happened(self, operation: Put) -> bool:
        """What one replica took may be found by a later read: only a write that was sent to nobody
        is certain not to have happened."""
        # TODO: a write has failed: could a read find it all the same?
        raise NotWritten(2, "may_have_happened")

    # ---------------------------------------------------------------- part 3: Versions and siblings
    # A write replaces what its writer saw, and nothing else; or the last one wins; or ABD.
    # Read: Dynamo paper 4.4; Preguica and others 2010 (DVV); Kulkarni and others 2014; Attiya, Bar-
    #   Noy, Dolev 1995 (ABD)
    # A record is Held: siblings by dot, and context; merge, write and covers are given
    #   (nodes/parts/dotted_versions.py): read them first, they are short.
    # self.actor: this node in its present life; self.counter: of its latest dot; save_actor().
    # Stamps: stamp_key compares them, tag(time, logical) makes one, self.clock is the hybrid clock,
    #   stamped(sibling, stamp) is the record of a write under its stamp, alone(sibling) that of
    #   any.
    # A Put has a sibling, a context and a phase (Phase.TAG, MINT, STORE) and, once it has its
    #   version, a record; a Get has result and found().
    # Settings: self.versions, self.blocking, self.read_quorum, self.write_quorum.

    def merged(self, a: Held, b: Held) -> Held:
        """What both together know. Where stamps decide, there is only one sibling."""
        # TODO: what two records are together: all siblings, or the greatest stamp
        raise NotWritten(3, "merged")

    def mint(
        self, key: str, sibling: pb.Sibling, context: Mapping[str, int], home: NodeId = ""
    ) -> tuple[Held, Dot]:
        """Versions a write and keeps it, as a replica or as a hint for `home`.

        Returns the whole record, which is what the other replicas need, and the write's dot.
        """
        # TODO: give a write its dot: it replaces what its context covers, no more
        raise NotWritten(3, "mint")

    def new_stamp(self) -> pb.Stamp:
        """Later than all that this node has seen; by a bare wall clock, as late as that says."""
        # TODO: a stamp greater than all that were seen, or just what the clock says
        raise NotWritten(3, "new_stamp")

    def must_write_back(self, operation: Get) -> bool:
        """Not when a write quorum holds the result already: no later read can miss it then."""
        # TODO: ABD: shall a write quorum have the result before the client hears it?
        raise NotWritten(3, "must_write_back")

    def give_version(self, operation: Put) -> None:
        """Siblings are named by a replica, ABD asks a quorum for the greatest tag first, and where
        the last writer wins the coordinator's clock decides."""
        # TODO: where a write gets its version: from a replica, a clock, or a quorum
        raise NotWritten(3, "give_version")

    def tagged(self, sibling: pb.Sibling, found: list[Held]) -> Held:
        """The write comes after everything that was written before it began (ABD, multi-writer)."""
        # TODO: ABD: a tag greater than all that a quorum holds
        raise NotWritten(3, "tagged")

    # ------------------------------------------------------------------------------- part 4: Repair
    # Replicas that missed something get it, what was deleted stays so, a lost disk is filled.
    # Read: Dynamo paper 4.7, 5
    # self.trees: a MerkleTree for each peer, over what both shall hold; differing, children_of and
    #   nodes_at look into it (trees.py). self.digests: of the records, by key.
    # current_keys(peer, leaves): the keys in these leaves; key_record(key): a record to be sent;
    #   MESSAGE_BYTES: about as much as one message carries.
    # self.recovering: the disk was lost; self.compared_with: peers since then; recovered() ends it.
    # Settings: self.tombstone_grace_ms, self.replica_timeout_ms.

    def is_expired(self, held: Held) -> bool:
        """Nothing but tombstones, and all past their time. Who dropped them does not take them
        again from one who has yet to: they would go to and fro for ever."""
        # TODO: is there nothing but tombstones, all older than the grace period?
        raise NotWritten(4, "is_expired")

    def fetch(self, key: str) -> pb.FetchResponse:
        """What this node knows of a key; a node that lost its disk would say "nothing" of writes
        that it acknowledged, so it says that it cannot tell."""
        # TODO: say what is known of a key, or that this cannot be told
        raise NotWritten(4, "fetch")

    def repair(self, operation: Get) -> None:
        """Read repair: replicas that were found behind get the merged record (5)."""
        # TODO: send what was found to the replicas that answered with less
        raise NotWritten(4, "repair")

    def compared(
        self, peer: NodeId, level: int, theirs: Sequence[pb.TreeNode]
    ) -> pb.CompareTreesResponse:
        """Below a node that is equal, everything is."""
        # TODO: of the nodes asked about, our hashes of the children that may differ
        raise NotWritten(4, "compared")

    def differences(
        self, peer: NodeId, leaves: Sequence[int], theirs: dict[str, int]
    ) -> pb.ExchangeLeavesResponse:
        """What we hold differently, as much as fits, and what we want of the other side."""
        # TODO: the records that differ, and the keys of which we want theirs
        raise NotWritten(4, "differences")

    def caught_up_with(self, peer: NodeId) -> None:
        """Who has been through a round with every other member has caught up."""
        # TODO: after a lost disk: note the peer; recovered once it was everyone
        raise NotWritten(4, "caught_up_with")

    # ------------------------------------------------------ part 5: Handoff and changes of the ring
    # Others stand in for nodes that are down, and nodes come and go while clients go on.
    # Read: Dynamo paper 4.6, 4.8, 4.9
    # self.hints: by key and home, a pb.Hint each; self.hinted: the keys by home; put_hint(hint) and
    #   drop_hint(home, key); on disk in the slot HINT + home + "/" + key.
    # self.handing: the hints on their way, by home and key; UNDER_WAY_MAX of them at most.
    # self.place: this node's own Membership; NEXT_PHASE says what follows; is_driving,
    #   all_acknowledged, needs_pass say how far it is; move_to(phase), hurry(), tell_waiting(None).
    # Given: seems_down(node), away_too_long(node), fallbacks(key), keep(key, held), begin_phase.

    def known(self, key: str) -> Held:
        """The same, together with what it keeps of the key for others."""
        # TODO: a record, and what the hints for others say of the same key
        raise NotWritten(5, "known")

    def keep_hint(self, home: NodeId, key: str, incoming: Held) -> None:
        """Takes a record in for a node that could not be reached (4.6)."""
        # TODO: keep a record for another node: merged with its hint, and saved
        raise NotWritten(5, "keep_hint")

    def forgot(self, held: Held) -> None:
        """What this node named in a record, it must remember as long as it names writes of that
        key: the context of a later dot would cover the earlier one, which nobody overwrote. So it
        goes on under a new name."""
        # TODO: take a new life when a record is dropped in which we named writes
        raise NotWritten(5, "forgot")

    def replace_suspects(self, key: str, targets: list[Target]) -> None:
        """Nobody waits for a node that did not answer a moment ago (4.6), and nobody stands in for
        one that has been away too long."""
        # TODO: let the next on the ring stand in for owners that seem to be down
        raise NotWritten(5, "replace_suspects")

    def stand_in(self, operation: Operation, failed: Target) -> None:
        """Finds someone to take the place of a replica that failed (4.6)."""
        # TODO: when a replica fails now, add one that stands in for it
        raise NotWritten(5, "stand_in")

    def hand_hints(self, home: NodeId) -> None:
        """Sends a node what is kept for it, as much as may be under way."""
        # TODO: send a node that seems to be there what is kept for it, a few at once
        raise NotWritten(5, "hand_hints")

    def hint_delivered(self, home: NodeId, key: str) -> None:
        """The home has what was sent. A write that came in meanwhile it has not."""
        # TODO: the home has a hint: drop it, unless there is more in it by now
        raise NotWritten(5, "hint_delivered")

    def advance(self) -> None:
        """The next phase, once everyone knows of this one and the records are in place."""
        # TODO: take the next phase: when all know of this one and hold the records
        raise NotWritten(5, "advance")
