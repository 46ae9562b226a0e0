"""Part 2: quorums."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

OVERLAP = "quorum-overlap"

ADVICE: dict[str, Advice] = {
    "any-node-coordinates": Advice(
        3,
        "Dynamo 4.5",
        (
            "Look at targets_of and fetched: who is asked, and what is done with an answer?",
            "The coordinator asks the owners of the key, itself only if it is one of them, and "
            "goes on when it has heard of one.",
            "targets_of: a Target for each of self.owners(key), for reads only those with "
            "owner.read. fetched: set target.state and target.held, and call operation.proceed().",
        ),
    ),
    "acknowledged-writes-are-on-w-replicas": Advice(
        4,
        "Dynamo 4.5",
        (
            "Look at enough: which states of a target does it count?",
            "A request that was sent says nothing. Only an answer does.",
            "Count targets whose state is in `states`, which is Asked.ANSWERED unless the caller "
            "wants to know something else. A replica saves before it answers: see keep.",
        ),
        OVERLAP,
    ),
    "too-few-replicas-acknowledge-nothing": Advice(
        3,
        "Dynamo 4.5",
        (
            "Look at enough again, in the case that just one owner is left.",
            "Each owner counts once, the coordinator like any other, and `needed` is what the "
            "request asked for.",
            "by_read = sum(target.read for ...) over the answered ones; by_other likewise. A read "
            "needs by_read >= needed, a write both.",
        ),
        OVERLAP,
    ),
    "what-may-be-found-is-not-refused": Advice(
        3,
        "Dynamo 4.5",
        (
            "Look at may_have_happened: what has a write left behind that too few took?",
            "One replica that took it is enough for a later read to find it, and then read repair "
            "spreads it. Only what was sent to nobody is certain not to have happened.",
            "Return True if any target's state is not Asked.NOT_YET. In Phase.TAG nothing was "
            "written yet: False.",
        ),
    ),
    "reads-see-acknowledged-writes": Advice(
        3,
        "Dynamo 4.5",
        (
            "Look at how many answers a read waits for, and at what it does with a declined one.",
            "R + W > N makes each read quorum share a replica with each write quorum. One answer "
            "less and they may miss each other.",
            "In enough compare with `needed` as it is. In fetched, a response with a `refused` is "
            "operation.failed(target), and is no answer.",
        ),
        OVERLAP,
    ),
    "nobody-waits-for-the-slowest": Advice(
        2,
        "Dynamo 4.5",
        (
            "Look at whether anything waits until all targets have answered.",
            "R or W answers are enough. What comes later is worth a repair, not a client's time.",
            "enough looks at those that have answered, and never at Asked.WAITING; targets_of puts "
            "this node first, which answers without a message.",
        ),
    ),
    "every-replica-gets-a-write": Advice(
        2,
        "Dynamo 4.5",
        (
            "Look at targets_of: are all owners in it, also those that W does not need?",
            "W says how many to wait for. All N are to have the write.",
            "Do not cut the list of targets. With fan_out=all every one of them is asked; those "
            "that seem to be down come last, they are not left out.",
        ),
    ),
    "acknowledged-writes-survive-crashes": Advice(
        2,
        "Dynamo 4.5",
        (
            "Look at keep: what is on disk when the replica says that it has the record?",
            "Effects happen in the order in which you say them. What is only in memory is gone "
            "with the power.",
            "self.save(RECORD + key, pack(merged)), and then self.take(key, merged). Return "
            "False, and save nothing, if merged == held.",
        ),
    ),
}
