"""How slow this machine is now, so that bounds can be stretched and readers can compare."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from labs.kit.experiment.figures import quantile, tidy

LOOP_STEPS = 200_000
REFERENCE_MS = 8.0  # what the loop takes on the machine on which bounds were set, left alone
ROUNDS = 5
NAP_MS, NAPS = 1.0, 20


@dataclass(frozen=True, slots=True)
class Calibration:
    """`cpu_factor`: how much slower than the reference a fixed piece of work is; `late_ms_p90`: how
    much too late this process wakes up from a nap."""

    cpu_factor: float
    late_ms_p90: float

    @property
    def slowness(self) -> float:
        """By how much to stretch bounds on real processes; never less than 1."""
        return max(1.0, self.cpu_factor)

    def to_json(self) -> dict[str, Any]:
        """As in a report."""
        return {"cpu_factor": tidy(self.cpu_factor), "late_ms_p90": tidy(self.late_ms_p90)}


def calibrate() -> Calibration:
    """Works and naps for a tenth of a second."""
    worked = sorted(_work_ms() for _ in range(ROUNDS))
    late = sorted(_late_ms() for _ in range(NAPS))
    return Calibration(worked[len(worked) // 2] / REFERENCE_MS, quantile(late, 0.9))


def _work_ms() -> float:
    began = time.perf_counter()
    total = 0
    for step in range(LOOP_STEPS):
        total += step & 7
    assert total
    return (time.perf_counter() - began) * 1000


def _late_ms() -> float:
    began = time.perf_counter()
    time.sleep(NAP_MS / 1000)
    return max(0.0, (time.perf_counter() - began) * 1000 - NAP_MS)
