"""Part 1: the ring."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

RING = "quorum-ring"

ADVICE: dict[str, Advice] = {
    "all-nodes-name-the-same-owners": Advice(
        4,
        "Dynamo 4.2, 4.3",
        (
            "Look at preference_list: what does ring.clockwise return when a node has 64 tokens?",
            "The walk meets a node once for each of its tokens. A preference list has each node "
            "once, in the order in which they are met first, and depends on the ring alone.",
            "Go through ring.clockwise(key) and append a node that is not in the list yet, until "
            "there are self.replication of them. In owners, turn those of self.read_ring into "
            "Owner(node, read=True, other=True) while self.changing is False.",
        ),
        RING,
    ),
    "owners-and-nobody-else-keep-a-key": Advice(
        4,
        "Dynamo 4.3, 4.5",
        (
            "Look at owners: is the node that runs the code treated in a special way?",
            "Who coordinates a request and who keeps the key are two questions. A coordinator that "
            "is no owner keeps nothing.",
            "owners uses preference_list and the two rings, and nothing of self.env. No owner may "
            "be missing either: all self.replication of them get the write.",
        ),
        RING,
    ),
    "next-nodes-on-the-ring-stand-in": Advice(
        3,
        "Dynamo 4.6",
        (
            "Look at fallbacks: in which order are they, and whom does it leave out?",
            "The next node clockwise stands in. An owner cannot: it has the key already. Nor can "
            "a node that seems to be down.",
            "Go through self.read_ring.walk(key) and take those that are not among owner_ids(key) "
            "and for which self.seems_down(node) is False. Do not sort.",
        ),
        "quorum-sloppy",
    ),
    "only-members-own-keys": Advice(
        3,
        "Dynamo 4.8.1",
        (
            "Look at where owners takes its nodes from. Which nodes are not in the ring?",
            "A node may run, coordinate, and be no member. Only the rings know who is.",
            "Use self.read_ring and self.other_ring, never self.env.peers. With fewer members than "
            "replicas the list is as long as there are members.",
        ),
        RING,
    ),
}
