"""Worker processes that run cases. None outlives its parent, however that ends.

Each has a pipe of its own. A parent that dies closes it, and so ends its workers; Ctrl-C reaches
the parent only.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from labs.kit.errors import LabError
from labs.kit.fuzz.run import Outcome, run_case
from labs.kit.fuzz.target import Case, load_target

END_PATIENCE_S = 5.0


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    case: Case | None = None  # what it is busy with


class Workers:
    """Runs cases on `jobs` processes. Use as a context manager."""

    def __init__(self, lab: str, jobs: int) -> None:
        # Spawned, not forked: a worker must not inherit the pipes of the others, which would keep
        # them open when the parent is gone.
        self._context = multiprocessing.get_context("spawn")
        self._lab = lab
        self._workers = [self._spawn() for _ in range(jobs)]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends them at once, also in the middle of a case."""
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(END_PATIENCE_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def outcomes(
        self, cases: Iterator[Case], *, timeout_s: Callable[[], float]
    ) -> Iterator[Outcome | None]:
        """Outcomes as they come, in any order; None after each `timeout_s()` without one. Cases are
        taken one by one, as a worker is free. Raises LabError when a worker fails."""
        for worker in self._workers:
            self._give(worker, next(cases, None))
        while busy := [worker for worker in self._workers if worker.case is not None]:
            ready = wait([worker.pipe for worker in busy], timeout_s())
            if not ready:
                yield None
            for worker in busy:
                if worker.pipe in ready:
                    outcome = self._outcome(worker)
                    yield outcome
                    self._give(worker, next(cases, None))

    def _spawn(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(self._lab, theirs), daemon=True)
        # What is ignored stays so in the child, from its first instruction on: Ctrl-C is for the
        # parent, which ends its workers.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, handler)
        theirs.close()
        return _Worker(process, ours)

    def _give(self, worker: _Worker, case: Case | None) -> None:
        worker.case = case
        if case is not None:
            with suppress(BrokenPipeError):  # It has ended: told when its outcome is missed.
                worker.pipe.send(case)

    def _outcome(self, worker: _Worker) -> Outcome:
        assert worker.case is not None
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(END_PATIENCE_S)
            raise LabError(
                f"the process that ran seed {worker.case.seed} ended with status "
                f"{worker.process.exitcode}; `lab replay {self._lab} --seed {worker.case.seed}` "
                "runs it alone"
            ) from None
        if isinstance(answer, Outcome):
            return answer
        raise LabError(
            f"seed {worker.case.seed} could not be run: {answer}; "
            f"`lab replay {self._lab} --seed {worker.case.seed} --debug` shows where"
        )


def _work(lab: str, pipe: Connection) -> None:
    """A worker's life."""
    target = load_target(lab)
    gc.disable()  # Runs are short: what they leave behind is collected between them.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            case = pipe.recv()
            answer: Outcome | str
            try:
                answer = run_case(target, case)
            except Exception as error:  # of the fuzzer itself; the parent tells it
                answer = " ".join(f"{type(error).__name__}: {error}".split())
            pipe.send(answer)
            gc.collect()
