"""Schedules: what is written is read again, what is no schedule is refused with its line."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from labs.kit.chaos import DRAWS
from labs.kit.errors import LabError
from labs.kit.schedule import BYTES_MAX, Schedule, ScheduleMalformed, Step, replay
from nodes.cluster import fault_kinds as kinds
from nodes.cluster.api import NodeState
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from tests.support.sim_bench import ping_spec

NODES = ("n1", "n2", "n3")


def test_form_is_that_of_the_design() -> None:
    """One line a field, lists in brackets."""
    schedule = Schedule((Step(1200, kinds.Partition((("n1",), ("n2", "n3")))),))
    assert schedule.dump() == "- at: 1200ms\n  do: partition\n  groups: [[n1], [n2, n3]]\n"


def test_steps_are_in_order_of_time() -> None:
    """Whatever the order in the file; equal times keep theirs."""
    text = "- {at: 2s, do: heal}\n- {at: 1s, do: kill, nodes: n1}\n- {at: 1s, do: kill, nodes: n2}"
    steps = Schedule.parse(text).steps
    assert [step.at_ms for step in steps] == [1000, 1000, 2000]
    assert [step.fault.named() for step in steps] == [("n1",), ("n2",), ()]


@pytest.mark.parametrize("seed", range(20))
def test_everything_drawn_survives_a_file(seed: int, tmp_path: Path) -> None:
    """Every kind of fault, with odd strengths."""
    rng = Random(seed)
    drawn = tuple(
        Step(rng.randrange(60_000), draw(rng, NODES)) for draw in DRAWS.values() for _ in range(3)
    )
    Schedule(drawn).save(tmp_path / "s.yaml")
    assert Schedule.load(tmp_path / "s.yaml") == Schedule(drawn)


@pytest.mark.parametrize("text", ["", "[]", "# nothing\n"])
def test_empty_schedule(text: str) -> None:
    """Nothing happens, and that is a schedule."""
    assert Schedule.parse(text).steps == ()


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("at: 1s", 1, "list of steps"),
        ("- at: 1s\n  do: heal\n- 7", 3, "mapping"),
        ("- do: heal", 1, "lacks `at`"),
        ("- at: 1s\n  do: explode", 1, "unknown fault 'explode'"),
        ("- at: 1s\n  do: heal\n  nodes: [n1]", 1, "heal has no field 'nodes'"),
        ("- at: 1s\n  do: kill", 1, "kill lacks the field nodes"),
        ("- at: 1s\n  do: lose\n  percent: much", 1, "percent is 'much'"),
        ("- at: 1200\n  do: heal", 1, "a unit"),
        ("- at: -5s\n  do: heal", 1, "expected 0ms"),
        ("- at: 99999999h\n  do: heal", 1, "a week"),
        ("- at: 1s\n  do: heal\n  do: heal", 3, "do is there twice"),
        ("- &a\n  at: 1s\n  do: heal\n- *a", 1, "anchors and aliases"),
        ("- at: 1s\n  do: !!python/name:os.system x", 2, "tags"),
        ("- at: 1s\n  do: !!str heal", 2, "tags"),
        ("- at: 1s\n  <<: {do: heal}", 2, "a key must be a word"),
        ("- at: 1s\n  1: heal", 2, "a key must be a word"),
        ("- at: 1s\n  do: [", 2, "no YAML"),
        ("- at: 1s\n  do: heal\n---\n- at: 1s", 3, "no YAML"),
        ("[" * 1000, 1, "nested too deeply"),
        ("- at: 1s\n  do: lose\n  percent: " + "9" * 5000, 3, "no value"),
        ("- at: 1s\n  do: lose\n  percent: 2020-99-99", 3, "no value"),
    ],
)
def test_malformed_is_refused_with_its_line(text: str, line: int, problem: str) -> None:
    """One line that says where and what."""
    with pytest.raises(ScheduleMalformed) as caught:
        Schedule.parse(text)
    assert caught.value.message.startswith(f"line {line}: ")
    assert problem in caught.value.message
    assert "\n" not in caught.value.message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, binary, too large: each is said."""
    binary, large = tmp_path / "binary.yaml", tmp_path / "large.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    large.write_text("#" * (BYTES_MAX + 1))
    for path, problem in ((tmp_path / "no.yaml", "No such"), (binary, "UTF-8"), (large, "larger")):
        with pytest.raises(ScheduleMalformed, match=problem):
            Schedule.load(path)


def test_control_characters_do_not_reach_the_terminal() -> None:
    """What a stranger's file holds is shown escaped."""
    with pytest.raises(ScheduleMalformed) as caught:
        Schedule.parse('- at: 1s\n  do: "\\e[2J"')
    assert "\x1b" not in caught.value.message


def test_replay_in_simulation_is_recorded_as_it_was() -> None:
    """Each fault acts at its moment, what cannot act is said, and the record gives it back."""
    text = (
        "- {at: 50ms, do: kill, nodes: n1}\n"
        "- {at: 70ms, do: kill, nodes: n1}\n"
        "- {at: 90ms, do: cut, a: n1, b: n2}\n"
    )
    schedule = Schedule.parse(text)

    async def program(cluster: SimCluster) -> Schedule:
        (skipped,) = await replay(cluster, schedule)
        assert skipped.step == schedule.steps[1]
        assert "down already" in skipped.reason
        assert cluster.node_state("n1") == NodeState.DOWN
        return Schedule.of_events(cluster.timeline)

    recorded = simulate(ping_spec(), program, options=SimOptions(record=True))
    assert recorded == Schedule((schedule.steps[0], schedule.steps[2]))


def test_replay_refuses_strangers_before_anything_happens() -> None:
    """A schedule for five nodes is none for two."""
    schedule = Schedule.parse("- {at: 0s, do: heal}\n- {at: 1s, do: kill, nodes: n5}")

    async def program(cluster: SimCluster) -> None:
        with pytest.raises(LabError, match="kill at 1000 ms: there is no node 'n5'"):
            await replay(cluster, schedule)
        assert cluster.now_ms() == 0

    simulate(ping_spec(), program)
