"""Part 5: handoff, sloppy quorums, and nodes that come and go."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

SLOPPY = "quorum-sloppy"
HINTS = "quorum-hints"
CHANGES = "quorum-membership"

ADVICE: dict[str, Advice] = {
    "writes-go-on-without-their-owners": Advice(
        1,
        "Dynamo 4.6",
        (
            "Look at stand_in and keep_hint: who takes the place of an owner that failed?",
            "The next of the fallbacks that does not take part yet counts in its place, and keeps "
            "the record with the name of the owner.",
            "stand_in: the first of self.fallbacks(key) not among the targets; append "
            "Target(node, failed.read, failed.other, home), where home is failed.home or "
            "failed.node. keep_hint: merge with the hint that is there, put_hint, save.",
        ),
        SLOPPY,
    ),
    "what-is-down-is-not-waited-for": Advice(
        1,
        "Dynamo 4.6",
        (
            "Look at replace_suspects: what does the second write do about a silent node?",
            "A node that kept silent a moment ago is not asked again; its stand-in is, at once.",
            "fallbacks = iter(self.fallbacks(key)); for each target that seems_down, take the next "
            "of them: target.home, target.node = target.node, stand_in.",
        ),
        SLOPPY,
    ),
    "stand-ins-answer-reads": Advice(
        1,
        "Dynamo 4.6",
        (
            "Look at known: a read of a stand-in gets that.",
            "What a node keeps for others is as acknowledged as its own.",
            "Start from self.held(key) and merge the record of each hint of the key, by "
            "self.merged(held, unpack(hint.record)).",
        ),
        SLOPPY,
    ),
    "hints-reach-their-homes": Advice(
        2,
        "Dynamo 4.6",
        (
            "Look at hand_hints, and at what of a hint is on disk.",
            "A hint is a promise to its home and to the client: it survives a crash, and it is "
            "delivered when the home is back.",
            "keep_hint saves under HINT + home + / + key. hand_hints: note each in self.handing "
            "and call a StoreRequest without a home and without an operation.",
        ),
        HINTS,
    ),
    "hints-are-kept-until-they-are-delivered": Advice(
        2,
        "Dynamo 4.6",
        (
            "Look at when a hint is dropped: when it is sent, or when it has arrived?",
            "Only the answer of the home ends the promise. A call that got lost is tried again.",
            "drop_hint belongs into hint_delivered. hand_hints leaves self.hints alone.",
        ),
        HINTS,
    ),
    "hints-that-grow-arrive-whole": Advice(
        1,
        "Dynamo 4.6",
        (
            "Look at hint_delivered: is what arrived what is kept by now?",
            "While a hint travels, another write may be merged into it.",
            "sent = self.handing.pop(...); drop only if self.hints.get(key, {}).get(home) == sent; "
            "else it is sent again.",
        ),
        HINTS,
    ),
    "handed-off-versions-stay": Advice(
        2,
        "DVV 3",
        (
            "Look at forgot: this node named a write, and has given it away.",
            "The context of a dot says: all earlier ones of this actor, too. Who does not hold "
            "them any more must not say so, and takes another name.",
            "If self.actor is in held.context: self.life += 1 and save_actor().",
        ),
        HINTS,
    ),
    "who-joins-holds-its-keys-before-it-is-read": Advice(
        2,
        "Dynamo 4.8, 4.9",
        (
            "Look at advance: what must be true before the next phase?",
            "Everyone writes to the one that joins, then it gets what was there before, and only "
            "then is it read from.",
            "Return unless is_driving and all_acknowledged. tell_waiting(None). If recovering or "
            "needs_pass: hurry(), and return. Else move_to(NEXT_PHASE[self.place]).",
        ),
        CHANGES,
    ),
    "who-leaves-hands-over-its-keys": Advice(
        2,
        "Dynamo 4.8, 4.9",
        (
            "Look at advance, for a node that leaves.",
            "Those that take its place must hold its keys before nobody reads from it.",
            "It is the same rule: needs_pass says whether rounds of comparison are missing in "
            "this phase. After the last one, what is foreign is moved and dropped.",
        ),
        CHANGES,
    ),
    "writes-count-in-both-rings": Advice(
        1,
        "Dynamo 4.8",
        (
            "Look at owners and enough while self.changing is True.",
            "Some coordinators go by the old ring, some by the new. A write needs W owners by each "
            "of them, or a read by the other misses it.",
            "owners: those of read_ring with other=node in other, then those of other_ring that "
            "are not in it with read=False. enough: for a write by_other >= needed, too.",
        ),
        CHANGES,
    ),
    "the-ring-changes-by-one-node-at-a-time": Advice(
        1,
        "Dynamo 4.8",
        (
            "Look at advance: does a change come to its end, so that the next may begin?",
            "Quorums of two rings overlap when they differ by one node. So one change at a time.",
            "advance is called for each acknowledgement and each round. Each call takes one phase "
            "at most, by move_to, and the last of them is MEMBER or OUTSIDE.",
        ),
        CHANGES,
    ),
    "changes-under-load-lose-nothing": Advice(
        2,
        "Dynamo 4.8",
        (
            "Pass the other checks of changes first. Then: which element is missing?",
            "At each moment each read quorum of any coordinator overlaps each write quorum of any "
            "other, also when their views are one phase apart.",
            "all_acknowledged before every phase, needs_pass before JOINING and LEAVING end, and "
            "W by both readings in enough.",
        ),
        CHANGES,
    ),
}
