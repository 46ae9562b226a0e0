"""Campaigns on a Dask cluster find what they find on this machine's own processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from labs.kit import cli
from labs.kit.fuzz.campaign import Campaign, Tally, run_campaign

# A cluster of its own, on loopback, until its stdin ends.
CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp://",
        host="127.0.0.1", dashboard_address=None,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a Dask scheduler with a worker."""
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate(timeout=30)


def quiet(_tally: Tally) -> None:
    """Progress is of no interest here."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_same_findings_as_on_own_processes(scheduler: str) -> None:
    """The same seeds, the same first failure, the same outcomes."""
    mutant = "step-down-not-persisted"
    there = Campaign("raft", 0, 20, 1, mutant=mutant, duration_ms=4000, scheduler=scheduler)
    here = Campaign("raft", 0, 20, 1, mutant=mutant, duration_ms=4000)
    found = run_campaign(there, quiet)
    assert found.failures
    assert found.outcomes == run_campaign(here, quiet).outcomes


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:1"])
def test_no_scheduler_there(
    address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line with the way out."""
    monkeypatch.setattr("labs.kit.fuzz.remote.CONNECT_S", 1)
    assert cli.run(["fuzz", "raft", "--scheduler", address]) == 2
    said = capfd.readouterr().err
    assert f"--scheduler {address}: no Dask scheduler answers there" in said
    assert said.count("\n") == 1
