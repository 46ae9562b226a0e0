"""The experiments of the saga lab."""

from __future__ import annotations

from labs.saga.experiments import (
    compensations,
    crashes,
    delivery,
    isolation,
    outbox,
    styles,
    two_phase,
)

EXPERIMENTS = (
    *crashes.EXPERIMENTS,
    *delivery.EXPERIMENTS,
    *compensations.EXPERIMENTS,
    *isolation.EXPERIMENTS,
    *styles.EXPERIMENTS,
    *outbox.EXPERIMENTS,
    *two_phase.EXPERIMENTS,
)
