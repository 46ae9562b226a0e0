"""Random faults from a seed: a safety phase in which anything may fail, then a heal.

Swarm testing: every seed draws its own subset of faults and its own strength of them, since a run
in which everything happens at once hides what a few faults do together for long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from labs.kit.registry import wait_unit_ms
from labs.kit.schedule import Schedule, Step
from nodes.cluster import fault_kinds as kinds
from nodes.cluster.api import Cluster, NodeState
from nodes.cluster.fault_kinds import CrashAt
from nodes.cluster.fault_rules import state_refusal
from nodes.cluster.faults import Fault, FaultRefused
from nodes.core import NodeId


class ChaosCluster(Cluster, Protocol):
    """A cluster that also says which nodes are up."""

    def node_state(self, node: NodeId) -> NodeState: ...


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault of a run, and when."""

    at_ms: int
    fault: Fault


Draw = Callable[[Random, tuple[NodeId, ...]], Fault]


def _two(rng: Random, nodes: tuple[NodeId, ...]) -> tuple[NodeId, NodeId]:
    first, second = rng.sample(nodes, 2)
    return first, second


def _partition(rng: Random, nodes: tuple[NodeId, ...]) -> Fault:
    shuffled = rng.sample(nodes, len(nodes))
    size = rng.randint(1, len(nodes) - 1)
    return kinds.Partition((tuple(shuffled[:size]), tuple(shuffled[size:])))


def _skew(rng: Random, nodes: tuple[NodeId, ...]) -> Fault:
    # One draw in ten thousand is no offset at all, which is refused as a fault.
    return kinds.Skew((rng.choice(nodes),), rng.randint(-5000, 5000) or 1, 1.0)


# A dict keeps its order, so a seed draws the same on every Python.
DRAWS: dict[str, Draw] = {
    "partition": _partition,
    "isolate": lambda rng, nodes: kinds.Isolate(rng.choice(nodes)),
    "cut": lambda rng, nodes: kinds.Cut(*_two(rng, nodes), one_way=rng.random() < 0.5),
    "sever": lambda rng, nodes: kinds.Sever(*_two(rng, nodes)),
    "delay": lambda rng, nodes: kinds.Delay(*_two(rng, nodes), rng.randint(5, 150), 0),
    "lose": lambda rng, nodes: kinds.Lose(rng.randint(2, 30)),
    "duplicate": lambda rng, nodes: kinds.Duplicate(rng.randint(5, 50)),
    "reorder": lambda rng, nodes: kinds.Reorder(rng.randint(5, 50), hold_ms=rng.randint(5, 300)),
    "kill": lambda rng, nodes: kinds.Kill((rng.choice(nodes),)),
    "power-cut": lambda rng, nodes: kinds.PowerCut((rng.choice(nodes),)),
    "restart": lambda rng, nodes: kinds.Restart((rng.choice(nodes),)),
    "pause": lambda rng, nodes: kinds.Pause((rng.choice(nodes),)),
    "resume": lambda rng, nodes: kinds.Resume((rng.choice(nodes),)),
    "skew": _skew,
}


class Swarm:
    """What one seed may draw: its subset of the faults, how often, and how often it heals.

    `kinds` restricts the subset; `pause_ms` is the longest time between two faults; without
    `crash_points` there is no `crash-at`.
    """

    def __init__(
        self,
        rng: Random,
        nodes: tuple[NodeId, ...],
        unit_ms: int,
        *,
        kinds: tuple[str, ...] = tuple(DRAWS),
        pause_ms: int | None = None,
        crash_points: Sequence[str] = (),
    ) -> None:
        self.rng = rng
        self.nodes = nodes
        self.draws = dict(DRAWS)
        if crash_points:
            self.draws["crash-at"] = lambda rng, nodes: CrashAt(
                (rng.choice(nodes),), rng.choice(list(crash_points)), rng.choice([0, 0, 1, 5])
            )
        offered = [kind for kind in self.draws if kind in kinds]
        chosen = [kind for kind in offered if self.rng.random() < 0.5]
        self.kinds = chosen or [self.rng.choice(offered)]
        self.pause_ms = pause_ms or self.rng.choice([unit_ms // 4, unit_ms, 2 * unit_ms])
        self.heal_share = self.rng.choice([0.1, 0.3, 0.5])

    def pause(self) -> int:
        """Milliseconds until the next fault."""
        return self.rng.randint(1, self.pause_ms)

    def draw(self, down: Sequence[NodeId]) -> Fault:
        """The next fault, when these nodes are down. They are started sooner or later: a cluster
        that stays dead tests nothing."""
        if self.rng.random() < self.heal_share:
            return kinds.Heal()
        if down and self.rng.random() < 0.5:
            return kinds.Restart((self.rng.choice(down),))
        return self.draws[self.rng.choice(self.kinds)](self.rng, self.nodes)


def draw_schedule(swarm: Swarm, *, from_ms: int, until_ms: int) -> Schedule:
    """Faults between the two moments, as a plain schedule: what nodes are down follows from the
    faults themselves."""
    states = dict.fromkeys(swarm.nodes, NodeState.UP)
    armed: set[NodeId] = set()  # and so may be down by the time
    steps: list[Step] = []
    at_ms = from_ms
    while (at_ms := at_ms + swarm.pause()) < until_ms:
        down = [node for node, state in states.items() if state == NodeState.DOWN or node in armed]
        fault = swarm.draw(down)
        if isinstance(fault, kinds.NodeFault):
            if any(state_refusal(fault, node, states[node]) for node in fault.nodes):
                continue
            if fault.kind in _AFTER:
                states |= dict.fromkeys(fault.nodes, _AFTER[fault.kind])
            (armed.update if fault.kind == "crash-at" else armed.difference_update)(fault.nodes)
        elif isinstance(fault, kinds.Heal):
            armed.clear()
            states = dict.fromkeys(swarm.nodes, NodeState.UP)
        steps.append(Step(at_ms, fault))
    return Schedule(tuple(steps))


_AFTER = {
    "kill": NodeState.DOWN,
    "power-cut": NodeState.DOWN,
    "pause": NodeState.PAUSED,
    "resume": NodeState.UP,
    "restart": NodeState.UP,
}


class Chaos:
    """A stream of faults against one cluster, drawn from `seed`.

    `kinds` restricts what may be drawn; `pause_ms` is the longest time between two faults.
    `injections` lists what was done, in order.
    """

    def __init__(
        self,
        cluster: ChaosCluster,
        seed: int,
        *,
        kinds: tuple[str, ...] = tuple(DRAWS),
        pause_ms: int | None = None,
        crash_points: Sequence[str] = (),
    ) -> None:
        self.cluster = cluster
        self.swarm = Swarm(
            Random(f"{seed}:chaos"),
            cluster.nodes,
            wait_unit_ms(cluster.spec),
            kinds=kinds,
            pause_ms=pause_ms,
            crash_points=crash_points,
        )
        self.injections: list[Injection] = []

    async def run(self, duration_ms: int) -> None:
        """Faults for that long, then a heal."""
        until_ms = self.cluster.now_ms() + duration_ms
        while self.cluster.now_ms() < until_ms:
            await self.cluster.sleep(self.swarm.pause())
            await self.inject(self.swarm.draw(self.down()))
        await self.inject(kinds.Heal())

    def down(self) -> list[NodeId]:
        """The nodes that somebody has to start."""
        cluster = self.cluster
        return [node for node in cluster.nodes if cluster.node_state(node) == NodeState.DOWN]

    async def inject(self, fault: Fault) -> None:
        """A fault that makes no sense now, such as resuming a node that runs, is left out."""
        at_ms = self.cluster.now_ms()
        try:
            await self.cluster.faults.inject(fault)
        except FaultRefused:
            return
        self.injections.append(Injection(at_ms, fault))
