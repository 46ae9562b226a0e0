"""Where keys lie: how evenly, what moves when a node comes, and what no ring helps against."""

from __future__ import annotations

from collections import Counter
from functools import partial

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.acting import carried
from labs.kit.experiment.evidence import require_traffic
from labs.kit.lab import Setting, Value
from labs.kit.workloads import Registers
from labs.quorum_store.dialect import StoreDialect
from labs.quorum_store.experiments.tools import (
    NO_REPAIR,
    StoreClient,
    carry_out,
    percent,
    put_jobs,
    require_all_answered,
    ring_of,
    store_experiment,
    values_of,
    views,
)
from nodes.parts.hash_ring import HashRing, moved_replicas, position
from protos import quorum_store_pb2 as pb

MEMBERS = 5
# Another node is there from the start and not in the ring: it coordinates, or joins later.
NODES = MEMBERS + 1
ONE_REPLICA: dict[str, Value] = {"replication": 1, "read_quorum": 1, "write_quorum": 1}
THREE_REPLICAS: dict[str, Value] = {"replication": 3, "read_quorum": 1, "write_quorum": 1}

# ------------------------------------------------------------------------------------- hot-spot

ZIPF = 1.5
LOADS = (
    Variant("few_tokens", ONE_REPLICA | {"tokens": 1}),
    Variant("even", ONE_REPLICA | {"tokens": 128}),
    Variant("hot", ONE_REPLICA | {"tokens": 128}),
    Variant("hot_replicated", THREE_REPLICAS | {"tokens": 128}),
)
_LOAD = {
    "few_tokens": "every key as often, one token a node",
    "even": "every key as often, 128 tokens a node",
    "hot": "a few keys far more often (Zipf 1.5), 128 tokens a node",
    "hot_replicated": "the same, and each key on three nodes",
}


async def read_keys(trial: Trial) -> None:
    """Reads by a node outside the ring, so that every read is a request to a replica."""
    router = trial.cluster.nodes[-1]
    keys = tuple(f"key-{number}" for number in range(trial.number_of("keys")))
    hot = trial.variant.startswith("hot")
    weights = [1 / (rank + 1) ** ZIPF if hot else 1.0 for rank in range(len(keys))]
    trial.phase("before")
    await carry_out(trial, put_jobs(keys, 1, lambda _: router, w=trial.number_of("replication")))
    trial.phase("reads")

    async def read(client: StoreClient, key: str) -> None:
        await client.get(key, at=router)

    drawn = trial.rng.choices(keys, weights, k=trial.number_of("reads"))
    await carry_out(trial, [partial(read, key=key) for key in drawn])
    trial.end_phase()
    trial.measure_variant("hottest_key", percent(max(Counter(drawn).values()), len(drawn)))
    require_all_answered(trial, "operation", trial.operations())


def count_requests(trial: Trial) -> None:
    """How many requests each member served."""
    router, within = trial.cluster.nodes[-1], trial.in_phase("reads")
    served = Counter(
        one.target
        for one in carried(trial.events, within.from_ms, within.until_ms or float("inf"))
        if one.request and one.rpc == "Fetch" and one.source == router
    )
    total = served.total()
    reads = sum(sample.f == "read" for sample in trial.scripted)
    trial.evidence.require(total == reads, f"{total} requests were seen of {reads} reads")
    if total:
        trial.measure_variant("busiest", max(served.values()) * MEMBERS / total)


def _of_load(name: str) -> tuple[Measurement, ...]:
    words = _LOAD[name]
    return (
        Measurement(
            f"busiest_{name}", "times", f"the mean of all nodes, at the busiest: {words}", "mean"
        ),
        Measurement(f"hottest_key_{name}", "%", f"of reads are of one key: {words}", "mean"),
    )


HOT_SPOT = store_experiment(
    id="hot-spot",
    title="A hot key on an even ring",
    question="Does an even ring spread requests evenly, also when a few keys are read far more "
    "often?",
    trial=read_keys,
    analyse=count_requests,
    nodes=NODES,
    params=NO_REPAIR | {"members": MEMBERS, "versions": "lww", "fan_out": "quorum"},
    settings=(
        Setting("keys", 500, "that are read", minimum=10),
        Setting("reads", 1500, "in each trial", minimum=100),
    ),
    short={"reads": 400, "keys": 200},
    variants=LOADS,
    trials_sim=3,
    trials_real=1,
    measurements=tuple(one for variant in LOADS for one in _of_load(variant.name)),
    expectations=(
        Expectation(
            "tokens-even-out",
            "with one token a node the busiest has more than twice its share; with 128 all have "
            "about the same",
            lambda m: m.value("busiest_few_tokens") > 2 and m.value("busiest_even") < 1.35,
            ("busiest_few_tokens", "busiest_even"),
        ),
        Expectation(
            "no-ring-cools-a-hot-key",
            "a hot key is on one node however even the ring is",
            lambda m: m.value("busiest_hot") > 1.2 * m.value("busiest_even"),
            ("busiest_hot", "busiest_even"),
        ),
        Expectation(
            "replicas-share-it",
            "reads of any of three replicas spread it over three nodes, no further",
            lambda m: m.value("busiest_hot_replicated") < m.value("busiest_hot"),
            ("busiest_hot_replicated", "busiest_hot"),
        ),
    ),
)

# ---------------------------------------------------------------------------------- rebalancing

JOINS = (
    Variant("tokens_1", ONE_REPLICA | {"tokens": 1}),
    Variant("tokens_16", ONE_REPLICA | {"tokens": 16}, short=False),
    Variant("tokens_128", ONE_REPLICA | {"tokens": 128}),
    Variant("replicated", {"replication": 3, "tokens": 128}, short=False),
)
_JOIN = {
    "tokens_1": "one token a node",
    "tokens_16": "16 tokens a node",
    "tokens_128": "128 tokens a node",
    "replicated": "128 tokens a node, three replicas of each key",
}
IDEAL = 100 / NODES


async def join(trial: Trial) -> None:
    """A sixth node joins while clients read and write."""
    *members, joining = trial.cluster.nodes
    replication = trial.number_of("replication")
    keys = tuple(f"key-{number}" for number in range(trial.number_of("keys")))
    trial.phase("load")
    await carry_out(trial, put_jobs(keys, 1, lambda _: trial.rng.choice(members), w=replication))
    require_all_answered(trial, "write", trial.operations())
    before = {node: view.keys for node, view in (await views(trial)).items()}
    records = sum(before.values())
    trial.evidence.require(records == len(keys) * replication, "not all records were written")
    trial.measure_variant("spread", max(before.values()) * MEMBERS / records)
    workload = trial.workload(Registers(keys, trial.rng), dialect=StoreDialect(), among=members)
    workload.closed_loop(3, pause_ms=20)
    trial.phase("before")
    await trial.sleep(500)
    trial.phase("during")
    began_ms = trial.now_ms()
    await trial.cluster.call(joining, pb.JoinRequest(), timeout_ms=10 * trial.timeout_ms)
    await trial.cluster.until(
        f"{joining} is a member", lambda: _is_member(trial), within_ms=60 * trial.timeout_ms
    )
    trial.measure_variant("join_ms", trial.now_ms() - began_ms)
    for kind in workload.generator.kinds:
        await workload.progress(1, f=kind, within_ms=20 * trial.timeout_ms)
    trial.phase("after")
    await trial.cluster.until(
        "everyone has dropped what moved",
        lambda: _records_are(trial, records),
        within_ms=60 * trial.timeout_ms,
    )
    for kind in workload.generator.kinds:
        await workload.progress(1, f=kind, within_ms=20 * trial.timeout_ms)
    await workload.stop()
    trial.end_phase()
    after = {node: view.keys for node, view in (await views(trial)).items()}
    trial.measure_variant("moved_share", percent(after[joining], records))
    old = ring_of(trial)
    new = HashRing(trial.cluster.nodes, old.tokens)
    trial.measure_variant("moved_by_the_ring", 100 * moved_replicas(old, new, replication))
    gained = sum(max(0, after[node] - before[node]) for node in members)
    trial.measure_variant("moved_among_others", gained)
    trial.measure_variant("failed_meanwhile", len(workload.samples) - workload.count())
    by_modulo = sum(position(key) % MEMBERS != position(key) % NODES for key in keys)
    trial.measure("moved_by_modulo", percent(by_modulo, len(keys)))
    await _read_all(trial, keys)


async def _is_member(trial: Trial) -> bool:
    shown = await views(trial)
    return len(shown) == NODES and all(
        sum(entry.membership == pb.MEMBER for entry in view.ring.entries) == NODES
        for view in shown.values()
    )


async def _records_are(trial: Trial, records: int) -> bool:
    return sum(view.keys for view in (await views(trial)).values()) == records


async def _read_all(trial: Trial, keys: tuple[str, ...]) -> None:
    """The final reads: every key must still be there."""
    found: list[bool] = []

    async def read(client: StoreClient, key: str) -> None:
        response = await client.get(key, at=trial.rng.choice(trial.cluster.nodes))
        if response is not None:
            found.append(bool(values_of(response.siblings)))

    await carry_out(trial, [partial(read, key=key) for key in keys])
    trial.evidence.require(len(found) == len(keys), "not every final read was answered")
    trial.measure_variant("lost_keys", found.count(False))


def analyse_join(trial: Trial) -> None:
    """Clients were served all the time."""
    require_traffic(trial, ("read", "write"), ("before", "during", "after"), rate_before="before")


def _of_join(name: str) -> tuple[Measurement, ...]:
    words = _JOIN[name]
    return (
        Measurement(
            f"spread_{name}", "times", f"the mean, of records at the fullest of five: {words}"
        ),
        Measurement(
            f"moved_share_{name}", "%", f"of all records were at the sixth node then: {words}"
        ),
        Measurement(f"moved_by_the_ring_{name}", "%", f"of the ring, exactly, went to it: {words}"),
        Measurement(
            f"moved_among_others_{name}",
            "records",
            f"that one of the five had more than before: {words}",
            "sum",
        ),
        Measurement(f"join_ms_{name}", "ms", f"from asking it to join until it was in: {words}"),
        Measurement(
            f"failed_meanwhile_{name}", "operations", f"of clients that failed: {words}", "sum"
        ),
        Measurement(f"lost_keys_{name}", "keys", f"that no final read found: {words}", "sum"),
    )


REBALANCING = store_experiment(
    id="rebalancing",
    title="A node joins",
    question="A sixth node joins five: how many records move, and how evenly do they lie, for "
    "different numbers of virtual nodes?",
    trial=join,
    analyse=analyse_join,
    nodes=NODES,
    params={"members": MEMBERS, "versions": "lww", "anti_entropy_ms": 200, "gossip_ms": 100},
    settings=(Setting("keys", 800, "that there are before", minimum=50),),
    short={"keys": 300},
    variants=JOINS,
    trials_sim=2,
    trials_real=1,
    measurements=(
        *(one for variant in JOINS for one in _of_join(variant.name)),
        Measurement("moved_by_modulo", "%", "of the same keys would move with hash modulo nodes"),
    ),
    expectations=(
        Expectation(
            "one-in-six-moves",
            f"with many virtual nodes about 1/(n+1) of the records move ({IDEAL:.1f} %), where "
            "hash modulo nodes would move more than three quarters",
            lambda m: (
                abs(m.value("moved_share_tokens_128") - IDEAL) < 6
                and m.value("moved_by_modulo") > 75
            ),
            ("moved_share_tokens_128", "moved_by_modulo"),
        ),
        Expectation(
            "nothing-else-moves",
            "what moves goes to the node that comes, and nothing moves among the others",
            lambda m: (
                m.value("moved_among_others_tokens_1") == 0
                and m.value("moved_among_others_tokens_128") == 0
            ),
            ("moved_among_others_tokens_1", "moved_among_others_tokens_128"),
        ),
        Expectation(
            "tokens-even-out",
            "the more virtual nodes the more evenly records lie: with one a node, where the nodes "
            "stand is luck",
            lambda m: m.value("spread_tokens_1") > 2 and m.value("spread_tokens_128") < 1.4,
            ("spread_tokens_1", "spread_tokens_128"),
        ),
        Expectation(
            "served-all-the-time",
            "no key is lost",
            lambda m: m.value("lost_keys_tokens_1") == 0 and m.value("lost_keys_tokens_128") == 0,
            ("lost_keys_tokens_1", "lost_keys_tokens_128"),
        ),
    ),
)

EXPERIMENTS = (HOT_SPOT, REBALANCING)
