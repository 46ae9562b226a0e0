"""What a check, a workload or a fault talks to: the same in simulation, on processes, in Compose.

This module imports no runtime. `Cluster` is what users of a cluster see; `World` is the smaller set
of powers that a runtime gives to the fault controller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from google.protobuf.message import Message

from nodes.core import NodeId, Param

if TYPE_CHECKING:
    from nodes.cluster.faults import Faults

CLIENT: NodeId = "client"  # the one endpoint of links that is no node

T = TypeVar("T")


class Refused(Exception):
    """Definite: the request did not happen and never will. `hint` names a node that may know
    better; `response` is what the node sent, which may tell more."""

    def __init__(
        self, reason: str, hint: NodeId | None = None, response: Message | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.response = response


class Indeterminate(Exception):
    """The request may have happened, or may yet: deadline, lost connection, or OutcomeUnknown.
    `response` is what the node sent, if it did."""

    def __init__(self, reason: str, response: Message | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.response = response


def definite(response: Message) -> Message:
    """The response, unless the node declined in it (protos/node.proto). Raises Refused or
    Indeterminate then."""
    fields = response.DESCRIPTOR.fields_by_name
    declined: Any = response
    if "refused" in fields and response.HasField("refused"):
        raise Refused(declined.refused.reason, declined.refused.hint or None, response)
    if "outcome_unknown" in fields and response.HasField("outcome_unknown"):
        raise Indeterminate(declined.outcome_unknown.reason, response)
    return response


class RuntimeFailure(Exception):
    """The runtime itself could not do what was asked; one line that names the way out."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node: its id and where its core is defined, as `module:Class`."""

    id: NodeId
    core: str


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """All that is needed to start a cluster, in whichever runtime.

    `protos` are module names (`protos.raft_pb2`): every service in them is bound to the core.
    `params` are the lab's settings; `seed` feeds every node's generator and every injected fault.
    """

    lab: str
    protos: tuple[str, ...]
    nodes: tuple[NodeSpec, ...]
    params: Mapping[str, Param] = field(default_factory=dict)
    seed: int = 0

    @property
    def node_ids(self) -> tuple[NodeId, ...]:
        """Ids in order."""
        return tuple(node.id for node in self.nodes)

    def peers_of(self, node: NodeId) -> tuple[NodeId, ...]:
        """Everyone else, in order."""
        return tuple(other.id for other in self.nodes if other.id != node)


class NodeState(StrEnum):
    """What a runtime knows about a node without asking it."""

    UP = "up"
    DOWN = "down"
    PAUSED = "paused"


# ------------------------------------------------------------------------------------- the network

Stream = Literal["upstream", "downstream"]


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """The connections that `source` opens to `target`. Its proxy is called `source->target`."""

    source: NodeId
    target: NodeId

    @property
    def name(self) -> str:
        """As printed and as the proxy is called."""
        return f"{self.source}->{self.target}"


@dataclass(frozen=True, slots=True)
class Toxic:
    """A toxic as Toxiproxy knows it. `attributes` are Toxiproxy's own names and units."""

    type: str
    stream: Stream
    attributes: Mapping[str, int]

    @property
    def name(self) -> str:
        """Unique on its link: one toxic of a type a stream."""
        return f"{self.type}_{self.stream}"


@dataclass(frozen=True, slots=True)
class LinkState:
    """How a link should be. Clean is the default."""

    enabled: bool = True
    toxics: tuple[Toxic, ...] = ()


RpcFaultKind = Literal["lose_request", "lose_response", "duplicate", "reorder"]


@dataclass(frozen=True, slots=True)
class RpcFault:
    """A fault on single calls from one node (protos/node.proto); `peer` None means every peer."""

    kind: RpcFaultKind
    percent: float
    peer: NodeId | None = None
    hold_ms: int = 0


class World(Protocol):
    """What a runtime can do to its nodes and links; `nodes.cluster.faults` drives it.

    Every method raises RuntimeFailure when it could not act, and returns only once its effect has
    been read back.
    """

    @property
    def nodes(self) -> tuple[NodeId, ...]: ...
    @property
    def supports(self) -> frozenset[str]:
        """The kinds of faults (`nodes.cluster.faults`) that can act in this runtime."""

    def now_ms(self) -> int:
        """Monotonic time in milliseconds since the cluster began."""

    def node_state(self, node: NodeId) -> NodeState: ...
    async def set_links(self, wanted: Mapping[Link, LinkState]) -> None:
        """Makes every link as wanted; links that are not named become clean."""

    async def set_rpc_faults(
        self, node: NodeId, faults: tuple[RpcFault, ...], seed: int
    ) -> None: ...
    async def set_clock(self, node: NodeId, *, offset_ms: int, rate: float) -> None: ...
    async def set_crash_points(self, node: NodeId, points: Mapping[str, int]) -> None:
        """Replaces the points of the core at which the node dies, each with how many passes are let
        go first. They hold from now on, or from the next start of a node that is down, and outlive
        restarts; only a point that was died of is gone."""

    def crashed_at(self, node: NodeId) -> str | None:
        """The crash point at which a node that is down died; None when it runs, or ended
        otherwise."""

    async def kill(self, node: NodeId) -> None:
        """No goodbye. What was written, synced or not, survives."""

    async def power_cut(self, node: NodeId) -> None:
        """Kill, and what was not synced is gone."""

    async def start(self, node: NodeId) -> None:
        """A node that is down comes up again with what its disk holds; returns once it serves."""

    async def wipe(self, node: NodeId) -> None:
        """Empties the disk of a node that is down."""

    async def pause(self, node: NodeId) -> None: ...
    async def resume(self, node: NodeId) -> None: ...


class Cluster(Protocol):
    """A running cluster. Obtained by `async with SimCluster(spec) as cluster`, likewise
    LocalCluster and ComposeCluster."""

    @property
    def spec(self) -> ClusterSpec: ...
    @property
    def runtime(self) -> str:
        """`sim`, `local` or `compose`."""

    @property
    def nodes(self) -> tuple[NodeId, ...]: ...
    @property
    def params(self) -> Mapping[str, Param]:
        """The lab's settings: checks wait in these units, never in bare milliseconds."""

    @property
    def faults(self) -> Faults: ...
    def node_state(self, node: NodeId) -> NodeState: ...
    def now_ms(self) -> int: ...
    async def call(self, node: NodeId, request: Message, *, timeout_ms: int) -> Message:
        """Sends a client's request to a node over the link `client->node`.

        Raises Refused when the node declined, Indeterminate when nobody can say.
        """

    async def view(self, node: NodeId) -> Message | None:
        """What the node believes, over the control channel; None when it is down or does not
        answer."""

    async def sleep(self, ms: int) -> None: ...
    async def until(
        self, what: str, holds: Callable[[], Awaitable[T | None]], *, within_ms: int
    ) -> T:
        """Awaits the first result of `holds` that is neither None nor False.

        Raises TimeoutError naming `what` and the bound when it does not come in time.
        """
