"""What a transaction costs when nothing fails: messages, forced writes and time, beside the
formulas (Mohan, Lindsay, Obermarck, 1986; Gray and Lamport, 2006)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labs.commit.experiments.tools import (
    RICH,
    BankClient,
    adds_up,
    at_rest_within,
    commit_experiment,
    connected,
    views,
)
from labs.kit.experiment import Expectation, Figures, Measurement, Trial, Variant
from labs.kit.lab import Setting
from nodes.core import NodeId
from nodes.sim.cluster import SimOptions
from protos import commit_pb2 as pb

COORDINATOR = "n1"
COUNTS = (1, 2, 3, 4, 5)
# One account at each of the five participants, which are n2 to n6.
ACCOUNTS = ("alice", "bob", "carol", "dave", "5")
ABORTING = 3  # participants of the transaction that aborts, of which the last one says no


@dataclass(frozen=True, slots=True)
class Formula:
    """What a commit costs by the number of participants, none of which is the coordinator; and what
    an abort costs of which one participant is the cause."""

    messages: Callable[[int], int]
    forced: Callable[[int], int]
    forced_abort: Callable[[int], int]
    forced_abort_coordinator: int
    words: str


# Each phase is a request and a response for each participant. The last response acknowledges the
# outcome, which the papers leave out where they count 3N messages for two-phase commit.
FORMULAS = {
    # The votes, the decision, the outcomes; of an abort the votes of those that said yes.
    "2pc": Formula(lambda n: 4 * n, lambda n: 2 * n + 1, lambda n: n - 1, 0, "2PC"),
    # And the begin; and of an abort the begin, the decision and the outcomes.
    "2pc_nothing": Formula(
        lambda n: 4 * n, lambda n: 2 * n + 2, lambda n: 2 * n, 2, "2PC, nothing presumed"
    ),
    # And that all voted yes, at everyone.
    "3pc": Formula(lambda n: 6 * n, lambda n: 3 * n + 3, lambda n: 2 * n, 2, "3PC"),
}
VARIANTS = (
    Variant("2pc"),
    Variant("2pc_nothing", {"presume": "nothing"}),
    Variant("3pc", {"protocol": "3pc"}),
)


async def count(trial: Trial) -> None:
    """One transaction after the other, with 1 to 5 participants; then some that abort."""
    client = BankClient(trial)
    await connected(trial, client, {f"account/{name}": -1 for name in ACCOUNTS})
    for participants in COUNTS:
        for _ in range(trial.number_of("transactions")):
            changes = {f"account/{name}": -1 for name in ACCOUNTS[:participants]}
            spent, took_ms = await _one(trial, client, changes, pb.COMMITTED)
            end = f"n{participants}"
            trial.measure_variant(f"messages_{end}", sum(one for one, _ in spent.values()))
            trial.measure_variant(f"forced_{end}", sum(one for _, one in spent.values()))
            trial.measure_variant(f"latency_ms_{end}", took_ms)
    for _ in range(trial.number_of("transactions")):
        changes = {f"account/{name}": -1 for name in ACCOUNTS[:ABORTING]}
        changes[f"account/{ACCOUNTS[ABORTING - 1]}"] = -2 * RICH
        spent, took_ms = await _one(trial, client, changes, pb.ABORTED)
        trial.measure_variant("messages_abort", sum(one for one, _ in spent.values()))
        trial.measure_variant("forced_abort", sum(one for _, one in spent.values()))
        trial.measure_variant("forced_abort_coordinator", spent[COORDINATOR][1])
        trial.measure_variant("latency_ms_abort", took_ms)
    await adds_up(trial, client)


async def _one(
    trial: Trial, client: BankClient, changes: dict[str, int], expected: pb.Outcome
) -> tuple[dict[NodeId, tuple[int, int]], float]:
    """Messages and forced writes of each node, and how long the client waited."""
    await at_rest_within(trial)
    before = await _spent(trial)
    one, sample = await client.transact(changes, at=COORDINATOR)
    trial.evidence.require(one.outcome == expected, f"a transaction ended otherwise: {one.reason}")
    await at_rest_within(trial)
    after = await _spent(trial)
    spent = {
        node: (after[node][0] - before[node][0], after[node][1] - before[node][1])
        for node in before
    }
    return spent, sample.took_ms


async def _spent(trial: Trial) -> dict[NodeId, tuple[int, int]]:
    shown = await views(trial)
    return {node: (view.messages, view.forced_writes) for node, view in shown.items()}


def _of_variant(name: str) -> Iterator[Measurement]:
    formula = FORMULAS[name]
    for n in COUNTS:
        many = "1 participant" if n == 1 else f"{n} participants"
        yield Measurement(
            f"messages_n{n}_{name}",
            "messages",
            f"of a commit with {many}, {formula.messages(n)} by the formula: {formula.words}",
        )
        yield Measurement(
            f"forced_n{n}_{name}",
            "writes",
            f"that everyone waits for, {formula.forced(n)} by the formula: {formula.words}, {many}",
        )
        yield Measurement(
            f"latency_ms_n{n}_{name}", "ms", f"until its client knows: {formula.words}, {many}"
        )
    what = f"of an abort, {ABORTING} participants, of which one says no: {formula.words}"
    yield Measurement(f"messages_abort_{name}", "messages", what)
    yield Measurement(f"forced_abort_{name}", "writes", what)
    yield Measurement(f"forced_abort_coordinator_{name}", "writes", f"by the coordinator {what}")
    yield Measurement(f"latency_ms_abort_{name}", "ms", f"until its client knows {what}")


def _as_predicted(name: str) -> Expectation:
    formula = FORMULAS[name]
    needs = tuple(f"{what}_n{n}_{name}" for what in ("messages", "forced") for n in COUNTS)

    def holds(figures: Figures) -> bool:
        return all(
            figures.value(f"messages_n{n}_{name}") == formula.messages(n)
            and figures.value(f"forced_n{n}_{name}") == formula.forced(n)
            for n in COUNTS
        )

    words = {
        "2pc": "2PC costs 4N messages and 2N+1 forced writes",
        "2pc_nothing": "with nothing presumed it costs one forced write more",
        "3pc": "3PC costs 6N messages and 3N+3 forced writes",
    }
    return Expectation(f"formula-{name.replace('_', '-')}", words[name], holds, needs)


_ABORTS = tuple(
    f"{what}_{name}" for name in FORMULAS for what in ("forced_abort", "forced_abort_coordinator")
)


def _aborts_as_predicted(figures: Figures) -> bool:
    return all(
        figures.value(f"forced_abort_{name}") == formula.forced_abort(ABORTING)
        and figures.value(f"forced_abort_coordinator_{name}") == formula.forced_abort_coordinator
        for name, formula in FORMULAS.items()
    )


COST = commit_experiment(
    id="cost",
    title="Messages, forced writes, time",
    question="What does a transaction cost by the number of its participants, and what does the "
    "third phase, or presuming nothing, add to it?",
    trial=count,
    nodes=1 + len(COUNTS),
    params={"opening_amount": RICH},
    settings=(Setting("transactions", 20, "of each kind in a trial", minimum=1),),
    short={"transactions": 5},
    variants=VARIANTS,
    trials_sim=1,
    trials_real=1,
    # So slow that the phases and the writes can be counted from the latency.
    options=SimOptions(latency_ms=(5.0, 5.0), sync_ms=(2.0, 2.0)),
    measurements=tuple(one for variant in VARIANTS for one in _of_variant(variant.name)),
    expectations=(
        *(_as_predicted(variant.name) for variant in VARIANTS),
        Expectation(
            "aborts-cost-nothing-where-presumed",
            "presumed abort: the coordinator forces no write for an abort, and no participant more "
            "than its vote; with nothing presumed the coordinator forces two, and all others two",
            _aborts_as_predicted,
            _ABORTS,
        ),
        Expectation(
            "in-parallel",
            "messages grow with the number of participants, the time less: all are asked at the "
            "same time",
            lambda m: m.value("latency_ms_n5_2pc") < 5 * m.value("latency_ms_n1_2pc"),
            ("latency_ms_n1_2pc", "latency_ms_n5_2pc"),
            samples=10,
        ),
        Expectation(
            "a-third-phase-takes-time",
            "the third phase takes another round trip and three more writes, one after the other",
            lambda m: m.value("latency_ms_n3_3pc") > m.value("latency_ms_n3_2pc"),
            ("latency_ms_n3_2pc", "latency_ms_n3_3pc"),
            samples=10,
        ),
    ),
)

EXPERIMENTS = (COST,)
