"""Levels below linearizability: against judges that try every order, and by textbook examples."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from labs.kit.checkers import LEVELS, judge
from labs.kit.errors import LabError
from labs.kit.history import Entry
from tests.support.seeds import share_of
from tests.support.weak_oracles import (
    causal_by_trying,
    replicated_history,
    sequential_by_trying,
    session_by_trying,
)

SHARE_MIN = 0.05  # of each verdict: some hundreds of histories of all seeds
TWO_WRITES = ((0, "write", 1), (0, "write", 2))
ORACLES: dict[str, Callable[[list[Entry]], bool]] = {
    "sequential": sequential_by_trying,
    "causal": causal_by_trying,
    "read-your-writes": lambda entries: session_by_trying(entries, "read-your-writes"),
    "monotonic-reads": lambda entries: session_by_trying(entries, "monotonic-reads"),
}


def history(*steps: tuple[int, str, Any] | tuple[int, str, Any, str]) -> list[Entry]:
    """One operation after the other: (process, f, value[, key]); for a read the value it saw."""
    entries = []
    for process, f, value, *key in steps:
        name = key[0] if key else "x"
        asked = None if f == "read" else value
        entries.append(Entry(process, "invoke", f, asked, name))
        entries.append(Entry(process, "ok", f, value, name))
    return entries


def valid(entries: list[Entry], level: str, model: str = "cas-register") -> bool | None:
    """The verdict alone."""
    return judge(entries, model, level).valid


@pytest.mark.parametrize("level", ORACLES)
def test_as_trying_every_order_says(level: str) -> None:
    """On random histories of lagging replicas, with lost responses; neither verdict is rare."""
    count, wrong, judged = share_of(2000), 0, 0
    for seed in range(count):
        rng = Random(f"{level}:{seed}")
        keys = rng.choice([1, 2]) if level in ("sequential", "causal") else 1
        entries = replicated_history(rng, steps=rng.randint(4, 7), keys=keys)
        found = judge(entries, "cas-register", level)
        if found.valid is None:
            assert "no operation completed" in found.reason
            continue
        judged += 1
        assert found.valid == ORACLES[level](entries), f"seed {seed}"
        wrong += not found.valid
    assert judged > count * 0.9
    assert SHARE_MIN < wrong / judged < 1 - SHARE_MIN


def test_stronger_levels_imply_weaker_ones() -> None:
    """What is sequential is causal, and keeps all four session guarantees."""
    seen = 0
    for seed in range(share_of(1500)):
        entries = replicated_history(Random(f"implied:{seed}"))
        if valid(entries, "linearizable"):
            assert valid(entries, "sequential"), f"seed {seed}"
        if valid(entries, "sequential"):
            seen += 1
            for level in LEVELS[2:-1]:
                assert valid(entries, level), f"{level}, seed {seed}"
    assert seen > share_of(1500) * SHARE_MIN


def test_two_keys_in_no_one_order() -> None:
    """Each key alone is sequential, both together are not: store buffering, which is causal."""
    entries = history(
        (0, "write", 1, "x"), (0, "read", None, "y"), (1, "write", 2, "y"), (1, "read", None, "x")
    )
    assert valid(entries, "sequential") is False
    assert valid(entries, "causal") is True


def test_effect_without_cause() -> None:
    """Who sees a reply sees what it replies to."""
    entries = history(
        (0, "write", 1, "x"), (1, "read", 1, "x"), (1, "write", 2, "y"),
        (2, "read", 2, "y"), (2, "read", None, "x"),
    )  # fmt: skip
    assert valid(entries, "causal") is False
    assert valid(entries, "monotonic-reads") is True


def test_writes_in_different_orders_are_causal_and_not_sequential() -> None:
    """Two that do not know of each other may be seen either way round."""
    entries = history(
        (0, "write", 1), (1, "write", 2), (2, "read", 1), (2, "read", 2),
        (3, "read", 2), (3, "read", 1),
    )  # fmt: skip
    assert valid(entries, "causal") is True
    assert valid(entries, "sequential") is False


@pytest.mark.parametrize(
    ("level", "entries"),
    [
        ("read-your-writes", history((0, "write", 1), (0, "read", None))),
        ("monotonic-reads", history(*TWO_WRITES, (1, "read", 2), (1, "read", 1))),
        ("monotonic-writes", history(*TWO_WRITES, (1, "read", 2), (1, "read", 1))),
        (
            "writes-follow-reads",
            history(
                (0, "write", 1), (1, "read", 1), (1, "write", 2), (2, "read", 2), (2, "read", 1)
            ),
        ),
    ],
)  # fmt: skip
def test_each_session_guarantee_broken(level: str, entries: list[Entry]) -> None:
    """The textbook case is found, explained, and its reader is named."""
    verdict = judge(entries, "register", level)
    assert verdict.valid is False
    assert verdict.counterexample is not None
    assert verdict.counterexample.stuck is not None
    assert "line" in verdict.counterexample.explanation
    assert valid(entries, "linearizable", "register") is False


@pytest.mark.parametrize(
    ("level", "entries"),
    [
        ("read-your-writes", history((0, "append", 1), (0, "read", []))),
        ("monotonic-reads", history((0, "append", 1), (1, "read", [1]), (1, "read", []))),
        ("monotonic-writes", history((0, "append", 1), (0, "append", 2), (1, "read", [2]))),
        (
            "writes-follow-reads",
            history((0, "append", 1), (1, "read", [1]), (1, "append", 2), (2, "read", [2])),
        ),
    ],
)
def test_each_session_guarantee_broken_on_lists(level: str, entries: list[Entry]) -> None:
    """One read is enough there; and each breaks its own guarantee only."""
    for other in LEVELS[3:7]:
        assert valid(entries, other, "append-list") is (other != level), other


@pytest.mark.parametrize("level", LEVELS)
def test_thin_air(level: str) -> None:
    """What nobody wrote breaks every promise; `eventual` asks about the last reads only."""
    assert valid(history((0, "write", 1), (1, "read", 7)), level) is False


@pytest.mark.parametrize(
    ("model", "steps", "expected"),
    [
        ("register", [(0, "write", 1), (1, "write", 2), (0, "read", 1), (1, "read", 1)], True),
        ("register", [(0, "write", 1), (1, "write", 2), (0, "read", 1), (1, "read", 2)], False),
        ("register", [(0, "write", 1), (0, "read", None)], False),
        ("register", [(0, "read", None), (0, "write", 1)], None),
        ("set", [(0, "add", 1), (1, "add", 2), (0, "read", [2, 1]), (1, "read", [1, 2])], True),
        ("set", [(0, "add", 1), (1, "add", 2), (0, "read", [2]), (1, "read", [2])], False),
        ("set", [(0, "add", 1), (0, "read", [1, 3])], False),
        ("append-list", [(0, "append", 1), (1, "append", 2), (0, "read", [2, 1])], True),
        ("append-list", [(0, "append", 1), (0, "read", []), (0, "read", [1])], True),
        ("counter", [(0, "add", 2), (1, "add", 3), (1, "read", 5)], True),
        ("counter", [(0, "add", 2), (1, "add", 3), (1, "read", 3)], False),
    ],
)
def test_eventual(model: str, steps: list[Any], expected: bool | None) -> None:
    """The last reads agree and hold what was acknowledged; without any, nobody knows."""
    assert valid(history(*steps), "eventual", model) is expected


def test_a_lost_update_may_still_come() -> None:
    """Final reads that differ prove nothing while a write is open."""
    entries = [
        *history((0, "write", 1)),
        Entry(1, "invoke", "write", 2, "x"),
        Entry(1, "info", "write", 2, "x"),
        *history((2, "read", 1), (3, "read", 2)),
    ]
    assert valid(entries, "eventual") is None


@pytest.mark.parametrize("level", LEVELS[1:-1])
def test_values_must_identify_their_writes(level: str) -> None:
    """Refused with the line and the reason, and so are models that have no such values."""
    with pytest.raises(LabError, match="line 3: 1 is written again"):
        judge(history((0, "write", 1), (1, "write", 1)), "register", level)
    with pytest.raises(LabError, match="cannot be judged for the model counter"):
        judge(history((0, "add", 1)), "counter", level)


@pytest.mark.parametrize(("level", "seconds"), [("sequential", 5.0), ("causal", 10.0)])
def test_long_histories(level: str, seconds: float) -> None:
    """A thousand operations of a correct object are judged, and soon."""
    rng, value = Random(level), None
    steps: list[tuple[int, str, Any, str]] = []
    for number in range(1000):
        process, key = rng.randrange(5), "x"
        if rng.random() < 0.5:
            value = number
            steps.append((process, "write", value, key))
        else:
            steps.append((process, "read", value, key))
    verdict = judge(history(*steps), "register", level, time_limit_s=seconds)
    assert verdict.valid is True, verdict.reason
