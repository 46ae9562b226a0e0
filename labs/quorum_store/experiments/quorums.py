"""Quorums that overlap, and those that do not: what reads miss, and for how long (PBS 2012)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import sqrt

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.lab import Setting
from labs.quorum_store.experiments.tools import (
    NO_REPAIR,
    Job,
    StoreClient,
    carry_out,
    percent,
    require_all_answered,
    store_experiment,
    values_of,
)
from nodes.cluster import fault_kinds as kinds
from nodes.parts.quorum import overlaps, stale_probability

# ------------------------------------------------------------------------------- quorum-overlap

REPLICATIONS = (3, 5)


def _quorums(n: int) -> Iterator[tuple[int, int]]:
    return ((r, w) for r in range(1, n + 1) for w in range(1, n + 1))


def _share(n: int, r: int, w: int) -> str:
    return f"stale_share_r{r}_w{w}_n{n}"


async def try_quorums(trial: Trial) -> None:
    """For each R and W: writes of new keys to W replicas, drawn at random, and reads of R, too."""
    n = trial.number_of("replication")
    furthest = 0.0
    for r, w in _quorums(n):
        stale, reads = await _stale_of(trial, r, w)
        trial.measure(_share(n, r, w), percent(stale, reads))
        expected = stale_probability(n, r, w)
        if not overlaps(n, r, w):
            deviation = abs(stale / reads - expected) / sqrt(expected * (1 - expected) / reads)
            furthest = max(furthest, deviation)
    trial.measure_variant("furthest_from_predicted", furthest)
    require_all_answered(trial, "operation", trial.operations())


async def _stale_of(trial: Trial, r: int, w: int) -> tuple[int, int]:
    """How many reads missed the write before them, of how many."""
    nodes, missed = trial.cluster.nodes, list[bool]()

    async def write_and_read(client: StoreClient, key: str) -> None:
        await client.put(key, 1, at=trial.rng.choice(nodes), w=w)
        for _ in range(trial.number_of("reads")):
            response = await client.get(key, at=trial.rng.choice(nodes), r=r)
            missed.append(response is not None and not values_of(response.siblings))

    writes = range(trial.number_of("writes"))
    await carry_out(trial, [partial(write_and_read, key=f"r{r}-w{w}-{i}") for i in writes])
    return sum(missed), len(missed)


def _of_quorum(n: int, r: int, w: int) -> Measurement:
    predicted = f"{100 * stale_probability(n, r, w):.1f} % predicted"
    meaning = f"of reads of {r} of {n} replicas miss a write that {w} have: {predicted}"
    return Measurement(_share(n, r, w), "%", meaning, "mean")


def _never_stale(n: int) -> Expectation:
    names = tuple(_share(n, r, w) for r, w in _quorums(n) if overlaps(n, r, w))
    return Expectation(
        f"overlap-is-never-stale-n{n}",
        f"with R+W > {n} no read misses a write that was acknowledged before it began",
        lambda m: all(m.value(name) == 0 for name in names),
        names,
    )


def _as_predicted(n: int) -> Expectation:
    name = f"furthest_from_predicted_n{n}"
    return Expectation(
        f"as-predicted-n{n}",
        f"with R+W <= {n} reads miss it as often as C(N-W,R)/C(N,R) says: no share is further off "
        "than chance explains",
        lambda m: m.value(name) < 4.5,
        (name,),
    )


QUORUM_OVERLAP = store_experiment(
    id="quorum-overlap",
    title="Quorums that overlap, and quorums that do not",
    question="How often does a read miss the write before it, for every R and W of 3 and of 5 "
    "replicas?",
    trial=try_quorums,
    # Only as many are asked as count, and nothing spreads afterwards: the worst that may happen.
    params=NO_REPAIR | {"versions": "lww", "fan_out": "quorum"},
    settings=(
        Setting("writes", 20, "keys that are written, for each R and W", minimum=1),
        Setting("reads", 5, "reads of each key", minimum=1),
    ),
    short={"writes": 12},
    variants=(
        Variant("n3", {"replication": 3}),
        Variant("n5", {"replication": 5}, short_real=False),
    ),
    trials_sim=2,
    trials_real=1,
    measurements=(
        *(_of_quorum(n, r, w) for n in REPLICATIONS for r, w in _quorums(n)),
        *(
            Measurement(
                f"furthest_from_predicted_n{n}",
                "standard errors",
                f"of the share of stale reads from C(N-W,R)/C(N,R), at worst of all R+W <= {n}",
                "max",
            )
            for n in REPLICATIONS
        ),
    ),
    expectations=(
        *(_never_stale(n) for n in REPLICATIONS),
        *(_as_predicted(n) for n in REPLICATIONS),
    ),
)

# ---------------------------------------------------------------------------- staleness-in-time

WAITS_MS = (0, 10, 20, 40, 320)


async def read_after_a_while(trial: Trial) -> None:
    """Messages take from nearly nothing to twice `delay_ms`; reads come so long after the ack."""
    nodes, delay_ms = trial.cluster.nodes, trial.number_of("delay_ms")
    pairs = [(a, b) for a in nodes for b in nodes if a < b]
    trial.phase("during")
    await trial.inject(*(kinds.Delay(a, b, delay_ms, delay_ms - 1) for a, b in pairs))
    missed: dict[int, list[bool]] = {wait_ms: [] for wait_ms in WAITS_MS}

    async def write_wait_read(client: StoreClient, wait_ms: int, number: int) -> None:
        key = f"after-{wait_ms}-{number}"
        await client.put(key, 1, at=trial.rng.choice(nodes))
        await trial.sleep(wait_ms)
        response = await client.get(key, at=trial.rng.choice(nodes))
        missed[wait_ms].append(response is not None and not values_of(response.siblings))

    count = trial.number_of("reads")
    jobs: list[Job] = [
        partial(write_wait_read, wait_ms=wait_ms, number=number)
        for number in range(count)
        for wait_ms in WAITS_MS
    ]
    await carry_out(trial, jobs)
    trial.end_phase()
    for wait_ms, found in missed.items():
        trial.measure(f"stale_share_after_{wait_ms}_ms", percent(sum(found), len(found)))
    require_all_answered(trial, "operation", trial.operations())


STALENESS_IN_TIME = store_experiment(
    id="staleness-in-time",
    title="How long a read may miss a write",
    question="With R = W = 1 and every replica written to: how long after the acknowledgement do "
    "reads still miss the write?",
    trial=read_after_a_while,
    faults=("delay",),
    params=NO_REPAIR | {"versions": "lww", "read_quorum": 1, "write_quorum": 1},
    settings=(
        Setting("delay_ms", 15, "how late messages are on average, each way", minimum=2),
        Setting("reads", 60, "reads for each wait, in each trial", minimum=1),
    ),
    short={"reads": 40},
    trials_sim=4,
    trials_sim_short=2,
    measurements=tuple(
        Measurement(
            f"stale_share_after_{wait_ms}_ms",
            "%",
            f"of reads {wait_ms} ms after the acknowledgement miss the write",
            "mean",
        )
        for wait_ms in WAITS_MS
    ),
    expectations=(
        Expectation(
            "stale-at-first",
            "right after the acknowledgement some reads miss the write: R+W is not above N",
            lambda m: m.value("stale_share_after_0_ms") > 5,
            ("stale_share_after_0_ms",),
        ),
        Expectation(
            "fresh-soon",
            "the longer one waits the fewer miss it, and soon none: eventually is a matter of "
            "milliseconds as long as messages get through",
            lambda m: (
                m.value("stale_share_after_0_ms") > m.value("stale_share_after_20_ms")
                and m.value("stale_share_after_320_ms") == 0
            ),
            (
                "stale_share_after_0_ms",
                "stale_share_after_20_ms",
                "stale_share_after_320_ms",
            ),
        ),
    ),
)

EXPERIMENTS = (QUORUM_OVERLAP, STALENESS_IN_TIME)
