"""Wherever a node crashes, all participants have the outcome that they must have: the complete
crash matrix."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from labs.commit.crash_matrix import PROTOCOLS, STORIES, Ending, Story, commit_spec, play, rows
from labs.commit.invariants import invariants
from labs.kit.crash_matrix import boundaries
from nodes.core import NodeId
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from protos import commit_pb2 as pb
from tests.support.seeds import is_full


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_effect_boundary(protocol: str, story: Story) -> None:
    """A crash before any effect of any node, with what was not synced kept or lost: AC1 to AC5, and
    the outcome that follows from the place of the crash, within six timeouts of the restart; and a
    client that asks again gets what it asked for once."""
    spec = commit_spec(PROTOCOLS[protocol])
    nodes: tuple[NodeId, ...] = (story.coordinator,)
    if is_full():
        nodes = spec.node_ids
    elif story.name == "commits":
        nodes = ("n1", "n2")
    problems, outcomes = [], Counter[pb.Outcome]()
    for row in rows(spec, story, nodes):
        outcomes[row.must] += 1
        if row.problem:
            problems.append(row.problem)
    assert not problems, "\n".join(problems[:10])
    assert sum(outcomes.values()) > 5
    if story.outcome == pb.COMMITTED:
        assert outcomes[pb.COMMITTED]
        assert outcomes[pb.ABORTED]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_a_fault_all_yes_is_a_commit(protocol: str, story: Story) -> None:
    """AC4: if there is no failure and all vote yes, the decision is to commit."""
    spec = commit_spec(PROTOCOLS[protocol])
    ending = simulate(spec, lambda cluster: play(cluster, story), observers=invariants())
    assert (ending.outcome, ending.told) == (story.outcome, story.outcome)


async def _with_a_dead_coordinator(cluster: SimCluster, point: str, away_ms: int) -> Ending:
    """The coordinator dies at the point, and comes back after a while."""
    await cluster.faults.crash_at(point, "n1")

    async def revive() -> None:
        await cluster.is_down("n1")
        await cluster.sleep(away_ms)
        await cluster.start("n1")

    reviving = asyncio.create_task(revive())
    try:
        return await play(cluster, STORIES[0], within_ms=away_ms)
    finally:
        reviving.cancel()
        await asyncio.gather(reviving, return_exceptions=True)


@pytest.mark.parametrize("away_ms", [100, 3000, 8000] if is_full() else [3000])
@pytest.mark.parametrize("point", ["prepare-sent", "before-precommit-logged", "precommit-sent"])
def test_the_next_leader_crashes_as_well(point: str, away_ms: int) -> None:
    """Three-phase commit: the coordinator dies, and whoever leads the others to a decision dies at
    any effect of that; whoever comes back when, all have one outcome in the end, and it holds."""
    places = 0
    for run in boundaries(
        commit_spec({"protocol": "3pc"}),
        lambda cluster: _with_a_dead_coordinator(cluster, point, away_ms),
        nodes=("n2", "n3") if is_full() else ("n2",),
        restart_after_ms=2500,
        options=SimOptions(digest=False),
        observers=invariants,
    ):
        places += 1
        assert run.failure is None, f"{run.where}: {run.failure!r}"
        assert run.result is not None
        assert run.result.told in (run.result.outcome, pb.UNDECIDED), run.where
    assert places > 10
