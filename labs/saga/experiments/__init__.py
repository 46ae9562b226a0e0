"""The experiments of the saga lab."""

from __future__ import annotations

from labs.saga.experiments import compensations, crashes

EXPERIMENTS = (*crashes.EXPERIMENTS, *compensations.EXPERIMENTS)
