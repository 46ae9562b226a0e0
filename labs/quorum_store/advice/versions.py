"""Part 3: versions and siblings."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

DOTS = "quorum-siblings"
LWW = "quorum-last-writer"
ABD = "quorum-abd"

ADVICE: dict[str, Advice] = {
    "a-write-replaces-what-its-writer-saw": Advice(
        2,
        "DVV 3, Dynamo 4.4",
        (
            "Look at mint: what happens to the context that came with the write?",
            "The context is all that the writer has seen. Siblings whose dot it covers are "
            "overwritten.",
            "record = write(known, dict(context), dot, named): it drops the covered ones and adds "
            "the new one. And merge, not a union of siblings, in merged.",
        ),
        DOTS,
    ),
    "writes-that-know-nothing-of-each-other-stay": Advice(
        3,
        "DVV 3, Dynamo 4.4",
        (
            "Look at mint and merged: which of two values that nobody compared is thrown away?",
            "A write replaces what its own context covers, and not what the replica happens to "
            "hold. Neither is the longer history right.",
            "Give write the client's context, not known.context. In merged use merge(a, b): a "
            "sibling stays unless the other record's context covers it and it is gone there.",
        ),
        DOTS,
    ),
    "a-context-covers-only-what-was-shown": Advice(
        3,
        "DVV 3",
        (
            "Look at what mint returns: the coordinator shows it to the client.",
            "A context is worth something only together with all siblings that it covers. Who gets "
            "the one without the other overwrites what he never saw.",
            "Return the whole record, siblings and context, as it is kept after the write: "
            "record, dot. The new dot alone is not the context.",
        ),
        DOTS,
    ),
    "no-two-writes-share-a-name": Advice(
        2,
        "DVV 3",
        (
            "Look at self.counter and self.life, and at when they are saved.",
            "A dot names one write for ever. A counter that a crash sets back names two.",
            "counter = max(counter, what anyone claims of us) + 1, then self.save_actor() before "
            "anything else; dot = (self.actor, self.counter).",
        ),
        DOTS,
    ),
    "replicas-agree-whatever-the-order": Advice(
        2,
        "DVV 3, Dynamo 4.4",
        (
            "Look at merged with its arguments exchanged, and with the same one twice.",
            "Merging is commutative, associative and idempotent, so that order and repetition make "
            "no difference.",
            "With siblings: merge(a, b). Nothing may depend on which record came in and which was "
            "held.",
        ),
        DOTS,
    ),
    "concurrent-clients-lose-nothing": Advice(
        3,
        "DVV 3, Dynamo 4.4",
        (
            "Read the failure: which element is missing, and who wrote it? Then mint and merged.",
            "What was acknowledged goes only when one overwrites it who has seen it.",
            "The dot must be new, the context the client's, and known(key), with hints, what the "
            "write is added to. The record is kept before it is returned.",
        ),
        DOTS,
    ),
    "the-last-writer-wins-everywhere": Advice(
        2,
        "Dynamo 4.4, Kulkarni 2014 3",
        (
            "Look at merged where self.versions is lww: which of two is the last?",
            "Stamps decide, not the order of arrival: every replica must choose the same.",
            "Of all siblings of both, the one with the greatest stamp_key(one.stamp), put back by "
            "alone(...). With no sibling at all, return a.",
        ),
        LWW,
    ),
    "who-saw-a-value-can-replace-it": Advice(
        2,
        "Kulkarni 2014 3",
        (
            "Look at new_stamp: what if this node's clock is behind that of the value just read?",
            "A hybrid clock is never behind what it has witnessed, and close to the wall clock "
            "otherwise.",
            "time, logical = self.clock.tick(self.now.wall_ms) unless the setting `clock` is wall; "
            "then self.tag(time, logical).",
        ),
        LWW,
    ),
    "no-read-goes-back": Advice(
        3,
        "ABD 3",
        (
            "Look at must_write_back: who holds what the client is about to hear?",
            "If fewer than W replicas hold it, the next read may miss them all. So it is written "
            "back first.",
            "Count the targets with target.read whose held equals operation.result; write back if "
            "self.blocking and they are fewer than self.write_quorum, or the ring is changing.",
        ),
        ABD,
    ),
    "a-later-write-wins": Advice(
        2,
        "ABD 3",
        (
            "Look at tagged: whose tags does it look at?",
            "A later write needs a tag greater than all that R replicas hold; this node's own copy "
            "may have missed some.",
            "held = self.together(found); greatest stamp.time of its siblings, 0 if there are "
            "none; self.stamped(sibling, self.tag(greatest + 1)).",
        ),
        ABD,
    ),
    "registers-are-linearizable": Advice(
        2,
        "ABD 3",
        (
            "Which operation fits nowhere? A read that went back, or a write that went under?",
            "Writes ask a quorum for tags and then write to one; reads ask one, and write back "
            "what they found.",
            "give_version: operation.phase = Phase.TAG for abd, Phase.MINT for siblings; for lww "
            "operation.record = self.stamped(sibling, self.new_stamp()).",
        ),
        ABD,
    ),
}
