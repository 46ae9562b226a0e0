"""The rounds of a benchmark: every contender in turn, freshly started, measured alike."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from labs.kit.bench.contender import Contender, ContenderFailed, Work
from labs.kit.bench.ratios import percentile, short
from nodes.cluster.api import RuntimeFailure

MANY_CLIENTS: Final = 64
VALUE_BYTES: Final = 64
LONG_S: Final = 120.0

Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One kind of figure."""

    id: str
    title: str
    unit: str
    better: Better


MEASUREMENTS: Final = (
    Measurement("start_ms", "first exec to first write", "ms", "lower"),
    Measurement("serial_p50_ms", "serial write, p50", "ms", "lower"),
    Measurement("serial_p99_ms", "serial write, p99", "ms", "lower"),
    Measurement("serial_rate", "serial writes", "/s", "higher"),
    Measurement("clients64_rate", f"{MANY_CLIENTS} clients", "/s", "higher"),
    Measurement("clients64_p50_ms", f"{MANY_CLIENTS} clients, p50", "ms", "lower"),
    Measurement("memory_mib", "memory a node", "MiB", "lower"),
    Measurement("failover_ms", "kill -9 to next write, median", "ms", "lower"),
    Measurement("failover_p90_ms", "kill -9 to next write, p90", "ms", "lower"),
    Measurement("failover_max_ms", "kill -9 to next write, slowest", "ms", "lower"),
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured. `kills` and `starts` are of one round."""

    rounds: int
    warm_up_s: float
    serial_s: float
    many_s: float
    writes: int  # besides the others, before memory is read
    kills: int
    starts: int


FULL: Final = Effort(3, 0.5, 3.0, 3.0, 10_000, 10, 3)
QUICK: Final = Effort(2, 0.2, 0.6, 0.9, 0, 2, 1)


@dataclass(slots=True)
class Visit:
    """The figures of one contender in one round, by measurement."""

    figures: dict[str, float] = field(default_factory=dict)
    kills_ms: list[float] = field(default_factory=list)
    failed_writes: int = 0
    trouble: str = ""  # why there is no more


@dataclass(slots=True)
class Results:
    """Everything that was measured: a visit a round, by contender."""

    effort: Effort
    visits: dict[str, list[Visit]]

    def samples(self, measurement: str, contender: str) -> list[float | None]:
        """A figure a round. Kills of all rounds are taken together for their tail."""
        visits = self.visits[contender]
        if measurement in ("failover_p90_ms", "failover_max_ms"):
            kills = [took for visit in visits for took in visit.kills_ms]
            share = 0.9 if measurement == "failover_p90_ms" else 1.0
            return [percentile(kills, share) if kills else None]
        return [visit.figures.get(measurement) for visit in visits]


async def run_rounds(
    contenders: Sequence[Contender], effort: Effort, tell: Callable[[str], None]
) -> Results:
    """Measures all, one at a time, in an order that turns with every round."""
    results = Results(effort, {contender.name: [] for contender in contenders})
    for number in range(effort.rounds):
        turn = number % len(contenders)
        for contender in (*contenders[turn:], *contenders[:turn]):
            visit = await measure(contender, effort)
            results.visits[contender.name].append(visit)
            tell(f"round {number + 1} of {effort.rounds}: {contender.name}: {summary(visit)}")
    return results


async def measure(contender: Contender, effort: Effort) -> Visit:
    """One contender from its start to its end. What fails ends the visit, not the benchmark."""
    visit = Visit()
    try:
        starts_ms = []
        for _ in range(effort.starts - 1):
            async with started(contender) as start_ms:
                starts_ms.append(start_ms)
        async with started(contender) as start_ms:
            visit.figures["start_ms"] = statistics.median([*starts_ms, start_ms])
            await _throughput(contender, effort, visit)
            await _failovers(contender, effort, visit)
    except (ContenderFailed, RuntimeFailure, TimeoutError) as error:
        visit.trouble = str(error) or type(error).__name__
    return visit


@contextlib.asynccontextmanager
async def started(contender: Contender) -> AsyncIterator[float]:
    """The contender runs meanwhile; gives the milliseconds of its start."""
    try:
        yield await contender.start()
    finally:
        await contender.stop()


async def _throughput(contender: Contender, effort: Effort, visit: Visit) -> None:
    figures = visit.figures
    await contender.load(Work(1, VALUE_BYTES, effort.warm_up_s))
    serial = await contender.load(Work(1, VALUE_BYTES, effort.serial_s))
    if serial.times_ms:
        figures["serial_p50_ms"] = percentile(serial.times_ms, 0.5)
        figures["serial_p99_ms"] = percentile(serial.times_ms, 0.99)
        figures["serial_rate"] = serial.rate_per_s
    await contender.load(Work(MANY_CLIENTS, VALUE_BYTES, effort.warm_up_s))
    many = await contender.load(Work(MANY_CLIENTS, VALUE_BYTES, effort.many_s))
    if many.times_ms:
        figures["clients64_rate"] = many.rate_per_s
        figures["clients64_p50_ms"] = percentile(many.times_ms, 0.5)
    visit.failed_writes += serial.failed + many.failed
    if effort.writes:
        await contender.load(Work(MANY_CLIENTS, VALUE_BYTES, LONG_S, writes=effort.writes))
    if sizes := contender.memory_mib():
        figures["memory_mib"] = max(sizes)


async def _failovers(contender: Contender, effort: Effort, visit: Visit) -> None:
    if not contender.elects:
        return
    for _ in range(effort.kills):
        visit.kills_ms.append(await contender.failover())
    if visit.kills_ms:
        visit.figures["failover_ms"] = statistics.median(visit.kills_ms)


def summary(visit: Visit) -> str:
    """One line of a visit, while the benchmark runs."""
    parts = [
        f"{label} {short(visit.figures[name])}{unit}"
        for name, label, unit in (
            ("start_ms", "start", " ms"),
            ("serial_p50_ms", "serial p50", " ms"),
            ("clients64_rate", f"{MANY_CLIENTS} clients", "/s"),
            ("failover_ms", "failover", " ms"),
            ("memory_mib", "memory", " MiB"),
        )
        if name in visit.figures
    ]
    if visit.failed_writes:
        parts.append(f"{visit.failed_writes} writes failed")
    if visit.trouble:
        parts.append(f"then it failed: {visit.trouble}")
    return ", ".join(parts)
