"""The graded checks of the Raft lab: every scenario, with points, paper and hints."""

from __future__ import annotations

from typing import Any

from labs.kit.grading.course import Check, Course, Part
from labs.kit.grading.scenario import check_of, sim_options, specs_of
from labs.kit.violation import InvariantViolated
from labs.raft.advice import ADVICE
from labs.raft.invariants import Logs, Terms, invariants
from labs.raft.lab import LAB
from labs.raft.mutants import MORE, MUTANTS
from labs.raft.scenarios import SCENARIOS, SIM_SCENARIOS, Scenario
from labs.raft.scenarios.table import PERSISTENCE
from nodes.sim.cluster import Observer

GUIDE = "guide/raft.md"

PARTS = (
    Part(
        1,
        "Leader election",
        "One server leads, everyone follows it, and a lost leader is replaced soon.",
        "Raft paper 5.1, 5.2; thesis 9.6 on PreVote",
    ),
    Part(
        2,
        "Log replication",
        "What a majority holds is committed, in one order, and logs that differ are repaired.",
        "Raft paper 5.3; thesis 10.2.1 on batching and pipelining",
    ),
    Part(
        3,
        "Persistence and safety",
        "What a server said it still knows after a crash, and nothing committed is ever lost.",
        "Raft paper 5.4, 5.5 and Figure 2's persistent state",
    ),
    Part(
        4,
        "Snapshots",
        "Logs stay short, and servers that lag behind them get the state instead.",
        "Raft paper 7 and Figure 13; thesis 5",
    ),
    Part(
        5,
        "Clients",
        "Each write takes effect once, and no read is stale.",
        "Raft paper 8; thesis 6.3 on sessions, 6.4 on reads",
    ),
    Part(
        6,
        "Membership",
        "Servers are added and removed while the cluster works, and leadership moves on request.",
        "thesis 3.10 and 4",
    ),
)

ALL: tuple[Scenario[Any], ...] = (*SCENARIOS, *SIM_SCENARIOS)
BY_ID = {scenario.id: scenario for scenario in sorted(ALL, key=lambda scenario: scenario.part)}


# A schedule of these takes less than 35 ms of one core, or more than 60; of the others, in between.
# So a whole grade takes about a minute of one core, and each check still tries 20 or more.
CHEAP = frozenset(
    {
        "one-leader-is-elected",
        "clients-put-off-no-election",
        "few-calls-are-needed",
        "writes-commit-in-order",
        "lost-followers-stop-commits",
        "lost-leaders-stop-commits",
        "returning-follower-catches-up",
        "deposed-leaders-entries-vanish",
        "conflicts-cost-one-probe-a-term",
        "outdated-log-cannot-win",
        "restarts-lose-nothing",
        "votes-survive-crashes",
        "acknowledged-entries-survive-crashes",
        "snapshot-counts-in-elections",
        "second-restart-loses-nothing",
        "deposed-leader-serves-no-reads",
        "paused-leader-serves-no-stale-reads",
        "waiting-clients-hear-the-end",
        "lost-responses-repeat-nothing",
        "leadership-is-handed-over",
    }
)
DEAR = frozenset(
    {
        "any-majority-elects",
        "split-votes-are-settled",
        "acknowledgements-end-with-the-term",
        "long-conflicts-are-repaired",
        "crashing-leaders-lose-nothing",
        "lost-calls-delay-only",
        "late-and-doubled-calls-do-no-harm",
        "crashing-leaders-with-lost-calls-lose-nothing",
        "churn-loses-nothing",
        "churn-with-lost-calls-loses-nothing",
        "lagging-follower-gets-snapshot",
        "lagging-follower-gets-snapshot-with-lost-calls",
        "crashed-follower-gets-snapshot",
        "crashed-follower-gets-snapshot-with-lost-calls",
        "concurrent-clients-are-linearizable",
        "shifting-partitions-lose-nothing",
        "everything-at-once-loses-nothing",
        "removed-server-disturbs-nobody",
        "changes-survive-crashing-leaders",
    }
)


def seeds_of(check: str) -> tuple[int, int]:
    """How many schedules a normal grade tries, and how many watch mode."""
    if check in CHEAP:
        return 40, 5
    return (20, 2) if check in DEAR else (24, 3)


def graded(scenario: Scenario[Any]) -> Check:
    """What is graded about a scenario."""
    seeds, quick_seeds = seeds_of(scenario.id)
    advice = ADVICE[scenario.id]
    return check_of(scenario, advice, page=GUIDE, seeds=seeds, quick_seeds=quick_seeds)


def observers_of(check: Check) -> list[Observer]:
    """The paper's invariants; that nothing is told before it is on disk is asked from part 3 on, or
    a mistake in what is not yet learned would cost every point."""
    return invariants() if check.part >= PERSISTENCE else [Terms(), Logs()]


COURSE = Course(
    lab=LAB.id,
    parts=PARTS,
    checks=tuple(map(graded, BY_ID.values())),
    spec_of=specs_of(ALL),
    options_of=sim_options,
    observers=observers_of,
    broken=(InvariantViolated,),
    reference=LAB.core,
    exercise="labs.raft.exercise:MyRaft",
    exercise_file="exercise.py",
    mutants={**MUTANTS, **MORE},
)
