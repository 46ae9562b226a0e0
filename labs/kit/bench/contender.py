"""What a benchmark measures: one interface for our cluster and for every peer beside it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

ATTEMPT_EVERY_MS: Final = 10
FIRST_WRITE_S_MAX: Final = 30.0
SILENCE_S_MAX: Final = 15.0  # without an acknowledged write; then nothing serves any more
PAUSE_AFTER_FAILURE_S: Final = 0.01

Attempt: TypeAlias = Callable[[], Awaitable[None]]


class Left(Exception):
    """This contender cannot be measured here; one line with the reason and the way out."""


class ContenderFailed(Exception):
    """A contender that was measured did not do what it should. One line."""


class PutFailed(Exception):
    """A write that was not acknowledged; whether it happened does not matter here."""


@dataclass(frozen=True, slots=True)
class Work:
    """Writes by so many clients at once, each sending its next when the last is acknowledged.

    It ends after `seconds`, or after `writes` when that is given. Keys repeat, `keys` of them.
    """

    clients: int
    value_bytes: int
    seconds: float
    writes: int | None = None
    keys: int = 1000

    def key(self, number: int) -> str:
        """Of the write of that number."""
        return f"k{number % self.keys}"


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: how long each acknowledged write took, how many were not acknowledged, and
    the reason of the last one that was not."""

    times_ms: Sequence[float]
    elapsed_s: float
    failed: int = 0
    failure: str = ""

    @property
    def rate_per_s(self) -> float:
        """Acknowledged writes a second."""
        return len(self.times_ms) / self.elapsed_s if self.elapsed_s > 0 else 0.0


class Contender(Protocol):
    """A cluster that can be started and measured, again and again.

    `note` says what one must know to read its figures. Every coroutine raises ContenderFailed.
    """

    @property
    def name(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def elects(self) -> bool:
        """Whether it survives the loss of its leader."""

    async def start(self) -> float:
        """Milliseconds from the first exec to the first acknowledged write. Nothing is left running
        when it raises."""

    async def stop(self) -> None:
        """Ends every process. No harm if called twice."""

    async def load(self, work: Work) -> Load:
        """Writes at the leader."""

    def memory_mib(self) -> Sequence[float]:
        """Resident memory of each node; empty where the system does not tell."""

    async def failover(self) -> float:
        """Milliseconds from SIGKILL of the leader to the next acknowledged write; the node that was
        killed serves again when this returns."""


async def closed_loop(
    put: Callable[[int], Awaitable[None]], work: Work, silence_s_max: float = SILENCE_S_MAX
) -> Load:
    """Carries out `work` with a `put` that writes number N, or raises PutFailed."""
    times_ms: list[float] = []
    failed, failure = 0, ""
    numbers: Iterator[int] = iter(range(work.writes if work.writes is not None else 2**62))
    began = acknowledged = time.monotonic()
    ends = began + work.seconds

    async def client() -> None:
        nonlocal failed, failure, acknowledged
        for number in numbers:
            sent = time.monotonic()
            if work.writes is None and sent >= ends:
                return
            try:
                await put(number)
            except PutFailed as error:
                failed, failure = failed + 1, str(error)
                if time.monotonic() - acknowledged > silence_s_max:
                    raise ContenderFailed(f"no write is acknowledged any more: {error}") from error
                await asyncio.sleep(PAUSE_AFTER_FAILURE_S)
                continue
            acknowledged = time.monotonic()
            times_ms.append((acknowledged - sent) * 1000)

    clients = [asyncio.ensure_future(client()) for _ in range(work.clients)]
    try:
        await asyncio.gather(*clients)
    finally:
        for one in clients:
            one.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    return Load(times_ms, time.monotonic() - began, failed, failure)


async def first_acknowledged(attempts: Sequence[Attempt]) -> float:
    """Monotonic seconds at the first success of overlapping attempts, a new one of each every 10
    ms: so the figure is the cluster's, not that of a client's patience. Raises ContenderFailed."""
    loop = asyncio.get_running_loop()
    acknowledged: asyncio.Future[float] = loop.create_future()
    tasks: set[asyncio.Future[None]] = set()

    async def one(attempt: Attempt) -> None:
        with contextlib.suppress(PutFailed):
            await attempt()
            if not acknowledged.done():
                acknowledged.set_result(time.monotonic())

    deadline = time.monotonic() + FIRST_WRITE_S_MAX
    try:
        while time.monotonic() < deadline:
            tasks = {task for task in tasks if not task.done()}
            tasks |= {asyncio.ensure_future(one(attempt)) for attempt in attempts}
            await asyncio.wait({acknowledged}, timeout=ATTEMPT_EVERY_MS / 1000)
            if acknowledged.done():
                return acknowledged.result()
    finally:
        acknowledged.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise ContenderFailed(f"no write was acknowledged within {FIRST_WRITE_S_MAX:g} s")
