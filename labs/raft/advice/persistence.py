"""Part 3: what survives a crash, and what follows for the commit rule."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

FSYNC, FIGURE_8 = "raft-fsync", "raft-figure-8"

ADVICE: dict[str, Advice] = {
    "outdated-log-cannot-win": Advice(
        2,
        "5.4.1",
        (
            "Look at log_is_current, and at who calls it.",
            "A vote goes only to a candidate whose log is at least as up-to-date: the later last "
            "term is better, and in the same term the longer log.",
            "(last_log_term, last_log_index) >= (self.log.last_term, self.log.last_index), in that "
            "order: a longer log of an earlier term is worse. Pre-votes and votes both ask it.",
        ),
        FIGURE_8,
    ),
    "longer-log-of-earlier-term-cannot-win": Advice(
        1,
        "5.4.1",
        (
            "Look at log_is_current: what does it compare first?",
            "The term of the last entry decides; only between equal terms the length does. Entries "
            "that a cut-off leader took in vain make its log long, not good.",
            "Compare the pairs (last_log_term, last_log_index), as Python compares tuples. A log "
            "of ten entries that ends in term 1 loses to one of three that ends in term 2.",
        ),
        FIGURE_8,
    ),
    "restarts-lose-nothing": Advice(
        2,
        "5.1, Figure 2",
        (
            "Look at restore_vote and restore_log: what is in memory when a server is up?",
            "Term, vote and log are read from disk; the state machine is rebuilt from the log as "
            "far as the leader says that it is committed.",
            "Take current_term and voted_for from the slot VOTE, entries from started.logs[LOG], "
            "and start with commit_index = last_applied = the snapshot's index, not the log's end.",
        ),
        FSYNC,
    ),
    "rolling-restarts-lose-nothing": Advice(
        2,
        "5.1, 5.4.1",
        (
            "Look at what those that come back hold, and whom they vote for.",
            "Any two majorities share a server; that server must still know, and its vote must go "
            "to a log that has it too.",
            "Every entry goes through self.append(LOG, ...) before it is acknowledged, and every "
            "truncation through self.truncate(LOG, index): changing self.log alone changes memory.",
        ),
        FSYNC,
    ),
    "votes-survive-crashes": Advice(
        3,
        "5.2, Figure 2",
        (
            "Look at every place where current_term or voted_for changes.",
            "Term and vote are on disk before anyone hears of them.",
            "persist_vote() after each change, before respond or call: in campaign, in "
            "request_vote when you grant, in become_follower when the term rises. Save all of it: "
            "current_term, voted_for and recovering.",
        ),
        FSYNC,
    ),
    "acknowledged-entries-survive-crashes": Advice(
        2,
        "5.3, Figure 2",
        (
            "Look at the order of effects in append_entries.",
            "A follower says success only for entries that are on its disk, and a leader counts "
            "itself only up to saved_index.",
            "self.append(LOG, ...) comes first, then the response, which the handler returns. In "
            "save_own_entries append from saved_index + 1 on, and raise saved_index after that.",
        ),
        FSYNC,
    ),
    "old-terms-commit-with-own-term": Advice(
        3,
        "5.4.2, Figure 8",
        (
            "Look at advance_commit when the index that a majority has reached is of an earlier "
            "term.",
            "Only entries of the leader's own term are committed by counting; older ones are "
            "committed along with them.",
            "Raise commit_index only if self.log.term_at(index) == self.current_term.",
        ),
        FIGURE_8,
    ),
    "crashing-leaders-lose-nothing": Advice(
        2,
        "5.4.2, Figure 8",
        (
            "Look at the first invariant in the failure: it names the server and the entry.",
            "What is committed once is in the log of every later leader. That takes the vote rule, "
            "the commit rule and the disk together.",
            "Check in this order: log_is_current compares terms first; advance_commit counts its "
            "own term only; append_entries commits at most prev_log_index + len(entries); nothing "
            "is acknowledged before it is saved.",
        ),
        FIGURE_8,
    ),
    "lost-calls-delay-only": Advice(
        1,
        "5.3, 5.5",
        (
            "Look at on_call_failed, and at requests whose response never comes.",
            "Calls that fail are made again for ever; making one twice does no harm.",
            "After a call with entries failed, progress.answered() and progress.lost(): what came "
            "behind it may be missing too. The next heartbeat then sends it again.",
        ),
    ),
    "late-and-doubled-calls-do-no-harm": Advice(
        2,
        "5.3, 5.5",
        (
            "Look at store, when a request arrives whose entries the log has already, and more.",
            "Only an entry that conflicts truncates. An old request that comes late must not "
            "remove what was acknowledged since.",
            "Go through the entries: those with the same index and term are skipped, and the log "
            "behind them stays. Truncate at the first that differs, and nowhere else.",
        ),
    ),
    "crashing-leaders-with-lost-calls-lose-nothing": Advice(
        2,
        "5.4.2, Figure 8",
        (
            "Look at what is answered late: by a follower that has lost the entry since, or to a "
            "leader that leads another term by now.",
            "A response counts only in the term of its request; match_index and terms never go "
            "back.",
            "heard_from drops responses whose request_term is not current_term. count_vote and "
            "count_pre_vote do the same by request.term. on_leadership_won starts with fresh "
            "Progress for every follower.",
        ),
        FIGURE_8,
    ),
    "churn-loses-nothing": Advice(
        1,
        "5, Figure 2",
        (
            "Look at a server that comes back in an earlier term, with other entries at its end.",
            "A higher term makes a follower at once, in every role, and what it was doing as a "
            "leader ends.",
            "become_follower: note the new term, voted_for empty, persist; then the role; a "
            "leader's heartbeat timer is cancelled, and its election timer started again.",
        ),
        FSYNC,
    ),
    "churn-with-lost-calls-loses-nothing": Advice(
        1,
        "5, Figure 2",
        (
            "Compare with churn-loses-nothing: what holds there and not here has to do with "
            "repeated or late calls.",
            "Each handler must be right when it runs twice, and when it runs after later ones.",
            "Vote for the same candidate again when it asks again (voted_for is its id); answer "
            "entries that you hold with success; take max() of match_index; ignore responses of "
            "another term.",
        ),
        FSYNC,
    ),
}
