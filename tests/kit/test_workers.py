"""Worker processes and Ctrl-C: it is for the parent alone, and never lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing.context import SpawnProcess

import pytest

from labs.kit.workers import Workers


def hears_ctrl_c() -> Callable[[int], bool]:
    """Made in each worker: whether a SIGINT would reach it."""
    return lambda task: signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_workers_do_not_hear_it() -> None:
    """The first one neither, for which Python starts a process of its own."""
    with Workers[int, bool](hears_ctrl_c, (), 2) as workers:
        results = list(workers.results(iter(range(4)), timeout_s=lambda: 30))
    assert results == [False] * 4


def test_one_that_comes_while_a_worker_starts_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after it was started, and the parent hears such signals afterwards as before."""
    start = SpawnProcess.start

    def interrupted(self: SpawnProcess) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        start(self)

    monkeypatch.setattr(SpawnProcess, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Workers[int, bool](hears_ctrl_c, (), 1)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
