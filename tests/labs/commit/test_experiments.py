"""Every experiment of the commit lab in simulation, with short settings: what the guide claims is
what comes out."""

from __future__ import annotations

import pytest

from labs.commit.experiments.blocking import DOWNS_MS
from labs.commit.experiments.contention import HOT_KEYS, circle
from labs.commit.experiments.cost import COUNTS, FORMULAS
from labs.commit.experiments.crashes import CELLS, IN_AN_ABORT
from labs.commit.experiments.tools import held
from labs.commit.lab import CRASH_POINTS, LAB
from labs.kit.experiment import Figures
from nodes.core import NoteValue
from nodes.timeline import TimelineEvent
from protos import commit_pb2 as pb
from tests.support.experiments import passed as passed_in
from tests.support.experiments import run


def passed(experiment_id: str) -> Figures:
    """The figures of a run of this lab that counts and whose claims hold."""
    return passed_in(LAB, experiment_id)


def test_crash_matrix() -> None:
    """Every cell has the outcome that its place demands, and blocks where it must."""
    figures = passed("crash-matrix")
    for name, cells in CELLS.items():
        assert figures.value(f"crashes_{name}") == len(cells)
        for cell in cells:
            assert figures.value(f"committed_{cell.id}_{name}") == cell.committed, cell
            assert figures.value(f"blocked_{cell.id}_{name}") == cell.blocks, cell


def test_crash_matrix_of_an_abort() -> None:
    """Wherever a node dies, what one participant refused is aborted."""
    done = run(LAB, "crash-matrix", settings={"aborts": "on"})
    assert done.status == "pass"
    for name in CELLS:
        assert done.figures.value(f"aborts_reversed_{name}") == 0
        assert done.figures["aborts_reversed_" + name].count >= 8
    assert done.figures["aborts_reversed_3pc"].count == len(IN_AN_ABORT)


def test_the_matrix_has_every_crash_point() -> None:
    """Every point that the lab names, and of every protocol those that it comes to."""
    points = {name: {cell.point for cell in cells} for name, cells in CELLS.items()}
    assert points["3pc"] == set(CRASH_POINTS)
    of_the_third_phase = {point for point in CRASH_POINTS if "precommit" in point}
    assert points["2pc_nothing_presumed"] == set(CRASH_POINTS) - of_the_third_phase
    of_the_begin = {point for point in CRASH_POINTS if "begin" in point}
    assert points["2pc"] == points["2pc_alone"]
    assert points["2pc"] == points["2pc_nothing_presumed"] - of_the_begin


def test_blocking_time() -> None:
    """2PC holds locks for as long as the coordinator is down, 3PC for two timeouts."""
    figures = passed("blocking-time")
    for down_ms in DOWNS_MS[:2]:
        assert down_ms <= figures.value(f"lock_{down_ms}_ms_2pc") < down_ms + 600
        assert figures.value(f"lock_{down_ms}_ms_3pc") == pytest.approx(1000, abs=20)
        assert figures.value(f"failed_locked_{down_ms}_ms_2pc") == 100
        for name in ("2pc", "3pc"):
            assert figures.value(f"failed_free_{down_ms}_ms_{name}") == 0
    assert figures.value("failed_locked_3000_ms_3pc") < 50


def test_in_doubt_recovery() -> None:
    """What is on record is told at once; what is not, after an interval at most."""
    figures = passed("in-doubt-recovery")
    for presumed in ("abort", "nothing"):
        for doubt in ("decided", "participant"):
            assert figures.value(f"recovery_ms_{doubt}_{presumed}") < 10
    assert figures.value("recovery_ms_undecided_nothing") < 10
    assert figures.value("recovery_intervals_undecided_abort") <= 1.1


def test_3pc_diverges_under_partition() -> None:
    """3PC breaks AC1 each time, and only where silence is no crash; 2PC blocks."""
    figures = passed("3pc-diverges-under-partition")
    assert figures.value("ac1_violations_3pc") == figures.value("transactions_3pc") > 0
    assert figures.value("committed_near_3pc") == figures.value("aborted_far_3pc") == 1
    assert figures.value("money_made_3pc") == 2
    for name in ("2pc", "3pc_crash"):
        assert figures.value(f"ac1_violations_{name}") == 0
        assert figures.value(f"money_made_{name}") == 0
    assert figures.value("in_doubt_far_2pc") == 2


def test_cost() -> None:
    """Messages and forced writes are those of the formulas, for each number of participants; the
    time is that of the messages and writes which follow one another."""
    figures = passed("cost")
    # A message takes 5 ms and a forced write 2; the client's own two messages count as well.
    expected_ms = {"2pc": 4 * 5 + 2 * 2, "2pc_nothing": 4 * 5 + 3 * 2, "3pc": 6 * 5 + 5 * 2}
    for name, formula in FORMULAS.items():
        for n in COUNTS:
            assert figures.value(f"messages_n{n}_{name}") == formula.messages(n)
            assert figures.value(f"forced_n{n}_{name}") == formula.forced(n)
            took_ms = figures.value(f"latency_ms_n{n}_{name}")
            assert took_ms == pytest.approx(expected_ms[name], abs=1)
        assert figures.value(f"messages_abort_{name}") == 10


def test_deadlock() -> None:
    """By age one of two commits, in some messages; by time none, after the timeout."""
    figures = passed("deadlock")
    assert figures.value("committed_of_two_wait_die") == 1
    assert figures.value("until_both_know_ms_wait_die") < 300
    assert figures.value("circles_timeout") == figures.value("circles_none") == 3
    assert figures.value("committed_of_two_none") == 0


def test_contention() -> None:
    """Circles without a policy, none with wait-die, which aborts more instead."""
    figures = passed("contention")
    for keys in HOT_KEYS:
        assert figures.value(f"circles_{keys}_keys_wait_die") == 0
        assert figures.value(f"committed_{keys}_keys_wait_die") > 0
    assert figures.value("circles_2_keys_none") > 0
    assert figures.value("committed_2_keys_none") < figures.value("committed_2_keys_wait_die") / 4
    assert figures.value("aborted_16_keys_none") < figures.value("aborted_16_keys_wait_die")


def _locks(**waiting: str) -> pb.CommitView:
    """A node with locks: holder=who waits, their names in a row."""
    return pb.CommitView(
        locks=[pb.Lock(resource=one, holder=one, waiting=list(waiting[one])) for one in waiting]
    )


def test_a_circle_over_several_nodes_is_found() -> None:
    """Each node sees only who waits there; who only waits for a circle is not part of it."""
    assert circle([_locks(a="b"), _locks(b="c")]) is None
    assert circle([_locks(a="b"), _locks(b="c"), _locks(c="a")]) == frozenset("abc")
    assert circle([_locks(a="bd"), _locks(b="a")]) == frozenset("ab")


def test_locks_are_held_from_the_yes_to_the_end() -> None:
    """Of the first attempt under a client's name, at each participant, whatever happens between."""
    found = list(
        held(
            [
                _note("n2", 1, "voted", transaction="t#1", yes=True),
                _note("n3", 2, "voted", transaction="t#1", yes=False),
                _note("n2", 3, "started"),
                _note("n2", 9, "concluded", transaction="t#1", committed=False),
                _note("n2", 10, "voted", transaction="t#2", yes=True),
                _note("n2", 12, "concluded", transaction="t#2", committed=True),
            ],
            "t",
        )
    )
    assert [(one.node, one.took_ms, one.committed) for one in found] == [("n2", 8, False)]


def _note(node: str, at_ms: float, kind: str, **fields: NoteValue) -> TimelineEvent:
    return TimelineEvent(node, int(at_ms), int(at_ms), at_ms, kind, fields)
