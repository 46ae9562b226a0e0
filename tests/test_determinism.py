"""One seed, one course of events, whatever PYTHONHASHSEED is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.digest import digest

ROOT = Path(__file__).parents[1]


def digests_under(hash_seed: str, *seeds: int) -> subprocess.Popen[str]:
    """Starts a process that prints a line a seed."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.digest", *map(str, seeds)],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_one_seed_one_digest() -> None:
    """Two processes that hash strings differently, and this one, see the same run to the last
    step: with clients, lost calls, a partition, crashes, a wiped disk and skewed clocks."""
    processes = [digests_under(hash_seed, 1) for hash_seed in ("0", "4242")]
    expected = f"{digest(1)}\n"
    printed = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert printed == [expected] * 2


def test_different_seeds_differ() -> None:
    """Else a thousand seeds would be one."""
    assert digest(1) != digest(2)
