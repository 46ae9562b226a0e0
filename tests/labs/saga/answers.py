"""The right answers to the questions about each experiment of the saga lab."""

from __future__ import annotations

TRIALS_MAX = 5

# What the papers say; a run in which this changes changed what we teach.
EXPECTED = {
    "crash-matrix": 2, "duplicate-and-lost-replies": 2, "compensation-fails": 1,
    "isolation-anomalies": 1, "orchestration-vs-choreography": 0, "outbox-vs-dual-write": 1,
    "saga-vs-2pc": 1,
}  # fmt: skip
