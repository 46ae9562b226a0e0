"""Networks that are slow or lossy, which Raft bears as long as a majority is not (paper 5.3)."""

from __future__ import annotations

from statistics import median

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_overlap, require_traffic
from labs.kit.experiment.figures import quantile
from labs.kit.lab import Setting
from labs.raft.experiments.partitions import NOTHING_LOST
from labs.raft.experiments.tools import (
    LOST,
    leader_changes,
    per_second,
    raft_experiment,
    require_usual,
    settled,
    view_of,
    warmed_up,
)
from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId

# ------------------------------------------------------------------------------ slow-follower


async def slow_down(trial: Trial) -> None:
    """First one follower is slow, and then three of four."""
    watch, workload = await warmed_up(trial)
    leader = await watch.leader()
    slow, *others = watch.others(leader)
    trial.phase("during")
    await _slow(trial, slow)
    await _watch_lag(trial, leader, slow)
    await trial.sleep(2 * trial.number_of("delay_ms"))
    trial.phase("majority")
    for node in others[:2]:
        await _slow(trial, node)
    await trial.sleep(trial.number_of("during_ms"))
    trial.end_phase()
    await settled(trial, workload)
    trial.judged_by("append-list")


async def _slow(trial: Trial, slow: NodeId) -> None:
    others = [node for node in trial.cluster.nodes if node != slow]
    faults = [one.fault for one in trial.injections]
    earlier = {(fault.a, fault.b) for fault in faults if isinstance(fault, kinds.Delay)}
    links = [(slow, node) for node in others if (node, slow) not in earlier]
    delay_ms = trial.number_of("delay_ms")
    await trial.inject(*(kinds.Delay(a, b, delay_ms) for a, b in links))


async def _watch_lag(trial: Trial, leader: NodeId, slow: NodeId) -> None:
    """How far the follower is behind, looked at again and again."""
    until_ms, worst = trial.now_ms() + trial.number_of("during_ms"), 0
    while trial.now_ms() < until_ms:
        ahead, behind = await view_of(trial, leader), await view_of(trial, slow)
        if ahead is not None and behind is not None:
            worst = max(worst, ahead.commit_index - behind.last_log_index)
        await trial.sleep(20)
    trial.measure("lag_entries", worst)


def analyse_slow(trial: Trial) -> None:
    """The time of a write, by phase."""
    for phase, name in (("before", "before"), ("during", "one_slow"), ("majority", "three_slow")):
        times = [sample.took_ms for sample in trial.completed(phase, "append")]
        trial.measure(f"write_ms_{name}", *times)
    trial.measure("leader_changes", leader_changes(trial, trial.in_phase("during")))
    require_usual(trial)
    require_traffic(trial, ("append",), ("majority",))
    if not trial.evidence.missing:
        before, one, three = (
            median(trial.samples[f"write_ms_{name}"])
            for name in ("before", "one_slow", "three_slow")
        )
        delay_ms = trial.number_of("delay_ms")
        trial.measure("extra_delays_one_slow", (one - before) / delay_ms)
        trial.measure("extra_delays_three_slow", (three - before) / delay_ms)


SLOW_FOLLOWER = raft_experiment(
    id="slow-follower",
    title="Slow followers",
    question="Does one slow follower slow down everyone's writes? And three of four?",
    trial=slow_down,
    analyse=analyse_slow,
    faults=("delay",),
    settings=(
        Setting("delay_ms", 40, "how late a slow follower's messages are, each way", minimum=1),
        Setting("during_ms", 1500, "how long it is slow", minimum=100),
    ),
    short={"during_ms": 600},
    trials_sim=10,
    measurements=(
        Measurement("write_ms_before", "ms", "a write while all are quick"),
        Measurement("write_ms_one_slow", "ms", "a write while one follower of four is slow"),
        Measurement("write_ms_three_slow", "ms", "a write while three followers of four are slow"),
        Measurement("extra_delays_one_slow", "delays", "that one slow follower adds to a write"),
        Measurement("extra_delays_three_slow", "delays", "that three add to a write"),
        Measurement("lag_entries", "entries", "by which the slow one was behind at worst"),
        Measurement("leader_changes", "elections", "won while one was slow", "sum"),
        LOST,
    ),
    expectations=(
        NOTHING_LOST,
        Expectation(
            "one-slow-is-harmless",
            "one slow follower costs a write less than half of its delay: a majority is quick",
            lambda m: m.value("extra_delays_one_slow") < 0.5,
            ("extra_delays_one_slow",),
        ),
        Expectation(
            "a-slow-majority-is-not",
            "with three slow ones every write waits for one of them, there and back: it costs more "
            "than one delay",
            lambda m: m.value("extra_delays_three_slow") > 1,
            ("extra_delays_three_slow",),
        ),
        Expectation(
            "the-slow-one-lags",
            "the slow follower is behind, and nobody waits for it",
            lambda m: m.value("lag_entries") > 0,
            ("lag_entries",),
        ),
    ),
)

# -------------------------------------------------------------------------------- packet-loss

PERCENTS = (2, 10, 25, 40)


async def lose_calls(trial: Trial) -> None:
    """Servers lose requests and responses."""
    _, workload = await warmed_up(trial)
    trial.phase("during")
    await trial.inject(kinds.Lose(int(trial.variant.removesuffix("_percent"))))
    await trial.sleep(trial.number_of("during_ms"))
    for kind in workload.generator.kinds:
        await workload.progress(1, f=kind, within_ms=40 * trial.timeout_ms)
    trial.end_phase()
    await settled(trial, workload)
    trial.judged_by("append-list")


def analyse_loss(trial: Trial) -> None:
    """Throughput and the slowest writes under loss."""
    times = sorted(sample.took_ms for sample in trial.completed("during", "append"))
    trial.measure_variant("throughput", per_second(trial, "during"))
    trial.measure_variant(
        "throughput_kept", per_second(trial, "during") / per_second(trial, "before") * 100
    )
    if times:
        trial.measure_variant("write_p99_ms", quantile(times, 0.99))
    trial.measure_variant("leader_changes", leader_changes(trial, trial.in_phase("during")))
    require_usual(trial)
    require_overlap(trial, "during")


LOSSES = tuple(Variant(f"{percent}_percent", short=percent in (2, 40)) for percent in PERCENTS)


def _of_loss(variant: Variant) -> tuple[Measurement, ...]:
    name = variant.name
    share = f"{name.removesuffix('_percent')} % of requests and of responses lost"
    return (
        Measurement(f"throughput_{name}", "ops/s", f"operations of all clients, {share}"),
        Measurement(f"throughput_kept_{name}", "%", f"of what it was without loss, {share}"),
        Measurement(f"write_p99_ms_{name}", "ms", f"the slowest writes in a hundred, {share}"),
        Measurement(f"leader_changes_{name}", "elections", f"won meanwhile, {share}", "mean"),
    )


PACKET_LOSS = raft_experiment(
    id="packet-loss",
    title="Lost calls, more and more of them",
    question="How much loss between servers does Raft bear, and where does it show first?",
    trial=lose_calls,
    analyse=analyse_loss,
    faults=("lose",),
    settings=(Setting("during_ms", 3000, "how long calls are lost", minimum=100),),
    short={"during_ms": 1000},
    variants=LOSSES,
    trials_sim=10,
    measurements=(*(one for variant in LOSSES for one in _of_loss(variant)), LOST),
    expectations=(
        NOTHING_LOST,
        Expectation(
            "a-little-is-nothing",
            "2 % of loss leaves most of the throughput",
            lambda m: m.value("throughput_kept_2_percent") > 60,
            ("throughput_kept_2_percent",),
        ),
        Expectation(
            "much-slows-down",
            "with 40 % lost it is slower than with 2 %, and still nothing is lost for clients",
            lambda m: m.value("throughput_40_percent") < m.value("throughput_2_percent"),
            ("throughput_40_percent", "throughput_2_percent"),
        ),
    ),
)

EXPERIMENTS = (SLOW_FOLLOWER, PACKET_LOSS)
