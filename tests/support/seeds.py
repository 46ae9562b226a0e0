"""How many seeds a simulated test runs: a share in everyday runs, all of them in CI."""

from __future__ import annotations

import os

SHARES = {"quick": 5, "full": 1}  # FAULTLAB_SEEDS: every test runs one seed in so many


def is_full() -> bool:
    """Whether everything is to run that can, as in CI."""
    return share_of(max(SHARES.values())) == max(SHARES.values())


def share_of(seeds: int) -> int:
    """Of the seeds that a test is worth, how many to run now. Raises KeyError for another word in
    FAULTLAB_SEEDS than quick (the default) or full."""
    return seeds // SHARES[os.environ.get("FAULTLAB_SEEDS", "quick")]
