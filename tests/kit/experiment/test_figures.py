"""Measurements over trials."""

from __future__ import annotations

import pytest

from labs.kit.experiment.figures import Figures, Measurement, Statistic, quantile, tidy

SAMPLES = [float(number) for number in range(1, 101)]


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        ("median", 50.5),
        ("mean", 50.5),
        ("p90", 90.0),
        ("p99", 99.0),
        ("max", 100.0),
        ("min", 1.0),
        ("sum", 5050.0),
    ],
)
def test_statistic_makes_the_value(statistic: Statistic, value: float) -> None:
    """Each statistic is what its name says, whatever the order of the samples."""
    measurement = Measurement("x", "ms", "a time", statistic)
    figure = Figures((measurement,), {"x": SAMPLES[::-1]})["x"]
    assert (figure.value, figure.count) == (value, 100)
    assert (figure.min, figure.median, figure.p90, figure.max) == (1.0, 50.5, 90.0, 100.0)


def test_two_measurements_share_samples() -> None:
    """`of` names the samples; what was not sampled is no figure, not zero."""
    measurements = (
        Measurement("x", "ms", "a time"),
        Measurement("x_p99", "ms", "the slowest", "p99", "x"),
        Measurement("y", "ms", "never sampled"),
    )
    figures = Figures(measurements, {"x": SAMPLES})
    assert figures.value("x_p99") == 99.0
    assert "y" not in figures


def test_a_single_sample_has_no_spread() -> None:
    """The JSON form shows a spread only where there is one."""
    (figure,) = Figures((Measurement("x", "ms", "a time"),), {"x": [3.0]}).values()
    assert figure.to_json() == {
        "value": 3,
        "unit": "ms",
        "statistic": "median",
        "samples": 1,
        "meaning": "a time",
    }


def test_quantile_is_a_sample() -> None:
    """Nearest rank: of one sample every quantile is that sample."""
    assert quantile([7.0], 0.99) == quantile([7.0], 0.0) == 7.0


@pytest.mark.parametrize(
    ("value", "shown"), [(3.0, 3), (0.12345, 0.123), (12.3456, 12.35), (1234.56, 1234.6)]
)
def test_tidy(value: float, shown: float) -> None:
    """As many digits as mean something."""
    assert tidy(value) == shown
