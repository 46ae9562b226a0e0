"""How many seeds a simulated test runs: few in everyday runs, many in CI, all of them on demand.

FAULTLAB_SEEDS says which: quick (the default), full (in CI) or all. With `full` random faults are
tried on 50 clusters a lab, or 100, and every scenario on 10, or 20; with `all` on ten times as
many.
"""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "FAULTLAB_SEEDS"
QUICK: Final = "quick"
PERCENT: Final = {"quick": 20, "full": 100, "all": 100}  # of seeds that take milliseconds
PERCENT_OF_CLUSTERS: Final = {"quick": 5, "full": 10, "all": 100}  # tenths of a second each


def is_full() -> bool:
    """Whether every test is to run that can, as in CI, and not one of each kind."""
    return _percent(PERCENT) == 100


def repeats(times: int) -> int:
    """Of so many repeats with fresh seeds, how many to run now: all, two in CI, or one."""
    return {"quick": 1, "full": min(2, times), "all": times}[os.environ.get(VARIABLE, QUICK)]


def share_of(seeds: int) -> int:
    """Of the seeds that a test is worth, how many to run now. Raises KeyError for another word in
    FAULTLAB_SEEDS."""
    return seeds * _percent(PERCENT) // 100


def share_of_clusters(seeds: int) -> int:
    """The same where each seed is a cluster that is simulated."""
    return seeds * _percent(PERCENT_OF_CLUSTERS) // 100


def _percent(of: dict[str, int]) -> int:
    return of[os.environ.get(VARIABLE, QUICK)]
