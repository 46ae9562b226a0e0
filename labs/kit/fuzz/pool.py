"""Fuzzing on worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from labs.kit.errors import LabError
from labs.kit.fuzz.run import Outcome, run_case
from labs.kit.fuzz.target import Case, load_target
from labs.kit.workers import TaskFailed, WorkerDied, Workers


class CaseWorkers:
    """Runs cases on `jobs` processes. Use as a context manager."""

    def __init__(self, lab: str, jobs: int) -> None:
        self._lab = lab
        self._workers: Workers[Case, Outcome] = Workers(begin, (lab,), jobs)

    def __enter__(self) -> CaseWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends them at once, also in the middle of a case."""
        self._workers.__exit__()

    def outcomes(
        self, cases: Iterator[Case], *, timeout_s: Callable[[], float]
    ) -> Iterator[Outcome | None]:
        """See Workers.results. Raises LabError when a worker fails."""
        try:
            yield from self._workers.results(cases, timeout_s=timeout_s)
        except WorkerDied as died:
            raise LabError(
                f"the process that ran seed {died.task.seed} ended with status {died.exit_code}; "
                f"`lab replay {self._lab} --seed {died.task.seed}` runs it alone"
            ) from None
        except TaskFailed as failed:
            raise LabError(
                f"seed {failed.task.seed} could not be run: {failed.reason}; "
                f"`lab replay {self._lab} --seed {failed.task.seed} --debug` shows where"
            ) from None


def begin(lab: str) -> Callable[[Case], Outcome]:
    """What a worker runs."""
    target = load_target(lab)
    return lambda case: run_case(target, case)
