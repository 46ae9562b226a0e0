"""The scenarios can fail: each planted bug is caught by the scenario that is about it.

Without the invariants, so that what a scenario sees by itself is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from labs.kit.check import Failed
from labs.kit.grading.scenario import sim_options
from labs.raft.mutants.elections import (
    LongestLogWins,
    VotedForNotPersisted,
    VoteNotPersisted,
    VotesTwice,
    VotesWithoutLogCheck,
)
from labs.raft.mutants.membership import (
    CampaignsWithoutVote,
    ChangesTogether,
    ChangesTooEarly,
    KeepsTruncatedConfiguration,
    NeverGivesUpOnNewServer,
    RemovedLeaderCountsItself,
    RemovedLeaderStays,
    TransfersAtOnce,
    VotesAgainstLivingLeader,
    VotesBeforeCatchingUp,
)
from labs.raft.mutants.replication import (
    BacksUpByOne,
    CountsOldTerms,
    NeverBacksUp,
    QuorumTooSmall,
    TruncatesAlways,
)
from labs.raft.mutants.service import (
    DedupNotInSnapshot,
    ForgetsWaitingClients,
    NoDedup,
    ReadsWithoutProof,
    RespondsBeforeCommit,
    SnapshotWithoutState,
)
from labs.raft.mutants.snapshots import NeverSnapshots
from labs.raft.scenarios import SCENARIOS, SIM_SCENARIOS, Scenario
from nodes.cores.raft import Raft
from nodes.sim.cluster import simulate

ALL: tuple[Scenario[Any], ...] = (*SCENARIOS, *SIM_SCENARIOS)
SCHEDULES = 40  # at most; most bugs show on the first


CATCHES: Sequence[tuple[type[Raft], str]] = (
    (QuorumTooSmall, "minority-leader-commits-nothing"),
    (CountsOldTerms, "old-terms-commit-with-own-term"),
    (VotesTwice, "split-votes-are-settled"),
    (VoteNotPersisted, "votes-survive-crashes"),
    (VotedForNotPersisted, "votes-survive-crashes"),
    (VotesWithoutLogCheck, "outdated-log-cannot-win"),
    (TruncatesAlways, "late-and-doubled-calls-do-no-harm"),
    (NeverBacksUp, "deposed-leaders-entries-vanish"),
    (BacksUpByOne, "conflicts-cost-one-probe-a-term"),
    (NoDedup, "lost-responses-repeat-nothing"),
    (DedupNotInSnapshot, "retries-are-known-after-restarts"),
    (RespondsBeforeCommit, "lost-followers-stop-commits"),
    (ReadsWithoutProof, "deposed-leader-serves-no-reads"),
    (ReadsWithoutProof, "paused-leader-serves-no-stale-reads"),
    (NeverSnapshots, "logs-stay-short"),
    (SnapshotWithoutState, "crashed-follower-gets-snapshot"),
    (ForgetsWaitingClients, "waiting-clients-hear-the-end"),
    (LongestLogWins, "longer-log-of-earlier-term-cannot-win"),
    (VotesBeforeCatchingUp, "added-server-catches-up-first"),
    (NeverGivesUpOnNewServer, "unreachable-server-is-not-added"),
    (CampaignsWithoutVote, "removed-server-disturbs-nobody"),
    (VotesAgainstLivingLeader, "removed-server-disturbs-nobody"),
    (RemovedLeaderCountsItself, "leader-removes-itself"),
    (RemovedLeaderStays, "leader-removes-itself"),
    (ChangesTogether, "changes-come-one-at-a-time"),
    (ChangesTooEarly, "changes-come-one-at-a-time"),
    (TransfersAtOnce, "leadership-is-handed-over"),
    (KeepsTruncatedConfiguration, "changes-survive-crashing-leaders"),
)


@pytest.mark.parametrize(
    ("broken", "scenario_id"), CATCHES, ids=[f"{core.__name__}-{id}" for core, id in CATCHES]
)
def test_planted_bug_is_caught(broken: type[Raft], scenario_id: str) -> None:
    """A Raft with this bug fails the scenario on one of a few schedules, by Failed or by a missed
    deadline: never because the run proved nothing."""
    (scenario,) = (found for found in ALL if found.id == scenario_id)
    for seed in range(SCHEDULES):
        spec = scenario.spec(seed, simulated=True)
        cores = dict.fromkeys(spec.node_ids, broken)
        try:
            simulate(spec, scenario.function, options=sim_options(seed), cores=cores)
        except (Failed, TimeoutError):
            return
    pytest.fail(f"{scenario_id} did not notice: {broken.__doc__}")


def test_failure_names_expected_and_observed() -> None:
    """A failure says both, and shows what a node sent without its control characters."""
    failed = Failed("one leader", "n1 says \x1b[2J\n")
    assert str(failed) == "expected one leader; observed n1 says \\x1b[2J\\n"
