"""The two clocks of a node. The wall clock can be skewed; intervals stay true, and so does the
clock of the machine."""

from __future__ import annotations

import math
import time

from nodes.core import Now

OFFSET_MS_MAX = 366 * 24 * 3600 * 1000  # a year either way: more is a slip of the keyboard
RATE_MAX = 1000.0


class SkewedClock:
    """Wall time is true time + offset, and drifts from when it was set at `rate`."""

    def __init__(self) -> None:
        self.offset_ms = 0
        self.rate = 1.0
        self._set_at_s = time.monotonic()

    def set(self, offset_ms: int, rate: float) -> None:
        """Replaces an earlier skew; offset 0 with rate 1 is true time again.

        Raises ValueError when either makes no sense.
        """
        if not math.isfinite(rate) or not 0 < rate <= RATE_MAX:
            raise ValueError(f"clock rate is {rate:g}, expected above 0 and at most {RATE_MAX:g}")
        if abs(offset_ms) > OFFSET_MS_MAX:
            raise ValueError(f"clock offset is {offset_ms} ms, expected at most a year either way")
        self.offset_ms = offset_ms
        self.rate = rate
        self._set_at_s = time.monotonic()

    def now(self) -> Now:
        """Both clocks, in milliseconds."""
        mono_s = time.monotonic()
        wall_s = time.time() + (mono_s - self._set_at_s) * (self.rate - 1.0)
        return Now(int(mono_s * 1000), int(wall_s * 1000) + self.offset_ms)
