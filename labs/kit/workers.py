"""Worker processes that each run one task after the other. None outlives its parent, however that
ends.

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
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
END_PATIENCE_S: Final = 5.0


class WorkerDied(Exception):
    """The process that was busy with `task` is gone, by `exit_code`."""

    def __init__(self, task: Any, exit_code: int | None) -> None:
        super().__init__(f"the process ended with status {exit_code}")
        self.task, self.exit_code = task, exit_code


class TaskFailed(Exception):
    """Running `task` raised something; `reason` is it in one line."""

    def __init__(self, task: Any, reason: str) -> None:
        super().__init__(reason)
        self.task, self.reason = task, reason


@dataclass(frozen=True, slots=True)
class _Raised:
    reason: str


@dataclass(slots=True)
class _Worker(Generic[Task]):
    process: BaseProcess
    pipe: Connection
    task: Task | None = None  # what it is busy with


class Workers(Generic[Task, Result]):
    """Runs tasks on `jobs` processes; in each, `begin(*arguments)` makes the function that does.
    Use as a context manager. `begin` is a function of a module; all that goes through is picklable.
    """

    def __init__(
        self, begin: Callable[..., Callable[[Task], Result]], arguments: tuple[Any, ...], jobs: int
    ) -> None:
        # Spawned, not forked: a worker must not inherit the pipes of the others, which would keep
        # them open when the parent is gone.
        self._context = multiprocessing.get_context("spawn")
        self._begin, self._arguments = begin, arguments
        self._workers: list[_Worker[Task]] = [self._spawn() for _ in range(jobs)]

    def __enter__(self) -> Workers[Task, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends them at once, also in the middle of a task."""
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(END_PATIENCE_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def results(
        self, tasks: Iterator[Task], *, timeout_s: Callable[[], float]
    ) -> Iterator[Result | None]:
        """Results as they come, in any order; None after each `timeout_s()` without one. Tasks are
        taken one by one, as a worker is free. Raises WorkerDied and TaskFailed."""
        for worker in self._workers:
            self._give(worker, next(tasks, None))
        while busy := [worker for worker in self._workers if worker.task is not None]:
            ready = wait([worker.pipe for worker in busy], timeout_s())
            if not ready:
                yield None
            for worker in busy:
                if worker.pipe in ready:
                    yield self._result(worker)
                    self._give(worker, next(tasks, None))

    def _spawn(self) -> _Worker[Task]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(self._begin, self._arguments, theirs), daemon=True
        )
        # A child inherits what is blocked, from its first instruction on: Ctrl-C is for the parent,
        # which ends its workers. One that comes meanwhile reaches the parent afterwards. The
        # tracker has to be there before, since starting it unblocks.
        resource_tracker.ensure_running()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        return _Worker(process, ours)

    def _give(self, worker: _Worker[Task], task: Task | None) -> None:
        worker.task = task
        if task is not None:
            with suppress(BrokenPipeError):  # It has ended: told when its result is missed.
                worker.pipe.send(task)

    def _result(self, worker: _Worker[Task]) -> Result:
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(END_PATIENCE_S)
            raise WorkerDied(worker.task, worker.process.exitcode) from None
        if isinstance(answer, _Raised):
            raise TaskFailed(worker.task, answer.reason)
        result: Result = answer
        return result


def _work(
    begin: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...], pipe: Connection
) -> None:
    """A worker's life."""
    run = begin(*arguments)
    gc.disable()  # Tasks are short: what they leave behind is collected between them.
    gc.freeze()  # What was imported stays, and need not be looked through each time.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            task = pipe.recv()
            try:
                answer = run(task)
            except Exception as error:
                answer = _Raised(" ".join(f"{type(error).__name__}: {error}".split()))
            pipe.send(answer)
            gc.collect()
