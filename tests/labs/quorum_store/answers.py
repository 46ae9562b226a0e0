"""The right answers to the questions about each experiment of the quorum lab."""

from __future__ import annotations

TRIALS_MAX = 5

# What the papers say; a run in which this changes changed what we teach.
EXPECTED = {
    "quorum-overlap": 2, "staleness-in-time": 1, "concurrent-writes": 2,
    "not-linearizable-with-overlap": 2, "latency-vs-quorum": 1, "tail-hedging": 2,
    "partition-availability": 1, "sloppy-quorum-loses-overlap": 2, "hinted-handoff-recovery": 2,
    "read-repair-convergence": 0, "anti-entropy-convergence": 0, "resurrected-delete": 1,
    "hot-spot": 1, "rebalancing": 1,
}  # fmt: skip
