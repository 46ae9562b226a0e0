"""Measurements by name, with units, summarised over trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Literal

Statistic = Literal["median", "mean", "p90", "p99", "max", "min", "sum"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Something an experiment measures. The name is what the guide refers to, so it is stable.

    `statistic` makes one value of the samples of all trials; `of` names the samples when they are
    not called like the measurement itself.
    """

    name: str
    unit: str
    meaning: str
    statistic: Statistic = "median"
    of: str = ""

    @property
    def samples(self) -> str:
        """The name under which trials report it."""
        return self.of or self.name


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured."""

    measurement: Measurement
    value: float
    count: int
    median: float
    p90: float
    min: float
    max: float

    def to_json(self) -> dict[str, Any]:
        """As in a report; the spread only where there is one."""
        document: dict[str, Any] = {
            "value": tidy(self.value),
            "unit": self.measurement.unit,
            "statistic": self.measurement.statistic,
            "samples": self.count,
            "meaning": self.measurement.meaning,
        }
        if self.count > 1:
            spread = {"median": self.median, "p90": self.p90, "min": self.min, "max": self.max}
            document |= {name: tidy(value) for name, value in spread.items()}
        return document


class Figures(Mapping[str, Figure]):
    """All that were measured, by name."""

    def __init__(
        self, measurements: Iterable[Measurement], samples: Mapping[str, Sequence[float]]
    ) -> None:
        self._figures = {
            one.name: summarise(one, samples[one.samples])
            for one in measurements
            if samples.get(one.samples)
        }

    def __getitem__(self, name: str) -> Figure:
        return self._figures[name]

    def __iter__(self) -> Any:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def value(self, name: str) -> float:
        """The value of one that was measured."""
        return self._figures[name].value


def summarise(measurement: Measurement, samples: Sequence[float]) -> Figure:
    """One figure of at least one sample."""
    ordered = sorted(samples)
    made = {
        "median": median(ordered),
        "mean": fmean(ordered),
        "p90": quantile(ordered, 0.9),
        "p99": quantile(ordered, 0.99),
        "max": ordered[-1],
        "min": ordered[0],
        "sum": math.fsum(ordered),
    }
    return Figure(
        measurement=measurement,
        value=made[measurement.statistic],
        count=len(ordered),
        median=made["median"],
        p90=made["p90"],
        min=made["min"],
        max=made["max"],
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that is at least as large as that share of all (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def tidy(value: float) -> float | int:
    """Whole numbers as such, others with as many digits as mean something."""
    if value == int(value):
        return int(value)
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 100 else 1
    return round(value, digits)
