"""What to predict before an experiment of the commit lab, or one of its checks, is run.

Each question has one right answer, and the measurements say which. Sections are of Bernstein,
Hadzilacos and Goodman (1987) unless another text is named.
"""

from __future__ import annotations

from labs.kit.predict import Measured, Prediction, guaranteed

# ------------------------------------------------------------------------------------- crashes


def _commit_points(m: Measured) -> int | None:
    before = m["committed_coordinator_before_decision_logged_2pc"]
    after = m["committed_coordinator_decision_logged_2pc"]
    found = {(0, 0): 0, (0, 1): 1, (1, 1): 2}
    return found.get((round(before), round(after)))


CRASH_MATRIX = Prediction(
    id="around-the-decision",
    about="crash-matrix",
    question="All have voted yes. The coordinator dies right before its decision is on disk, or "
    "right after that and before anybody is told. What becomes of the transaction in the end?",
    choices=(
        "aborted in both cases: nobody was told",
        "aborted in the first, committed in the second",
        "committed in both: everyone had voted yes",
    ),
    outcome=_commit_points,
    why="The write is the commit point (Gray 1978). Without it the coordinator comes back to "
    "nothing, and nothing means abort; with it, it comes back to a decision and tells it (7.4). "
    "What anybody was told does not matter for that.",
)

# ------------------------------------------------------------------------------------ blocking


def _locks_of_a_blocked(m: Measured) -> int:
    held_ms = m["lock_3000_ms_2pc"]
    return 0 if held_ms < 1500 else 1 if held_ms < 3000 else 2


BLOCKING = Prediction(
    id="locks-of-a-dead-coordinator",
    about="blocking-time",
    question="In two-phase commit all three participants have voted yes, and the coordinator dies "
    "for 3 s. They ask each other after half a second. For how long do they hold their locks?",
    choices=(
        "until they have asked each other: about a second",
        "until they have asked a few times and give up: between 1.5 and 3 s",
        "for 3 s and a little more: until the coordinator is back",
    ),
    outcome=_locks_of_a_blocked,
    why="All of them are in doubt, and none knows the outcome, so that asking each other does not "
    "help. The coordinator may have decided either way (7.4), and whatever they chose could be "
    "wrong. They wait for as long as it is down.",
)


def _diverged(m: Measured) -> int:
    if m["ac1_violations_3pc"] > 0:
        return 1
    return 2 if m["in_doubt_far_3pc"] > 0 else 0


PARTITION = Prediction(
    id="three-phases-in-a-partition",
    about="3pc-diverges-under-partition",
    question="Three-phase commit: one participant knows that all voted yes when the network is cut "
    "between it and two others, which do not know it yet. What happens?",
    choices=(
        "both sides abort: nobody can be sure",
        "one side commits and the other one aborts",
        "the two that do not know wait for the cut to be mended, and hold their locks",
    ),
    outcome=_diverged,
    why="Each side takes the other for dead, since the protocol counts silence as a crash (Skeen "
    "1981; 7.5). The side where somebody knows that all voted yes commits; on the other side "
    "nobody knows it, so they abort. Two-phase commit blocks there, and is right.",
)


def _slowest_return(m: Measured) -> int:
    told, asked = m["recovery_ms_undecided_nothing"], m["recovery_ms_undecided_abort"]
    return 0 if asked < 0.8 * told else 1 if asked <= 1.25 * told else 2


RECOVERY = Prediction(
    id="doubts-after-a-return",
    about="in-doubt-recovery",
    question="A coordinator dies before it has decided, and comes back. Participants in doubt hear "
    "of the abort. With presumed abort, does that take less or more time than with nothing "
    "presumed?",
    choices=(
        "less: there is less to read and to write",
        "about as long",
        "more: it does not know of the transaction, and waits until it is asked",
    ),
    outcome=_slowest_return,
    why="With nothing presumed the coordinator has recorded that it began, finds that, and tells "
    "everyone. With presumed abort it has no record at all (Mohan and others 1986, 3): it can only "
    "answer those who ask, at their next try.",
)

# --------------------------------------------------------------------------------------- costs


def _forced(m: Measured) -> int:
    return {2: 0, 4: 1, 7: 2}.get(round(m["forced_n3_2pc"]), 3)


COST = Prediction(
    id="forced-writes-of-a-commit",
    about="cost",
    question="Two-phase commit with presumed abort, a coordinator and three participants at other "
    "nodes. How many writes does a commit force to disk, at all of them together?",
    choices=(
        "2: the votes as one, and the decision",
        "4: one at each node",
        "7: two at each participant, and one at the coordinator",
        "9 or more",
    ),
    outcome=_forced,
    why="Each participant forces its yes before it says it, and the outcome before it acknowledges "
    "it; the coordinator forces the decision, which is the commit point (7.4). That the "
    "transaction is over need not be forced (Mohan and others 1986).",
)


def _policy_for_two_keys(m: Measured) -> int:
    names = ("wait_die", "timeout", "none")
    done = [m[f"committed_2_keys_{name}"] for name in names]
    return done.index(max(done))


CONTENTION = Prediction(
    id="two-hot-accounts",
    about="contention",
    question="Many clients transfer between the same two accounts, back and forth. With which way "
    "of treating deadlocks does most get done?",
    choices=(
        "wait-die, which aborts many that would have got their locks",
        "a timeout for locks, which aborts only who has waited for long",
        "none: who waits keeps its place, and nothing is aborted in vain",
    ),
    outcome=_policy_for_two_keys,
    why="Transfers in opposite directions close circles at once, and each circle holds two locks "
    "until somebody gives up: a timeout is an age in which nothing moves. Wait-die aborts far more "
    "often (Rosenkrantz and others 1978), and an abort takes no time.",
)


def _survivors(m: Measured) -> int | None:
    through = m["committed_of_two_wait_die"]
    return None if through != int(through) else int(through)


DEADLOCK = Prediction(
    id="an-embrace-under-wait-die",
    about="deadlock",
    question="Two transfers in opposite directions each hold one lock and want the other's. "
    "Under wait-die, tried once each: how many of the two commit?",
    choices=("none: both are aborted", "one: the older", "both, one after the other"),
    outcome=_survivors,
    why="The younger one meets a lock of the older one, and dies. That frees its own lock, for "
    "which the older one waits (Rosenkrantz and others 1978). A timeout would often end both.",
)

# ---------------------------------------------------------------------------------- the checks

SILENCE = Prediction(
    id="a-late-yes",
    about="check:silence-is-no-yes",
    question="A participant votes yes, but its vote comes after the coordinator has given it up. "
    "What happens?",
    choices=(
        "the transaction is committed late: everyone did vote yes",
        "the transaction is aborted, and that participant is told, or asks",
        "the transaction is aborted for all but that participant, which has promised to commit",
    ),
    outcome=guaranteed(1),
    why="A coordinator may abort as long as it has not decided (7.4), and then it has. A yes is no "
    "promise of the coordinator's: it leaves the participant in doubt until it hears.",
)

MAJORITY = Prediction(
    id="two-yes-and-a-no",
    about="check:a-single-no-aborts-everywhere",
    question="Two participants vote yes and one votes no. What is decided?",
    choices=(
        "abort at all three",
        "commit: the majority can",
        "commit at those two, abort at the third",
    ),
    outcome=guaranteed(0),
    why="Commit needs all votes (AC3, 7.3). A majority can agree on a value, but cannot make the "
    "third participant carry out what it says it cannot.",
)

HELD = Prediction(
    id="locks-after-a-vote",
    about="check:locks-stay-until-the-outcome-is-known",
    question="A participant has voted yes and crashes before it hears the outcome. Who may change "
    "the amounts of that transaction when it is back?",
    choices=(
        "anyone: locks are memory, and the crash took them",
        "nobody else, until the outcome is known",
        "anyone who leaves enough for what was promised",
    ),
    outcome=guaranteed(1),
    why="The yes is a promise that the share can be carried out, and it is on disk. So the locks "
    "are taken again from the votes that are found there, before anything else (7.4).",
)

FORGET = Prediction(
    id="a-commit-forgotten-early",
    about="check:a-commit-is-remembered-until-all-know",
    question="With presumed abort, a coordinator forgets a commit that its client knows of, while "
    "one participant is still in doubt. What does that one do when it asks?",
    choices=(
        "it commits: the other participants have",
        "it stays in doubt, since the coordinator cannot tell",
        "it aborts what the others have committed",
    ),
    outcome=guaranteed(2),
    why="No record means abort: that is what is presumed (Mohan and others 1986, 3). So a commit "
    "has to be remembered until everyone that voted yes has acknowledged it.",
)

UNVOTED = Prediction(
    id="asked-before-the-vote",
    about="check:who-has-not-voted-lets-all-abort",
    question="A participant in doubt asks another one, which has not been asked to vote yet. What "
    "does that answer?",
    choices=(
        "that it knows nothing, so that the one in doubt goes on waiting",
        "that it will vote yes, since it can",
        "that it is aborted, and from now on it votes no",
    ),
    outcome=guaranteed(2),
    why="Without its yes nobody can have committed. If it promises, durably, never to say yes, the "
    "one in doubt may abort (7.4, cooperative termination).",
)

MIDDLE = Prediction(
    id="one-who-knows",
    about="check:one-who-knows-brings-all-along",
    question="Three-phase commit: the coordinator dies when one of three participants has heard "
    "that all voted yes. What do they do?",
    choices=(
        "commit, after that one has told the others",
        "abort, since the coordinator had not decided",
        "wait for the coordinator",
    ),
    outcome=guaranteed(0),
    why="The one that knows cannot rule out that the coordinator has heard from all and committed. "
    "None that lives can have aborted. So they commit, and first all of them learn that all voted "
    "yes, lest the next crash finds another mixture (Skeen 1981).",
)

PREDICTIONS: tuple[Prediction, ...] = (
    CRASH_MATRIX,
    BLOCKING,
    PARTITION,
    RECOVERY,
    COST,
    CONTENTION,
    DEADLOCK,
    SILENCE,
    MAJORITY,
    HELD,
    FORGET,
    UNVOTED,
    MIDDLE,
)
