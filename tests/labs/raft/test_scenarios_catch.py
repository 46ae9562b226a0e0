"""The scenarios can fail: each planted bug is caught by the scenario that is about it.

Without the invariants, so that what a scenario sees by itself is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from labs.kit.check import Failed
from labs.raft.scenarios import SCENARIOS, SIM_SCENARIOS, Scenario
from labs.raft.scenarios.table import sim_options
from nodes.core import Caller, handles
from nodes.cores.raft import Raft
from nodes.cores.raft.service import Response
from nodes.cores.raft.state import LOG, VOTE
from nodes.parts.quorum import reached_by_majority
from nodes.sim.cluster import simulate
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb

ALL: tuple[Scenario[Any], ...] = (*SCENARIOS, *SIM_SCENARIOS)
SCHEDULES = 40  # at most; most bugs show on the first


def reached(core: Raft) -> Iterable[int]:
    """How far each voter's durable log reaches, as the leader knows it."""
    for voter in core.voters:
        own = voter == core.env.node_id
        yield core.saved_index if own else core.followers[voter].match_index


class QuorumTooSmall(Raft):
    """Two of five are enough to commit."""

    def advance_commit(self) -> None:
        index = sorted(reached(self), reverse=True)[len(self.voters) // 2 - 1]
        if index > self.commit_index and self.log.term_at(index) == self.current_term:
            self.commit_index = index
            self.apply_committed()


class CountsOldTerms(Raft):
    """Commits entries of earlier terms by counting copies."""

    def advance_commit(self) -> None:
        index = reached_by_majority(reached(self))
        if index > self.commit_index:
            self.commit_index = index
            self.apply_committed()


class VotesTwice(Raft):
    """Votes again in a term in which it has voted."""

    @handles(pb.RequestVoteRequest)
    def request_vote(
        self, request: pb.RequestVoteRequest, caller: Caller
    ) -> pb.RequestVoteResponse:
        if request.term == self.current_term and self.role == pb.FOLLOWER:
            self.voted_for = ""
        return super().request_vote(request, caller)


class VoteNotPersisted(Raft):
    """Forgets its term and vote in a crash."""

    def persist_vote(self) -> None:
        pass


class VotedForNotPersisted(Raft):
    """Remembers its term, and forgets whom it voted for."""

    def persist_vote(self) -> None:
        self.save(VOTE, pb.Vote(current_term=self.current_term))


class VotesWithoutLogCheck(Raft):
    """Votes for any log."""

    def log_is_current(self, last_log_index: int, last_log_term: int) -> bool:
        return True


class TruncatesAlways(Raft):
    """Drops everything from the first entry of each request on, conflict or not."""

    def store(self, entries: list[pb.LogEntry]) -> None:
        if entries and self.log.base_index < entries[0].index <= self.log.last_index:
            self.truncate(LOG, entries[0].index)
            self.log.truncate(entries[0].index)
            self.log_truncated()
        super().store(entries)


class NeverBacksUp(Raft):
    """Asks a follower that declined the same again."""

    def next_index_after(
        self, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> int:
        return request.prev_log_index + 1


class BacksUpByOne(Raft):
    """Backs up one entry at a time."""

    def next_index_after(
        self, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> int:
        return max(1, request.prev_log_index)


class NoDedup(Raft):
    """Carries a retried write out again."""

    def apply(self, entry: pb.LogEntry) -> None:
        anonymous = pb.LogEntry()
        anonymous.CopyFrom(entry)
        if entry.HasField("command") and entry.command.HasField("append"):
            anonymous.command.append.ClearField("id")
        super().apply(anonymous)


class DedupNotInSnapshot(Raft):
    """Its snapshots lack what clients were told."""

    def dump_state_machine(self) -> bytes:
        data = pb.SnapshotData.FromString(super().dump_state_machine())
        for session in data.state.sessions:
            session.ClearField("results")
        return data.SerializeToString(deterministic=True)


class RespondsBeforeCommit(Raft):
    """Acknowledges a write as soon as it is in the leader's log."""

    def write(
        self, command: kv.Command, caller: Caller, response: type[Response]
    ) -> Response | None:
        declined = super().write(command, caller, response)
        if declined is not None:
            return declined
        self.waiting_writes.pop(self.log.last_index)
        return response()


class ReadsWithoutProof(Raft):
    """Serves reads for as long as it takes itself for the leader."""

    def wait_for_proof(self, key: str, caller: Caller) -> None:
        self.respond(caller, self.read(key))


class NeverSnapshots(Raft):
    """Lets its log grow for ever."""

    def take_snapshot(self) -> None:
        pass


class SnapshotWithoutState(Raft):
    """Restores an empty state machine."""

    def restore_state_machine(self, data: bytes) -> None:
        restored = pb.SnapshotData.FromString(data)
        restored.ClearField("state")
        super().restore_state_machine(restored.SerializeToString())


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
