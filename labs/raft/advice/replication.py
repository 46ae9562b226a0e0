"""Part 2: log replication and the commit rule."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

MINORITY = "raft-minority"

ADVICE: dict[str, Advice] = {
    "writes-commit-in-order": Advice(
        2,
        "5.3",
        (
            "Follow one entry: append_entries at the follower, appended and advance_commit at the "
            "leader, apply_committed at both.",
            "What a majority holds is committed; followers learn of it by leader_commit and apply "
            "in the order of the log.",
            "append_entries: store the entries, then commit_index = min(leader_commit, "
            "prev_log_index + len(entries)) if that is more than before, then apply_committed(). "
            "appended: progress.succeeded(prev_log_index + len(entries)), then advance_commit().",
        ),
    ),
    "concurrent-writes-all-commit": Advice(
        2,
        "5.3",
        (
            "Look at several AppendEntries that are under way to one follower at the same time.",
            "A response says how far its own request went, not how far the leader's log goes.",
            "match_index is request.prev_log_index + len(request.entries) of the request that is "
            "answered, and never goes back: Progress.succeeded keeps the larger one. Call "
            "progress.answered() for each response to a request with entries, or no more are sent.",
        ),
    ),
    "lost-followers-stop-commits": Advice(
        2,
        "5.3, 5.4",
        (
            "Look at advance_commit: how many copies are there when it counts?",
            "An entry is committed when a majority of all voters holds it, not of those who "
            "answer. The client hears when the entry is applied, not before.",
            "Make a list with saved_index for yourself and match_index for every other voter, "
            "whether it answers or not, and take reached_by_majority of it.",
        ),
        MINORITY,
    ),
    "lost-leaders-stop-commits": Advice(
        2,
        "5.3, 5.2",
        (
            "Look at what the second leader may commit with nobody left to hear it.",
            "One of three is no majority: it neither commits what it takes, nor wins an election.",
            "In advance_commit your own copy counts once. In count_vote and count_pre_vote lead, "
            "or campaign, only when tally.won; your own vote is one of two that you need.",
        ),
        MINORITY,
    ),
    "returning-follower-catches-up": Advice(
        2,
        "5.3",
        (
            "Look at append_entries when prev_log_index is beyond the follower's log, and at what "
            "appended does with success=False.",
            "A follower declines what does not follow on from its log; the leader lowers "
            "next_index and tries again until the two logs meet.",
            "if not self.holds(prev_log_index, prev_log_term): explain_conflict and return without "
            "success. In appended: progress.back_up(self.next_index_after(request, response)), "
            "then replicate(peer).",
        ),
    ),
    "minority-leader-commits-nothing": Advice(
        3,
        "5.3, 5.4",
        (
            "Look at advance_commit with two copies of five.",
            "The index that a majority has reached is the third largest of five.",
            "reached_by_majority sorts from the largest and takes place majority(n) - 1. Give it "
            "one number for every voter. Whoever has not answered yet has reached 0.",
        ),
        MINORITY,
    ),
    "deposed-leaders-entries-vanish": Advice(
        2,
        "5.3, 5.4.1",
        (
            "Look at the follower's log when an entry of another term stands at the same index.",
            "A conflict drops that entry and all behind it; the leader's log wins. The client that "
            "waited for the old entry hears that its outcome is unknown.",
            "In store: skip entries whose term is already there; at the first other one truncate "
            "from its index on, disk and memory, and append the rest. In appended back up below "
            "prev_log_index: asking for the same again never ends.",
        ),
        MINORITY,
    ),
    "acknowledgements-end-with-the-term": Advice(
        1,
        "5.3, Figure 2",
        (
            "Look at what a leader knows of its followers when its term begins.",
            "next_index and match_index are reinitialised after each election: what a follower "
            "held in an earlier term may have been overwritten.",
            "on_leadership_won starts with self.followers = {} and track_followers(), so that "
            "match_index is 0 for everyone; heard_from drops answers to requests of another term.",
        ),
        MINORITY,
    ),
    "long-conflicts-are-repaired": Advice(
        2,
        "5.3, last paragraphs",
        (
            "Look at how many requests it takes until the leader finds where fifty entries part.",
            "The follower says which term conflicts and where that begins; the leader skips all of "
            "it in one step.",
            "explain_conflict: conflict_term = term_at(prev_log_index), conflict_index = "
            "first_index_of_term_at(prev_log_index); without an entry there only conflict_index = "
            "last_index + 1. Answer a declined response at once, not with the next heartbeat.",
        ),
    ),
    "each-entry-travels-once": Advice(
        1,
        "5.3, thesis 10.2.1",
        (
            "Look at what next_index is after a request was sent, and after it was answered.",
            "Entries that are on their way are not sent again until the request has failed.",
            "progress.sent(count) moves next_index past what was sent. Do not set it back in "
            "appended when the response says success; only back_up and lost do.",
        ),
    ),
    "concurrent-writes-share-calls": Advice(
        1,
        "thesis 10.2.1",
        (
            "Look at what propose does: it sends nothing by itself.",
            "Requests that arrive together become one Append and one AppendEntries a follower.",
            'Leave sending to the timer "flush", which fires after everything that waits has been '
            "taken, and send in appended only what the follower still lacks: replicate(peer).",
        ),
    ),
    "conflicts-cost-one-probe-a-term": Advice(
        2,
        "5.3, last paragraphs",
        (
            "Look at next_index_after, and at what explain_conflict tells it.",
            "If the leader has entries of the conflicting term it goes on behind its last one of "
            "them, else at the first one that the follower has of it.",
            "next_index = conflict_index; with a conflict_term: last_index_of_term(conflict_term) "
            "+ 1 if there is one. Never more than prev_log_index, never less than 1. Taking one "
            "away each time is right, and too slow.",
        ),
    ),
}
