"""Part 4: repair."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

REPAIR = "quorum-repair"
TOMBSTONES = "quorum-tombstones"
LOST = "quorum-lost-disk"

ADVICE: dict[str, Advice] = {
    "reads-repair-what-they-find-behind": Advice(
        3,
        "Dynamo 5",
        (
            "Look at repair: what is sent, and to whom?",
            "Whoever answered with less than all answers together gets all of it, also when the "
            "coordinator itself holds nothing of the key.",
            "result = self.together(operation.found()). For each target with held not None, held "
            "!= result and no home: keep it if it is this node, else call a StoreRequest with "
            "pack(result). Count self.repaired.",
        ),
        REPAIR,
    ),
    "anti-entropy-finds-what-nobody-reads": Advice(
        4,
        "Dynamo 4.7",
        (
            "Look at compared and differences: what happens below a root that differs?",
            "Where hashes differ, the children are looked at; in leaves that differ, keys are "
            "compared by digest, not only by name, and both sides get what they lack.",
            "compared: children_of the differing nodes, with our hashes one level down, and at the "
            "last level differing_leaves. differences: for each key of either side whose digest "
            "differs, `wanted` if they have it, and our record if we do.",
        ),
        REPAIR,
    ),
    "only-what-differs-travels": Advice(
        3,
        "Dynamo 4.7",
        (
            "Look at the count in the failure: are equal records sent, too?",
            "A tree is there to leave out what is equal: nodes with equal hashes, and keys with "
            "equal digests.",
            "compared: self.differing(peer, level, theirs) first, and nothing about the others. "
            "differences: skip a key if theirs.get(key) == self.digests.get(key).",
        ),
        REPAIR,
    ),
    "deleted-stays-deleted": Advice(
        3,
        "Dynamo 4.4, 4.7",
        (
            "Look at is_expired: when does a tombstone go?",
            "A replica that was away still has the value. As long as the tombstone is there, the "
            "value is known to be overwritten; without it the value looks new.",
            "True only if there are siblings, all are `deleted`, and all have deleted_at_ms <= "
            "wall_ms - tombstone_grace_ms. Never when the grace period is 0.",
        ),
        TOMBSTONES,
    ),
    "old-tombstones-are-dropped": Advice(
        2,
        "Dynamo 4.4",
        (
            "Look at is_expired, after the grace period.",
            "Tombstones that stay for ever fill the disk. By then everybody knows.",
            "Compare deleted_at_ms with self.now.wall_ms, not with mono_ms. Do not drop what has "
            "a living sibling.",
        ),
        TOMBSTONES,
    ),
    "a-lost-disk-is-not-an-empty-one": Advice(
        3,
        "Dynamo 4.7",
        (
            "Look at fetch: what does a node say that has lost its disk?",
            'It has acknowledged writes that it knows nothing of. "Nothing" would be counted as '
            "an answer, and R + W > N would be in vain.",
            "If self.recovering, return a FetchResponse with `refused`; else one with the record "
            "pack(self.known(key)).",
        ),
        LOST,
    ),
    "a-lost-disk-is-filled-again": Advice(
        2,
        "Dynamo 4.7",
        (
            "Look at caught_up_with: when is a node complete?",
            "What it acknowledged may be at any one of the others alone. So it compares with each "
            "of them before it answers.",
            "self.compared_with[peer] = None; if all other members() are in compared_with, "
            "self.recovered().",
        ),
        LOST,
    ),
}
