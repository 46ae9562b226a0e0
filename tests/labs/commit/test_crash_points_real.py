"""Every named crash point of the lab on real processes: the node dies there, three times over, and
the transaction has the outcome that follows from the place, at all participants."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from labs.commit.bank import Transaction, amounts, ask, at_rest, judge, resolve, transfer
from labs.commit.crash_matrix import commit_spec
from labs.commit.lab import LAB
from nodes.cluster.api import Cluster, NodeState
from nodes.cluster.local import LocalCluster
from nodes.core import NodeId, Param
from nodes.cores.commit.ledger import opening_amounts
from nodes.timeline import CRASHED, POINT
from protos import commit_pb2 as pb

REPEATS: Final = 3
WITHIN_MS: Final = 20_000
COORDINATOR: Final = "n1"
PARTICIPANTS: Final = ("n2", "n3", "n2")  # by turns
ABORTED, COMMITTED = pb.ABORTED, pb.COMMITTED
Table = Mapping[str, Mapping[str, pb.Outcome]]
# The points that a node passes while a transaction is committed, and what becomes of it when the
# node dies there.
TWO_PHASES: Final[Table] = {
    "coordinator": {
        "before-begin-logged": ABORTED,
        "begin-logged": ABORTED,
        "prepare-sent": ABORTED,
        "before-decision-logged": ABORTED,
        "decision-logged": COMMITTED,
        "outcome-sent": COMMITTED,
        "before-end-logged": COMMITTED,
        "end-logged": COMMITTED,
    },
    "participant": {
        "before-vote-logged": ABORTED,
        "vote-logged": ABORTED,
        "vote-sent": COMMITTED,
        "before-outcome-logged": COMMITTED,
        "outcome-logged": COMMITTED,
    },
}
# Those that are left decide without the coordinator: what counts is what one of them was told.
THREE_PHASES: Final[Table] = {
    "coordinator": {
        "begin-logged": ABORTED,
        "before-precommit-logged": ABORTED,
        "precommit-logged": ABORTED,
        "precommit-sent": COMMITTED,
        "before-decision-logged": COMMITTED,
        "decision-logged": COMMITTED,
    },
    "participant": {
        "vote-sent": COMMITTED,
        "before-precommit-logged": COMMITTED,
        "precommit-logged": COMMITTED,
        "before-outcome-logged": COMMITTED,
    },
}
CASES: Final[Mapping[str, tuple[Mapping[str, Param], Table]]] = {
    "2pc": ({"presume": "nothing"}, TWO_PHASES),
    "3pc": ({"protocol": "3pc"}, THREE_PHASES),
}


def test_none_is_left_out() -> None:
    """Every point of the lab is died at below."""
    named = {point for _, table in CASES.values() for points in table.values() for point in points}
    assert named == set(LAB.crash_points)


@pytest.mark.real
@pytest.mark.parametrize("protocol", CASES)
async def test_every_named_point(protocol: str, tmp_path: Path) -> None:
    """Armed, a transfer, the node dead at that point, everyone back: the transfer has happened, or
    has not, as the place says; asked again it happens once; and at the end the money adds up."""
    params, table = CASES[protocol]
    spec = commit_spec(params)
    deaths: list[tuple[NodeId, str]] = []
    done: list[Transaction] = []
    async with LocalCluster(spec, folder=tmp_path) as cluster:
        for repeat in range(REPEATS):
            for role, points in table.items():
                node = COORDINATOR if role == "coordinator" else PARTICIPANTS[repeat]
                for point, must in points.items():
                    one = Transaction(f"t{len(done)}", COORDINATOR, transfer("alice", "bob", 1))
                    await die_and_recover(cluster, node, point, one, must)
                    deaths.append((node, point))
                    done.append(one)
        judge(opening_amounts(cluster.params), done, await amounts(cluster))
        for node in cluster.nodes:
            lines = cluster.events_path(node).read_text().splitlines()
            died = [event[POINT] for event in map(json.loads, lines) if event["kind"] == CRASHED]
            assert died == [point for one, point in deaths if one == node]


async def die_and_recover(
    cluster: LocalCluster, node: NodeId, point: str, one: Transaction, must: pb.Outcome
) -> None:
    """One transfer, during which the node dies at that point."""
    before = (await amounts(cluster))["account/alice"]
    await cluster.faults.crash_at(point, node)
    await ask(cluster, one, 1600)

    async def dead() -> bool:
        return cluster.node_state(node) is NodeState.DOWN

    await cluster.until(f"{node} dies at {point}", dead, within_ms=WITHIN_MS)
    told = one.outcome
    if cluster.params["protocol"] == "3pc":
        await cluster.until(
            f"those that are left decide without {node}",
            lambda: decided(cluster, node),
            within_ms=WITHIN_MS,
        )
    await cluster.faults.heal()
    what = f"after {node} died at {point} nothing is left undecided"
    await cluster.until(what, lambda: at_rest(cluster), within_ms=WITHIN_MS)
    spent = before - (await amounts(cluster))["account/alice"]
    outcome = COMMITTED if spent == 1 else ABORTED
    assert outcome == must, f"{node} died at {point}: {pb.Outcome.Name(outcome)}"
    assert told in (outcome, pb.UNDECIDED), f"{node} died at {point}: told {told}"
    await resolve(cluster, [one])
    await cluster.until("rest", lambda: at_rest(cluster), within_ms=WITHIN_MS)


async def decided(cluster: Cluster, dead: NodeId) -> bool:
    """Nobody that is left is in doubt."""
    for node in cluster.nodes:
        view = None if node == dead else await cluster.view(node)
        if isinstance(view, pb.CommitView) and view.in_doubt:
            return False
    return True
