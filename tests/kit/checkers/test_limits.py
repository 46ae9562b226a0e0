"""What cannot be judged is never passed: limits, empty histories, what is malformed."""

from __future__ import annotations

import time
from random import Random
from typing import Any

import pytest

from labs.kit.checkers import LEVELS, judge
from labs.kit.errors import LabError
from labs.kit.history import Entry, HistoryMalformed
from tests.support.histories import random_history


def operation(
    process: int, f: str, argument: Any, result: Any, key: str | None = None
) -> list[Entry]:
    """One that succeeded, by itself."""
    return [Entry(process, "invoke", f, argument, key), Entry(process, "ok", f, result, key)]


def hard_queue(count: int) -> list[Entry]:
    """As many enqueues at once as dequeues, in an order that is found out too late: of an element
    that was never there only the last dequeue tells."""
    entries = [Entry(process, "invoke", "enqueue", process) for process in range(count)]
    entries += [Entry(process, "ok", "enqueue", process) for process in range(count)]
    order = list(range(count))
    Random(1).shuffle(order)
    for element in order[:-1]:
        entries += operation(count, "dequeue", None, element)
    return entries + operation(count, "dequeue", None, "never there")


@pytest.mark.parametrize("limit_s", [0.3, 1.0])
def test_time_limit(limit_s: float) -> None:
    """Obeyed within 10 %; the verdict is unknown, with what to do."""
    began = time.perf_counter()
    verdict = judge(hard_queue(14), "queue", time_limit_s=limit_s, memory_mb=10_000)
    took = time.perf_counter() - began
    assert verdict.valid is None
    assert limit_s <= took < limit_s * 1.1 + 0.05, "a little for a machine that does other work"
    assert "raise the time limit" in verdict.reason
    assert verdict.counterexample is None


def test_time_limit_counts_all_of_a_long_history() -> None:
    """Also while the history is laid out, before any search."""
    entries: list[Entry] = []
    for number in range(60_000):
        entries += operation(0, "write", number, number)
    began = time.perf_counter()
    verdict = judge(entries, "register", time_limit_s=0.05)
    assert verdict.valid is None
    assert time.perf_counter() - began < 0.15


def test_memory_limit() -> None:
    """The verdict is unknown, and says that it was memory."""
    verdict = judge(hard_queue(14), "queue", memory_mb=5, time_limit_s=60)
    assert verdict.valid is None
    assert "5 MB of memory" in verdict.reason
    assert verdict.elapsed_s < 30


def test_an_easy_violation_is_not_hidden_by_a_hard_key() -> None:
    """Keys take turns: the hard one comes first and would take for ever."""
    hard = [
        Entry(entry.process, entry.type, entry.f, entry.value, "hard") for entry in hard_queue(14)
    ]
    entries = hard + operation(50, "dequeue", None, "nothing was enqueued", "easy")
    verdict = judge(entries, "queue", time_limit_s=20)
    assert verdict.valid is False
    assert verdict.elapsed_s < 2
    assert verdict.counterexample is not None
    assert verdict.counterexample.key == "easy"


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_completed_is_no_pass(level: str) -> None:
    """Empty, only begun, only lost, only failed."""
    begun = [Entry(0, "invoke", "write", 1)]
    lost = [*begun, Entry(0, "info", "write", 1)]
    failed = [*begun, Entry(0, "fail", "write", 1, error="refused")]
    for entries in ([], begun, lost, failed):
        verdict = judge(entries, "register", level)
        assert verdict.valid is None
        assert verdict.reason


@pytest.mark.parametrize(
    ("entries", "model", "message"),
    [
        (operation(0, "enqueue", 1, 1), "register", "line 1: the model register has no enqueue"),
        (operation(0, "cas", 5, 5), "cas-register", "line 1: cas takes .old, new., not 5"),
        (operation(0, "add", "x", "x"), "counter", "line 1: add takes a whole number"),
        (operation(0, "add", True, True), "counter", "line 1: add takes a whole number"),
        (operation(0, "read", None, 5), "set", "line 2: a read returns a list here"),
        (operation(0, "read", None, "ab"), "append-list", "line 2: a read returns a list here"),
        (operation(0, "enqueue", None, None), "queue", "line 1: null cannot be enqueued"),
        ([Entry(0, "ok", "read", 1)], "register", "line 1: process 0 completes what"),
    ],
)
def test_malformed(entries: list[Entry], model: str, message: str) -> None:
    """Refused by the line."""
    with pytest.raises(HistoryMalformed, match=message):
        judge(entries, model)


def test_unknown_names() -> None:
    """With what was perhaps meant."""
    with pytest.raises(LabError, match="no model is called apend-register; did you mean"):
        judge([], "apend-register")
    with pytest.raises(LabError, match="did you mean linearizable"):
        judge([], "register", "linearisable")


def test_values_are_told_apart_as_json_does() -> None:
    """true is not 1, a list is not its text, huge numbers are exact."""
    pairs: list[tuple[Any, Any]] = [
        (True, 1), (0, False), ([1], "[1]"), (10**30, 10**30 + 1), ({"a": 1}, {"a": 2}), ("", None),
    ]  # fmt: skip
    for wrote, saw in pairs:
        right = operation(0, "write", wrote, wrote) + operation(0, "read", None, wrote)
        wrong = operation(0, "write", wrote, wrote) + operation(0, "read", None, saw)
        assert judge(right, "register").valid is True
        assert judge(wrong, "register").valid is False


def test_a_refused_compare_and_set_counts_only_if_it_was_the_value() -> None:
    """`fail` without an error, as Jepsen writes it, or with one that says so; a refusal for another
    reason says nothing about the value."""

    def refused(error: str | None) -> list[Entry]:
        return [
            *operation(0, "write", 1, 1),
            Entry(0, "invoke", "cas", [1, 2]),
            Entry(0, "fail", "cas", [1, 2], error=error),
        ]

    assert judge(refused(None), "cas-register").valid is False
    assert judge(refused("the register held another value"), "cas-register").valid is False
    assert judge(refused("no leader"), "cas-register").valid is True


def test_a_set_holds_each_element_once() -> None:
    """A read that returns one twice is wrong."""
    added = operation(0, "add", 1, 1)
    assert judge(added + operation(0, "read", None, [1]), "set").valid is True
    assert judge(added + operation(0, "read", None, [1, 1]), "set").valid is False


def test_the_collector_is_on_again() -> None:
    """It is switched off while a history is judged."""
    import gc

    assert gc.isenabled()
    judge(random_history("register", Random(1)), "register")
    assert gc.isenabled()
