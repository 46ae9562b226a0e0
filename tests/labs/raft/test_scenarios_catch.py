"""The scenarios can fail: each planted bug is caught by the scenario that is about it.

Without the invariants, so that what a scenario sees by itself is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from labs.kit.check import Failed
from labs.raft.mutants.elections import (
    VotedForNotPersisted,
    VoteNotPersisted,
    VotesTwice,
    VotesWithoutLogCheck,
)
from labs.raft.mutants.replication import (
    CountsOldTerms,
    NeverBacksUp,
    QuorumTooSmall,
    TruncatesAlways,
)
from labs.raft.mutants.service import (
    DedupNotInSnapshot,
    NoDedup,
    ReadsWithoutProof,
    RespondsBeforeCommit,
    SnapshotWithoutState,
)
from labs.raft.scenarios import SCENARIOS, SIM_SCENARIOS, Scenario
from labs.raft.scenarios.table import sim_options
from nodes.cores.raft import Raft
from nodes.sim.cluster import simulate
from protos import raft_pb2 as pb

ALL: tuple[Scenario[Any], ...] = (*SCENARIOS, *SIM_SCENARIOS)
SCHEDULES = 40  # at most; most bugs show on the first


class BacksUpByOne(Raft):
    """Backs up one entry at a time."""

    def next_index_after(
        self, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> int:
        return max(1, request.prev_log_index)


class NeverSnapshots(Raft):
    """Lets its log grow for ever."""

    def take_snapshot(self) -> None:
        pass


class ForgetsWaitingClients(Raft):
    """Does not tell its clients that it has lost its leadership."""

    def on_leadership_lost(self, reason: str) -> None:
        self.waiting_writes = {}
        super().on_leadership_lost(reason)


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
