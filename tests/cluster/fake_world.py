"""A World of variables: what faults did to it can be looked at, and it fails when told to."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.cluster.api import Link, LinkState, NodeState, RpcFault, RuntimeFailure
from nodes.cluster.faults import FAULTS
from nodes.core import NodeId


class FakeWorld:
    """Implements `nodes.cluster.api.World`."""

    def __init__(self, count: int = 5) -> None:
        self.nodes = tuple(f"n{number}" for number in range(1, count + 1))
        self.supports = frozenset(FAULTS)
        self.states = dict.fromkeys(self.nodes, NodeState.UP)
        self.links: dict[Link, LinkState] = {}
        self.rpc_faults: dict[NodeId, tuple[RpcFault, ...]] = {}
        self.seeds: dict[NodeId, int] = {}
        self.clocks: dict[NodeId, tuple[int, float]] = {}
        self.crash_points: dict[NodeId, dict[str, int]] = {}
        self.died_at: dict[NodeId, str] = {}
        self.log: list[str] = []
        self.fails: set[str] = set()  # log lines at which it fails
        self.time_ms = 0

    def now_ms(self) -> int:
        """Advances by ten each time it is asked."""
        self.time_ms += 10
        return self.time_ms

    def node_state(self, node: NodeId) -> NodeState:
        """As the methods below left it."""
        return self.states[node]

    def _act(self, line: str) -> None:
        self.log.append(line)
        if line in self.fails:
            raise RuntimeFailure(f"told to fail at {line}")

    async def set_links(self, wanted: Mapping[Link, LinkState]) -> None:
        """Remembers them, also when it fails: a real one may have done half of it."""
        self.links = {link: state for link, state in wanted.items() if state != LinkState()}
        self._act("links" if wanted else "links clean")

    async def set_rpc_faults(self, node: NodeId, faults: tuple[RpcFault, ...], seed: int) -> None:
        """For nodes that are up."""
        self._must_be(node, NodeState.UP)
        self._act(f"calls {node}")
        self.rpc_faults[node], self.seeds[node] = faults, seed

    async def set_clock(self, node: NodeId, *, offset_ms: int, rate: float) -> None:
        """For nodes that are up."""
        self._must_be(node, NodeState.UP)
        self._act(f"clock {node}")
        self.clocks[node] = (offset_ms, rate)

    async def set_crash_points(self, node: NodeId, points: Mapping[str, int]) -> None:
        """For nodes that are up, and for those that start later."""
        self._must_be(node, NodeState.UP, NodeState.DOWN)
        self._act(f"crash points {node}")
        self.crash_points[node] = dict(points)

    def crashed_at(self, node: NodeId) -> str | None:
        """As `come_to` left it."""
        return self.died_at.get(node)

    def come_to(self, node: NodeId, point: str) -> None:
        """The node's core comes to that point, which is armed and has no passes left."""
        assert self.crash_points[node].pop(point) == 0
        self.die(node)
        self.died_at[node] = point

    async def kill(self, node: NodeId) -> None:
        """A node that runs or is paused goes down, and forgets what was set in its process."""
        self._must_be(node, NodeState.UP, NodeState.PAUSED)
        self._act(f"kill {node}")
        self.die(node)

    async def power_cut(self, node: NodeId) -> None:
        """The same, with another line in the log."""
        self._must_be(node, NodeState.UP, NodeState.PAUSED)
        self._act(f"power-cut {node}")
        self.die(node)

    async def start(self, node: NodeId) -> None:
        """A node that is down comes up."""
        self._must_be(node, NodeState.DOWN)
        self._act(f"start {node}")
        self.died_at.pop(node, None)
        self.states[node] = NodeState.UP

    async def wipe(self, node: NodeId) -> None:
        """Only while it is down."""
        self._must_be(node, NodeState.DOWN)
        self._act(f"wipe {node}")

    async def pause(self, node: NodeId) -> None:
        """A node that runs stands still."""
        self._must_be(node, NodeState.UP)
        self._act(f"pause {node}")
        self.states[node] = NodeState.PAUSED

    async def resume(self, node: NodeId) -> None:
        """A node that stands still goes on."""
        self._must_be(node, NodeState.PAUSED)
        self._act(f"resume {node}")
        self.states[node] = NodeState.UP

    def die(self, node: NodeId) -> None:
        """The process is gone, and with it what was set in it."""
        self.states[node] = NodeState.DOWN
        self.rpc_faults.pop(node, None)
        self.clocks.pop(node, None)

    def _must_be(self, node: NodeId, *states: NodeState) -> None:
        assert self.states[node] in states, f"{node} is {self.states[node]}"
