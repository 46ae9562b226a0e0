"""The Raft experiments on real processes and on containers, with short settings, once each.

What is claimed of distributions is claimed in simulation; here a run must count, and break no
promise.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.kit.experiment import Experiment
from labs.kit.experiment.runner import Order, run_on_processes
from labs.raft.experiments import EXPERIMENTS
from labs.raft.lab import LAB
from tests.support.runtimes import on_runtimes

ON_CONTAINERS = ("leader-crash", "partition-minority", "slow-follower")


@pytest.mark.parametrize(("runtime", "experiment"), on_runtimes(EXPERIMENTS, ON_CONTAINERS))
async def test_experiment_on_processes(
    runtime: str, experiment: Experiment, tmp_path: Path
) -> None:
    """It counts, every promise holds, and all that it claims of a single trial is so."""
    order = Order(LAB, experiment, runtime, short=True)
    done = await run_on_processes(order, tmp_path)
    wrong = [
        *(finding for finding in done.findings if finding.holds is not True),
        *(clause for outcome in done.outcomes for clause in outcome.missing),
    ]
    assert done.status == "pass", wrong
    assert done.figures, "nothing was measured"
    assert list((tmp_path / "logs").glob("*/n1.log")), "logs are kept"
    assert not (tmp_path / "nodes").exists(), "nothing else is"
