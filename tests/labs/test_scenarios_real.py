"""The scenarios of every lab on real processes and on containers, once each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runtimes import cluster_of, on_runtimes
from tests.support.scenarios import Offered, all_scenarios

# Of each lab one of each kind of fault that it is about.
ON_CONTAINERS = (
    # processes, disks, links, calls, pauses, everything
    "raft/lost-leader-is-replaced",
    "raft/rolling-restarts-lose-nothing",
    "raft/deposed-leaders-entries-vanish",
    "raft/lost-responses-repeat-nothing",
    "raft/paused-leader-serves-no-stale-reads",
    "raft/crashed-follower-gets-snapshot",
    # crashes, power cuts, partitions, pauses, wiped disks
    "quorum_store/acknowledged-writes-survive-crashes",
    "quorum_store/concurrent-clients-lose-nothing",
    "quorum_store/a-lost-disk-is-filled-again",
    "quorum_store/what-is-down-is-not-waited-for",
    # crashes, power cuts, cuts and delays, and one with three phases
    "commit/what-clients-were-told-outlives-everything",
    "commit/what-was-decided-is-told-after-a-crash",
    "commit/who-has-not-voted-lets-all-abort",
    "commit/one-who-knows-brings-all-along",
    # power cuts, crash points, lost answers, and one without a conductor
    "saga/what-was-done-survives-crashes",
    "saga/lost-answers-charge-nobody-twice",
    "saga/behind-the-pivot-there-is-no-way-back",
    "saga/an-event-is-kept-until-the-log-has-it",
)
REAL = [offered for offered in all_scenarios() if offered.scenario.real]


@pytest.mark.parametrize(("runtime", "offered"), on_runtimes(REAL, ON_CONTAINERS))
async def test_scenario_holds_on_processes(runtime: str, offered: Offered, tmp_path: Path) -> None:
    """Real nodes keep the scenario's guarantee, in either runtime."""
    spec = offered.scenario.spec(1, simulated=False)
    async with cluster_of(runtime, spec, tmp_path, events=False) as cluster:
        await offered.scenario.function(cluster)
