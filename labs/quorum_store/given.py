"""What the exercise file says of names that are given, by part; a line each."""

from __future__ import annotations

GIVEN = {
    1: """
self.read_ring, self.other_ring: who is read from, and the ring of before or after while \
self.changing; HashRing (nodes/parts/hash_ring.py): clockwise(key), walk(key), members.
self.replication: how many nodes keep a key. Owner(node, read, other): by which ring it is one.
Given: seems_down(node), owns(node, key), owner_ids(key), members().
""",
    2: """
An Operation (operation.py) is a request under way: targets, needed, count(state), answered; \
call proceed() when something has changed, failed(target) when a replica cannot answer.
A Target: node, state (Asked.NOT_YET, WAITING, ANSWERED, FAILED), held; read and other say in \
which quorum it counts; home names the node that it stands in for.
On disk: the slot RECORD + key holds a pb.Record; pack and unpack turn records into messages.
Given: held(key), merged(a, b), take(key, held), witness(held), replace_suspects(key, targets).
Settings: self.sloppy, self.fan_out, self.replication.
""",
    3: """
A record is Held: siblings by dot, and context; merge, write and covers are given \
(nodes/parts/dotted_versions.py): read them first, they are short.
self.actor: this node in its present life; self.counter: of its latest dot; save_actor().
Stamps: stamp_key compares them, tag(time, logical) makes one, self.clock is the hybrid clock, \
stamped(sibling, stamp) is the record of a write under its stamp, alone(sibling) that of any.
A Put has a sibling, a context and a phase (Phase.TAG, MINT, STORE) and, once it has its version, \
a record; a Get has result and found().
Settings: self.versions, self.blocking, self.read_quorum, self.write_quorum.
""",
    4: """
self.trees: a MerkleTree for each peer, over what both shall hold; differing, children_of and \
nodes_at look into it (trees.py). self.digests: of the records, by key.
current_keys(peer, leaves): the keys in these leaves; key_record(key): a record to be sent; \
MESSAGE_BYTES: about as much as one message carries.
self.recovering: the disk was lost; self.compared_with: peers since then; recovered() ends it.
Settings: self.tombstone_grace_ms, self.replica_timeout_ms.
""",
    5: """
self.hints: by key and home, a pb.Hint each; self.hinted: the keys by home; put_hint(hint) and \
drop_hint(home, key); on disk in the slot HINT + home + "/" + key.
self.handing: the hints on their way, by home and key; UNDER_WAY_MAX of them at most.
self.place: this node's own Membership; NEXT_PHASE says what follows; is_driving, \
all_acknowledged, needs_pass say how far it is; move_to(phase), hurry(), tell_waiting(None).
Given: seems_down(node), away_too_long(node), fallbacks(key), keep(key, held), begin_phase.
""",
}
