"""The quorum lab as data: which settings go together, who is ready, who lags."""

from __future__ import annotations

from random import Random

import pytest

from labs.kit.errors import LabError
from labs.kit.lab import Views
from labs.kit.sentences import sentence
from labs.kit.settings import make_plan
from labs.quorum_store.lab import LAB, lagging, ready, standing
from nodes.core import Env
from nodes.cores.quorum_store import QuorumStore

NODES = ("n1", "n2", "n3")


@pytest.mark.parametrize(
    ("assignments", "nodes", "cause"),
    [
        (["members=6"], None, "more than the 5 nodes"),
        (["members=2"], None, "replication=3 is more than the number of nodes in the ring"),
        ([], 2, "replication=3 is more than the number of nodes in the ring, which is 2"),
        (["read_quorum=4"], None, "read_quorum=4 is more than replication=3"),
        (["write_quorum=4"], None, "write_quorum=4 is more than replication=3"),
        (["versions=abd", "write_quorum=1", "read_quorum=3"], None, "abd needs majorities"),
        (["versions=abd", "write_quorum=3", "read_quorum=1"], None, "of 2 at least"),
        (["versions=abd", "quorum=sloppy"], None, "abd needs quorum=strict"),
        (["read_quorum=0"], None, "expected 1 to"),
        (["versions=mine"], None, "expected one of siblings, lww, abd"),
    ],
)
def test_refused_settings(assignments: list[str], nodes: int | None, cause: str) -> None:
    """What cannot work is refused before anything starts."""
    with pytest.raises(LabError) as caught:
        make_plan(LAB, nodes=nodes, assignments=assignments, seed=0)
    assert cause in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("assignments", "warning"),
    [
        (["read_quorum=1"], "reads may miss acknowledged writes"),
        (["write_quorum=1", "read_quorum=3"], "no majority of 3"),
        (["quorum=sloppy"], "that only stand-ins have"),
        (["quorum=sloppy"], "a hint may bring back what was deleted"),
        (["quorum=sloppy", "handoff_ms=0"], "never delivered"),
        (["replica_timeout_ms=1000"], "no time is left"),
        (["hedge_ms=20"], "no effect with fan_out=all"),
        (["tokens=1"], "own much more"),
        (["versions=lww", "clock=wall"], "lost without a word"),
        (["clock=wall"], "no effect with versions=siblings"),
        (["versions=abd"], "0 keeps it"),
        (["anti_entropy_ms=0"], "lost its disk answers at once"),
        (["anti_entropy_ms=0", "read_repair=off"], "never learns of it"),
    ],
)
def test_warned_settings(assignments: list[str], warning: str) -> None:
    """What works and costs something is told; what costs nothing is not."""
    plan = make_plan(LAB, nodes=None, assignments=assignments, seed=0)
    assert any(warning in one for one in plan.warnings)


@pytest.mark.parametrize(
    "assignments",
    [
        ["versions=abd", "tombstone_grace_ms=0"],
        ["read_quorum=1", "write_quorum=3"],
        ["fan_out=quorum", "hedge_ms=20"],
        ["versions=lww"],
        ["members=3"],
    ],
)
def test_sound_settings(assignments: list[str]) -> None:
    """Nothing is said where nothing is to be said."""
    assert make_plan(LAB, nodes=None, assignments=assignments, seed=0).warnings == ()


def test_the_core_reads_what_the_lab_offers() -> None:
    """Every setting that the core asks for is there."""
    core = QuorumStore(Env("n1", ("n2", "n3"), Random(0), LAB.defaults()))
    assert core.view() is not None


def test_ready() -> None:
    """When all answer, and none is still recovering."""
    views: dict[str, dict[str, object]] = {node: {"recovering": False} for node in NODES}
    assert ready(views, NODES)
    assert not ready({**views, "n2": {"recovering": True}}, NODES)
    assert not ready({"n1": views["n1"]}, NODES)


def test_who_lags() -> None:
    """The silent, the recovering, and both of two that hold different records; two of which one
    has not compared yet say nothing."""
    same: Views = {
        "n1": {"shared": {"n2": "0a", "n3": "0b"}},
        "n2": {"shared": {"n1": "0a"}},
        "n3": {"shared": {"n1": "0b", "n2": "0c"}},
    }
    assert lagging({}, same, NODES) == ()
    assert lagging({}, {**same, "n2": {"shared": {"n1": "ff"}}}, NODES) == ("n1", "n2")
    assert lagging({}, {**same, "n2": {"recovering": True}}, NODES) == ("n2",)
    assert lagging({}, {node: same[node] for node in ("n1", "n3")}, NODES) == ("n2",)


def test_standing() -> None:
    """A node's own entry counts, whatever life it is in."""
    entries = [
        {"node": "n1", "membership": "member", "version": 1},
        {"node": "n2", "membership": "joining", "version": 3},
    ]
    ring = {"entries": entries}
    assert standing({"actor": "n2#17", "ring": ring}) == "joining"
    assert standing({"actor": "n3#0", "ring": ring}) == "outside"
    assert standing({"actor": "n1#0", "ring": ring, "recovering": True}) == "recovering"


def test_sentences() -> None:
    """Notes become lines; a reason is told where there is one."""
    event = {"node": "n1", "kind": "suspected", "peer": "n2"}
    assert sentence(LAB, event) == "n1 takes n2 to be down"
    told = sentence(LAB, {**event, "reason": "deadline"})
    assert told == "n1 takes n2 to be down: deadline"
