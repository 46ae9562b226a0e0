"""How often a check passes, and how sure that is."""

from __future__ import annotations

import math
from typing import Final

Z95: Final = 1.959964  # of the normal distribution: 95 % lie within


def wilson(passed: int, tried: int) -> tuple[float, float]:
    """The 95 % interval of the true pass rate (Wilson 1927): unlike the usual one it is right for
    few tries and for rates near 0 and 1. Raises ValueError when nothing was tried."""
    if not 0 <= passed <= tried or tried == 0:
        raise ValueError(f"{passed} of {tried}: expected part of something")
    rate = passed / tried
    spread = Z95 * math.sqrt(rate * (1 - rate) / tried + Z95**2 / (4 * tried**2))
    centre, scale = rate + Z95**2 / (2 * tried), 1 + Z95**2 / tried
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def rate_in_words(passed: int, tried: int) -> str:
    """Such as `passes 37 of 40 schedules, 92 % (80-97 %)`."""
    low, high = wilson(passed, tried)
    share = 100 * passed / tried
    return (
        f"passes {passed} of {tried} schedules, {share:.0f} % ({100 * low:.0f}-{100 * high:.0f} %)"
    )
