"""What to predict before an experiment of the quorum lab, or one of its checks, is run.

Each question has one right answer, and the measurements say which. Sections are of the Dynamo paper
(2007) unless another is named.
"""

from __future__ import annotations

from labs.kit.predict import Measured, Prediction, guaranteed

# ------------------------------------------------------------------------------------- quorums


def _stale_two_of_five(m: Measured) -> int:
    share = m["stale_share_r2_w2_n5"]
    return 0 if share == 0 else 1 if share < 15 else 2 if share < 60 else 3


QUORUM_OVERLAP = Prediction(
    id="two-and-two-of-five",
    about="quorum-overlap",
    question="Five replicas, W = 2, R = 2, both drawn at random, and nothing spreads in between. "
    "How many reads miss the write before them?",
    choices=(
        "none: two copies are enough to be found",
        "fewer than one in seven",
        "about three in ten",
        "most of them",
    ),
    outcome=_stale_two_of_five,
    why="The read misses if both of its replicas are among the three without the write: C(3,2) / "
    "C(5,2) = 3 / 10 (Bailis and others 2012, 3). Only with R + W > N do the two quorums have to "
    "share a replica (4.5).",
)


def _fresh_after(m: Measured) -> int:
    if m["stale_share_after_0_ms"] == 0:
        return 0
    return 1 if m["stale_share_after_320_ms"] < 5 else 2


STALENESS_IN_TIME = Prediction(
    id="how-long-stale",
    about="staleness-in-time",
    question="R = W = 1 of three replicas, and each write is sent to all three. When do reads see "
    "it?",
    choices=(
        "at once: all replicas are written to",
        "some miss it at first, and none any more after a fraction of a second",
        "a third of them miss it until somebody repairs the others",
    ),
    outcome=_fresh_after,
    why="W says how many are waited for, and the others get the write as soon as messages travel "
    "(4.5). So eventual is a matter of milliseconds while nothing fails (Bailis and others 2012, "
    "5); when something does, repair has to finish it (4.7).",
)


def _lost_by_slow_clock(m: Measured) -> int:
    share = m["lost_of_slow_clock_lww_wall"]
    return 0 if share == 0 else 1 if share < 90 else 2


CONCURRENT_WRITES = Prediction(
    id="a-slow-clock",
    about="concurrent-writes",
    question="The last writer wins, by the wall clock of the node that takes the write. Two nodes "
    "write in turn, and one of the clocks is behind. What of its acknowledged writes is lost?",
    choices=(
        "nothing: each comes after the one before",
        "some, those that come close after the other's",
        "all of them",
    ),
    outcome=_lost_by_slow_clock,
    why="Its stamps are older than those that are there already, so every write loses the moment "
    "it arrives, and the client was told that all was well. A hybrid clock goes past what it has "
    "seen (Kulkarni and others 2014, 3); contexts need no clock at all (4.4).",
)


def _goes_back(m: Measured) -> int:
    share = m["new_then_old_quorum"]
    return 0 if share == 0 else 1 if share < 90 else 2


NOT_LINEARIZABLE = Prediction(
    id="new-and-then-old",
    about="not-linearizable-with-overlap",
    question="R = W = 2 of three. A write has reached one replica and is on its way to the other "
    "two. One client reads through that replica, and after it another reads the other two. What "
    "do they see?",
    choices=(
        "both the old value, since the write is not acknowledged",
        "both the new one, or only the second of them the new one",
        "the first the new value, and the second the old one",
    ),
    outcome=lambda m: 2 if _goes_back(m) == 2 else 1,
    why="Overlap is about writes that are acknowledged. One that is under way may be met by one "
    "read and missed by the next. ABD (3) lets the first read write back what it found to two "
    "replicas before it answers.",
)


def _who_waits(m: Measured) -> int:
    two, three = m["read_p50_ms_r2_one_slow"], m["read_p50_ms_r3_one_slow"]
    if two > three / 2:
        return 2
    return 1 if three > 5 * two else 0


LATENCY = Prediction(
    id="one-slow-replica",
    about="latency-vs-quorum",
    question="One replica of three is slow. Which reads wait for it?",
    choices=(
        "none: the coordinator takes what is there",
        "only those with R = 3",
        "those with R = 2 and R = 3, for it may be among the two",
    ),
    outcome=_who_waits,
    why="All three are asked and the first R answers count, so that R = 2 waits for the second "
    "fastest. The paper says so of its choice of R and W (4.5): the latency is that of the slowest "
    "of R, or of W.",
)


def _hedged(m: Measured) -> int:
    ratio = m["read_p99_ms_hedge"] / m["read_p99_ms_no_hedge"]
    return 0 if ratio > 0.8 else 1 if ratio > 0.5 else 2


TAIL_HEDGING = Prediction(
    id="one-more-after-a-while",
    about="tail-hedging",
    question="A few requests in a hundred are very late. One more replica is asked when an answer "
    "is later than most. What becomes of the 99th percentile?",
    choices=(
        "hardly anything: the late ones are late anyhow",
        "it falls by a third or so, for twice the requests",
        "it falls to less than half, for a few requests in a hundred more",
    ),
    outcome=_hedged,
    why="It is bad luck for one replica to be late, and far worse luck for two at the same time. "
    "Only the late ones are asked for twice (Dean and Barroso 2013, 'The Tail at Scale').",
)

# ------------------------------------------------------------------------- partitions and repair


def _both_sides(m: Measured) -> int:
    if m["writes_served_minority_sloppy"] < 50:
        return 0
    return 2 if m["writes_served_minority_raft"] > 50 else 1


PARTITION = Prediction(
    id="who-serves-the-minority",
    about="partition-availability",
    question="Two nodes of five are cut off with their clients. What do those get from a store "
    "with sloppy quorums, and what from Raft?",
    choices=(
        "nothing from either: they are a minority",
        "everything from the store, nothing from Raft",
        "everything from both, but old values",
    ),
    outcome=_both_sides,
    why="Others stand in for replicas that cannot be reached, so both sides take writes (4.6): "
    "available, and apart. Raft needs a majority for everything.",
)


def _sloppy_reads(m: Measured) -> int:
    share = m["stale_reads_far_sloppy"]
    return 0 if share == 0 else 1 if share < 90 else 2


SLOPPY = Prediction(
    id="overlap-with-stand-ins",
    about="sloppy-quorum-loses-overlap",
    question="R + W > N. A write is acknowledged by W nodes that stand in for its replicas, which "
    "are cut off. Then a client reads R of these replicas. Does it see the write?",
    choices=(
        "always: R + W > N",
        "now and then",
        "never, until the hints are delivered",
    ),
    outcome=_sloppy_reads,
    why="The quorums overlap only if both are taken from the same N nodes. Who stands in is none "
    "of them (4.6), and reads ask the others.",
)


def _after_window(m: Measured) -> int:
    missing = m["missing_afterwards_window_over"]
    return 0 if missing == 0 else 1 if missing < 90 else 2


HANDOFF = Prediction(
    id="away-for-too-long",
    about="hinted-handoff-recovery",
    question="A replica is away for longer than hints are kept, with anti-entropy and read repair "
    "off. What does it miss of what was written meanwhile, once it is back?",
    choices=("nothing", "the older half of it", "all of it"),
    outcome=_after_window,
    why="Hints are for short absences (4.6). For the rest there are the hash trees of 4.7.",
)


def _cold_keys(m: Measured) -> int:
    behind = m["unread_still_behind_25_keys"]
    return 2 if behind == 0 else 0 if behind > 90 else 1


READ_REPAIR = Prediction(
    id="keys-that-nobody-reads",
    about="read-repair-convergence",
    question="A replica has missed writes. Half of the keys are read, with read repair. What of "
    "the other half?",
    choices=(
        "it stays behind: all of it",
        "a part of it is repaired along with the rest",
        "it is repaired as well, only later",
    ),
    outcome=_cold_keys,
    why="Read repair mends what a read happens to find (5). For what nobody reads, nodes have to "
    "compare what they hold (4.7).",
)


def _times_the_difference(m: Measured) -> int:
    share = m["share_of_full_exchange_25_keys"]
    return 0 if share < 50 else 1 if share < 150 else 2


ANTI_ENTROPY = Prediction(
    id="what-a-comparison-costs",
    about="anti-entropy-convergence",
    question="Two replicas hold hundreds of keys, and 25 of them differ. How much do they send to "
    "find out which and to mend it, compared with sending everything?",
    choices=(
        "a small part: hashes on the way to the 25, and those records",
        "about as much, for each key has to be compared",
        "more, with all the hashes on top",
    ),
    outcome=_times_the_difference,
    why="Below a node of the tree with equal hashes everything is equal and need not be looked at "
    "(4.7).",
)

RESURRECTED = Prediction(
    id="a-deletion-forgotten",
    about="resurrected-delete",
    question="A replica was away when a key was deleted, and comes back when the others have "
    "already dropped the tombstone. What then?",
    choices=(
        "the replica sees that the others have nothing, and drops the key",
        "the key comes back at all of them",
        "each keeps what it has, and reads differ for ever",
    ),
    outcome=lambda m: 1 if m["resurrected_short_grace"] > 90 else 0,
    why="Nothing overwrites nothing: without a tombstone the old value looks like one that the "
    "others missed, and anti-entropy (4.7) brings it to them.",
)


def _hot(m: Measured) -> int:
    if m["busiest_hot"] < 1.1 * m["busiest_even"]:
        return 0
    return 1 if m["busiest_hot_replicated"] < m["busiest_hot"] else 2


HOT_SPOT = Prediction(
    id="an-even-ring-and-a-hot-key",
    about="hot-spot",
    question="Shares of the ring are even. One key gets four in ten of all requests. What helps "
    "the node that has it?",
    choices=(
        "nothing has to: the ring evens it out",
        "to read from any of its replicas; more virtual nodes do not",
        "more virtual nodes; its replicas do not",
    ),
    outcome=_hot,
    why="Virtual nodes even out how many keys a node has (4.2, 6.2), and a key is on one place of "
    "the ring all the same. Its replicas are as many as may share it.",
)


def _moved(m: Measured) -> int:
    share = m["moved_share_tokens_128"]
    return 0 if share < 8 else 1 if share < 30 else 2


REBALANCING = Prediction(
    id="a-sixth-node",
    about="rebalancing",
    question="A sixth node joins five, each with 128 virtual nodes. What share of the records "
    "moves?",
    choices=(
        "next to nothing: only new keys go to it",
        "about a sixth, all of it to the new node",
        "more than four fifths, as with hash modulo n",
    ),
    outcome=_moved,
    why="The new node takes its share, 1/(n+1), from all the others, and nothing moves among those "
    "(4.2; Karger and others 1997).",
)

# ------------------------------------------------------------------------------------------ checks

SAME_OWNERS = Prediction(
    id="whom-to-ask-for-the-owners",
    about="check:all-nodes-name-the-same-owners",
    question="How does a node find out who keeps a key?",
    choices=(
        "it works it out from the names of the members",
        "it asks a directory, which one of the nodes keeps",
        "it asks all nodes, and takes those that have it",
    ),
    outcome=guaranteed(0),
    why="All that is needed is the list of members, which everyone has: a hash of the key, and the "
    "first different nodes from there (4.2, 4.3). So there are no extra hops (4.8).",
)

MAY_BE_FOUND = Prediction(
    id="a-write-that-failed",
    about="check:what-may-be-found-is-not-refused",
    question="A write with W = 2 was taken by one replica, and the others are down. What can the "
    "coordinator truthfully say to the client?",
    choices=(
        "it did not happen",
        "it happened, if late",
        "it may have happened: a later read may find it or not",
    ),
    outcome=guaranteed(2),
    why="There is no rollback (4.5): the replica keeps it, and a read that meets it returns it, "
    "and repairs the others with it (5).",
)

CONTEXT = Prediction(
    id="what-a-context-covers",
    about="check:a-context-covers-only-what-was-shown",
    question="You put a value beside one that you have never seen, and the store returns a context "
    "for your next put. What must come with it?",
    choices=(
        "nothing: the context is enough",
        "the other value as well, if the context covers it",
        "the clocks of all replicas",
    ),
    outcome=guaranteed(1),
    why="Your next put replaces all that the context covers (4.4; DVV 3). What you were not shown "
    "would be gone without anyone having looked at it.",
)

LOST_DISK = Prediction(
    id="an-empty-disk-in-a-quorum",
    about="check:a-lost-disk-is-not-an-empty-one",
    question="R = W = 2 of three. A replica that acknowledged a write loses its disk and comes "
    "back empty. May it answer reads?",
    choices=(
        "yes: the other replica of the write is in every quorum",
        "yes, if read repair is on",
        "no: it and the third replica would make a quorum without the write",
    ),
    outcome=guaranteed(2),
    why="That quorums overlap (4.5) counts on replicas that remember. It has to compare with the "
    "others first (4.7).",
)

JOIN = Prediction(
    id="when-to-read-from-a-newcomer",
    about="check:who-joins-holds-its-keys-before-it-is-read",
    question="A node joins the ring. When is it written to, and when read from?",
    choices=(
        "both at once, when all know of it",
        "written to first, and read from when it holds what was there before",
        "read from first, as that takes work off the others",
    ),
    outcome=guaranteed(1),
    why="If it missed writes while it is being filled, it would never be complete; if it were read "
    "before it is, it would count as a replica that has nothing (4.9).",
)

PREDICTIONS: tuple[Prediction, ...] = (
    QUORUM_OVERLAP,
    STALENESS_IN_TIME,
    CONCURRENT_WRITES,
    NOT_LINEARIZABLE,
    LATENCY,
    TAIL_HEDGING,
    PARTITION,
    SLOPPY,
    HANDOFF,
    READ_REPAIR,
    ANTI_ENTROPY,
    RESURRECTED,
    HOT_SPOT,
    REBALANCING,
    SAME_OWNERS,
    MAY_BE_FOUND,
    CONTEXT,
    LOST_DISK,
    JOIN,
)
