"""Toxics are checked before any proxy sees them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.cluster import toxics
from nodes.cluster.api import Toxic


def test_constructors_fill_in_every_attribute() -> None:
    """A toxic carries all its attributes, so that reading it back can be compared."""
    assert toxics.latency("upstream", 200) == Toxic(
        "latency", "upstream", {"latency": 200, "jitter": 0}
    )
    assert toxics.bandwidth("downstream", 10).attributes == {"rate": 10}
    assert toxics.slow_close("upstream", 5).attributes == {"delay": 5}
    assert toxics.timeout("upstream").attributes == {"timeout": 0}
    assert toxics.reset_peer("upstream", 7).attributes == {"timeout": 7}
    assert toxics.limit_data("upstream", 0).attributes == {"bytes": 0}
    assert toxics.slicer("upstream", 100, 99, 10).attributes == {
        "average_size": 100,
        "size_variation": 99,
        "delay": 10,
    }
    assert toxics.latency("upstream", 1).name == "latency_upstream"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: toxics.latency("upstream", 0), "changes nothing"),
        (lambda: toxics.latency("upstream", -5), "at least 0"),
        (lambda: toxics.latency("upstream", 100, 101), "jitter of 101 ms is more than"),
        (lambda: toxics.latency("upstream", 100, -1), "at least 0"),
        (lambda: toxics.latency("upstream", 10**9), "at most 86400000"),
        (lambda: toxics.latency("upstream", 1.5), "whole number"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: toxics.latency("upstream", True), "whole number"),
        (lambda: toxics.latency("sideways", 5), "upstream or downstream"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: toxics.bandwidth("upstream", 0), "at least 1"),
        (lambda: toxics.bandwidth("upstream", -1), "at least 1"),
        (lambda: toxics.slow_close("upstream", 0), "changes nothing"),
        (lambda: toxics.slow_close("upstream", -1), "at least 0"),
        (lambda: toxics.timeout("upstream", -1), "at least 0"),
        (lambda: toxics.reset_peer("upstream", -1), "at least 0"),
        (lambda: toxics.slicer("upstream", 0), "at least 1"),
        (lambda: toxics.slicer("upstream", 10, 10), "less than average_size"),
        (lambda: toxics.slicer("upstream", 10, -1), "at least 0"),
        (lambda: toxics.slicer("upstream", 10, 0, -1), "at least 0"),
        (lambda: toxics.limit_data("upstream", -1), "at least 0"),
    ],
    ids=[f"case{number}" for number in range(19)],
)
def test_senseless_values_are_refused(make: Callable[[], Toxic], reason: str) -> None:
    """Each gets one line that says what is wrong with which value."""
    with pytest.raises(ValueError, match=reason) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_unknown_names_get_the_nearest() -> None:
    """A typo in a type or attribute is an error, not a toxic that does nothing."""
    with pytest.raises(ValueError, match="did you mean latency"):
        toxics.checked_attributes("latancy", {})
    with pytest.raises(ValueError, match="did you mean jitter"):
        toxics.checked_attributes("latency", {"jiter": 5})


@pytest.mark.parametrize("toxicity", [-0.1, 1.1, float("nan"), float("inf"), "1", None, True])
def test_toxicity_is_a_share(toxicity: object) -> None:
    """Only numbers from 0 to 1 are."""
    with pytest.raises(ValueError, match="toxicity"):
        toxics.checked_toxicity(toxicity)
    assert toxics.checked_toxicity(0.5) == 0.5


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("200ms", 200),
        ("1.5s", 1500),
        (" 2 m ", 120_000),
        ("1h", 3_600_000),
        ("0", 0),
        ("2000us", 2),
        (".5s", 500),
        ("+1s", 1000),
        ("24h", 86_400_000),
    ],
)
def test_durations_read_as_people_write_them(text: str, milliseconds: int) -> None:
    """A number with its unit."""
    assert toxics.parse_duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("200", "has no unit; write 200ms"),
        ("", "is no duration"),
        ("fast", "is no duration"),
        ("1e3ms", "is no duration"),
        ("nan", "is no duration"),
        ("-5ms", "is negative"),
        ("25h", "more than 24 hours"),
        ("0.5ms", "whole milliseconds"),
        ("٣ms", "is no duration"),
        ("1 2ms", "is no duration"),
    ],
)
def test_other_durations_are_refused(text: str, reason: str) -> None:
    """What is no duration says how to write one."""
    with pytest.raises(ValueError, match=reason):
        toxics.parse_duration_ms(text)


def test_an_offset_may_be_negative() -> None:
    """Clocks can be behind."""
    assert toxics.parse_duration_ms("-5s", negative_allowed=True) == -5000


@given(st.text(max_size=12))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Anything is a duration within a day, or a ValueError."""
    try:
        milliseconds = toxics.parse_duration_ms(text)
    except ValueError:
        return
    assert 0 <= milliseconds <= toxics.DURATION_MS_MAX
