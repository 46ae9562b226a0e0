"""The paper's Figure 8 (5.4.2), played on a cluster that is slow enough to watch."""

from __future__ import annotations

import asyncio

from labs.kit.check import Vacuous
from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_overlap
from labs.kit.lab import Setting
from labs.kit.workloads import Operation, Registers
from labs.raft.experiments.partitions import NOTHING_LOST
from labs.raft.experiments.tools import (
    LOST,
    of_kind,
    raft_experiment,
    served_by,
    view_of,
)
from labs.raft.scenarios.watch import Views, Watch
from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId
from protos import raft_pb2 as pb


async def play_figure_8(trial: Trial) -> None:
    """The paper's Figure 8, step by step, on a cluster that is slowed down enough to do it.

    S1 takes an entry that only S2 gets. S5 is elected by the others and takes an entry of its own
    at the same place. S1 leads again and copies its old entry to a majority; then it crashes,
    before (`overwritten`) or after (`own_entry`) an entry of its own term is on a majority, too.
    """
    cluster, watch = trial.cluster, Watch(trial.cluster)
    s1 = await watch.leader()
    s2, s3, s4, s5 = watch.others(s1)
    rest = (s3, s4, s5)
    client = trial.workload(Registers(("x",), trial.rng), timeout_ms=60_000)
    trial.phase("before")
    first = await client.once(Operation("write", "x", 1))
    trial.evidence.require(first.ok, "no write succeeded before the fault")
    await watch.converged()
    if trial.faults_disabled:
        return
    # (a) An entry on S1 and S2 only.
    trial.phase("during")
    await trial.inject(kinds.Kill(rest))
    lone = trial.workload(Registers(("x",), trial.rng), timeout_ms=60_000, at=s1)
    vain = asyncio.ensure_future(lone.once(Operation("write", "x", 2)))
    place = (await watch.seen(s1)).commit_index + 1
    await watch.until("(a) S2 holds it", lambda v: v[s2].last_log_index >= place, (s2,))
    await trial.inject(kinds.Kill((s1, s2)))
    trial.evidence.require((await vain).outcome != "ok", "an entry on two of five was acknowledged")
    # (b) Another leader, whose own entry reaches nobody.
    delay_ms = trial.number_of("delay_ms")
    await trial.inject(*(kinds.Delay(a, b, delay_ms) for a, b in ((s3, s4), (s3, s5), (s4, s5))))
    await trial.inject(kinds.Restart(rest))
    s5, term = await _leader_with(trial, rest, place)
    await trial.inject(kinds.Kill(rest))
    s3, s4 = (node for node in rest if node != s5)
    await trial.sleep(2 * delay_ms)  # What was on its way must find nobody.
    # (c) The first one leads again and copies its entry of old.
    for source in (s1, s2):
        await trial.inject(*(kinds.Delay(source, to, delay_ms, 0, True) for to in (s3, s4)))
    await trial.inject(kinds.Restart((s1, s2, s3, s4)))
    first_again, _ = await _copied_to_majority(trial, (s1, s2), (s3, s4), place, after=term)
    if trial.variant == "own_entry":
        await served_by(trial, (s1, s2))
        await trial.inject(kinds.Kill((first_again,)))
        await trial.inject(kinds.Restart((s5,)))
        await served_by(trial, [node for node in cluster.nodes if node != first_again])
    else:
        await trial.inject(kinds.Kill((s1, s2, s3, s4)))
        await trial.sleep(2 * delay_ms)
        # (d) Only S5 can win now, and it overwrites what was on a majority.
        await trial.inject(kinds.Restart((s3, s4, s5)))
        await served_by(trial, (s3, s4, s5))
    await trial.heal()
    trial.phase("after")
    await served_by(trial, cluster.nodes)
    after = await client.once(Operation("read", "x"))
    trial.evidence.require(after.ok, "no read succeeded after the fault")
    trial.end_phase()
    finals = await trial.read_everywhere(client)
    trial.measure_variant("majority_entries_overwritten", float(finals.values["x"] == 1))
    writes = [sample for sample in trial.operations() if sample.ok and sample.f == "write"]
    newest = max((sample.argument for sample in writes), default=0)
    trial.measure(LOST.name, float((finals.values["x"] or 0) < newest))
    trial.judged_by("cas-register")


async def _leader_with(trial: Trial, among: tuple[NodeId, ...], place: int) -> tuple[NodeId, int]:
    """A leader that holds an entry of its own at `place` while nobody else does yet."""
    watch = Watch(trial.cluster)

    def alone(views: Views) -> tuple[NodeId, int] | None:
        for node, view in views.items():
            if view.role == pb.LEADER and view.last_log_index >= place:
                others = [other for name, other in views.items() if name != node]
                if any(other.last_log_index >= place for other in others):
                    raise Vacuous("(b) the new leader's entry reached another server too soon")
                return node, view.term
        return None

    return await watch.until("(b) another leader", alone, among)


async def _copied_to_majority(
    trial: Trial,
    leaders: tuple[NodeId, NodeId],
    others: tuple[NodeId, NodeId],
    place: int,
    *,
    after: int,
) -> tuple[NodeId, int]:
    """Waits until the old entry is on three servers, and looks whether anyone counts it as
    committed before the leader's own entry is there as well."""
    counted = 0

    async def copied() -> tuple[NodeId, int] | None:
        nonlocal counted
        for node in leaders:
            view = await view_of(trial, node)
            if view is None or view.term <= after or not view.followers:
                continue
            reached = {one.node_id: one.match_index for one in view.followers}
            on_majority = any(reached.get(other, 0) >= place for other in others)
            own = sum(index > place for index in reached.values()) >= 2
            counted += view.commit_index >= place and not own
            if on_majority:
                trial.evidence.require(not own or trial.variant == "own_entry", TOO_QUICK)
                return node, view.term
        return None

    found = await trial.cluster.until(
        "(c) the old entry is on a majority", copied, within_ms=30 * trial.timeout_ms
    )
    trial.measure_variant("counted_as_committed", counted)
    return found


TOO_QUICK = "(c) the leader's own entry came together with the old one"
ENDS = (Variant("overwritten"), Variant("own_entry"))


def analyse_figure_8(trial: Trial) -> None:
    """The entries that were dropped, from the servers' own notes."""
    if trial.variant == "overwritten":
        dropped = of_kind(trial.events, "truncate", 0)
        trial.evidence.require(bool(dropped), "no server dropped an entry")
    require_overlap(trial, "during")


FIGURE_8 = raft_experiment(
    id="figure-8",
    title="An entry on a majority is not yet committed (the paper's Figure 8)",
    question="Why may a leader not commit an entry of an earlier term by counting its copies?",
    trial=play_figure_8,
    analyse=analyse_figure_8,
    faults=("kill", "delay"),
    params={
        "election_timeout_ms_min": 400,
        "election_timeout_ms_max": 800,
        "heartbeat_ms": 150,
        "max_entries_per_append": 1,
        "max_inflight": 1,
        "pre_vote": "off",
        "check_quorum": "off",
    },
    settings=(Setting("delay_ms", 120, "how late messages are where steps must be seen"),),
    variants=ENDS,
    trials_sim=10,
    measurements=(
        Measurement(
            "majority_entries_overwritten_overwritten",
            "entries",
            "that were on a majority and vanished: the leader crashed before its own entry was",
            "mean",
        ),
        Measurement(
            "majority_entries_overwritten_own_entry",
            "entries",
            "that vanished although an entry of the leader's own term was on a majority, too",
            "sum",
        ),
        Measurement(
            "counted_as_committed_overwritten",
            "times",
            "a leader took the old entry for committed by its copies alone",
            "sum",
        ),
        LOST,
    ),
    expectations=(
        NOTHING_LOST,
        Expectation(
            "a-majority-is-not-enough",
            "an entry of an earlier term can be on a majority and still be overwritten",
            lambda m: m.value("majority_entries_overwritten_overwritten") == 1,
            ("majority_entries_overwritten_overwritten",),
        ),
        Expectation(
            "so-nobody-counts-it",
            "no leader takes it for committed",
            lambda m: m.value("counted_as_committed_overwritten") == 0,
            ("counted_as_committed_overwritten",),
        ),
        Expectation(
            "own-entry-protects",
            "with an entry of the leader's own term behind it, it stays",
            lambda m: m.value("majority_entries_overwritten_own_entry") == 0,
            ("majority_entries_overwritten_own_entry",),
        ),
    ),
)

EXPERIMENTS = (FIGURE_8,)
