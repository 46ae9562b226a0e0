"""What an open loop could not send, and what that does to its latencies.

An open loop has only so many operations under way; what is due beyond them is shed. Those would
have waited longest, so that what was measured without them is too good (coordinated omission).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labs.kit.experiment.figures import Measurement

if TYPE_CHECKING:
    from labs.kit.experiment.trial import Trial

SHED_SHARE_MAX: Final = 0.01  # of a trial; with more of it gone, its p99 is not what it says
DUE, SHED = "open_loop_due", "open_loop_shed"
MEASUREMENTS: Final = (
    Measurement(DUE, "operations", "that open-loop clients had to send", "sum"),
    Measurement(SHED, "operations", "of these that were not sent: too many under way", "sum"),
)


def measure(trial: Trial) -> None:
    """What was due and what was shed; nothing of a trial without an open loop."""
    due = sum(workload.due for workload in trial.workloads)
    if due:
        trial.measure(DUE, due)
        trial.measure(SHED, sum(workload.shed for workload in trial.workloads))
