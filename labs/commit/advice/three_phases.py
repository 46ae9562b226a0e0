"""Part 5: three phases."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

THREE = "commit-three-phases"

ADVICE: dict[str, Advice] = {
    "everyone-knows-before-anyone-commits": Advice(
        4,
        "Skeen 1981; Bernstein and others 7.5",
        (
            "Look at precommit and count_precommit: for whom does the coordinator wait?",
            "In the middle phase everyone learns that all have voted yes. Only when the last one "
            "knows may the first one commit, so that nobody is in doubt while another commits.",
            "precommit: phase 'precommitting', write_decision with precommitted=True, waiting_for "
            "all participants, and a pb.PreCommitRequest to each. count_precommit: discard the "
            "node; decide_commit when nobody is left.",
        ),
        THREE,
    ),
    "those-left-abort-what-nobody-could-commit": Advice(
        3,
        "Skeen 1981; Bernstein and others 7.5",
        (
            "Look at the end of judge_round: everyone that is left is in doubt, and nobody knows "
            "that all voted yes.",
            "Nobody commits before all that live know that all voted yes. If nobody that is left "
            "knows it, nobody has committed, and all may abort.",
            "judge_round: if fell_silent(...) or not leads(...), drop the round, and wait for the "
            "next. Else, without State.PRECOMMITTED among the states, end_round(transaction, "
            "pb.ABORTED).",
        ),
        THREE,
    ),
    "one-who-knows-brings-all-along": Advice(
        3,
        "Skeen 1981; Bernstein and others 7.5",
        (
            "Look at judge_round where one state is PRECOMMITTED: may it abort?",
            "The coordinator may have committed already, since it may have heard from all. So "
            "those that are left commit, and first bring everyone to the same knowledge.",
            "judge_round: State.PRECOMMITTED in states, checked after the outcomes that are known "
            "and after who leads: bring_along(transaction, running). count_precommit counts for a "
            "round in self.rounds as well: end_round when running.precommitting is empty.",
        ),
        THREE,
    ),
    "the-dead-hold-up-nobody": Advice(
        3,
        "Skeen 1981; Bernstein and others 7.5",
        (
            "Look at count_precommit: it is called for those that acknowledge, and for those that "
            "were silent.",
            "In three-phase commit silence is a crash, and a dead participant that voted yes will "
            "learn of the outcome when it is back. That is also why a partition breaks it.",
            "count_precommit: discard the node from coordination.waiting_for whoever calls, and "
            "decide_commit when it is empty. take_precommit answers whether it took it: False "
            "where it knows nothing of the transaction.",
        ),
        THREE,
    ),
    "three-phases-survive-a-crash-anywhere": Advice(
        3,
        "Skeen 1981; Bernstein and others 7.5",
        (
            "The failure says who crashed, and before what. Who was left, and what did each know?",
            "Those that never crashed decide; who comes back has no say, and asks. What a node "
            "says it knows must be on its disk.",
            "take_precommit: vote.precommitted = True, and force the vote before anything is "
            "answered. judge_round: an outcome that anybody knows comes first, then a coordinator "
            "that works, then UNKNOWN or WORKING, which is an abort.",
        ),
        THREE,
    ),
}
