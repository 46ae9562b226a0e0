"""Part 1: two phases."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

TWO_PHASES, POINT = "commit-two-phases", "commit-point"

ADVICE: dict[str, Advice] = {
    "what-nobody-objects-to-commits": Advice(
        4,
        "Bernstein and others 7.4, AC4",
        (
            "Follow one transaction by its notes: does begin ask everyone, and does conclude "
            "change amounts at each of them?",
            "Each participant is asked with its own share of the changes, the coordinator too if "
            "it holds something. When the last yes is in, it is decided, and everyone is told.",
            "begin: for each node a pb.PrepareRequest with coordination.shares[node]; this node "
            "by consider(request, (None,)), others by ask. conclude: changed(self.amounts, "
            "vote.changes) into self.amounts, and its rows into the same write.",
        ),
        TWO_PHASES,
    ),
    "a-single-no-aborts-everywhere": Advice(
        4,
        "Bernstein and others 7.3, AC3",
        (
            "Look at count: what does a no do, when all others have said yes?",
            "Commitment needs all votes, and no majority replaces a missing one: who says no "
            "cannot carry out its share.",
            "count: if not vote.yes, decide_abort with the node and its reason, and return. "
            "locked: a KeyError or ValueError of changed() is a refuse with a reason that names "
            "the resource.",
        ),
        TWO_PHASES,
    ),
    "silence-is-no-yes": Advice(
        4,
        "Bernstein and others 7.4",
        (
            "Look at count again: on_call_failed gives it a no for whoever was silent.",
            "Before it has decided, a coordinator may abort for any reason, and silence is one. "
            "The silent one may have voted yes all the same, so it must be told.",
            "count must not overrule the no that on_call_failed hands in; tell_waiting sends the "
            "outcome to all of coordination.waiting_for, which tell has filled with whoever may "
            "have voted yes. A vote that comes later finds another phase: return.",
        ),
        TWO_PHASES,
    ),
    "nobody-commits-before-the-last-vote": Advice(
        4,
        "Bernstein and others 7.3, AC3",
        (
            "Look at when count calls all_voted_yes, and at what locked does to amounts.",
            "A participant that votes yes promises a change and makes none. The coordinator "
            "decides when nobody is left whose vote it waits for.",
            "count: discard the node from waiting_for, append it to yes, and call all_voted_yes "
            "only if waiting_for is empty. locked writes a pb.Vote, and leaves self.amounts alone.",
        ),
        TWO_PHASES,
    ),
    "a-yes-outlives-a-crash": Advice(
        3,
        "Bernstein and others 7.4; Gray 1978",
        (
            "Look at the order in locked: what is on disk when the yes leaves?",
            "A yes says: I can commit, whatever happens to me. So all that is needed for it has "
            "to be durable before it is said.",
            'locked: self.force("vote", transaction, {VOTES + transaction: vote}) first, then '
            "self.votes, on_in_doubt, and last self.vote(request, callers, '').",
        ),
        POINT,
    ),
    "what-clients-were-told-outlives-everything": Advice(
        3,
        "Gray 1978",
        (
            "Look at the order in decide_commit: who hears before the disk knows?",
            "The commit point is the moment at which the decision is durable. Whoever hears of it "
            "before hears of something that a crash may undo.",
            "decide_commit: set coordination.outcome, write_decision, and only then tell_client "
            "and tell. conclude: amounts, vote and outcome go into the rows of one force.",
        ),
        POINT,
    ),
    "what-is-decided-happens-once": Advice(
        3,
        "Bernstein and others 7.4, AC2",
        (
            "Look at conclude: what if it is called again for the same transaction?",
            "An outcome is told until it is acknowledged, so it is told more than once. The "
            "second time must change nothing, and still be acknowledged.",
            "conclude: return if transaction in self.ended. remember puts it there, and its row "
            "is written together with the amounts.",
        ),
        POINT,
    ),
    "a-participant-may-crash-anywhere": Advice(
        3,
        "Bernstein and others 7.4, AC1 to AC5",
        (
            "The failure says before which effect it crashed. What was on disk at that moment?",
            "Between two writes a crash finds the first without the second. What belongs together "
            "has to be one write: new amounts without the outcome would be changed again.",
            "conclude: remember gives the rows to begin with; add AMOUNTS + resource for each "
            "amount and an empty pb.Vote() for VOTES + transaction, and force them as one.",
        ),
        POINT,
    ),
}
