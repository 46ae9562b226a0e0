"""How replicas that differ become alike: by reads, and by comparing trees; and what comes back from
the dead when a tombstone is forgotten too early (Dynamo 4.7)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.acting import SETTLE_MS
from labs.kit.experiment.evidence import require_overlap
from labs.kit.lab import Setting
from labs.quorum_store.experiments.tools import (
    StoreClient,
    carry_out,
    final_values,
    held_at,
    lacking,
    percent,
    put_jobs,
    require_all_answered,
    store_experiment,
    values_at,
    values_of,
    views,
)
from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId
from protos import quorum_store_pb2 as pb

REPLICAS = 3
VALUE_BYTES = 200
DIVERGENT = (25, 100, 400)


def _keys(count: int, name: str = "key") -> tuple[str, ...]:
    return tuple(f"{name}-{number}" for number in range(count))


async def _diverge(trial: Trial, keys: Iterable[str]) -> NodeId:
    """One of three replicas, which is returned, is cut off while these keys are written again."""
    *others, away = trial.cluster.nodes
    await trial.inject(kinds.Isolate(away))
    await trial.sleep(2 * SETTLE_MS)  # so that it is what is sent from now on that does not arrive
    jobs = put_jobs(keys, 2, lambda _: trial.rng.choice(others))
    await carry_out(trial, jobs, value_bytes=VALUE_BYTES)
    return away


async def _all_alike(trial: Trial) -> None:
    """Waits until all nodes, which are all replicas of every key, hold the same."""

    async def alike() -> bool:
        shown = await views(trial)
        digests = {view.digest for view in shown.values()}
        return len(shown) == len(trial.cluster.nodes) and len(digests) == 1

    await trial.cluster.until("all replicas alike", alike, within_ms=60 * trial.timeout_ms)


# ------------------------------------------------------------------------ read-repair-convergence

HOW_MANY = tuple(Variant(f"{count}_keys") for count in DIVERGENT)


def _count_of(variant: str) -> int:
    return int(variant.removesuffix("_keys"))


async def repair_by_reads(trial: Trial) -> None:
    """Half of the keys that differ are read once each; nothing else spreads."""
    count = _count_of(trial.variant)
    warm, cold = _keys(count, "warm"), _keys(count, "cold")
    keys = (*warm, *cold)
    trial.phase("before")
    at = trial.cluster.nodes
    await carry_out(trial, put_jobs(keys, 1, lambda _: trial.rng.choice(at), w=3))
    trial.phase("during")
    away = await _diverge(trial, keys)
    trial.end_phase()
    require_all_answered(trial, "write", trial.operations())
    require_overlap(trial, "during")
    await trial.heal()
    behind = await lacking(trial, away, keys, 2)
    trial.evidence.require(len(behind) == len(keys), f"{away} did not miss every write")
    trial.phase("after")
    began_ms = trial.now_ms()

    async def read(client: StoreClient, key: str) -> None:
        await client.get(key, at=trial.rng.choice(at), r=3)

    await carry_out(trial, [partial(read, key=key) for key in warm])

    async def repaired() -> bool:
        return not await lacking(trial, away, warm, 2)

    await trial.cluster.until(
        "what was read is repaired", repaired, within_ms=20 * trial.timeout_ms
    )
    trial.measure_variant("repair_ms", trial.now_ms() - began_ms)
    sent = sum(view.repaired for view in (await views(trial)).values())
    trial.measure_variant("repairs_a_key", sent / count)
    left = await lacking(trial, away, cold, 2)
    trial.measure_variant("unread_still_behind", percent(len(left), count))
    trial.end_phase()


def _of_repair(name: str) -> tuple[Measurement, ...]:
    count = _count_of(name)
    return (
        Measurement(
            f"repair_ms_{name}",
            "ms",
            f"from the first read of {count} keys that differ until all of them are repaired",
        ),
        Measurement(
            f"repairs_a_key_{name}", "records", f"that were sent for each of {count} keys", "mean"
        ),
        Measurement(
            f"unread_still_behind_{name}",
            "%",
            f"of {count} keys that nobody read still differ afterwards",
            "mean",
        ),
    )


READ_REPAIR = store_experiment(
    id="read-repair-convergence",
    title="Repaired by being read",
    question="A replica has missed writes: how soon does reading repair it, and what of the keys "
    "that nobody reads?",
    trial=repair_by_reads,
    faults=("isolate",),
    nodes=REPLICAS,
    params={"read_repair": "background", "anti_entropy_ms": 0, "handoff_ms": 0},
    variants=HOW_MANY,
    trials_sim=3,
    trials_real=2,
    measurements=tuple(one for variant in HOW_MANY for one in _of_repair(variant.name)),
    expectations=(
        Expectation(
            "one-record-a-key",
            "each key that is read is repaired by one record, sent to the replica that was behind",
            lambda m: m.value("repairs_a_key_100_keys") == 1,
            ("repairs_a_key_100_keys",),
        ),
        Expectation(
            "cold-keys-stay-behind",
            "read repair covers what is read and nothing else: all other keys still differ",
            lambda m: m.value("unread_still_behind_100_keys") == 100,
            ("unread_still_behind_100_keys",),
        ),
        Expectation(
            "as-long-as-reads-take",
            "sixteen times as many keys take longer: it is as fast as they are read",
            lambda m: m.value("repair_ms_400_keys") > 2 * m.value("repair_ms_25_keys"),
            ("repair_ms_400_keys", "repair_ms_25_keys"),
        ),
    ),
)

# ----------------------------------------------------------------------- anti-entropy-convergence


async def compare_trees(trial: Trial) -> None:
    """Of many keys some are written while one replica is cut off; then only trees are compared."""
    divergent = _count_of(trial.variant)
    keys = _keys(trial.number_of("keys"))
    trial.phase("before")
    at = trial.cluster.nodes
    jobs = put_jobs(keys, 1, lambda _: trial.rng.choice(at), w=3)
    await carry_out(trial, jobs, clients=16, value_bytes=VALUE_BYTES)
    await _all_alike(trial)
    trial.phase("during")
    away = await _diverge(trial, keys[:divergent])
    trial.end_phase()
    require_all_answered(trial, "write", trial.operations())
    require_overlap(trial, "during")
    behind = await lacking(trial, away, keys[:divergent], 2)
    trial.evidence.require(len(behind) == divergent, f"{away} did not miss every write")
    before = await _exchanged(trial)
    await trial.heal()
    healed_ms = trial.now_ms()
    await _all_alike(trial)
    trial.measure_variant("convergence_ms", trial.now_ms() - healed_ms)
    sent = await _exchanged(trial) - before
    newest = await lacking(trial, away, keys[:divergent], 2)
    trial.evidence.require(not newest, f"{away} lacks {len(newest)} keys, and all looked alike")
    whole = await _bytes_held(trial, away, keys)
    differing = await _bytes_held(trial, away, keys[:divergent])
    trial.measure_variant("bytes_sent", sent)
    trial.measure_variant("times_the_difference", sent / differing)
    # Who cannot tell what differs sends everything, to each of the two others.
    trial.measure_variant("share_of_full_exchange", percent(sent, 2 * whole))


async def _exchanged(trial: Trial) -> int:
    return sum(view.exchanged_bytes for view in (await views(trial)).values())


async def _bytes_held(trial: Trial, node: NodeId, keys: Iterable[str]) -> int:
    """How large the records of these keys are as they are sent, with their keys."""
    total = 0
    for key in keys:
        response = await held_at(trial, node, key)
        if response is not None:
            total += pb.KeyRecord(key=key, record=response.record).ByteSize()
    return total


def _of_trees(name: str) -> tuple[Measurement, ...]:
    count = _count_of(name)
    return (
        Measurement(
            f"convergence_ms_{name}", "ms", f"from the heal until {count} keys are alike again"
        ),
        Measurement(f"bytes_sent_{name}", "bytes", f"by anti-entropy meanwhile, {count} differ"),
        Measurement(
            f"times_the_difference_{name}",
            "times",
            f"the bytes of the records that differ, {count} of them",
        ),
        Measurement(
            f"share_of_full_exchange_{name}",
            "%",
            f"of the bytes that sending every record to both others would take, {count} differ",
        ),
    )


ANTI_ENTROPY = store_experiment(
    id="anti-entropy-convergence",
    title="Comparing trees",
    question="A replica has missed some of many writes: how long until it is alike again, and how "
    "much has to be sent to find what differs?",
    trial=compare_trees,
    faults=("isolate",),
    nodes=REPLICAS,
    params={"read_repair": "off", "anti_entropy_ms": 500, "handoff_ms": 0},
    settings=(Setting("keys", 2000, "that all replicas hold", minimum=max(DIVERGENT)),),
    short={"keys": 400},
    variants=HOW_MANY,
    trials_sim=2,
    trials_real=2,
    measurements=tuple(one for variant in HOW_MANY for one in _of_trees(variant.name)),
    expectations=(
        Expectation(
            "only-what-differs",
            "the bytes sent are at most three times those of the records that differ",
            lambda m: m.value("times_the_difference_400_keys") <= 3,
            ("times_the_difference_400_keys",),
        ),
        Expectation(
            "far-less-than-everything",
            "where few keys differ, a fraction of a full exchange is sent",
            lambda m: m.value("share_of_full_exchange_25_keys") < 25,
            ("share_of_full_exchange_25_keys",),
        ),
        Expectation(
            "more-differs-more-is-sent",
            "what is sent grows with what differs, not with what is held",
            lambda m: m.value("bytes_sent_100_keys") > 1.5 * m.value("bytes_sent_25_keys"),
            ("bytes_sent_100_keys", "bytes_sent_25_keys"),
        ),
    ),
)

# ----------------------------------------------------------------------------- resurrected-delete

GRACES = (
    Variant("short_grace", {"tombstone_grace_ms": 1000}),
    Variant("long_grace", {"tombstone_grace_ms": 60_000}),
)
_GRACE = {
    "short_grace": "tombstones are forgotten before the replica is back",
    "long_grace": "tombstones are kept for longer than it is away",
}


async def delete_meanwhile(trial: Trial) -> None:
    """Keys are deleted while one replica is cut off; it comes back after the short grace."""
    *others, away = trial.cluster.nodes
    keys = _keys(trial.number_of("keys"))
    trial.phase("before")
    await carry_out(trial, put_jobs(keys, 1, lambda _: trial.rng.choice(others), w=3))
    trial.phase("during")
    await trial.inject(kinds.Isolate(away))
    await trial.sleep(2 * SETTLE_MS)  # so that it is what is sent from now on that does not arrive

    async def delete(client: StoreClient, key: str) -> None:
        at = trial.rng.choice(others)
        seen = await client.get(key, at=at)
        await client.delete(key, at=at, context=seen.context if seen is not None else None)
        read = await client.get(key, at=at)
        gone = read is not None and not values_of(read.siblings)
        trial.evidence.require(gone, f"{key} was still there after its deletion")

    await carry_out(trial, [partial(delete, key=key) for key in keys])
    require_all_answered(trial, "operation", trial.operations())
    if trial.variant == "short_grace":
        await _forgotten(trial, others, keys)
    await trial.sleep(trial.number_of("away_ms"))
    still = [key for key in keys if await values_at(trial, away, key) == (1,)]
    trial.evidence.require(len(still) == len(keys), f"{away} heard of deletions")
    trial.end_phase()
    require_overlap(trial, "during")
    await trial.heal()
    await _all_alike(trial)
    back = [key for key in keys if await final_values(trial, key)]
    trial.measure_variant("resurrected", percent(len(back), len(keys)))


async def _forgotten(trial: Trial, nodes: Iterable[NodeId], keys: Iterable[str]) -> None:
    """Waits until none of these nodes holds anything of the keys."""

    async def nothing_held() -> bool:
        for node in nodes:
            for key in keys:
                response = await held_at(trial, node, key)
                if response is None or response.record.siblings:
                    return False
        return True

    await trial.cluster.until("the tombstones are gone", nothing_held, within_ms=20_000)


RESURRECTED = store_experiment(
    id="resurrected-delete",
    title="Deleted, and back again",
    question="A replica was away when a key was deleted: may the others forget the deletion before "
    "it is back?",
    trial=delete_meanwhile,
    faults=("isolate",),
    nodes=REPLICAS,
    params={"read_repair": "background", "anti_entropy_ms": 300, "handoff_ms": 0},
    settings=(
        Setting("keys", 20, "keys that are deleted", minimum=1),
        Setting("away_ms", 1500, "how long the replica stays away afterwards", minimum=1),
    ),
    short={"keys": 8},
    variants=GRACES,
    trials_sim=5,
    measurements=tuple(
        Measurement(
            f"resurrected_{variant.name}",
            "%",
            f"of deleted keys are there again in the end: {_GRACE[variant.name]}",
            "mean",
        )
        for variant in GRACES
    ),
    expectations=(
        Expectation(
            "too-short-brings-back",
            "a grace period that is shorter than the outage brings deleted keys back, all of them",
            lambda m: m.value("resurrected_short_grace") == 100,
            ("resurrected_short_grace",),
        ),
        Expectation(
            "long-enough-does-not",
            "as long as the tombstones are there when it comes back, nothing returns",
            lambda m: m.value("resurrected_long_grace") == 0,
            ("resurrected_long_grace",),
        ),
    ),
)

EXPERIMENTS = (READ_REPAIR, ANTI_ENTROPY, RESURRECTED)
