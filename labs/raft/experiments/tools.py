"""What Raft's experiments have in common: traffic around a fault, and what events tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from labs.kit.check import Vacuous
from labs.kit.experiment import Experiment, Measurement, Trial
from labs.kit.experiment.acting import carried
from labs.kit.experiment.evidence import Phase, require_overlap, require_traffic
from labs.kit.violation import InvariantViolated
from labs.kit.workloads import Appends, Workload
from labs.raft.invariants import invariants
from labs.raft.scenarios.watch import Watch
from nodes.core import NodeId
from nodes.timeline import TimelineEvent
from protos import raft_pb2 as pb

KEYS = ("a", "b", "c")
CLIENTS = 3
PAUSE_MS, PAUSE_REAL_MS = 20.0, 8.0  # real servers take longer to answer
WARM_UP_OPERATIONS = 15
LOST = Measurement(
    "acknowledged_writes_lost",
    "writes",
    "writes that a client was told to have happened and that no final read finds",
    "sum",
)


def raft_experiment(**fields: Any) -> Experiment:
    """An experiment of this lab: in simulation the invariants watch every step."""
    return Experiment(observers=invariants, violations=(InvariantViolated,), **fields)


async def warmed_up(trial: Trial, *, before_ms: float = 400) -> tuple[Watch, Workload]:
    """A leader, clients that append and read, and then the phase before the fault."""
    watch = Watch(trial.cluster)
    await watch.leader()
    trial.phase("warm-up")
    workload = trial.workload(Appends(KEYS, trial.rng))
    simulated = trial.cluster.runtime == "sim"
    workload.closed_loop(CLIENTS, pause_ms=PAUSE_MS if simulated else PAUSE_REAL_MS)
    await workload.progress(WARM_UP_OPERATIONS, within_ms=20 * trial.timeout_ms)
    await watch.leader()
    trial.phase("before")
    await trial.sleep(before_ms)
    return watch, workload


async def settled(
    trial: Trial, workload: Workload, *, after_ms: float = 200, agree: bool = True
) -> None:
    """Heals, goes on for a while, ends the clients, reads everything everywhere, counts losses."""
    await trial.heal()
    trial.phase("after")
    # Of each kind one at least, so that a slow start does not look like a loss of service.
    for kind in workload.generator.kinds:
        await workload.progress(1, f=kind, within_ms=20 * trial.timeout_ms)
    await trial.sleep(after_ms)
    await workload.stop()
    trial.end_phase()
    finals = await trial.read_everywhere(workload, agree=agree)
    if workload.generator.model == Appends.model:
        trial.measure(LOST.name, finals.lost_appends(trial.operations()))


def require_usual(trial: Trial, *, during: bool = True) -> None:
    """The rules for experiments with traffic all the time: `during` False where nobody can be
    served while the fault acts."""
    phases = ("before", "during", "after") if during else ("before", "after")
    require_traffic(trial, ("append", "read"), phases, rate_before="before")
    require_overlap(trial, "during")


# -------------------------------------------------------------------------------------- views


async def view_of(trial: Trial, node: NodeId) -> pb.RaftView | None:
    """What the server shows, without the checks of Watch: for runs that break promises."""
    view = await trial.cluster.view(node)
    return view if isinstance(view, pb.RaftView) else None


async def new_leader(
    trial: Trial, *, after_term: int, among: Iterable[NodeId], within_ms: float
) -> tuple[NodeId, int] | None:
    """The first of these that leads a later term, with its term; None when none does in time."""
    nodes = tuple(among)

    async def leading() -> tuple[NodeId, int] | None:
        for node in nodes:
            view = await view_of(trial, node)
            if view is not None and view.role == pb.LEADER and view.term > after_term:
                return node, view.term
        return None

    try:
        return await trial.cluster.until("a new leader", leading, within_ms=int(within_ms))
    except TimeoutError:
        return None


async def served_by(trial: Trial, among: Iterable[NodeId]) -> NodeId:
    """Waits for a leader among these that serves, whatever else they believe."""
    nodes = tuple(among)

    async def serving() -> NodeId | None:
        shown = [(await view_of(trial, node), node) for node in nodes]
        ready = [(view.term, node) for view, node in shown if view is not None and view.ready]
        return max(ready)[1] if ready else None

    return await trial.cluster.until(
        "a leader that serves", serving, within_ms=30 * trial.timeout_ms
    )


# ------------------------------------------------------------------------------------- events


def of_kind(
    events: Sequence[TimelineEvent], kind: str, from_ms: float, until_ms: float = float("inf")
) -> list[TimelineEvent]:
    """Notes of that kind within a time."""
    return [one for one in events if one.kind == kind and from_ms <= one.at_ms < until_ms]


def leader_changes(trial: Trial, phase: Phase) -> int:
    """Elections that were won within the phase."""
    until_ms = float("inf") if phase.until_ms is None else phase.until_ms
    return len(of_kind(trial.events, "leader", phase.from_ms, until_ms))


def won_after(trial: Trial, at_ms: float, *, term: int) -> TimelineEvent:
    """The first election of a later term that was won after that moment. Raises Vacuous."""
    for event in of_kind(trial.events, "leader", at_ms):
        if number(event, "term") > term:
            return event
    raise Vacuous("no new leader was elected, and the fault aims at the leader")


def number(event: TimelineEvent, name: str) -> int:
    """A field of a note that is a whole number."""
    value = event.fields[name]
    assert isinstance(value, int)
    return value


def requests_between(trial: Trial, phase: Phase) -> int:
    """How many requests servers sent to each other within the phase."""
    assert phase.until_ms is not None
    servers = set(trial.cluster.nodes)
    sent = carried(trial.events, phase.from_ms, phase.until_ms)
    return sum(one.request and one.source in servers and one.target in servers for one in sent)


def per_second(trial: Trial, phase: str) -> float:
    """Operations that succeeded in a phase, a second."""
    return len(trial.completed(phase)) * 1000 / trial.in_phase(phase).took_ms


def longest_gap_ms(trial: Trial, phase: str, f: str) -> float:
    """The longest time within a phase in which no operation of this kind succeeded."""
    within = trial.in_phase(phase)
    assert within.until_ms is not None
    ends = sorted((sample.ended_ns or 0) / 1e6 for sample in trial.completed(phase, f))
    moments = [within.from_ms, *ends, within.until_ms]
    return max(later - earlier for earlier, later in pairwise(moments))
