"""Crash points as users name them: what is refused, drawn, written in schedules, and told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from labs.kit.chaos import DRAWS, Swarm, draw_schedule
from labs.kit.cli import run
from labs.kit.crash_points import check_point
from labs.kit.errors import LabError
from labs.kit.lab import Lab
from labs.kit.schedule import Schedule, Step
from labs.kit.sentences import sentence
from labs.kit.session import HOME_VARIABLE
from labs.kit.timeline.faults import fault_bands
from labs.raft.lab import LAB as RAFT
from nodes.cluster.fault_kinds import CrashAt, Kill
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from nodes.timeline import CRASHED, POINT, TimelineEvent
from tests.kit.conftest import Desk
from tests.support import ping_pb2 as pb
from tests.support.sim_bench import ping_spec

POINTS = {"decision-logged": "the decision is durable", "told": "all participants were told"}
LAB: Lab = replace(RAFT, crash_points=POINTS)
NODES = ("n1", "n2", "n3")
Captured = pytest.CaptureFixture[str]


def test_a_point_that_there_is_not_is_refused() -> None:
    """It would never be reached; the nearest is named, with what it means."""
    check_point(CrashAt(("n1",), "told"), "x", POINTS)
    check_point(Kill(("n1",)), "x", {})
    with pytest.raises(LabError) as refusal:
        check_point(CrashAt(("n1",), "decision-loged"), "x", POINTS)
    assert refusal.value.message == (
        "decision-loged is no crash point of the x lab; did you mean decision-logged? "
        "(decision-logged: the decision is durable)"
    )
    with pytest.raises(LabError, match="known: decision-logged, told"):
        check_point(CrashAt(("n1",), "zzz"), "x", POINTS)
    with pytest.raises(LabError, match="the x lab has no crash points"):
        check_point(CrashAt(("n1",), "told"), "x", {})


def test_schedules_name_crash_points() -> None:
    """Written, read again, and checked against the lab."""
    schedule = Schedule((Step(1200, CrashAt(("n1",), "decision-logged", 2)),))
    text = "- at: 1200ms\n  do: crash-at\n  nodes: [n1]\n  point: decision-logged\n  after: 2\n"
    assert schedule.dump() == text
    assert Schedule.parse(text) == schedule
    schedule.check(NODES, LAB)
    with pytest.raises(LabError, match="raft lab has no crash points"):
        schedule.check(NODES, RAFT)


def drawn(seed: int, points: tuple[str, ...]) -> Schedule:
    kinds = (*DRAWS, "crash-at")
    swarm = Swarm(Random(f"{seed}:chaos"), NODES, 600, kinds=kinds, crash_points=points)
    return draw_schedule(swarm, from_ms=0, until_ms=20_000)


def test_crash_points_are_drawn_where_there_are_some() -> None:
    """All of them, over many seeds; and a lab without any draws what it always drew."""
    found: set[str] = set()
    for seed in range(60):
        steps = drawn(seed, tuple(POINTS)).steps
        found |= {step.fault.point for step in steps if isinstance(step.fault, CrashAt)}
        kept = [step.fault.kind for step in drawn(seed, ()).steps]
        assert "crash-at" not in kept
        swarm = Swarm(Random(f"{seed}:chaos"), NODES, 600)
        assert drawn(seed, ()) == draw_schedule(swarm, from_ms=0, until_ms=20_000)
    assert found == set(POINTS)


def test_the_timeline_tells_a_death_at_a_crash_point() -> None:
    """As a sentence; and the band of the fault ends with the death."""

    async def program(cluster: SimCluster) -> None:
        await cluster.faults.crash_at("transfer-saved", "n1")
        await cluster.faults.crash_at("never-reached", "n2")
        await cluster.sleep(50)
        move = pb.TransferRequest(source="a", target="b", amount=1)
        with pytest.raises(Exception):  # noqa: B017, PT011  # whichever: the node is gone
            await cluster.call("n1", move, timeout_ms=100)
        await cluster.sleep(500)
        events.extend(cluster.timeline)

    events: list[TimelineEvent] = []
    simulate(ping_spec(2), program, options=SimOptions(record=True))
    (death,) = [event for event in events if event.kind == CRASHED]
    told = {"node": death.node, "kind": death.kind, **death.fields}
    assert sentence(LAB, told) == "n1 died at its crash point transfer-saved"
    reached, never = fault_bands(events, ("n1", "n2"))
    assert reached.nodes == ("n1",)
    assert reached.ended_ms == death.at_ms
    assert (never.nodes, never.ended_ms) == (("n2",), None)
    assert death.fields[POINT] == "transfer-saved"


async def test_a_lab_without_crash_points_refuses(running: Desk, capsys: Captured) -> None:
    """And says what there is instead."""
    assert await running.lab("fault", "crash-at", "n1", "told") == 2
    assert capsys.readouterr().err.endswith(
        "the raft lab has no crash points; `lab fault kill` ends a node anywhere\n"
    )


async def test_the_command(desk: Desk, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arms what the lab has, lists it with what became of it; a heal disarms."""
    monkeypatch.setattr("tests.kit.conftest.load_lab", lambda _: LAB)
    await desk.started()
    assert await desk.lab("fault", "crash-at", "n1", "tolt") == 2
    assert "did you mean told?" in capsys.readouterr().err
    assert await desk.lab("fault", "crash-at", "n1,n2", "told", "--after", "2") == 0
    assert capsys.readouterr().out == "n1 and n2 die at told, after 2 passes\n"
    assert await desk.lab("fault", "list") == 0
    assert "after 2 passes; not reached so far" in capsys.readouterr().out
    assert await desk.lab("fault", "heal") == 0
    assert desk.cluster.faults.active() == []


def test_a_lab_lists_its_crash_points(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each with what it means; and for programs."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr("labs.kit.registry.load_lab", lambda _: LAB)
    assert run(["list", "raft"]) == 0
    assert "\n  decision-logged  the decision is durable\n" in capsys.readouterr().out
    assert run(["list", "raft", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["crash_points"] == POINTS
