"""Logs that are left behind, or lost (paper 5.1 and section 7)."""

from __future__ import annotations

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.acting import carried
from labs.kit.experiment.evidence import require_overlap, require_traffic
from labs.kit.lab import Setting
from labs.kit.workloads import Operation, Registers
from labs.raft.experiments.tools import (
    number,
    of_kind,
    raft_experiment,
    served_by,
    settled,
    view_of,
    warmed_up,
)
from labs.raft.scenarios.watch import Watch
from nodes.cluster import fault_kinds as kinds

# -------------------------------------------------------------------------- snapshot-catch-up


async def leave_behind(trial: Trial) -> None:
    """A follower is cut off while the others write the same few keys again and again."""
    watch = Watch(trial.cluster)
    leader = await watch.leader()
    writer = trial.workload(Registers(("x", "y"), trial.rng, reads=0.1))
    writer.closed_loop(6, pause_ms=1)
    trial.phase("before")
    await writer.progress(20, within_ms=20 * trial.timeout_ms)
    late = watch.others(leader)[0]
    trial.phase("during")
    await trial.inject(kinds.Isolate(late))
    wanted = trial.number_of("writes")
    await writer.progress(wanted, f="write", within_ms=60 * trial.timeout_ms)
    await writer.stop()
    trial.end_phase()
    goal, before = await watch.seen(leader), await watch.seen(late)
    healed_ms = trial.now_ms()
    await trial.heal()
    trial.phase("after")

    async def caught_up() -> bool:
        view = await view_of(trial, late)
        return view is not None and view.last_applied >= goal.commit_index

    await trial.cluster.until("caught up", caught_up, within_ms=30 * trial.timeout_ms)
    trial.measure_variant("catch_up_ms", trial.now_ms() - healed_ms)
    again = await writer.once(Operation("read", "x"))
    trial.evidence.require(again.ok, "no read succeeded after the fault")
    trial.end_phase()
    trial.notes |= {"late": late, "before": before.last_log_index, "goal": goal.commit_index}
    await trial.read_everywhere(writer)
    trial.judged_by("cas-register")


def analyse_catch_up(trial: Trial) -> None:
    """How many entries came by log, and how many messages that took."""
    late, before, goal = (trial.notes[name] for name in ("late", "before", "goal"))
    after = trial.in_phase("after")
    installed = [
        number(event, "index")
        for event in of_kind(trial.events, "installed_snapshot", after.from_ms)
        if event.node == late
    ]
    missed = goal - before
    trial.evidence.require(missed >= 50, f"{late} missed only {missed} entries")
    trial.measure_variant("missed_entries", missed)
    trial.measure_variant("entries_by_log", goal - max([before, *installed]))
    trial.measure_variant("snapshots", len(installed))
    sent = carried(trial.events, after.from_ms, after.until_ms or after.from_ms)
    to_late = [one.rpc for one in sent if one.request and one.target == late]
    trial.measure_variant("snapshot_messages", to_late.count("InstallSnapshot"))
    trial.measure_variant("append_messages", to_late.count("AppendEntries"))
    if trial.variant == "snapshot":
        trial.evidence.require(bool(installed), f"{late} got no snapshot")
    require_traffic(trial, ("read", "write"), ("before", "during"), rate_before="before")
    require_overlap(trial, "during")


WAYS = (
    Variant("log", {"snapshot_threshold": 0}),
    Variant("snapshot", {"snapshot_threshold": 100, "snapshot_trailing_entries": 20}),
)


def _of_way(variant: Variant) -> tuple[Measurement, ...]:
    name = variant.name
    words = {"log": "with the whole log kept", "snapshot": "with snapshots"}[name]
    return (
        Measurement(f"catch_up_ms_{name}", "ms", f"from the heal until it is up to date, {words}"),
        Measurement(f"missed_entries_{name}", "entries", f"that it had missed, {words}"),
        Measurement(f"entries_by_log_{name}", "entries", f"that it was sent one by one, {words}"),
        Measurement(f"snapshots_{name}", "snapshots", f"that it installed, {words}"),
        Measurement(f"snapshot_messages_{name}", "requests", f"that carried snapshots, {words}"),
        Measurement(f"append_messages_{name}", "requests", f"AppendEntries to it, {words}"),
    )


SNAPSHOT_CATCH_UP = raft_experiment(
    id="snapshot-catch-up",
    title="A follower that was away for long",
    question="What does a follower get that missed many entries, and what does a snapshot save?",
    trial=leave_behind,
    analyse=analyse_catch_up,
    faults=("isolate",),
    settings=(Setting("writes", 1000, "acknowledged while it is away", minimum=60),),
    short={"writes": 300},
    variants=WAYS,
    nodes=3,
    trials_sim=5,
    measurements=tuple(one for variant in WAYS for one in _of_way(variant)),
    expectations=(
        Expectation(
            "snapshot-replaces-entries",
            "with snapshots it is sent fewer than half of the entries that it missed",
            lambda m: m.value("entries_by_log_snapshot") < 0.5 * m.value("missed_entries_snapshot"),
            ("entries_by_log_snapshot", "missed_entries_snapshot"),
        ),
        Expectation(
            "log-sends-all",
            "without snapshots it is sent every entry that it missed",
            lambda m: m.value("entries_by_log_log") == m.value("missed_entries_log"),
            ("entries_by_log_log", "missed_entries_log"),
        ),
    ),
)

# ---------------------------------------------------------------------------------- lost-fsync


async def cut_the_power(trial: Trial) -> None:
    """Two servers are down, so that three hold every new entry; then those three lose power."""
    # Without fsync, real nodes sync once a second: by then the term is on disk, and what is lost
    # are entries only. A cluster that forgets its term may diverge for ever. The power has to go
    # well before they sync again.
    before_ms = 300 if trial.cluster.runtime == "sim" else 1100
    watch, workload = await warmed_up(trial, before_ms=before_ms)
    leader = await watch.leader()
    first, second, *rest = watch.others(leader)
    trial.phase("during")
    await trial.inject(kinds.Kill(tuple(rest)))
    await workload.progress(30, f="append", within_ms=40 * trial.timeout_ms)
    majority = (leader, first, second)
    await trial.inject(kinds.PowerCut(majority))
    trial.end_phase()
    if not trial.faults_disabled:
        await trial.inject(kinds.Restart(majority))
    await served_by(trial, majority)
    await settled(trial, workload, agree=trial.variant == "fsync_on")
    assert trial.finals is not None
    trial.measure_variant("differing_nodes", len(trial.finals.differing()))
    trial.measure_variant("acknowledged_writes_lost", trial.finals.lost_appends(trial.operations()))
    trial.measure_variant("acknowledged_writes", workload.count(f="append"))
    trial.judged_by("append-list", must_be_valid=trial.variant == "fsync_on")


def analyse_power_cut(trial: Trial) -> None:
    """Nothing beyond the rules: losses were counted against the final reads."""
    require_traffic(trial, ("append", "read"), ("before", "during", "after"), rate_before="before")
    require_overlap(trial, "during")


SYNCS = (
    Variant("fsync_on", {"fsync": "on"}, short_real=False),
    # It breaks the promises that the invariants watch: that is what is to be seen.
    Variant("fsync_off", {"fsync": "off"}, invariants=False),
)

LOST_FSYNC = raft_experiment(
    id="lost-fsync",
    title="A majority loses power",
    question="What does skipping the fsync cost on the day when a majority loses power at once?",
    trial=cut_the_power,
    analyse=analyse_power_cut,
    faults=("kill", "power-cut"),
    variants=SYNCS,
    trials_sim=10,
    trials_real_short=2,
    measurements=(
        Measurement(
            "acknowledged_writes_lost_fsync_on",
            "writes",
            "acknowledged and gone after the power cut, with fsync",
            "sum",
        ),
        Measurement(
            "acknowledged_writes_lost_fsync_off",
            "writes",
            "acknowledged and gone after the power cut, without fsync",
            "sum",
        ),
        Measurement(
            "acknowledged_writes_fsync_on", "writes", "of all that were acknowledged", "sum"
        ),
        Measurement("acknowledged_writes_fsync_off", "writes", "of all, without fsync", "sum"),
        Measurement("differing_nodes_fsync_off", "nodes", "that never agree again", "sum"),
        Measurement(
            "linearizable_fsync_off", "share", "of linearizable histories, without fsync", "mean"
        ),
    ),
    expectations=(
        Expectation(
            "fsync-keeps",
            "with fsync a power cut loses no acknowledged write",
            lambda m: m.value("acknowledged_writes_lost_fsync_on") == 0,
            ("acknowledged_writes_lost_fsync_on",),
        ),
        Expectation(
            "no-fsync-loses",
            "without it acknowledged writes are lost: replication does not replace fsync",
            lambda m: m.value("acknowledged_writes_lost_fsync_off") > 0,
            ("acknowledged_writes_lost_fsync_off",),
        ),
    ),
)

EXPERIMENTS = (SNAPSHOT_CATCH_UP, LOST_FSYNC)
