"""Each invariant can fail: it catches a bug that was planted for it, in the crash matrix or under
random faults; and three-phase commit's divergence in a partition."""

from __future__ import annotations

import pytest

from labs.commit.crash_matrix import STORIES, commit_spec, play
from labs.commit.invariants import Outcomes, invariants
from labs.kit.crash_matrix import boundaries
from labs.kit.violation import InvariantViolated
from nodes.cluster.fault_kinds import Isolate, Partition
from nodes.core import Core, NodeId
from nodes.cores.commit import AtomicCommit
from nodes.cores.commit.coordinator import Coordination
from nodes.cores.commit.participant import Callers
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from protos import commit_pb2 as pb


class SaysYesBeforeItIsDurable(AtomicCommit):
    """The promise is made, and written down later."""

    def locked(self, request: pb.PrepareRequest, callers: Callers) -> None:
        began = len(self._effects)
        super().locked(request, callers)
        self._effects[began:] = reversed(self._effects[began:])


class CommitsByMajority(AtomicCommit):
    """Two yes will do."""

    def count(self, transaction: str, node: NodeId, vote: pb.PrepareResponse) -> None:
        super().count(transaction, node, vote)
        coordination = self.coordinated.get(transaction)
        if coordination is None or coordination.phase != "voting":
            return
        if len(coordination.yes) * 2 > len(coordination.participants):
            self.all_voted_yes(coordination)


class TellsBeforeItDecides(AtomicCommit):
    """The commit point comes after the telling."""

    def decide_commit(self, coordination: Coordination) -> None:
        coordination.outcome = pb.COMMITTED
        self.tell_client(coordination)
        super().decide_commit(coordination)


class AbortsWhenInDoubt(AtomicCommit):
    """A participant that has waited long enough takes no answer for a no."""

    def unreachable(self, transaction: str, peer: NodeId) -> None:
        if transaction in self.votes:
            self.conclude(transaction, pb.ABORTED)


class AppliesTwice(AtomicCommit):
    """A decision that comes again is carried out again."""

    def conclude(self, transaction: str, outcome: pb.Outcome) -> None:
        vote = self.votes.get(transaction)
        super().conclude(transaction, outcome)
        if vote is not None and outcome == pb.COMMITTED:
            for change in vote.changes:
                self.amounts[change.resource] += change.delta
                amount = pb.Amount(amount=max(0, self.amounts[change.resource]), open=True)
                self.save(f"amounts/{change.resource}", amount)


def violated(core: type[Core], crashing: NodeId) -> set[str]:
    """The invariants that a crash somewhere in this node shows broken."""
    spec = commit_spec()
    cores = dict.fromkeys(spec.node_ids, core)
    found: set[str] = set()
    try:
        for run in boundaries(
            spec,
            lambda cluster: play(cluster, STORIES[0]),
            nodes=(crashing,),
            restart_after_ms=3000,
            options=SimOptions(digest=False),
            cores=cores,
            observers=invariants,
        ):
            if isinstance(run.failure, InvariantViolated):
                found.add(run.failure.invariant)
    except InvariantViolated as without_a_crash:
        found.add(without_a_crash.invariant)
    return found


@pytest.mark.parametrize(
    ("core", "crashing", "invariant"),
    [
        (SaysYesBeforeItIsDurable, "n1", "a yes is durable before it is said"),
        (TellsBeforeItDecides, "n1", "a decision to commit is durable before it is told"),
        (AbortsWhenInDoubt, "n1", "all that decide, decide alike (AC1)"),
        (AppliesTwice, "n1", "amounts change by committed transactions only, and by each once"),
    ],
)
def test_a_planted_bug_is_caught_by_its_invariant(
    core: type[Core], crashing: NodeId, invariant: str
) -> None:
    """The bug's own invariant is among those that are broken."""
    assert invariant in violated(core, crashing)


async def _without_a_vote(cluster: SimCluster) -> None:
    """One participant is never asked, since nothing reaches it."""
    await cluster.faults.inject(Isolate("n4"))
    await play(cluster, STORIES[0])


def test_a_majority_is_caught_where_all_must_vote_yes() -> None:
    """Commit is no consensus: it needs unanimity."""
    spec = commit_spec()
    cores = dict.fromkeys(spec.node_ids, CommitsByMajority)
    with pytest.raises(InvariantViolated, match="AC3"):
        simulate(spec, _without_a_vote, cores=cores, observers=invariants())


def test_the_protocol_itself_is_not_caught() -> None:
    """The same runs without a planted bug."""
    assert not violated(AtomicCommit, "n1")


async def _split(cluster: SimCluster) -> None:
    """All have voted yes, one was told so, and then nobody hears the other side."""
    changes = [
        pb.Change(resource="account/alice", delta=-1),
        pb.Change(resource="account/bob", delta=1),
    ]

    async def told() -> bool:
        view = cluster.view_now("n2")
        assert isinstance(view, pb.CommitView)
        return any(one.precommitted for one in view.in_doubt)

    request = pb.TransactRequest(transaction="t", changes=changes)
    await cluster.faults.crash_at("precommit-sent", "n1")
    calling = cluster.loop.create_task(cluster.call("n1", request, timeout_ms=2000))
    await cluster.until("n2 knows that all voted yes", told, within_ms=1000)
    await cluster.faults.inject(Partition((("n2",), ("n1", "n3", "n4"))))
    await cluster.sleep(5000)
    calling.cancel()


def test_three_phase_commit_diverges_in_a_partition() -> None:
    """The one that was told commits, the one that was not aborts: as the theory says (Skeen)."""
    outcomes = Outcomes(collect=True)
    simulate(commit_spec({"protocol": "3pc"}), _split, observers=[outcomes])
    assert len(outcomes.diverged) == 1
    [transaction] = outcomes.diverged
    assert outcomes.decided["n2", transaction] == pb.COMMITTED
    assert outcomes.decided["n3", transaction] == pb.ABORTED
