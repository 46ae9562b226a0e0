"""Seeds on the workers of a Dask cluster, of one machine or of many.

Each seed is a pure function, so that it does not matter where it runs. The workers need faultlab of
the same version as the one that asks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

from labs.kit.errors import LabError
from labs.kit.fuzz.run import Outcome, run_case
from labs.kit.fuzz.target import Case, load_target

CONNECT_S: Final = 10
AHEAD: Final = 2  # seeds in flight a thread, so that none waits for the network


def run_seed(lab: str, case: Case) -> Outcome:
    """What a Dask worker does."""
    return run_case(load_target(lab), case)


class RemoteWorkers:
    """As CaseWorkers of pool.py, by the scheduler at `address`. Use as a context manager."""

    def __init__(self, lab: str, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise LabError(
                "--scheduler needs Dask, which is not installed; pip install 'faultlab[dask]'"
            ) from None
        # What it logs about a scheduler that is not there is said in one line below.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self._lab = lab
        self._dask: Any = distributed  # which has types for some of its functions only
        try:
            self._client = self._dask.Client(address, timeout=CONNECT_S)
        except (OSError, ValueError, TypeError) as error:
            raise LabError(
                f"--scheduler {address}: no Dask scheduler answers there ({type(error).__name__}); "
                "`dask scheduler` prints its address, as in tcp://127.0.0.1:8786"
            ) from None

    def __enter__(self) -> RemoteWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        """What is under way is cancelled with the client."""
        self._client.close()

    def outcomes(
        self, cases: Iterator[Case], *, timeout_s: Callable[[], float]
    ) -> Iterator[Outcome | None]:
        """See `Workers.outcomes`. Raises LabError when there is no worker, or one fails."""
        threads = sum(self._client.nthreads().values())
        if not threads:
            raise LabError("the Dask scheduler has no worker; start one with `dask worker ADDRESS`")
        pending: dict[Any, Case] = {}

        def submit() -> None:
            case = next(cases, None)
            if case is not None:
                pending[self._client.submit(run_seed, self._lab, case, pure=False)] = case

        for _ in range(AHEAD * threads):
            submit()
        while pending:
            try:
                done = self._dask.wait(
                    list(pending), timeout=timeout_s(), return_when="FIRST_COMPLETED"
                ).done
            except TimeoutError:
                yield None
                continue
            for future in sorted(done, key=lambda one: pending[one].seed):
                yield self._outcome(future, pending.pop(future))
                submit()

    def _outcome(self, future: Any, case: Case) -> Outcome:
        try:
            outcome = future.result()
        except Exception as error:  # whatever went wrong on another machine
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise LabError(f"seed {case.seed} could not be run: {what}") from None
        assert isinstance(outcome, Outcome)
        return outcome
