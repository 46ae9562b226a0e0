"""Faults of nodes, of their clocks and of single calls, as plain data; and healing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias, get_args

from nodes.cluster import toxics
from nodes.cluster.api import CLIENT, RpcFault
from nodes.cluster.fault_base import Fault, FaultRefused, Nodes, check_node, listed
from nodes.core import NodeId

Which: TypeAlias = Literal["both", "requests", "responses"]

_OFFSET_MS_MAX: Final = 10 * 365 * 24 * 3600 * 1000
_RATE_MAX: Final = 100.0
CRASH_POINT_LENGTH_MAX: Final = 64
PASSES_MAX: Final = 1_000_000


@dataclass(frozen=True)
class NodeFault(Fault):
    """A fault of whole nodes."""

    nodes: Nodes
    done: ClassVar[str]
    look: ClassVar[str]

    def check(self, nodes: Nodes) -> None:
        if not self.nodes:
            raise FaultRefused(f"{self.kind} needs a node, as in {self.kind} {nodes[0]}")
        for position, node in enumerate(self.nodes):
            check_node(node, nodes)
            if node in self.nodes[:position]:
                raise FaultRefused(f"{node} is named twice")

    def sentence(self, nodes: Nodes = ()) -> str:
        return self.done.format(nodes=listed(self.nodes))

    def watch_for(self, nodes: Nodes = ()) -> str:
        return self.look.format(nodes=listed(self.nodes))

    def named(self) -> Nodes:
        return self.nodes


@dataclass(frozen=True)
class Kill(NodeFault):
    """The process ends without a goodbye; what it wrote survives, synced or not."""

    kind = "kill"
    done = "killed {nodes} without warning"
    look = "how long the others take to notice, and what {nodes} still knows when restarted"


@dataclass(frozen=True)
class PowerCut(NodeFault):
    """Kill, and what was not synced to disk is gone."""

    kind = "power-cut"
    done = "cut the power of {nodes}: what was not synced to disk is gone"
    look = "what {nodes} has forgotten when restarted; nothing, if every promise was synced first"


@dataclass(frozen=True)
class Pause(NodeFault):
    """The process stands still and does not know it."""

    kind = "pause"
    done = "paused {nodes}: it stands still and does not know"
    look = "what {nodes} believes in the first moment after `lab fault resume`"


@dataclass(frozen=True)
class Resume(NodeFault):
    """A paused process goes on."""

    kind = "resume"
    done = "resumed {nodes}"
    look = "how {nodes} finds out what happened meanwhile"


@dataclass(frozen=True)
class Restart(NodeFault):
    """Killed if it is up, then started with what its disk holds."""

    kind = "restart"
    done = "restarted {nodes} with what the disk held"
    look = "how {nodes} catches up with the others"


@dataclass(frozen=True)
class Wipe(NodeFault):
    """Restarted with an empty disk."""

    kind = "wipe"
    done = "wiped the disk of {nodes} and started it empty"
    look = "what {nodes} gets back from the others, and which of its promises nobody remembers"


@dataclass(frozen=True)
class CrashAt(NodeFault):
    """Nodes die when their core comes to a point of that name, and has passed it `after` times."""

    kind = "crash-at"
    point: str
    after: int = 0

    def check(self, nodes: Nodes) -> None:
        super().check(nodes)
        if not 0 < len(self.point) <= CRASH_POINT_LENGTH_MAX:
            raise FaultRefused("crash-at needs a point, as in crash-at n1 decision-logged")
        if not 0 <= self.after <= PASSES_MAX:
            raise FaultRefused(f"after {self.after}: expected 0 to {PASSES_MAX:,} passes")

    def sentence(self, nodes: Nodes = ()) -> str:
        passes = "pass" if self.after == 1 else "passes"
        after = f", after {self.after} {passes}" if self.after else ""
        verb = "dies" if len(self.nodes) == 1 else "die"
        return f"{listed(self.nodes)} {verb} at {self.point}{after}"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return (
            f"what the others do when {listed(self.nodes)} is gone in the middle of a step, and "
            "what it makes of that when restarted"
        )


@dataclass(frozen=True)
class Skew(NodeFault):
    """Wall clocks are off by an offset, and run at a rate. The machine's clock is never touched."""

    kind = "skew"
    offset_ms: int = 0
    rate: float = 1.0

    def check(self, nodes: Nodes) -> None:
        super().check(nodes)
        if not (math.isfinite(self.rate) and 0 < self.rate <= _RATE_MAX):
            raise FaultRefused(f"clock rate {self.rate} must be above 0 and at most {_RATE_MAX:g}")
        if abs(self.offset_ms) > _OFFSET_MS_MAX:
            raise FaultRefused("a clock offset may be at most ten years")
        if self.offset_ms == 0 and self.rate == 1:
            raise FaultRefused("a skew needs an offset or a rate, as in --offset 5s or --rate 0.5")

    def sentence(self, nodes: Nodes = ()) -> str:
        parts = []
        if self.offset_ms:
            way = "ahead" if self.offset_ms > 0 else "behind"
            parts.append(f"{abs(self.offset_ms)} ms {way}")
        if self.rate != 1:
            parts.append(f"runs at {self.rate:g} times true speed")
        return f"the wall clock of {listed(self.nodes)} is now {' and '.join(parts)}".replace(
            "is now runs", "now runs"
        )

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "timestamps and leases; timers run on the monotonic clock and stay true"


# ------------------------------------------------------------------------------------ single calls


@dataclass(frozen=True)
class CallFault(Fault):
    """A fault of single calls, drawn by a seeded generator; no nodes means every node's calls.
    Those of clients are hit when `client` is named."""

    percent: float
    nodes: Nodes = ()
    peer: NodeId | None = None

    def rpc_faults(self) -> tuple[RpcFault, ...]:
        """What each calling node has to do."""
        raise NotImplementedError

    def callers(self, nodes: Nodes) -> Nodes:
        """The nodes whose calls are hit."""
        chosen = self.nodes or nodes
        return tuple(node for node in chosen if node != self.peer)

    def check(self, nodes: Nodes) -> None:
        if not (math.isfinite(self.percent) and 0 < self.percent <= 100):
            raise FaultRefused(f"{self.percent:g}% must be above 0 and at most 100")
        for node in self.nodes:
            if node != CLIENT:
                check_node(node, nodes)
        if self.peer is not None:
            check_node(self.peer, nodes)
        if not self.callers(nodes):
            raise FaultRefused(f"{self.peer} makes no calls to itself; name two different nodes")

    def calls(self) -> str:
        """Whose calls, for sentences."""
        whose = f"calls of {listed(self.nodes)}" if self.nodes else "calls between nodes"
        return whose if self.peer is None else f"{whose} to {self.peer}"

    def named(self) -> Nodes:
        peer = () if self.peer is None else (self.peer,)
        ends = dict.fromkeys((*self.nodes, *peer))
        return tuple(end for end in ends if end != CLIENT)


@dataclass(frozen=True)
class Lose(CallFault):
    """Requests never arrive, or responses get lost after the work was done."""

    kind = "lose"
    which: Which = "both"

    def rpc_faults(self) -> tuple[RpcFault, ...]:
        lost = []
        if self.which != "responses":
            lost.append(RpcFault("lose_request", self.percent, self.peer))
        if self.which != "requests":
            lost.append(RpcFault("lose_response", self.percent, self.peer))
        return tuple(lost)

    def check(self, nodes: Nodes) -> None:
        super().check(nodes)
        if self.which not in get_args(Which):
            raise FaultRefused(f"lose takes requests, responses or both, not {self.which!r}")

    def sentence(self, nodes: Nodes = ()) -> str:
        what = "requests and of responses" if self.which == "both" else self.which
        return f"losing {self.percent:g}% of {what}: {self.calls()}"

    def watch_for(self, nodes: Nodes = ()) -> str:
        if self.which == "requests":
            return "calls that run into their deadline; the work was not done"
        return "calls that run into their deadline though the work was done: is it done twice?"


@dataclass(frozen=True)
class Duplicate(CallFault):
    """Requests arrive twice."""

    kind = "duplicate"

    def rpc_faults(self) -> tuple[RpcFault, ...]:
        return (RpcFault("duplicate", self.percent, self.peer),)

    def sentence(self, nodes: Nodes = ()) -> str:
        return f"sending {self.percent:g}% of requests twice: {self.calls()}"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "whether doing it twice differs from doing it once"


@dataclass(frozen=True)
class Reorder(CallFault):
    """Requests are held back, so that later ones overtake them."""

    kind = "reorder"
    hold_ms: int = 50

    def rpc_faults(self) -> tuple[RpcFault, ...]:
        return (RpcFault("reorder", self.percent, self.peer, self.hold_ms),)

    def check(self, nodes: Nodes) -> None:
        super().check(nodes)
        if not 0 < self.hold_ms <= toxics.DURATION_MS_MAX:
            raise FaultRefused(f"{self.hold_ms} ms is no time to hold a request; try --hold 50ms")

    def sentence(self, nodes: Nodes = ()) -> str:
        share = f"{self.percent:g}% of requests"
        return f"holding back {share} for up to {self.hold_ms} ms: {self.calls()}"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "old requests that arrive after newer ones"


@dataclass(frozen=True)
class Heal(Fault):
    """Every fault is undone: links clean, calls true, nodes up, clocks right."""

    kind = "heal"

    def sentence(self, nodes: Nodes = ()) -> str:
        return "healed everything: links clean, calls true, all nodes up, clocks right"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "how long until all nodes agree again, and what survived"
