"""Who is served while the network is apart, what a sloppy quorum gives up for it, and how the nodes
that were away get what they missed (Dynamo 4.6)."""

from __future__ import annotations

from functools import partial

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_overlap, require_traffic
from labs.kit.lab import Setting
from labs.kit.workloads import Registers, Workload
from labs.kit.workloads.dialect import KEY_VALUE
from labs.quorum_store.dialect import StoreDialect
from labs.quorum_store.experiments.tools import (
    LAB_ID,
    StoreClient,
    carry_out,
    keys_where,
    lacking,
    percent,
    put_jobs,
    require_all_answered,
    store_experiment,
    values_of,
    views,
)
from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId

# ------------------------------------------------------------------------ partition-availability

SYSTEMS = (
    Variant("strict", {"quorum": "strict"}),
    Variant("sloppy", {"quorum": "sloppy"}),
    Variant("raft", lab="raft"),
)
_SYSTEM = {
    "strict": "quorum store, strict quorums",
    "sloppy": "quorum store, sloppy quorums",
    "raft": "the Raft lab",
}
KEYS = tuple(f"key-{number}" for number in range(30))
CLIENTS, PAUSE_MS = 12, 60.0


async def ask_both_sides(trial: Trial) -> None:
    """Two nodes of five are apart from three; each side has clients that reach it only."""
    minority, majority = trial.cluster.nodes[:2], trial.cluster.nodes[2:]
    everyone = _clients_of(trial, trial.cluster.nodes)
    await everyone.progress(10, within_ms=40 * trial.timeout_ms)
    trial.phase("before")
    await trial.sleep(500)
    await everyone.stop()
    trial.phase("during")
    await trial.inject(kinds.Partition((minority, majority)))
    sides = [_clients_of(trial, side) for side in (minority, majority)]
    await trial.sleep(trial.number_of("during_ms"))
    for workload in sides:
        await workload.stop()
    trial.phase("after")
    await trial.heal()
    everyone = _clients_of(trial, trial.cluster.nodes)
    for kind in ("read", "write"):
        await everyone.progress(5, f=kind, within_ms=40 * trial.timeout_ms)
    await everyone.stop()
    trial.end_phase()


def _clients_of(trial: Trial, side: tuple[NodeId, ...]) -> Workload:
    # The other lab's service is the key-value one.
    store = trial.cluster.spec.lab == LAB_ID
    patience_ms = round(trial.number_of("patience_ms") * trial.slowness)
    workload = trial.workload(
        Registers(KEYS, trial.rng),
        among=side,
        timeout_ms=patience_ms,
        patience_ms=patience_ms,
        dialect=StoreDialect() if store else KEY_VALUE,
    )
    workload.closed_loop(CLIENTS, pause_ms=PAUSE_MS)
    return workload


def analyse_sides(trial: Trial) -> None:
    """The share of each side's operations that succeeded during the partition."""
    for side, workload in zip(("minority", "majority"), trial.workloads[1:3], strict=True):
        for f in ("read", "write"):
            asked = [sample for sample in workload.samples if sample.f == f]
            served = sum(sample.ok for sample in asked)
            if trial.evidence.require(bool(asked), f"no {f} was sent to the {side}"):
                trial.measure_variant(f"{f}s_served_{side}", percent(served, len(asked)))
    require_traffic(trial, ("read", "write"), ("before", "after"), rate_before="before")
    require_overlap(trial, "during")


def _of_system(name: str) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(
            f"{f}s_served_{side}_{name}",
            "%",
            f"of {f}s sent to the {side} during the partition succeeded: {_SYSTEM[name]}",
            "mean",
        )
        for side in ("minority", "majority")
        for f in ("read", "write")
    )


PARTITION_AVAILABILITY = store_experiment(
    id="partition-availability",
    title="Who is served during a partition",
    question="Two nodes of five are cut off: which share of operations succeeds on each side, in "
    "this store and in Raft?",
    trial=ask_both_sides,
    analyse=analyse_sides,
    faults=("partition",),
    params_real={"replica_timeout_ms": 500, "request_timeout_ms": 2000},
    settings=(
        Setting("during_ms", 6000, "how long the network stays apart", minimum=1000),
        Setting("patience_ms", 1500, "how long a client tries before it gives up", minimum=100),
    ),
    short={"during_ms": 3000},
    variants=SYSTEMS,
    trials_sim=3,
    measurements=tuple(one for variant in SYSTEMS for one in _of_system(variant.name)),
    expectations=(
        Expectation(
            "raft-minority-stops",
            "Raft serves nothing to the minority: consistent and not available (PC)",
            lambda m: (
                m.value("writes_served_minority_raft") == 0
                and m.value("reads_served_minority_raft") == 0
            ),
            ("writes_served_minority_raft", "reads_served_minority_raft"),
        ),
        Expectation(
            "raft-majority-goes-on",
            "Raft serves the majority, but for the time of an election at most",
            lambda m: m.value("writes_served_majority_raft") > 70,
            ("writes_served_majority_raft",),
        ),
        Expectation(
            "sloppy-serves-both",
            "sloppy quorums serve both sides: available and not consistent (PA)",
            lambda m: (
                m.value("writes_served_minority_sloppy") > 95
                and m.value("writes_served_majority_sloppy") > 95
            ),
            ("writes_served_minority_sloppy", "writes_served_majority_sloppy"),
        ),
        Expectation(
            "strict-depends-on-the-key",
            "strict quorums serve a key on the side on which most of its replicas are: the "
            "majority's side is served more, and neither side everything",
            lambda m: (
                m.value("writes_served_minority_strict") < m.value("writes_served_majority_strict")
                and m.value("writes_served_majority_strict") < 100
                and m.value("writes_served_minority_strict") > 0
            ),
            ("writes_served_minority_strict", "writes_served_majority_strict"),
        ),
    ),
)

# ------------------------------------------------------------------ sloppy-quorum-loses-overlap

QUORUMS = (Variant("sloppy", {"quorum": "sloppy"}), Variant("strict", {"quorum": "strict"}))
_QUORUM = {"sloppy": "sloppy quorums", "strict": "strict quorums"}


async def read_on_the_other_side(trial: Trial) -> None:
    """Two of the three replicas of each key are apart from who writes it; R = W = 2."""
    near, far = trial.cluster.nodes[:3], trial.cluster.nodes[3:]
    count = trial.number_of("keys")
    keys = keys_where(trial, count, lambda replicas: sum(one in far for one in replicas) == 2)
    trial.phase("before")
    contexts = {}

    async def write_first(client: StoreClient, key: str) -> None:
        response = await client.put(key, 1, at=trial.rng.choice(near), w=3)
        contexts[key] = response.context if response is not None else None

    await carry_out(trial, [partial(write_first, key=key) for key in keys])
    require_all_answered(trial, "write", trial.operations())
    trial.phase("during")
    await trial.inject(kinds.Partition((near, far)))
    accepted: set[str] = set()

    async def write_again(client: StoreClient, key: str) -> None:
        at = trial.rng.choice(near)
        if await client.put(key, 2, at=at, context=contexts[key]) is not None:
            accepted.add(key)

    await carry_out(trial, [partial(write_again, key=key) for key in keys])
    trial.measure_variant("writes_accepted", percent(len(accepted), count))
    for side, nodes in (("far", far), ("near", near)):
        stale, reads = await _stale_reads(trial, keys, nodes, accepted)
        trial.measure_variant(f"stale_reads_{side}", percent(stale, reads))
    trial.end_phase()
    require_overlap(trial, "during")
    await trial.heal()
    await _hints_delivered(trial)
    trial.phase("after")
    stale, reads = await _stale_reads(trial, keys, far, accepted)
    trial.measure_variant("stale_reads_after_handoff", percent(stale, reads))
    trial.evidence.require(reads == count, f"only {reads} of {count} final reads were answered")
    trial.end_phase()
    require_traffic(trial, ("read",), ("after",))


async def _stale_reads(
    trial: Trial, keys: tuple[str, ...], nodes: tuple[NodeId, ...], accepted: set[str]
) -> tuple[int, int]:
    """How many reads by these nodes miss a write that was acknowledged, and how many were
    answered."""
    stale: list[bool] = []

    async def read(client: StoreClient, key: str) -> None:
        response = await client.get(key, at=trial.rng.choice(nodes))
        if response is not None:
            stale.append(key in accepted and 2 not in values_of(response.siblings))

    await carry_out(trial, [partial(read, key=key) for key in keys])
    return sum(stale), len(stale)


async def _hints_delivered(trial: Trial) -> None:
    async def delivered() -> bool:
        shown = await views(trial)
        return len(shown) == len(trial.cluster.nodes) and not any(
            view.hints for view in shown.values()
        )

    await trial.cluster.until("all hints handed off", delivered, within_ms=30 * trial.timeout_ms)


def _of_quorums(name: str) -> tuple[Measurement, ...]:
    words = _QUORUM[name]
    return (
        Measurement(
            f"writes_accepted_{name}",
            "%",
            f"of writes where one of three replicas can be reached are acknowledged: {words}",
            "mean",
        ),
        Measurement(
            f"stale_reads_far_{name}",
            "%",
            f"of reads by the two other replicas miss an acknowledged write: {words}",
            "mean",
        ),
        Measurement(
            f"stale_reads_near_{name}", "%", f"the same on the writer's side: {words}", "mean"
        ),
        Measurement(
            f"stale_reads_after_handoff_{name}",
            "%",
            f"the same by the two others, once all hints are delivered: {words}",
            "mean",
        ),
    )


SLOPPY_QUORUM = store_experiment(
    id="sloppy-quorum-loses-overlap",
    title="A sloppy quorum does not overlap",
    question="R + W > N, and the quorum is sloppy: can a read miss a write that was acknowledged?",
    trial=read_on_the_other_side,
    faults=("partition",),
    params={"read_repair": "off", "anti_entropy_ms": 0},
    settings=(Setting("keys", 40, "keys that are written and read", minimum=1),),
    short={"keys": 15},
    variants=QUORUMS,
    trials_sim=5,
    measurements=tuple(one for variant in QUORUMS for one in _of_quorums(variant.name)),
    expectations=(
        Expectation(
            "sloppy-takes-everything",
            "sloppy quorums acknowledge every write, strict ones none of these",
            lambda m: (
                m.value("writes_accepted_sloppy") == 100 and m.value("writes_accepted_strict") == 0
            ),
            ("writes_accepted_sloppy", "writes_accepted_strict"),
        ),
        Expectation(
            "sloppy-reads-miss-it",
            "every read by the two replicas on the other side misses the write: who stands in for "
            "a replica is not among those that are read",
            lambda m: (
                m.value("stale_reads_far_sloppy") == 100 and m.value("stale_reads_far_strict") == 0
            ),
            ("stale_reads_far_sloppy", "stale_reads_far_strict"),
        ),
        Expectation(
            "handoff-brings-it",
            "once the hints are delivered no read misses it",
            lambda m: m.value("stale_reads_after_handoff_sloppy") == 0,
            ("stale_reads_after_handoff_sloppy",),
        ),
    ),
)

# ---------------------------------------------------------------------- hinted-handoff-recovery

SHORT_WINDOW_MS = 2000
WINDOWS = (
    Variant("in_window", {"hint_window_ms": 600_000, "anti_entropy_ms": 0}),
    Variant("window_over", {"hint_window_ms": SHORT_WINDOW_MS, "anti_entropy_ms": 0}),
    Variant("anti_entropy", {"hint_window_ms": SHORT_WINDOW_MS, "anti_entropy_ms": 300}),
)
_WINDOW = {
    "in_window": "the node comes back within the hint window",
    "window_over": "it comes back after the hint window, and there is no anti-entropy",
    "anti_entropy": "it comes back after the hint window, and there is anti-entropy",
}


async def recover(trial: Trial) -> None:
    """One replica is down while its keys are written, and for longer than the short window."""
    *others, away = trial.cluster.nodes
    keys = keys_where(trial, trial.number_of("keys"), lambda replicas: away in replicas)
    trial.phase("before")
    await carry_out(trial, put_jobs(keys, 1, lambda _: trial.rng.choice(others), w=3))
    require_all_answered(trial, "write", trial.operations())
    trial.phase("during")
    await trial.inject(kinds.Kill((away,)))
    await carry_out(trial, put_jobs(keys, 2, lambda _: trial.rng.choice(others)))
    require_all_answered(trial, "write", trial.operations())
    hints = sum(view.hints for view in (await views(trial)).values())
    trial.evidence.require(hints > 0, "nobody kept a hint")
    trial.measure_variant("hints_kept", hints)
    await trial.sleep(trial.number_of("down_ms"))
    trial.end_phase()
    require_overlap(trial, "during")
    await trial.heal()
    back_ms = trial.now_ms()
    await _hints_delivered(trial)
    if trial.variant == "anti_entropy":
        await _caught_up(trial, away, keys)
    missing = await lacking(trial, away, keys, 2)
    if not missing:
        trial.measure_variant("recovery_ms", trial.now_ms() - back_ms)
    trial.measure_variant("missing_afterwards", percent(len(missing), len(keys)))


async def _caught_up(trial: Trial, node: NodeId, keys: tuple[str, ...]) -> None:
    async def complete() -> bool:
        return not await lacking(trial, node, keys, 2)

    await trial.cluster.until(f"{node} has caught up", complete, within_ms=30 * trial.timeout_ms)


def _of_window(name: str) -> tuple[Measurement, ...]:
    words = _WINDOW[name]
    found = (
        Measurement(f"hints_kept_{name}", "hints", f"right after the writes: {words}"),
        Measurement(
            f"missing_afterwards_{name}",
            "%",
            f"of the keys written meanwhile are missing on the node: {words}",
            "mean",
        ),
    )
    if name == "window_over":
        return found
    recovery = Measurement(
        f"recovery_ms_{name}", "ms", f"until the node had all that it missed: {words}"
    )
    return (*found, recovery)


HINTED_HANDOFF = store_experiment(
    id="hinted-handoff-recovery",
    title="Hints for a node that is away",
    question="A replica is down for a while: how does it get what was written meanwhile, and what "
    "if it was away for too long?",
    trial=recover,
    faults=("kill",),
    params={"quorum": "sloppy", "read_repair": "off", "handoff_ms": 200},
    settings=(
        Setting("keys", 100, "keys that are written meanwhile", minimum=1),
        Setting("down_ms", 4500, "how long it stays down afterwards", minimum=2 * SHORT_WINDOW_MS),
    ),
    short={"keys": 40},
    variants=WINDOWS,
    trials_sim=5,
    measurements=tuple(one for variant in WINDOWS for one in _of_window(variant.name)),
    expectations=(
        Expectation(
            "hints-bring-everything",
            "within the window the hints bring all that it missed",
            lambda m: m.value("missing_afterwards_in_window") == 0,
            ("missing_afterwards_in_window",),
        ),
        Expectation(
            "hints-are-no-backup",
            "after the window the hints are gone, and what was written meanwhile is missing",
            lambda m: m.value("missing_afterwards_window_over") > 0,
            ("missing_afterwards_window_over",),
        ),
        Expectation(
            "anti-entropy-brings-the-rest",
            "anti-entropy brings what no hint does",
            lambda m: m.value("missing_afterwards_anti_entropy") == 0,
            ("missing_afterwards_anti_entropy",),
        ),
    ),
)

EXPERIMENTS = (PARTITION_AVAILABILITY, SLOPPY_QUORUM, HINTED_HANDOFF)
