"""Three-phase commit takes silence for a crash. Where it is one, all decide alike; in a partition
both sides believe the other dead, and decide differently."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from labs.commit.bank import amounts
from labs.commit.experiments.tools import (
    BankClient,
    at_rest_within,
    commit_experiment,
    connected,
    view_of,
    where_it_may_diverge,
)
from labs.kit.check import Vacuous
from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_faults
from labs.kit.lab import Setting
from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId
from protos import commit_pb2 as pb

# Alice's account is at n2, Bob's at n3, Carol's at n4: from near to far.
CHANGES = {"account/alice": -2, "account/bob": 1, "account/carol": 1}
COORDINATOR, LATE = "n1", "n2"
NEAR, FAR = (COORDINATOR, LATE), ("n3", "n4")
VARIANTS = (
    Variant("3pc", {"protocol": "3pc"}),
    Variant("2pc"),
    Variant("3pc_crash", {"protocol": "3pc"}),
)
_WORDS = {
    "3pc": "3PC, two participants are cut off",
    "2pc": "2PC, two participants are cut off",
    "3pc_crash": "3PC, the two participants crash instead",
}


async def cut_in_the_middle(trial: Trial) -> None:
    """Two of three participants have voted yes, and the third is about to, when those two are cut
    off with nobody but each other; or, for comparison, crash."""
    opening = sum((await amounts(trial.cluster)).values())
    client = BankClient(trial)
    for _ in range(trial.number_of("transactions")):
        await _one(trial, client)
    held = sum((await amounts(trial.cluster)).values())
    trial.measure_variant("money_made", abs(held - opening))


async def _one(trial: Trial, client: BankClient) -> None:
    cluster = trial.cluster
    await connected(trial, client, CHANGES)
    # So that there is time to act between the votes of the others and its own.
    await trial.inject(kinds.Delay(COORDINATOR, LATE, trial.number_of("vote_delay_ms")))
    asking = asyncio.create_task(client.transact(CHANGES, at=COORDINATOR))
    try:
        await _two_have_voted(trial)
        parted_ms = trial.now_ms()
        if trial.variant == "3pc_crash":
            await trial.inject(kinds.Kill(FAR))
        else:
            await trial.inject(kinds.Partition((NEAR, FAR)))
        one, _ = await asking
        await trial.sleep(trial.number_of("apart_ms") - (trial.now_ms() - parted_ms))
        apart = {node: await _said(trial, node, one.name) for node in cluster.nodes}
        await trial.heal()
        await at_rest_within(trial)
    finally:
        asking.cancel()
    healed = {node: await _said(trial, node, one.name) for node in cluster.nodes}
    participants = (LATE, *FAR)
    ends = {healed[node] for node in participants}
    trial.evidence.require(pb.UNDECIDED not in ends, "not everyone has decided in the end")
    trial.measure_variant("transactions", 1)
    trial.measure_variant("ac1_violations", len(ends) > 1)
    trial.measure_variant("committed_near", apart[LATE] == pb.COMMITTED)
    trial.measure_variant("aborted_far", any(apart[node] == pb.ABORTED for node in FAR))
    if trial.variant != "3pc_crash":
        blocked = sum(apart[node] == pb.UNDECIDED for node in FAR)
        trial.measure_variant("in_doubt_far", blocked)


async def _two_have_voted(trial: Trial) -> None:
    """Waits until the coordinator lacks the vote of the late one only. Raises Vacuous."""

    async def lacks_one() -> bool:
        view = await view_of(trial, COORDINATOR)
        return view is not None and any(
            one.phase == "voting" and one.waiting_for == [LATE] for one in view.coordinated
        )

    try:
        within_ms = 2 * trial.timeout_ms
        await trial.cluster.until(f"all but {LATE} have voted", lacks_one, within_ms=within_ms)
    except TimeoutError:
        raise Vacuous(f"the others did not vote before {LATE} did") from None


async def _said(trial: Trial, node: NodeId, name: str) -> pb.Outcome:
    """What the node knows of the outcome, as participant or as coordinator."""
    view = await view_of(trial, node)
    known = {} if view is None else dict(view.decided)
    return next(
        (outcome for key, outcome in known.items() if key.partition("#")[0] == name), pb.UNDECIDED
    )


def analyse_cut(trial: Trial) -> None:
    """The fault that the variant is about must have been there as well."""
    require_faults(trial, ("kill",) if trial.variant == "3pc_crash" else ("partition",))


def _of_variant(name: str) -> Iterator[Measurement]:
    words = _WORDS[name]
    yield Measurement(f"transactions_{name}", "transactions", f"that were cut: {words}", "sum")
    yield Measurement(
        f"ac1_violations_{name}",
        "transactions",
        f"that one participant committed and another one aborted: {words}",
        "sum",
    )
    yield Measurement(
        f"committed_near_{name}", "share", f"are committed beside the coordinator: {words}", "mean"
    )
    yield Measurement(
        f"aborted_far_{name}", "share", f"are aborted away from it, meanwhile: {words}", "mean"
    )
    if name != "3pc_crash":
        yield Measurement(
            f"in_doubt_far_{name}",
            "participants",
            f"of two that were still in doubt before the heal: {words}",
            "mean",
        )
    yield Measurement(
        f"money_made_{name}", "units", f"of money made or lost, after the heal: {words}", "sum"
    )


DIVERGES = commit_experiment(
    id="3pc-diverges-under-partition",
    title="Three phases and two halves",
    question="All vote yes, and then the network falls apart: what do both halves make of it in "
    "3PC, and what in 2PC?",
    trial=cut_in_the_middle,
    analyse=analyse_cut,
    observers=where_it_may_diverge,
    faults=("delay",),
    nodes=4,
    params_real={"vote_timeout_ms": 1600},
    settings=(
        Setting("transactions", 3, "each is cut in its middle", minimum=1),
        Setting("vote_delay_ms", 200, "how late the third participant votes, each way", minimum=50),
        Setting("apart_ms", 4000, "how long the network stays apart", minimum=1000),
    ),
    short={"transactions": 1},
    variants=VARIANTS,
    measurements=tuple(one for variant in VARIANTS for one in _of_variant(variant.name)),
    expectations=(
        Expectation(
            "3pc-diverges",
            "3PC breaks AC1 in a partition, every time: the coordinator's side takes the other for "
            "dead and commits, the other side takes the coordinator for dead and aborts",
            lambda m: m.value("ac1_violations_3pc") == m.value("transactions_3pc"),
            ("ac1_violations_3pc", "transactions_3pc"),
        ),
        Expectation(
            "3pc-loses-money",
            "what one side gave and the other did not take is gone, or was never there",
            lambda m: m.value("money_made_3pc") > 0,
            ("money_made_3pc",),
        ),
        Expectation(
            "2pc-blocks-instead",
            "2PC breaks nothing under the same cut: those that are cut off stay in doubt until it "
            "is healed, and then commit like the others",
            lambda m: (
                m.value("ac1_violations_2pc") == 0
                and m.value("in_doubt_far_2pc") == len(FAR)
                and m.value("money_made_2pc") == 0
            ),
            ("ac1_violations_2pc", "in_doubt_far_2pc", "money_made_2pc"),
        ),
        Expectation(
            "3pc-survives-crashes",
            "if silence is a crash, 3PC keeps its promise: those that crashed learn of the commit "
            "when they are back",
            lambda m: m.value("ac1_violations_3pc_crash") == 0,
            ("ac1_violations_3pc_crash", "money_made_3pc_crash"),
        ),
    ),
)

EXPERIMENTS = (DIVERGES,)
