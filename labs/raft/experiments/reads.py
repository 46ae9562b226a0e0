"""Reads that do not write the log: what they cost, and which of them can lie (thesis 6.4)."""

from __future__ import annotations

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_overlap, require_traffic
from labs.kit.experiment.figures import quantile
from labs.kit.lab import Setting
from labs.kit.workloads import Registers, Sample
from labs.raft.experiments.tools import (
    leader_changes,
    new_leader,
    raft_experiment,
    requests_between,
)
from labs.raft.scenarios.watch import Watch
from nodes.cluster import fault_kinds as kinds

# --------------------------------------------------------------------------------- stale-read

SLOW_CLOCK = 0.1  # the deposed leader's wall clock runs at a tenth of its speed
# The majority elects long before a leader that is cut off notices: the window for stale reads.
WINDOW = {"election_timeout_ms_min": 200, "election_timeout_ms_max": 800, "heartbeat_ms": 50}


async def read_from_deposed(trial: Trial) -> None:
    """The leader is cut off; clients go on reading from it while others write to the next one."""
    watch = Watch(trial.cluster)
    old = await watch.leader()
    writer = trial.workload(Registers(("x",), trial.rng, reads=0), timeout_ms=trial.timeout_ms // 4)
    writer.closed_loop(1, pause_ms=15)
    await writer.progress(2, within_ms=20 * trial.timeout_ms)
    trial.phase("before")
    readers = trial.workload(
        Registers(("x",), trial.rng, reads=1), at=old, patience_ms=0, timeout_ms=trial.timeout_ms
    )
    readers.closed_loop(2, pause_ms=10)
    await trial.sleep(300)
    term = (await watch.seen(old)).term
    trial.phase("during")
    if trial.variant == "lease_skew":
        await trial.inject(kinds.Skew((old,), 0, SLOW_CLOCK))
    await trial.inject(kinds.Isolate(old))
    if trial.variant.endswith("_pause"):
        await trial.inject(kinds.Pause((old,)))
    await new_leader(
        trial, after_term=term, among=watch.others(old), within_ms=3 * trial.timeout_ms
    )
    await writer.progress(2, within_ms=20 * trial.timeout_ms)
    if trial.variant.endswith("_pause"):
        await trial.inject(kinds.Resume((old,)))
    await trial.sleep(trial.number_of("during_ms"))
    await readers.stop()
    await trial.heal()
    trial.phase("after")
    await writer.progress(2, within_ms=20 * trial.timeout_ms)
    await writer.stop()
    trial.end_phase()
    await trial.read_everywhere(writer)
    trial.judged_by("cas-register", must_be_valid=trial.variant not in ("stale", "lease_skew"))


def analyse_stale(trial: Trial) -> None:
    """Counts reads that returned a value although a later one had been acknowledged before they
    began. One client writes growing numbers, so of two values the larger is the later."""
    writer, readers = trial.workloads
    during = trial.in_phase("during")
    answered = [
        sample
        for sample in readers.samples
        if sample.ok and during.holds((sample.ended_ns or 0) / 1e6)
    ]
    acknowledged = [sample for sample in writer.samples if sample.ok and sample.f == "write"]
    stale = [read for read in answered if _newest_before(read, acknowledged) > (read.result or 0)]
    trial.measure_variant("stale_reads", len(stale))
    trial.measure_variant("answered_reads", len(answered))
    require_traffic(trial, ("write", "read"), ("before",), rate_before="before")
    require_traffic(trial, ("write",), ("during", "after"))
    trial.evidence.require(
        any(sample.began_ns / 1e6 > during.from_ms for sample in readers.samples),
        "nobody read from the old leader while it was cut off",
    )
    trial.evidence.require(
        leader_changes(trial, during) > 0,
        "no new leader was elected, and the fault aims at the leader",
    )
    require_overlap(trial, "during")


def _newest_before(read: Sample, acknowledged: list[Sample]) -> int:
    earlier = [write.argument for write in acknowledged if (write.ended_ns or 0) < read.began_ns]
    return max(earlier, default=0)


MODES = (
    Variant("stale", {"reads": "stale"}),
    Variant("lease", {"reads": "lease"}, short_real=False),
    Variant("lease_skew", {"reads": "lease", "lease_clock": "wall"}),
    Variant("lease_pause", {"reads": "lease"}, short=False),
    Variant("readindex", {"reads": "readindex"}),
    Variant("readindex_pause", {"reads": "readindex"}, short=False),
)
_MODE = {
    "stale": "reads of whatever the node has",
    "lease": "lease reads on a true clock",
    "lease_skew": "lease reads on a wall clock that runs at a tenth of its speed",
    "lease_pause": "lease reads, the old leader paused until after the next election",
    "readindex": "ReadIndex",
    "readindex_pause": "ReadIndex, the old leader paused until after the next election",
}


def _of_mode(variant: Variant) -> tuple[Measurement, ...]:
    name, words = variant.name, _MODE[variant.name]
    return (
        Measurement(f"stale_reads_{name}", "reads", f"that missed a write: {words}", "sum"),
        Measurement(f"answered_reads_{name}", "reads", f"that it served: {words}", "sum"),
        Measurement(f"linearizable_{name}", "share", f"of linearizable histories: {words}", "mean"),
    )  # fmt: skip


def _none_stale(mode: str) -> Expectation:
    return Expectation(
        f"none-stale-{mode}",
        f"no read is stale: {_MODE[mode]}",
        lambda m: m.value(f"stale_reads_{mode}") == 0,
        (f"stale_reads_{mode}",),
    )


STALE_READ = raft_experiment(
    id="stale-read",
    title="Reads from a leader that was deposed",
    question="A leader that was cut off does not know that it was replaced: which reads from it "
    "are stale?",
    trial=read_from_deposed,
    analyse=analyse_stale,
    faults=("isolate",),
    params=WINDOW,
    settings=(Setting("during_ms", 800, "how long clients read on after the next election"),),
    short={"during_ms": 500},
    variants=MODES,
    trials_sim=10,
    measurements=tuple(one for variant in MODES for one in _of_mode(variant)),
    expectations=(
        Expectation(
            "stale-is-stale",
            "reads of whatever a node has miss writes that were acknowledged",
            lambda m: m.value("stale_reads_stale") > 0,
            ("stale_reads_stale",),
        ),
        Expectation(
            "skew-breaks-leases",
            "a lease is as good as its clock: on a slow one, reads are stale",
            lambda m: m.value("stale_reads_lease_skew") > 0,
            ("stale_reads_lease_skew",),
        ),
        *map(_none_stale, ("lease", "lease_pause", "readindex", "readindex_pause")),
    ),
)

# ---------------------------------------------------------------------------------- read-cost


async def read_one_by_one(trial: Trial) -> None:
    """One client, one operation at a time, and nothing else; and as long a time without it."""
    watch = Watch(trial.cluster)
    await watch.leader()
    share = 0.0 if trial.variant == "write" else 1.0
    client = trial.workload(Registers(("x",), trial.rng, reads=share))
    first = trial.workload(Registers(("x",), trial.rng, reads=0))
    first.closed_loop(1)
    await first.progress(1, within_ms=20 * trial.timeout_ms)
    await first.stop()
    await watch.converged()
    trial.phase("idle")
    await trial.sleep(trial.number_of("measure_ms"))
    trial.end_phase()
    client.closed_loop(1, pause_ms=2)
    await client.progress(5, within_ms=20 * trial.timeout_ms)  # it has found whom to ask
    trial.phase("before")
    await trial.sleep(trial.number_of("measure_ms"))
    trial.end_phase()
    await client.stop()
    await trial.read_everywhere(client)
    trial.judged_by("cas-register")


def analyse_cost(trial: Trial) -> None:
    """Messages beyond those of an idle cluster, for each operation."""
    kind = "write" if trial.variant == "write" else "read"
    done = [sample.took_ms for sample in trial.completed("before", kind)]
    # A machine that is three times as slow may do a third of the work.
    enough = len(done) * trial.slowness >= 20
    trial.evidence.require(enough, f"only {len(done)} operations, fewer than 20")
    require_traffic(trial, (kind,), ("before",), rate_before="before")
    if not done:
        return
    idle, busy = trial.in_phase("idle"), trial.in_phase("before")
    beats = requests_between(trial, idle) * busy.took_ms / idle.took_ms
    trial.evidence.require(beats > 0, "no heartbeat was seen: events are missing")
    extra = max(0.0, requests_between(trial, busy) - beats) / len(done)
    trial.measure_variant("latency_ms", *done)
    trial.measure_variant("latency_p99_ms", quantile(sorted(done), 0.99))
    trial.measure_variant("requests", extra)


COSTS = (
    Variant("readindex", {"reads": "readindex"}),
    Variant("lease", {"reads": "lease"}),
    Variant("stale", {"reads": "stale"}, short_real=False),
    Variant("write", short_real=False),
)


def _of_cost(variant: Variant) -> tuple[Measurement, ...]:
    name = variant.name
    what = "a write" if name == "write" else f"a read ({_MODE[name]})"
    return (
        Measurement(f"latency_ms_{name}", "ms", f"{what}, as its client sees it"),
        Measurement(f"latency_p99_ms_{name}", "ms", f"{what}, the slowest in a hundred"),
        Measurement(f"requests_{name}", "requests", f"for {what}, beyond heartbeats"),
    )  # fmt: skip


READ_COST = raft_experiment(
    id="read-cost",
    title="What a read costs",
    question="What do linearizable reads cost in messages and time, and what does a lease save?",
    trial=read_one_by_one,
    analyse=analyse_cost,
    settings=(Setting("measure_ms", 1000, "how long each measurement takes", minimum=100),),
    short={"measure_ms": 500},
    variants=COSTS,
    trials_sim=10,
    measurements=tuple(one for variant in COSTS for one in _of_cost(variant)),
    expectations=(
        Expectation(
            "readindex-asks-everyone",
            "ReadIndex sends a round of requests for a read, one to each of the four others",
            lambda m: m.value("requests_readindex") > 2,
            ("requests_readindex",),
        ),
        Expectation(
            "lease-asks-nobody",
            "a lease read sends nothing",
            lambda m: m.value("requests_lease") < 0.5,
            ("requests_lease",),
        ),
        Expectation(
            "stale-asks-nobody",
            "a stale read sends nothing",
            lambda m: m.value("requests_stale") < 0.5,
            ("requests_stale",),
        ),
        Expectation(
            "lease-is-faster",
            "a lease read takes less time than ReadIndex, which waits for a majority",
            lambda m: m.value("latency_ms_lease") < m.value("latency_ms_readindex"),
            ("latency_ms_lease", "latency_ms_readindex"),
        ),
    ),
)

EXPERIMENTS = (STALE_READ, READ_COST)
