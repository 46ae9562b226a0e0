"""Part 3: recovery and presumptions."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

RECOVERY, PRESUMED = "commit-recovery", "commit-presumed"

ADVICE: dict[str, Advice] = {
    "what-was-decided-is-told-after-a-crash": Advice(
        3,
        "Bernstein and others 7.4; Mohan and others 1986, 2",
        (
            "Look at recover: what does it do with a decision that is on disk?",
            "A decision that is recorded was made, and somebody may know of it already. Those that "
            "have not acknowledged it have to be told.",
            "recover: for each of self.decisions with an outcome, resume(transaction, decision), "
            "which tells all of its participants again.",
        ),
        RECOVERY,
    ),
    "what-was-not-decided-is-aborted": Advice(
        3,
        "Mohan and others 1986, 2",
        (
            "Look at recover: a record without an outcome says that a transaction began.",
            "Nobody can have been told to commit what is not on disk as committed. So it may be "
            "aborted, and must be, since those in doubt wait.",
            "recover: where decision.outcome is pb.UNDECIDED, recover_undecided(transaction, "
            "decision). decide_abort: set outcome and reason, write it where records_begin() says "
            "so, and tell.",
        ),
        RECOVERY,
    ),
    "a-presumed-abort-is-not-written-down": Advice(
        3,
        "Mohan and others 1986, 3",
        (
            "Look at decide_abort: what does it write when abort is presumed?",
            "Who finds no record of a transaction answers that it was aborted. So no record is as "
            "good as one that says so, and nobody has to acknowledge it.",
            "decide_abort: write_decision only if records_begin(); otherwise put "
            "self.ended[coordination.request] = pb.ABORTED, which is memory, and go on to "
            "tell_client and tell.",
        ),
        PRESUMED,
    ),
    "without-presumption-aborts-are-acknowledged": Advice(
        3,
        "Mohan and others 1986, 2",
        (
            "Look at what decide_abort writes with presume=nothing, and when end_if_all_know "
            "forgets it.",
            "Where nothing is presumed, an abort is a decision like any other: recorded before it "
            "is told, and kept until everyone that may be in doubt has acknowledged it.",
            "begin: write_decision before anyone is asked, if records_begin(). decide_abort: "
            "write_decision too. end_if_all_know: return as long as coordination.waiting_for is "
            "not empty.",
        ),
        PRESUMED,
    ),
    "a-commit-is-remembered-until-all-know": Advice(
        3,
        "Mohan and others 1986, 3",
        (
            "Look at end_if_all_know: when may the record go, and does it go from the disk too?",
            "With presumed abort a forgotten commit turns into an abort for whoever asks later. "
            "When all have acknowledged, nobody will ask.",
            "end_if_all_know: if nobody is waited for and the transaction is in self.decisions, "
            "delete it there and in self.coordinated, and save an empty pb.Decision() in its slot.",
        ),
        PRESUMED,
    ),
    "a-coordinator-may-crash-anywhere": Advice(
        4,
        "Bernstein and others 7.4, AC1 to AC5",
        (
            "The failure says before which effect it crashed. Was the decision on disk by then?",
            "On one side of the commit point everything has to end in an abort, on the other in a "
            "commit, by whatever way participants find out.",
            "Before write_decision: no record, or one that is pb.UNDECIDED; recover aborts it. "
            "After it: recover resumes it. A client that was told is on the far side in any case.",
        ),
        RECOVERY,
    ),
}
