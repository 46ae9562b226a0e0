"""What consistency costs while nothing is broken (PACELC), and how a late replica is avoided."""

from __future__ import annotations

from functools import partial

from labs.kit.experiment import Expectation, Figures, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_overlap
from labs.kit.experiment.figures import quantile
from labs.kit.lab import Setting
from labs.quorum_store.experiments.tools import (
    NO_REPAIR,
    Job,
    StoreClient,
    carry_out,
    keys_where,
    percent,
    requests_in,
    require_all_answered,
    store_experiment,
)
from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId

# ---------------------------------------------------------------------------- latency-vs-quorum

REPLICAS = 3
QUORUMS = range(1, REPLICAS + 1)
DISTANCES = (Variant("one_slow"), Variant("all_far"))
_WORDS = {
    "one_slow": "one of three replicas is slow",
    "all_far": "all three are as far from each other",
}


async def wait_for_quorums(trial: Trial) -> None:
    """For each R and W: reads and writes by nodes that are replicas themselves."""
    *near, slow = trial.cluster.nodes
    everyone, delay_ms = trial.cluster.nodes, trial.number_of("delay_ms")
    pairs = [(a, b) for a in everyone for b in everyone if a < b]
    if trial.variant == "one_slow":
        pairs = [(a, b) for a, b in pairs if slow in (a, b)]
    trial.phase("during")
    await trial.inject(*(kinds.Delay(a, b, delay_ms) for a, b in pairs))
    jobs: list[Job] = []
    for number in range(trial.number_of("operations")):
        for count in QUORUMS:
            at = near[number % len(near)]
            jobs.append(partial(_write_and_read, at=at, count=count, number=number))
    await carry_out(trial, jobs, clients=4)
    trial.end_phase()
    require_all_answered(trial, "operation", trial.operations())
    require_overlap(trial, "during")


async def _write_and_read(client: StoreClient, *, at: NodeId, count: int, number: int) -> None:
    """A write to so many replicas, then a read of so many, timed."""
    trial, key = client.trial, f"of-{count}-{number}"
    for name in ("write", "read"):
        if name == "write":
            await client.put(key, 1, at=at, w=count)
        else:
            await client.get(key, at=at, r=count)
        sample = client.last
        if sample.ok:
            trial.measure_variant(f"{name}_ms_{count}", sample.took_ms)


def _is_thrice(less: str, much: str, figures: Figures) -> bool:
    """By a margin that a noisy machine does not bring about."""
    return figures.value(much) > 3 * figures.value(less)


def _times(variant: str) -> tuple[Measurement, ...]:
    made = []
    for name, letter in (("read", "R"), ("write", "W")):
        for count in QUORUMS:
            samples = f"{name}_ms_{count}_{variant}"
            what = f"a {name} with {letter} = {count}, {_WORDS[variant]}"
            median = f"{name}_p50_ms_{letter.lower()}{count}_{variant}"
            made.append(Measurement(median, "ms", what, "median", samples))
            slowest = f"{name}_p99_ms_{letter.lower()}{count}_{variant}"
            made.append(Measurement(slowest, "ms", f"the slowest of 100: {what}", "p99", samples))
    return tuple(made)


def _much_less(fewer: str, more: str, variant: str) -> tuple[Expectation, ...]:
    """A quorum that does not wait against one that does, for reads and writes."""
    claims = {
        "one_slow": "with one slow replica of three, only those who want all three wait for it",
        "all_far": "where replicas are far apart, one is as near as the coordinator itself and two "
        "cost a round trip: without any fault, consistency is paid for in latency",
    }
    made = []
    for name, letter in (("read", "r"), ("write", "w")):
        less, much = (f"{name}_p50_ms_{letter}{count}_{variant}" for count in (fewer, more))
        made.append(
            Expectation(
                f"{name}s-wait-{variant.replace('_', '-')}",
                f"{claims[variant]} ({name}s)",
                partial(_is_thrice, less, much),
                (less, much),
            )
        )
    return tuple(made)


LATENCY_VS_QUORUM = store_experiment(
    id="latency-vs-quorum",
    title="What a larger quorum costs",
    question="How long do reads and writes take for each R and W, when one replica of three is "
    "slow, and when all are far apart?",
    trial=wait_for_quorums,
    faults=("delay",),
    nodes=REPLICAS,
    params=NO_REPAIR | {"replication": REPLICAS, "versions": "lww"},
    settings=(
        Setting("delay_ms", 40, "how late messages are on the slow links, each way", minimum=1),
        Setting("operations", 40, "reads and writes for each quorum, in each trial", minimum=2),
    ),
    short={"operations": 15},
    variants=DISTANCES,
    trials_sim=5,
    measurements=tuple(one for variant in DISTANCES for one in _times(variant.name)),
    expectations=(*_much_less("2", "3", "one_slow"), *_much_less("1", "2", "all_far")),
)

# --------------------------------------------------------------------------------- tail-hedging

HEDGES = (Variant("no_hedge", {"hedge_ms": 0}), Variant("hedge", {"hedge_ms": 25}))
_HEDGE = {"no_hedge": "without hedging", "hedge": "another replica is asked after 25 ms"}
REMOTE_KEYS = 20


async def read_with_late_requests(trial: Trial) -> None:
    """A few requests in a hundred are held back; reads of one replica, by a node that has none."""
    at = trial.cluster.nodes[0]
    keys = keys_where(trial, REMOTE_KEYS, lambda replicas: at not in replicas)
    trial.phase("before")

    async def write(client: StoreClient, key: str) -> None:
        await client.put(key, 1, at=at, w=REPLICAS)

    await carry_out(trial, [partial(write, key=key) for key in keys])
    trial.phase("during")
    share, hold_ms = trial.number_of("late_percent"), trial.number_of("hold_ms")
    await trial.inject(kinds.Reorder(share, (at,), None, hold_ms))

    async def read(client: StoreClient, key: str) -> None:
        await client.get(key, at=at, r=1)
        if client.last.ok:
            trial.measure_variant("read_ms", client.last.took_ms)

    count = trial.number_of("reads")
    await carry_out(trial, [partial(read, key=keys[i % len(keys)]) for i in range(count)])
    trial.end_phase()
    require_all_answered(trial, "operation", trial.operations())


def analyse_hedging(trial: Trial) -> None:
    """How many requests a read took."""
    phase = trial.in_phase("during")
    reads = [sample for sample in trial.scripted if sample.ok and sample.f == "read"]
    extra = requests_in(trial, phase, "Fetch") - len(reads)
    trial.measure_variant("extra_requests", percent(extra, len(reads)))
    times = sorted(sample.took_ms for sample in reads)
    held = bool(times) and quantile(times, 0.99) > 2 * quantile(times, 0.5)
    trial.evidence.require(held or trial.variant == "hedge", "no read was late")


def _of_hedge(name: str) -> tuple[Measurement, ...]:
    words, samples = _HEDGE[name], f"read_ms_{name}"
    return (
        Measurement(f"read_p50_ms_{name}", "ms", f"a read, {words}", "median", samples),
        Measurement(f"read_p99_ms_{name}", "ms", f"the slowest of 100, {words}", "p99", samples),
        Measurement(f"extra_requests_{name}", "%", f"requests beyond one a read, {words}", "mean"),
    )


TAIL_HEDGING = store_experiment(
    id="tail-hedging",
    title="Hedged reads",
    question="A few requests in a hundred are very late: what does it take not to wait for them?",
    trial=read_with_late_requests,
    analyse=analyse_hedging,
    faults=("reorder",),
    params=NO_REPAIR
    | {"versions": "lww", "fan_out": "quorum", "read_quorum": 1}
    | {"replica_timeout_ms": 2000, "request_timeout_ms": 3000},
    params_real={},
    settings=(
        Setting("late_percent", 5, "of requests that are held back", minimum=1, maximum=100),
        Setting("hold_ms", 600, "the longest time that one is held back", minimum=1),
        Setting("reads", 600, "in each trial", minimum=50),
    ),
    short={"reads": 300},
    variants=HEDGES,
    trials_sim=5,
    measurements=tuple(one for variant in HEDGES for one in _of_hedge(variant.name)),
    expectations=(
        Expectation(
            "hedging-cuts-the-tail",
            "asking another replica after a while takes more than half off the 99th percentile",
            lambda m: m.value("read_p99_ms_hedge") < 0.5 * m.value("read_p99_ms_no_hedge"),
            ("read_p99_ms_hedge", "read_p99_ms_no_hedge"),
        ),
        Expectation(
            "hedging-is-cheap",
            "it costs few extra requests: about as many as are late",
            lambda m: (
                m.value("extra_requests_no_hedge") == 0 and 0 < m.value("extra_requests_hedge") < 20
            ),
            ("extra_requests_hedge", "extra_requests_no_hedge"),
        ),
    ),
)

EXPERIMENTS = (LATENCY_VS_QUORUM, TAIL_HEDGING)
