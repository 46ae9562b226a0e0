"""One seed, from nothing to its outcome: a pure function."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final, Literal

from labs.kit.appends import History, HistoryWrong
from labs.kit.chaos import Swarm, draw_schedule
from labs.kit.fuzz.target import Case, Evidence, FuzzTarget, Livelock, Load, NotLive, observers_of
from labs.kit.registry import wait_unit_ms
from labs.kit.schedule import Schedule
from labs.kit.violation import InvariantViolated
from nodes.cluster.api import ClusterSpec
from nodes.sim.cluster import SimCluster, simulate
from nodes.sim.disk import MisuseOfDisk
from nodes.timeline import TimelineEvent, merge

Verdict = Literal["passed", "failed", "vacuous"]
QUIET_UNITS: Final = 2  # at the beginning, so that there is something to disturb


@dataclass(frozen=True, slots=True)
class Failure:
    """What was broken: `promise` is the same for all failures of one kind. `at_once`: by a step of
    a node, at that very moment, and not by what came of it in the end."""

    promise: str
    message: str
    at_ms: int
    at_once: bool = False
    by_history: bool = False

    def same_kind(self, other: Failure) -> bool:
        """One bug shows clients one broken promise or another, depending on who looks first."""
        return self.promise == other.promise or (self.by_history and other.by_history)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case. A vacuous run proves nothing, and `why_vacuous` says what it lacked.

    `steps` counts what the nodes did: equal for equal runs.
    """

    seed: int
    verdict: Verdict
    failure: Failure | None
    why_vacuous: str
    faults: int
    acknowledged: int
    reads: int
    steps: int
    virtual_ms: int


@dataclass(frozen=True, slots=True)
class Record:
    """An outcome with everything that led to it."""

    outcome: Outcome
    nodes: tuple[str, ...]
    schedule: Schedule
    events: Sequence[TimelineEvent]
    history: History


def schedule_of(target: FuzzTarget, case: Case, spec: ClusterSpec) -> Schedule:
    """The faults of a case: its own, or those that its seed draws."""
    if case.schedule is not None:
        return case.schedule
    unit_ms = wait_unit_ms(spec)
    swarm = Swarm(
        Random(f"{case.seed}:chaos"),
        spec.node_ids,
        unit_ms,
        kinds=target.faults_for(spec),
        crash_points=target.crash_points,
    )
    return draw_schedule(swarm, from_ms=QUIET_UNITS * unit_ms, until_ms=case.duration_ms)


def run_case(target: FuzzTarget, case: Case, *, recover: bool = True) -> Outcome:
    """Runs it, up to the heal if it need not recover. Raises whatever is wrong with the fuzzer
    itself."""
    return record_case(target, case, events=False, recover=recover).outcome


def record_case(
    target: FuzzTarget, case: Case, *, events: bool = True, recover: bool = True
) -> Record:
    """Runs it and keeps what happened."""
    drawn = target.draw(case.seed)
    schedule = schedule_of(target, case, drawn.spec)
    clients = drawn.clients if case.clients is None else case.clients
    load = Load(case.seed, schedule, case.duration_ms, clients, drawn.pause_ms, recover)
    evidence = Evidence()
    clusters: list[SimCluster] = []

    async def program(cluster: SimCluster) -> None:
        clusters.append(cluster)
        await target.program(cluster, load, evidence)

    failure: Failure | None = None
    try:
        simulate(
            target.spec_with(drawn.spec, case.mutant),
            program,
            options=replace(drawn.options, record=events, digest=events),
            observers=observers_of(target),
        )
    except Exception as error:
        (cluster,) = clusters
        failure = _judged(target, cluster, error)
        if failure is None:
            raise
    (cluster,) = clusters
    why_vacuous = "" if failure is not None else _nothing_happened(evidence)
    outcome = Outcome(
        seed=case.seed,
        verdict="failed" if failure else "vacuous" if why_vacuous else "passed",
        failure=failure,
        why_vacuous=why_vacuous,
        faults=evidence.faults,
        acknowledged=evidence.history.count("append", "ok"),
        reads=evidence.history.count("read", "ok"),
        steps=cluster.steps,
        virtual_ms=cluster.now_ms(),
    )
    timeline = merge([cluster.timeline])
    return Record(outcome, drawn.spec.node_ids, schedule, timeline, evidence.history)


def _judged(target: FuzzTarget, cluster: SimCluster, error: Exception) -> Failure | None:
    """What the error says about the cluster; None when it is the fuzzer's own."""
    at_ms = cluster.now_ms()
    match error:
        case HistoryWrong():
            if error.operation is not None:
                at_ms = error.operation.completed_ms or error.operation.invoked_ms
            return Failure(error.promise, str(error), at_ms, by_history=True)
        case NotLive():
            return Failure(f"recovers after a heal: {error.what}", str(error), at_ms)
        case Livelock():
            return Failure("comes to rest", str(error), at_ms, at_once=True)
        case InvariantViolated():
            return Failure(error.invariant, str(error), at_ms, at_once=True)
        case MisuseOfDisk():
            return Failure("orders that a disk can carry out", str(error), at_ms, at_once=True)
    if error is not cluster.failure:
        return None
    if isinstance(error, AssertionError) and str(error):
        return Failure(f"its own assertion: {error}", f"{error} (assertion)", at_ms, at_once=True)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__} in {frame.name}"
    return Failure(f"never raises: {what}", f"{what}: {error}", at_ms, at_once=True)


def _nothing_happened(evidence: Evidence) -> str:
    """What a run lacked that would have made a pass mean something; empty when nothing."""
    lacks: list[tuple[Any, str]] = [
        (evidence.faults, "no fault acted"),
        (evidence.acknowledged_under_faults, "no write was acknowledged while there were faults"),
        (evidence.history.count("read", "ok"), "no read was answered"),
    ]
    return "; ".join(what for count, what in lacks if not count)
