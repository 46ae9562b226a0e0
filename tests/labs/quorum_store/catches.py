"""The store's planted bugs with the checks that are about them, and what its empty methods
return."""

from __future__ import annotations

from typing import Any

from nodes.parts.dotted_versions import Versions
from protos import quorum_store_pb2 as pb
from tests.support.catches import Catch

DURABLE = "durable before it is promised"
OVERWRITTEN = "only what a writer has seen"

CAUGHT_BY = {
    "counts-tokens-not-nodes": Catch("all-nodes-name-the-same-owners", "different nodes clockwise"),
    "neighbours-by-name": Catch("all-nodes-name-the-same-owners", "different nodes clockwise"),
    "coordinator-keeps-a-copy": Catch(
        "owners-and-nobody-else-keep-a-key", "owners hold the same", "nobody else"
    ),
    "owners-stand-in": Catch("next-nodes-on-the-ring-stand-in", "next on the ring", "stands in"),
    "stands-in-by-name": Catch("next-nodes-on-the-ring-stand-in", "next on the ring"),
    "ring-of-everyone": Catch("only-members-own-keys", "members of the ring only"),
    "counts-itself-twice": Catch("too-few-replicas-acknowledge-nothing", "one owner up"),
    "counts-sends": Catch("acknowledged-writes-are-on-w-replicas", "replicas hold"),
    "reads-one-too-few": Catch("reads-see-acknowledged-writes", "which was acknowledged before"),
    "waits-for-all": Catch("nobody-waits-for-the-slowest", "waits for the faster two"),
    "sends-to-w-only": Catch("every-replica-gets-a-write", "all of"),
    "ignores-requested-quorums": Catch("what-may-be-found-is-not-refused", "W=4 is refused"),
    "asks-only-itself": Catch("any-node-coordinates", "a read through"),
    "refuses-what-may-be-found": Catch("what-may-be-found-is-not-refused", "nobody can say"),
    "keeps-in-memory-only": Catch("acknowledged-writes-survive-crashes", "lose power"),
    "ignores-context": Catch(
        "writes-that-know-nothing-of-each-other-stay", OVERWRITTEN, "have not seen each other"
    ),
    "replaces-nothing": Catch("a-write-replaces-what-its-writer-saw", "replaces all that"),
    "context-covers-unseen-siblings": Catch(
        "a-context-covers-only-what-was-shown", "nobody overwrote it who was shown it"
    ),
    "counter-not-saved": Catch("old-tombstones-are-dropped", "names one write", "dot of its own"),
    "same-life-after-wipe": Catch("no-two-writes-share-a-name", "names one write", "no dot that"),
    "keeps-covered-siblings": Catch("replicas-agree-whatever-the-order", "what was replaced"),
    "last-arrival-wins": Catch(
        "the-last-writer-wins-everywhere", "stamps never go back", "owners hold the same"
    ),
    "takes-the-longer-history": Catch(
        "concurrent-clients-lose-nothing", DURABLE, "acknowledged element"
    ),
    "stamps-by-wall-clock": Catch("who-saw-a-value-can-replace-it", "had seen the early value"),
    "first-answer-wins": Catch("registers-are-linearizable", "linearizable"),
    "no-write-back": Catch("no-read-goes-back", "nothing older"),
    "tag-from-own-copy": Catch("a-later-write-wins", "acknowledged before it"),
    "repairs-nobody": Catch("reads-repair-what-they-find-behind", "is sent the new value"),
    "repairs-with-own-record": Catch("reads-repair-what-they-find-behind", "is sent the new value"),
    "stops-at-the-root": Catch("anti-entropy-finds-what-nobody-reads", "owners hold the same"),
    "compares-keys-only": Catch("anti-entropy-finds-what-nobody-reads", "owners hold the same"),
    "sends-everything": Catch("only-what-differs-travels", "records are sent"),
    "tombstones-dropped-at-once": Catch("deleted-stays-deleted", "was deleted", "stays deleted"),
    "tombstones-kept-for-ever": Catch("old-tombstones-are-dropped", "has dropped the tombstone"),
    "lost-disk-is-empty": Catch("a-lost-disk-is-not-an-empty-one", "which lost its disk"),
    "recovers-after-one-peer": Catch("a-lost-disk-is-filled-again", "holds all that it owns"),
    "never-recovers": Catch("a-lost-disk-is-filled-again", "has caught up"),
    "nobody-stands-in": Catch("writes-go-on-without-their-owners", "acknowledges a write"),
    "waits-for-the-down": Catch("what-is-down-is-not-waited-for", "waits for no node"),
    "counts-hints-not-kept": Catch(
        "writes-go-on-without-their-owners", DURABLE, "when it is acknowledged"
    ),
    "hints-in-memory-only": Catch("hints-reach-their-homes", DURABLE, "kept for them"),
    "never-hands-off": Catch("hints-reach-their-homes", "what was kept for them"),
    "drops-hints-when-sent": Catch(
        "hints-are-kept-until-they-are-delivered", "is kept until", "handed on has arrived"
    ),
    "drops-hints-that-grew": Catch(
        "hints-that-grow-arrive-whole", "during the delivery", "handed on has arrived"
    ),
    "hints-answer-no-reads": Catch("stand-ins-answer-reads", "what stand-ins keep"),
    "same-life-after-handoff": Catch(
        "handed-off-versions-stay", OVERWRITTEN, "have not seen each other"
    ),
    "counts-one-ring": Catch("writes-count-in-both-rings", "owners to come"),
    "read-from-before-transfer": Catch(
        "who-joins-holds-its-keys-before-it-is-read", "before it is read from"
    ),
    "leaves-at-once": Catch("who-leaves-hands-over-its-keys", "whose place it takes"),
    "changes-together": Catch("the-ring-changes-by-one-node-at-a-time", "while"),
    "keeps-what-it-lost": Catch(
        "who-joins-holds-its-keys-before-it-is-read", "nobody but the owners"
    ),
}

# Where else they show: a check that is about none of them alone still has to catch one.
CAUGHT_AS_WELL = (
    ("ignores-context", Catch("changes-under-load-lose-nothing", OVERWRITTEN, "acknowledged")),
)
CATCHES = (*CAUGHT_BY.items(), *CAUGHT_AS_WELL)

# What a method returns that does nothing; None where it returns nothing.
IDLE: dict[str, Any] = {
    "preference_list": [],
    "owners": [],
    "fallbacks": [],
    "targets_of": [],
    "enough": True,
    "merged": Versions({}, {}),
    "mint": (Versions({}, {}), ("", 0)),
    "new_stamp": pb.Stamp(),
    "must_write_back": False,
    "fetch": pb.FetchResponse(),
    "compared": pb.CompareTreesResponse(),
    "differences": pb.ExchangeLeavesResponse(),
    "known": Versions({}, {}),
}
