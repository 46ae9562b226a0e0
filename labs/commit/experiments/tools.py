"""What the experiments of the commit lab have in common: clients that are told whom to ask, the
account of what was committed, and what the nodes' events say of doubts and locks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from labs.commit.bank import Transaction, amounts, ask, at_rest, judge, resolve
from labs.commit.invariants import Amounts as AmountsWatched
from labs.commit.invariants import Outcomes, Promises, invariants
from labs.kit.appends import HistoryWrong
from labs.kit.check import Vacuous
from labs.kit.experiment import Experiment, Trial
from labs.kit.violation import InvariantViolated
from labs.kit.workloads import Sample, now_ns
from nodes.cluster import fault_kinds as kinds
from nodes.cluster.api import NodeState
from nodes.core import NodeId
from nodes.cores.commit.ledger import opening_amounts
from nodes.sim.cluster import Observer
from nodes.timeline import STARTED, TimelineEvent
from protos import commit_pb2 as pb

RICH = 1_000_000  # so much in each account that nothing is refused for want of it


def commit_experiment(**fields: Any) -> Experiment:
    """An experiment of this lab: in simulation the invariants watch every step, and everywhere
    what clients were told has to add up."""
    watched = {"observers": invariants, **fields}
    return Experiment(violations=(InvariantViolated, HistoryWrong), **watched)


def where_it_may_diverge() -> list[Observer]:
    """The invariants, but for AC1, which the experiment counts instead."""
    return [Outcomes(collect=True), Promises(), AmountsWatched()]


class BankClient:
    """One client that asks the node it is told to. What it does goes into the trial's history."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.sent: list[Transaction] = []
        self._process = trial.recorder.process()
        self._numbers = count(1)
        self._number = self._process

    async def transact(
        self,
        changes: Mapping[str, int],
        *,
        at: NodeId,
        since_ms: int = 0,
        timeout_ms: int | None = None,
    ) -> tuple[Transaction, Sample]:
        """Asks once. The sample is `ok` if it is committed, `fail` if it is surely not."""
        trial = self.trial
        name = f"c{self._number}-{next(self._numbers)}"
        one = Transaction(name, at, changes, since_ms)
        sample = Sample("transact", ",".join(changes), name, now_ns(trial.cluster), node=at)
        trial.scripted.append(sample)
        self.sent.append(one)
        pending = trial.recorder.invoke(self._process, "transact", dict(changes), name)
        await ask(trial.cluster, one, 2 * trial.timeout_ms if timeout_ms is None else timeout_ms)
        sample.ended_ns = now_ns(trial.cluster)
        if one.outcome == pb.COMMITTED:
            sample.outcome = "ok"
            pending.ok()
        elif one.outcome == pb.ABORTED:
            sample.outcome = "fail"
            pending.fail(one.reason)
        else:
            pending.info(one.reason)
            self._process = trial.recorder.process()
        return one, sample


async def at_rest_within(trial: Trial, units: int = 12) -> None:
    """Waits until no node has a lock, a doubt, or somebody to tell an outcome. Raises
    TimeoutError."""
    await trial.cluster.until(
        "nothing is locked, in doubt or to be told",
        lambda: at_rest(trial.cluster),
        within_ms=units * trial.timeout_ms,
    )


async def connected(
    trial: Trial, client: BankClient, changes: Mapping[str, int], at: Sequence[NodeId] = ("n1",)
) -> None:
    """Waits until such a transaction commits, whichever of these nodes coordinates it: connections
    are made on demand, to a node that was down only after a while, and what is asked for before
    that is late or aborted. Raises TimeoutError."""
    for node in at:

        async def commits(node: NodeId = node) -> bool:
            _, sample = await client.transact(changes, at=node)
            return sample.ok

        within_ms = 12 * trial.timeout_ms
        await trial.cluster.until("a transaction commits", commits, within_ms=within_ms)
    await at_rest_within(trial)


async def adds_up(trial: Trial, *clients: BankClient) -> None:
    """At rest, every committed change is there once, and nothing else. Whatever nobody could tell
    of is asked for again. Raises HistoryWrong and TimeoutError."""
    sent = [one for client in clients for one in client.sent]
    await at_rest_within(trial)
    await resolve(trial.cluster, [one for one in sent if one.outcome == pb.UNDECIDED])
    await at_rest_within(trial)
    judge(opening_amounts(trial.cluster.params), sent, await amounts(trial.cluster))


async def view_of(trial: Trial, node: NodeId) -> pb.CommitView | None:
    """What the node shows; None while it does not answer."""
    view = await trial.cluster.view(node)
    return view if isinstance(view, pb.CommitView) else None


async def views(trial: Trial) -> dict[NodeId, pb.CommitView]:
    """Of all nodes that answer."""
    shown = {node: await view_of(trial, node) for node in trial.cluster.nodes}
    return {node: view for node, view in shown.items() if view is not None}


async def down(trial: Trial, node: NodeId, why: str) -> None:
    """Waits until the node has died, as it was made to. Raises Vacuous if it does not."""

    async def is_down() -> bool:
        return trial.cluster.node_state(node) is NodeState.DOWN

    try:
        await trial.cluster.until(f"{node} is down", is_down, within_ms=3 * trial.timeout_ms)
    except TimeoutError:
        raise Vacuous(f"{node} did not die {why}, so that nothing was tested of that") from None


def dies_at(node: NodeId, point: str, after: int = 0) -> kinds.CrashAt:
    """The fault."""
    return kinds.CrashAt((node,), point, after)


# ------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Held:
    """How long a participant held the locks of a transaction: from its yes until it had carried
    out the outcome."""

    node: NodeId
    from_ms: float
    until_ms: float
    committed: bool

    @property
    def took_ms(self) -> float:
        """How long."""
        return self.until_ms - self.from_ms


def held(events: Sequence[TimelineEvent], transaction: str) -> Iterator[Held]:
    """All that were held for a client's transaction of that name, at its first attempt. A crash in
    between does not end it."""
    attempt = ""
    voted: dict[NodeId, float] = {}
    for event in events:
        name = str(event.fields.get("transaction", ""))
        if name.rpartition("#")[0] != transaction or (attempt and name != attempt):
            continue
        attempt = name
        if event.kind == "voted" and event.fields["yes"]:
            voted.setdefault(event.node, event.at_ms)
        elif event.kind == "concluded" and event.node in voted:
            committed = bool(event.fields["committed"])
            yield Held(event.node, voted.pop(event.node), event.at_ms, committed)


def returned_ms(events: Sequence[TimelineEvent], node: NodeId, after_ms: float) -> float:
    """When the node came up, after that moment. Raises Vacuous."""
    for event in events:
        # Events are rounded.
        if event.node == node and event.kind == STARTED and event.at_ms >= after_ms - 1:
            return event.at_ms
    raise Vacuous(f"{node} was not seen to come back")


def percent(part: int, whole: int) -> float:
    """Of the whole, in percent; 0 of nothing."""
    return 100 * part / whole if whole else 0.0
