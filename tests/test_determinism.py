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
    """Three processes that hash strings differently, and this one, see the same run to the last
    step: with clients, lost calls, a partition, crashes, a wiped disk and skewed clocks."""
    expected = "".join(f"{digest(seed)}\n" for seed in (1, 2))
    processes = [digests_under(hash_seed, 1, 2) for hash_seed in ("0", "1", "4242")]
    printed = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert printed == [expected] * 3


def test_different_seeds_differ() -> None:
    """Else a thousand seeds would be one."""
    assert len({digest(seed) for seed in range(4)}) == 4
