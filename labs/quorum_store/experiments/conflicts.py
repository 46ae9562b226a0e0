"""Writes that do not know of each other: kept side by side, or lost; and what overlap is no help
against."""

from __future__ import annotations

import asyncio

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_overlap
from labs.kit.lab import Setting
from labs.quorum_store.experiments.tools import (
    NO_REPAIR,
    Account,
    StoreClient,
    final_values,
    percent,
    replicas_of,
    require_all_answered,
    store_experiment,
    values_at,
    values_of,
)
from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId
from protos import quorum_store_pb2 as pb

# ---------------------------------------------------------------------------- concurrent-writes

SKEW_MS = -5000
WAYS = (
    Variant("siblings", {"versions": "siblings"}),
    Variant("lww", {"versions": "lww", "clock": "hybrid"}),
    Variant("lww_wall", {"versions": "lww", "clock": "wall"}),
)
_WAY = {
    "siblings": "siblings by dotted version vectors",
    "lww": "the last writer wins, by hybrid clocks",
    "lww_wall": "the last writer wins, by wall clocks",
}


async def write_at_once(trial: Trial) -> None:
    """One clock of three is slow. Everyone reads and then writes, first all at once, round by
    round; then two nodes in turn, each after the other's write was acknowledged."""
    trial.phase("during")
    slow = trial.cluster.nodes[1]
    await trial.inject(kinds.Skew((slow,), offset_ms=SKEW_MS))
    rounds = trial.number_of("rounds")
    concurrent = await _rounds(trial, "at-once", rounds)
    turns = await _turns(trial, "in-turn", rounds, slow)
    trial.end_phase()
    for name, key, account in (
        ("concurrent", "at-once", concurrent),
        ("sequential", "in-turn", turns),
    ):
        final = await final_values(trial, key)
        trial.evidence.require(bool(final), f"nothing is left of {key}")
        lost = account.lost(final)
        trial.measure_variant(f"acknowledged_{name}", len(account.seen))
        trial.measure_variant(f"lost_{name}", len(lost))
        if name == "sequential":
            of_slow = [value for value in account.seen if value % 2]
            trial.measure_variant(
                "lost_of_slow_clock", percent(len(set(lost) & set(of_slow)), len(of_slow))
            )
    require_all_answered(trial, "operation", trial.operations())
    require_overlap(trial, "during")


async def _rounds(trial: Trial, key: str, rounds: int) -> Account:
    """All clients read, and when the last has read, all write what replaces what they saw."""
    nodes, account = trial.cluster.nodes, Account()
    clients = [StoreClient(trial) for _ in nodes]

    for number in range(rounds):
        seen = [await client.get(key, at=at) for client, at in zip(clients, nodes, strict=True)]
        first = number * len(nodes) + 1
        writes = zip(clients, nodes, range(first, first + len(nodes)), seen, strict=True)
        await asyncio.gather(
            *(_replace(account, client, key, value, at, one) for client, at, value, one in writes)
        )
    left = await clients[0].get(key, at=nodes[0])
    if left is not None:
        trial.measure_variant("values_after_a_round", len(left.siblings))
    return account


async def _replace(
    account: Account,
    client: StoreClient,
    key: str,
    value: int,
    at: NodeId,
    seen: pb.GetResponse | None,
) -> None:
    """Writes in the place of what was read, and enters it into the account if it is told to have
    happened."""
    if seen is None:
        return
    if await client.put(key, value, at=at, context=seen.context) is not None:
        account.acknowledged(value, values_of(seen.siblings))


async def _turns(trial: Trial, key: str, rounds: int, slow: NodeId) -> Account:
    """A node with a true clock and the one with the slow clock, whose values are odd, in turn."""
    true, account = trial.cluster.nodes[0], Account()
    client = StoreClient(trial)
    for number in range(2, 2 + 2 * rounds):
        at = slow if number % 2 else true
        await _replace(account, client, key, number, at, await client.get(key, at=at))
    return account


def _of_way(name: str) -> tuple[Measurement, ...]:
    words = _WAY[name]
    return (
        Measurement(
            f"acknowledged_concurrent_{name}", "writes", f"at once, acknowledged: {words}", "sum"
        ),
        Measurement(
            f"lost_concurrent_{name}",
            "writes",
            f"of these, that are gone although nobody who had seen them overwrote them: {words}",
            "sum",
        ),
        Measurement(
            f"acknowledged_sequential_{name}", "writes", f"in turn, acknowledged: {words}", "sum"
        ),
        Measurement(f"lost_sequential_{name}", "writes", f"of these, lost: {words}", "sum"),
        Measurement(
            f"lost_of_slow_clock_{name}",
            "%",
            f"of the writes in turn by the node whose clock is slow are lost: {words}",
            "mean",
        ),
        Measurement(
            f"values_after_a_round_{name}", "values", f"left of three concurrent writes: {words}"
        ),
    )


CONCURRENT_WRITES = store_experiment(
    id="concurrent-writes",
    title="Writes that do not know of each other",
    question="Of writes that were acknowledged, how many are lost: with siblings, and where the "
    "last writer wins?",
    trial=write_at_once,
    faults=("skew",),
    nodes=3,
    # Every node is a replica, and what one has seen is in a quorum; nothing else moves.
    params={"read_repair": "background", "anti_entropy_ms": 0, "replication": 3},
    settings=(Setting("rounds", 20, "of three concurrent writes, and of two in turn", minimum=1),),
    short={"rounds": 6},
    variants=WAYS,
    trials_sim=10,
    measurements=tuple(one for variant in WAYS for one in _of_way(variant.name)),
    expectations=(
        Expectation(
            "siblings-lose-nothing",
            "with siblings no acknowledged write is lost: concurrent ones are kept side by side",
            lambda m: (
                m.value("lost_concurrent_siblings") == 0
                and m.value("lost_sequential_siblings") == 0
                and m.value("values_after_a_round_siblings") == 3
            ),
            (
                "lost_concurrent_siblings",
                "lost_sequential_siblings",
                "values_after_a_round_siblings",
            ),
        ),
        Expectation(
            "last-writer-wins-loses",
            "where the last writer wins, of three concurrent writes two are lost, every time",
            lambda m: (
                3 * m.value("lost_concurrent_lww") == 2 * m.value("acknowledged_concurrent_lww")
            ),
            ("lost_concurrent_lww", "acknowledged_concurrent_lww"),
        ),
        Expectation(
            "hybrid-clocks-follow-causes",
            "a hybrid clock goes past what it has seen: no write in turn is lost, however slow the "
            "wall clock",
            lambda m: m.value("lost_sequential_lww") == 0,
            ("lost_sequential_lww",),
        ),
        Expectation(
            "slow-clock-loses-everything",
            "by wall clocks every write of the slow node is lost, though it came after the other's",
            lambda m: m.value("lost_of_slow_clock_lww_wall") == 100,
            ("lost_of_slow_clock_lww_wall",),
        ),
    ),
)

# -------------------------------------------------------------- not-linearizable-with-overlap

MODES = (Variant("quorum", {"versions": "lww"}), Variant("abd", {"versions": "abd"}))
_MODE = {"quorum": "R = W = 2 of 3", "abd": "the same with ABD, which writes back what it read"}
KEY = "x"
NEAR_MS = 50  # one way, between the first reader and the replica that it asks


async def read_twice(trial: Trial) -> None:
    """While a write has reached one replica only, one client reads by that replica, and when it has
    its answer another reads by the two others."""
    first, second, third = replicas_of(trial, KEY)
    outsider = next(node for node in trial.cluster.nodes if node not in (first, second, third))
    late_ms = trial.number_of("late_ms")
    writer, reader, later = (StoreClient(trial) for _ in range(3))
    await writer.put(KEY, 1, at=outsider, w=0 if trial.variant == "abd" else 3)
    trial.evidence.require(writer.last.ok, "the first write was not acknowledged")
    await trial.cluster.until(
        "the first write is everywhere",
        lambda: _has_everywhere(trial, (first, second, third)),
        within_ms=10 * trial.timeout_ms,
    )
    trial.phase("during")
    await trial.inject(
        kinds.Delay(outsider, second, late_ms, one_way=True),
        kinds.Delay(outsider, third, late_ms, one_way=True),
        # The later reader's coordinator is not to hear the first replica in time.
        kinds.Delay(first, second, late_ms // 2),
        kinds.Delay(first, third, NEAR_MS),
    )
    under_way = asyncio.ensure_future(writer.put(KEY, 2, at=outsider))
    await trial.cluster.until(
        "the write has reached one replica",
        lambda: _has(trial, first, 2),
        within_ms=10 * trial.timeout_ms,
    )
    await reader.get(KEY, at=first)
    await later.get(KEY, at=second)
    trial.evidence.require(not under_way.done(), "the write was over before both had read")
    await under_way
    trial.end_phase()
    require_all_answered(trial, "operation", trial.operations())
    if reader.last.ok and later.last.ok:
        trial.measure_variant(
            "new_then_old", 100 * (reader.last.result == 2 and later.last.result == 1)
        )
        trial.measure_variant("read_round_trips", reader.last.took_ms / (2 * NEAR_MS))
    trial.judged_by("register", must_be_valid=trial.variant == "abd")


async def _has(trial: Trial, node: NodeId, value: int) -> bool:
    return value in (await values_at(trial, node, KEY) or ())


async def _has_everywhere(trial: Trial, replicas: tuple[NodeId, ...]) -> bool:
    return all([await _has(trial, node, 1) for node in replicas])


def _of_mode(name: str) -> tuple[Measurement, ...]:
    words = _MODE[name]
    return (
        Measurement(
            f"new_then_old_{name}",
            "%",
            f"of runs in which a read returned less than one before it: {words}",
            "mean",
        ),
        Measurement(f"linearizable_{name}", "share", f"of linearizable histories: {words}", "mean"),
        Measurement(
            f"read_round_trips_{name}", "round trips", f"that the first read took: {words}"
        ),
    )


NOT_LINEARIZABLE = store_experiment(
    id="not-linearizable-with-overlap",
    title="R + W > N is not linearizability",
    question="Quorums overlap: can a client still read a value, and the next client an older one?",
    trial=read_twice,
    faults=("delay",),
    nodes=5,
    params=NO_REPAIR
    | {"replication": 3, "read_quorum": 2, "write_quorum": 2}
    | {"replica_timeout_ms": 4000, "request_timeout_ms": 5000},
    params_real={},
    settings=(Setting("late_ms", 800, "how late the write is at two replicas", minimum=400),),
    variants=MODES,
    trials_sim=20,
    trials_sim_short=3,
    measurements=tuple(one for variant in MODES for one in _of_mode(variant.name)),
    expectations=(
        Expectation(
            "overlap-is-not-enough",
            "with R = W = 2 of 3 the later read returns the older value in every run, and the "
            "checker rejects every history",
            lambda m: m.value("new_then_old_quorum") == 100 and m.value("linearizable_quorum") == 0,
            ("new_then_old_quorum", "linearizable_quorum"),
        ),
        Expectation(
            "writing-back-is",
            "with ABD no read goes back, and the checker accepts every history",
            lambda m: m.value("new_then_old_abd") == 0 and m.value("linearizable_abd") == 1,
            ("new_then_old_abd", "linearizable_abd"),
        ),
        Expectation(
            "for-a-round-trip",
            "the price of it is one more round trip for the read",
            lambda m: (
                0.5 < m.value("read_round_trips_abd") - m.value("read_round_trips_quorum") < 2
            ),
            ("read_round_trips_abd", "read_round_trips_quorum"),
        ),
    ),
)

EXPERIMENTS = (CONCURRENT_WRITES, NOT_LINEARIZABLE)
