"""The time that goes into histories, on the clock of the cluster and of its events."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from nodes.cluster.api import Cluster


@runtime_checkable
class FineClock(Protocol):
    """A cluster whose clock is finer than milliseconds."""

    def now_ns(self) -> int:
        """Monotonic, since the cluster began."""


def now_ns(cluster: Cluster) -> int:
    """Nanoseconds on the cluster's clock, as fine as the cluster has them."""
    return cluster.now_ns() if isinstance(cluster, FineClock) else cluster.now_ms() * 1_000_000
