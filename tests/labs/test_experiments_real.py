"""Experiments on real processes and on containers, with short settings, once each.

What is claimed of distributions is claimed in simulation; here a run must count, and break no
promise.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.kit.experiment.runner import Order, run_on_processes
from tests.support.experiments import Offered, all_experiments, wrong_with
from tests.support.runtimes import on_runtimes

ON_CONTAINERS = (
    *("raft/leader-crash", "raft/partition-minority", "raft/slow-follower"),
    "quorum-store/partition-availability",
    "quorum-store/sloppy-quorum-loses-overlap",
    "quorum-store/concurrent-writes",
    "commit/3pc-diverges-under-partition",
    "commit/in-doubt-recovery",
    "saga/duplicate-and-lost-replies",
)


@pytest.mark.timeout(300)  # a cluster for each variant, and containers take their time
@pytest.mark.parametrize(("runtime", "offered"), on_runtimes(all_experiments(), ON_CONTAINERS))
async def test_experiment_on_processes(runtime: str, offered: Offered, tmp_path: Path) -> None:
    """It counts, every promise holds, and all that it claims of a single trial is so."""
    order = Order(offered.lab, offered.experiment, runtime, short=True)
    done = await run_on_processes(order, tmp_path)
    assert done.status == "pass", wrong_with(done)
    assert done.figures, "nothing was measured"
    assert list((tmp_path / "logs").glob("*/n1.log")), "logs are kept"
    assert not (tmp_path / "nodes").exists(), "nothing else is"
