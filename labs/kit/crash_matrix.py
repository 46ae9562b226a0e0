"""Every place at which a crash can fall in a run, one after the other, in simulation.

    for run in boundaries(spec, program, restart_after_ms=500):
        assert run.failure is None, run.where

The program is run once without a crash, which counts the places, and then once for each node and
each place: between any two effects of a step, and between a write and its sync. Until it crashes
each of these runs is the first one again, event for event. What was written and not synced is lost
in one run and kept in another. The node starts again after a while, with what its disk holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, TypeVar

from nodes.cluster.api import ClusterSpec, NodeState
from nodes.core import Append, Call, CrashPoint, Effect, NodeId, Respond, Save, SaveAll
from nodes.sim.cluster import Observer, SimCluster, SimOptions, simulate

T = TypeVar("T")
Program = Callable[[SimCluster], Coroutine[Any, Any, T]]
Observers = Callable[[], Sequence[Observer]]


@dataclass(frozen=True, slots=True)
class CrashRun(Generic[T]):
    """One run and what came of it: the program's result, or what it, a core or an observer raised.

    The node crashed after so many places of its own; `before` is the effect that it did not get to,
    None where that was the sync at the end of a step.
    """

    node: NodeId
    place: int
    before: Effect | None
    unsynced_kept: bool
    crashed_ms: int
    result: T | None
    failure: Exception | None

    @property
    def where(self) -> str:
        """For people: which node, before what."""
        kept = "kept" if self.unsynced_kept else "lost"
        what = describe(self.before)
        return f"{self.node} at place {self.place}, before {what}; what was not synced is {kept}"


class NoCrash(Exception):
    """The run was another than the first one: something in it does not follow from the seed."""


def boundaries(
    spec: ClusterSpec,
    program: Program[T],
    *,
    nodes: Sequence[NodeId] | None = None,
    restart_after_ms: int,
    options: SimOptions | None = None,
    cores: Mapping[NodeId, Any] | None = None,
    observers: Observers = tuple,
) -> Iterator[CrashRun[T]]:
    """Runs it for each place of each of these nodes, of all by default; lazily.

    `observers` makes fresh ones for each run. Raises what the run without a crash raises, and
    NoCrash.
    """
    counted: dict[NodeId, int] = {}

    async def count(cluster: SimCluster) -> T:
        began = {node: cluster.boundaries(node) for node in cluster.nodes}
        result = await program(cluster)
        counted.update({node: cluster.boundaries(node) - began[node] for node in began})
        return result

    simulate(spec, count, options=options, cores=cores, observers=observers())
    for node in spec.node_ids if nodes is None else nodes:
        for place in range(counted[node]):
            disk = _Disk(keeps=False)
            plan = _Plan(node, place, restart_after_ms, disk)
            yield _run(spec, program, plan, options, cores, observers())
            if disk.had_a_choice:
                plan = _Plan(node, place, restart_after_ms, _Disk(keeps=True))
                yield _run(spec, program, plan, options, cores, observers())


class _Disk(Random):
    """Instead of the disk's dice: a crash keeps all that was not synced, or none of it."""

    def __init__(self, *, keeps: bool) -> None:
        super().__init__(0)
        self.keeps = keeps
        self.had_a_choice = False

    def randint(self, a: int, b: int) -> int:
        """See Random."""
        self.had_a_choice |= a < b
        return b if self.keeps else a


@dataclass(slots=True)
class _Plan:
    node: NodeId
    place: int
    restart_after_ms: int
    disk: _Disk
    crashed_ms: int | None = None
    before: Effect | None = None
    failed: list[Exception] = field(default_factory=list)

    async def crash_and_restart(self, cluster: SimCluster) -> None:
        """Awaits the crash, and starts the node again unless the program did."""
        await cluster.is_down(self.node)
        self.crashed_ms = cluster.now_ms()
        self.before = cluster.crashed_before(self.node)
        cluster.disk(self.node).rng = Random(f"{cluster.spec.seed}:{self.node}:disk again")
        await cluster.sleep(self.restart_after_ms)
        if cluster.node_state(self.node) is NodeState.DOWN:
            await cluster.start(self.node)


def _run(
    spec: ClusterSpec,
    program: Program[T],
    plan: _Plan,
    options: SimOptions | None,
    cores: Mapping[NodeId, Any] | None,
    observers: Sequence[Observer],
) -> CrashRun[T]:
    async def crashing(cluster: SimCluster) -> T:
        cluster.crash_after(plan.node, plan.place)
        cluster.disk(plan.node).rng = plan.disk
        reviving = asyncio.create_task(plan.crash_and_restart(cluster))
        try:
            return await program(cluster)
        finally:
            reviving.cancel()
            await asyncio.gather(reviving, return_exceptions=True)

    result: T | None = None
    failure: Exception | None = None
    try:
        result = simulate(spec, crashing, options=options, cores=cores, observers=observers)
    except Exception as error:
        failure = error
    if plan.crashed_ms is None:
        raise NoCrash(f"{plan.node} did not come to place {plan.place}") from failure
    return CrashRun(
        plan.node, plan.place, plan.before, plan.disk.keeps, plan.crashed_ms, result, failure
    )


def describe(effect: Effect | None) -> str:
    """An effect in few words."""
    match effect:
        case None:
            return "the sync at the end of the step"
        case Save(slot):
            return f"saving {slot}"
        case SaveAll(saves):
            return f"saving {', '.join(save.slot for save in saves)} as one"
        case Append(log, first_index):
            return f"appending to {log} at {first_index}"
        case Call(peer, request):
            return f"{type(request).__name__} to {peer}"
        case Respond(caller, response):
            return f"{type(response).__name__} to {caller.node}"
        case CrashPoint(name):
            return f"the crash point {name}"
    return type(effect).__name__
