"""Part 1: leader election."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

TIMEOUTS = "raft-random-timeouts"

ADVICE: dict[str, Advice] = {
    "one-leader-is-elected": Advice(
        3,
        "5.2",
        (
            "Look at election_timed_out, campaign and count_vote: who turns into what, and when.",
            "A candidate leads once a majority voted for it in its own term; a follower that hears "
            "a leader in time starts no election.",
            "campaign: current_term += 1, vote for yourself, persist_vote(), a new VoteTally with "
            "your own vote in it, ask_voters(request). count_vote: grant(peer) if the role is "
            "still CANDIDATE and request.term == current_term, then become_leader() when "
            "tally.won. A leader's election timer does not run.",
        ),
        TIMEOUTS,
    ),
    "lost-leader-is-replaced": Advice(
        4,
        "5.2, thesis 9.6",
        (
            "Look at answer_pre_vote and request_vote, and at what a server does that was cut off.",
            "A higher term makes a follower of anyone (5.1). Whoever cannot reach a majority must "
            "not raise its term: that is what the pre-vote is for.",
            "election_timed_out asks pre-votes for current_term + 1 and changes no term; only a "
            "majority of granted pre-votes leads to campaign(). answer_pre_vote grants nothing "
            "while hears_leader() is true. Votes and pre-votes of one server are no majority.",
        ),
        TIMEOUTS,
    ),
    "clients-put-off-no-election": Advice(
        1,
        "5.2",
        (
            "Look at every place where the election timer starts anew.",
            "Only hearing the current leader, granting a vote and starting an election restart it.",
            "restart_election_timer() belongs in follow, behind the test of the term, in "
            "request_vote when granted, and in campaign; not in handlers of other requests, nor in "
            "a refused vote.",
        ),
        TIMEOUTS,
    ),
    "any-majority-elects": Advice(
        3,
        "5.2, 5.1",
        (
            "Look at what happens when an election fails: seven servers, three of them out of "
            "reach.",
            "A candidate whose election ends without a majority starts another one after a random "
            "time; a vote of an earlier term counts for nothing.",
            "Call restart_election_timer() first thing in election_timed_out, also when you go on "
            "to campaign, and call step_down_if_behind(term) for every request and response. "
            "Count only answers whose request has the term you campaign in now.",
        ),
        TIMEOUTS,
    ),
    "split-votes-are-settled": Advice(
        3,
        "5.2",
        (
            "Look at request_vote: what keeps a server from voting for two candidates of one term?",
            "Each server votes for at most one candidate in a term, first come, first served.",
            'Grant only if voted_for is "" or the candidate itself, and set voted_for when you '
            "grant. voted_for becomes empty only together with a higher term, never by a request "
            "of the same term.",
        ),
        TIMEOUTS,
    ),
    "few-calls-are-needed": Advice(
        1,
        "5.2, 5.3",
        (
            "Look at the counts in the failure: which kind of request is sent too often?",
            "An election asks each voter once; an idle leader sends one heartbeat a follower and "
            "interval.",
            "Ask voters in campaign and ask_pre_votes only, not again in count_vote or on "
            "answers. Do not set the heartbeat timer twice, and answer in appended by "
            "replicate(peer) without even_if_empty, or each response breeds a request.",
        ),
        TIMEOUTS,
    ),
}
