"""Faults of the network, as plain data.

A packet from a to b travels upstream on the link a->b and downstream on b->a, so whatever works on
one direction is set on both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from nodes.cluster import toxics
from nodes.cluster.api import CLIENT, Link, Stream, Toxic
from nodes.cluster.fault_base import Fault, FaultRefused, Nodes, check_node, listed
from nodes.core import NodeId

# A toxic on a link, or None: the link refuses all connections.
LinkEffect: TypeAlias = tuple[Link, Toxic | None]


@dataclass(frozen=True)
class LinkFault(Fault):
    """A fault of the network."""

    def link_effects(self, nodes: Nodes) -> Iterator[LinkEffect]:
        """What it sets on which links, in a fixed order. Raises ValueError for senseless values."""
        raise NotImplementedError


@dataclass(frozen=True)
class Partition(LinkFault):
    """No message between the groups. One group means: it against the rest."""

    kind = "partition"
    groups: tuple[Nodes, ...]

    def check(self, nodes: Nodes) -> None:
        if not self.groups:
            raise FaultRefused("a partition needs at least one group of nodes, as in n1,n2 n3")
        seen: set[NodeId] = set()
        for group in self.groups:
            if not group:
                raise FaultRefused("a group of a partition is empty")
            for node in group:
                check_node(node, nodes)
                if node in seen:
                    raise FaultRefused(f"{node} is named twice in the partition")
                seen.add(node)
        if len(self._sides(nodes)) < 2:
            raise FaultRefused("all nodes are in one group: there is nothing to partition from it")

    def _sides(self, nodes: Nodes) -> tuple[Nodes, ...]:
        if len(self.groups) != 1:
            return self.groups
        rest = tuple(node for node in nodes if node not in self.groups[0])
        return (*self.groups, rest) if rest else self.groups

    def _bridges(self, nodes: Nodes) -> Nodes:
        if len(self.groups) == 1:
            return ()
        return tuple(node for node in nodes if node not in self.named())

    def link_effects(self, nodes: Nodes) -> Iterator[LinkEffect]:
        sides = self._sides(nodes)
        for mine in sides:
            for theirs in sides:
                if mine is not theirs:
                    for node in mine:
                        for other in theirs:
                            yield from _silence(node, other)

    def sentence(self, nodes: Nodes = ()) -> str:
        sides = [", ".join(side) for side in self._sides(nodes)] + ["the rest"]
        shown = " | ".join(sides if len(sides) == 2 else sides[:-1])
        bridges = self._bridges(nodes)
        bridge = f"; {listed(bridges)}, named in no group, keeps all links: a bridge"
        return f"partitioned {shown}: nothing crosses{bridge if bridges else ''}"

    def watch_for(self, nodes: Nodes = ()) -> str:
        needed = len(nodes) // 2 + 1
        together = len(self._bridges(nodes))
        for side in self._sides(nodes):
            if nodes and len(side) + together >= needed:
                return f"who still gets answers: {listed(side)} can reach a majority; others cannot"
        return "who still gets answers: no side can reach a majority of the nodes"

    def named(self) -> Nodes:
        return tuple(node for group in self.groups for node in group)


@dataclass(frozen=True)
class Isolate(LinkFault):
    """One node hears no other node and is heard by none; clients still reach it."""

    kind = "isolate"
    node: NodeId

    def check(self, nodes: Nodes) -> None:
        check_node(self.node, nodes)
        if len(nodes) < 2:
            raise FaultRefused(f"{self.node} has no other node to be isolated from")

    def link_effects(self, nodes: Nodes) -> Iterator[LinkEffect]:
        for other in nodes:
            if other != self.node:
                yield from _silence(self.node, other)
                yield from _silence(other, self.node)

    def sentence(self, nodes: Nodes = ()) -> str:
        return f"isolated {self.node} from every other node; clients still reach it"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return f"what {self.node} still believes, and what the others do without it"

    def named(self) -> Nodes:
        return (self.node,)


@dataclass(frozen=True)
class PairFault(LinkFault):
    """A fault between two endpoints; `client` may be one of them."""

    a: NodeId
    b: NodeId

    def check(self, nodes: Nodes) -> None:
        for end in (self.a, self.b):
            if end != CLIENT:
                check_node(end, nodes)
        if self.a == self.b:
            raise FaultRefused(f"{self.a} has no link to itself; name two different nodes")
        try:
            for _effect in self.link_effects(nodes):
                pass
        except ValueError as error:
            raise FaultRefused(str(error)) from None

    def named(self) -> Nodes:
        return tuple(end for end in (self.a, self.b) if end != CLIENT)

    def watch_for(self, nodes: Nodes = ()) -> str:
        return f"calls between {self.a} and {self.b}, and whatever depends on them"


@dataclass(frozen=True)
class Sever(PairFault):
    """Connections between the two are refused at once: silence would be a cut."""

    kind = "sever"

    def link_effects(self, nodes: Nodes) -> Iterator[LinkEffect]:
        for link in (Link(self.a, self.b), Link(self.b, self.a)):
            if link.target != CLIENT:
                yield link, None

    def sentence(self, nodes: Nodes = ()) -> str:
        return f"severed {self.a} and {self.b}: connections are refused at once"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "calls fail within a moment, where a cut would let them wait for their deadline"


@dataclass(frozen=True)
class ToxicFault(PairFault):
    """A toxic on the packets between two endpoints, both ways or only from a to b."""

    def toxic(self, stream: Stream) -> Toxic:
        """The toxic for one stream. Raises ValueError when its values make no sense."""
        raise NotImplementedError

    @property
    def only_one_way(self) -> bool:
        """Whether packets from b to a are left alone."""
        return bool(getattr(self, "one_way", False))

    def link_effects(self, nodes: Nodes) -> Iterator[LinkEffect]:
        yield from _packets(self.a, self.b, self.toxic)
        if not self.only_one_way:
            yield from _packets(self.b, self.a, self.toxic)

    def ends(self) -> str:
        """The two ends, for sentences."""
        return f"{self.a} to {self.b}" if self.only_one_way else f"{self.a} and {self.b}"

    def between(self) -> str:
        """Where it acts, for sentences."""
        return f"{'from' if self.only_one_way else 'between'} {self.ends()}"


@dataclass(frozen=True)
class Cut(ToxicFault):
    """No packet between the two, or none from a to b."""

    kind = "cut"
    one_way: bool = False

    def toxic(self, stream: Stream) -> Toxic:
        return toxics.timeout(stream)

    def sentence(self, nodes: Nodes = ()) -> str:
        return f"cut {self.between()}: packets vanish"

    def watch_for(self, nodes: Nodes = ()) -> str:
        if self.one_way:
            return f"{self.b} still reaches {self.a}, but {self.b} hears nothing back from it"
        return f"calls between {self.a} and {self.b} wait until their deadline passes"


@dataclass(frozen=True)
class Delay(ToxicFault):
    """Every packet arrives late by `delay_ms`, give or take `jitter_ms`."""

    kind = "delay"
    delay_ms: int
    jitter_ms: int = 0
    one_way: bool = False

    def toxic(self, stream: Stream) -> Toxic:
        return toxics.latency(stream, self.delay_ms, self.jitter_ms)

    def sentence(self, nodes: Nodes = ()) -> str:
        jitter = f" give or take {self.jitter_ms} ms" if self.jitter_ms else ""
        ways = "" if self.one_way else " each way"
        return f"delayed packets {self.between()} by {self.delay_ms} ms{jitter}{ways}"

    def watch_for(self, nodes: Nodes = ()) -> str:
        trips = self.delay_ms if self.one_way else 2 * self.delay_ms
        return f"a call between {self.a} and {self.b} takes about {trips} ms longer; mind timeouts"


@dataclass(frozen=True)
class Bandwidth(ToxicFault):
    """At most so many kilobytes a second."""

    kind = "bandwidth"
    rate_kilobytes_per_s: int
    one_way: bool = False

    def toxic(self, stream: Stream) -> Toxic:
        return toxics.bandwidth(stream, self.rate_kilobytes_per_s)

    def sentence(self, nodes: Nodes = ()) -> str:
        return f"limited {self.between()} to {self.rate_kilobytes_per_s} KB/s"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "large messages become slow, and small ones queue behind them"


@dataclass(frozen=True)
class Slice(ToxicFault):
    """Data arrives in small pieces."""

    kind = "slice"
    average_size_bytes: int
    size_variation_bytes: int = 0
    delay_us: int = 0
    one_way: bool = False

    def toxic(self, stream: Stream) -> Toxic:
        return toxics.slicer(
            stream, self.average_size_bytes, self.size_variation_bytes, self.delay_us
        )

    def sentence(self, nodes: Nodes = ()) -> str:
        pause = f", {self.delay_us} us apart" if self.delay_us else ""
        size = self.average_size_bytes
        return f"sliced data {self.between()} into pieces of about {size} bytes{pause}"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "nothing should break: a stream of bytes promises no message borders"


@dataclass(frozen=True)
class SlowClose(ToxicFault):
    """The end of a connection is noticed late."""

    kind = "slow-close"
    delay_ms: int
    one_way: bool = False

    def toxic(self, stream: Stream) -> Toxic:
        return toxics.slow_close(stream, self.delay_ms)

    def sentence(self, nodes: Nodes = ()) -> str:
        return f"closing a connection {self.between()} takes {self.delay_ms} ms longer"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "kill one of the two: the other learns later that the connection has ended"


@dataclass(frozen=True)
class Limit(ToxicFault):
    """A connection ends after so many bytes, maybe in the middle of a message."""

    kind = "limit"
    limit_bytes: int
    one_way: bool = False

    def toxic(self, stream: Stream) -> Toxic:
        return toxics.limit_data(stream, self.limit_bytes)

    def sentence(self, nodes: Nodes = ()) -> str:
        return f"connections {self.between()} end after {self.limit_bytes} bytes"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "calls that break off in the middle, and connections that are made again and again"


@dataclass(frozen=True)
class Reset(ToxicFault):
    """A connection is reset some time after data was sent on it."""

    kind = "reset"
    after_ms: int = 0
    one_way: bool = False

    def toxic(self, stream: Stream) -> Toxic:
        return toxics.reset_peer(stream, self.after_ms)

    def sentence(self, nodes: Nodes = ()) -> str:
        when = f"{self.after_ms} ms after" if self.after_ms else "by"
        return f"connections {self.between()} are reset {when} the first data on them"

    def watch_for(self, nodes: Nodes = ()) -> str:
        return "calls that fail at once though both nodes are up; some may have been carried out"


def _packets(
    source: NodeId, target: NodeId, toxic: Callable[[Stream], Toxic]
) -> Iterator[LinkEffect]:
    """Sets a toxic on every packet that travels from source to target."""
    if target != CLIENT:  # there is no link to a client
        yield Link(source, target), toxic("upstream")
    if source != CLIENT:
        yield Link(target, source), toxic("downstream")


def _silence(source: NodeId, target: NodeId) -> Iterator[LinkEffect]:
    yield from _packets(source, target, toxics.timeout)
