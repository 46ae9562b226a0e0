"""Wherever a node crashes, all participants have the outcome that they must have: the complete
crash matrix."""

from __future__ import annotations

from collections import Counter

import pytest

from labs.commit.crash_matrix import PROTOCOLS, STORIES, Story, commit_spec, play, rows
from labs.commit.invariants import invariants
from nodes.core import NodeId
from nodes.sim.cluster import simulate
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
