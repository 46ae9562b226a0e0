"""Part 6: servers come and go, and leadership is handed over."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

ADVICE: dict[str, Advice] = {
    "added-server-catches-up-first": Advice(
        1,
        "thesis 4.2.1",
        (
            "Look at begin_change, catch_up_progressed and propose_configuration.",
            "A new server gets the log before it gets a vote; then a configuration with it is put "
            "into the log, and counts from then on.",
            "For an addition call begin_catch_up_round(), not propose_configuration(); propose it "
            "once match_index has reached round_goal in less than an election timeout. "
            "use_configuration sets self.voters at once, committed or not.",
        ),
    ),
    "unreachable-server-is-not-added": Advice(
        1,
        "thesis 4.2.1",
        (
            "Look at what a new server counts for while nothing has reached it.",
            "A server that does not catch up never gets into the configuration, and whoever asked "
            "for it hears that.",
            "Until the entry is proposed the new server is in replication_targets() and not in "
            "self.voters. heartbeat_change ends the change with a refusal after "
            "CATCH_UP_ROUNDS * election_timeout_ms_max.",
        ),
    ),
    "removed-server-disturbs-nobody": Advice(
        2,
        "thesis 4.2.3",
        (
            "Look at what a removed server does when no heartbeat comes any more, and at what the "
            "others answer.",
            "Who is no voter does not campaign, and nobody who hears a leader votes for another.",
            "election_timed_out returns unless may_vote, which asks whether this server is in "
            "self.voters. request_vote refuses, without taking the term, while hears_leader().",
        ),
    ),
    "leader-removes-itself": Advice(
        2,
        "thesis 4.2.2",
        (
            "Look at advance_commit and applied when the leader is no voter any more.",
            "A leader that removes itself goes on until the new configuration is committed, by a "
            "majority that it is not part of, and steps down then.",
            "In advance_commit go through self.voters only, so that your own copy counts only if "
            "you are among them. In applied: end_change(), then become_follower(current_term, "
            '"", ...) if you are not in self.voters.',
        ),
    ),
    "changes-come-one-at-a-time": Advice(
        2,
        "thesis 4.1",
        (
            "Look at why_not_change: what may be going on while the next change is asked for?",
            "Majorities of two configurations overlap only if they differ by one server: the next "
            "change waits until the one before is committed, and the first until the leader has "
            "committed an entry of its own term.",
            "Return a reason if self.change or self.transfer is set, or commit_index < "
            'term_start_index, and "" only if none of the reasons holds.',
        ),
    ),
    "leadership-is-handed-over": Advice(
        1,
        "thesis 3.10",
        (
            "Look at try_transfer and timeout_now.",
            "The leader brings the target up to date, takes no writes meanwhile, and tells it to "
            "campaign at once; the others vote although they hear a leader.",
            "try_transfer: when match_index of the target == log.last_index, call TimeoutNow. "
            "timeout_now: campaign(leadership_transfer=True), and pass that on in "
            "RequestVoteRequest.",
        ),
    ),
    "former-leader-serves-no-stale-reads": Advice(
        1,
        "thesis 3.10, 6.4",
        (
            "Look at wait_for_proof again: after a transfer a new leader is there within "
            "milliseconds.",
            "A round that began before the read came proves nothing, however lately it was "
            "answered; and a leader that handed over holds no lease.",
            "Wait for self.round + 1, not for self.round. Set handed_over_in_term when TimeoutNow "
            "goes out, and let holds_lease say no in that term.",
        ),
        "raft-minority",
    ),
    "changes-survive-crashing-leaders": Advice(
        1,
        "thesis 4.1",
        (
            "Look at which configuration a server uses after a restart, and after its log was "
            "truncated.",
            "The latest configuration in the log counts, also if it is not committed; if it is "
            "truncated away, the one before counts again.",
            "log_truncated and on_start set self.voters = configuration_at(last_index), which "
            "looks from the end of the log backwards, then at the snapshot, then at the first one.",
        ),
    ),
}
