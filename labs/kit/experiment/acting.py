"""Whether a fault on links or calls acted, from what the nodes themselves recorded.

Every message has an id that its sender's and its receiver's events share. A cut link is one on
which messages were sent and none arrived; a slow one delivers late; a lossy one loses some.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId
from nodes.timeline import CRASHED, POINT, RECEIVED, SENT, TimelineEvent

if TYPE_CHECKING:
    from labs.kit.experiment.trial import Injection

SETTLE_MS = 20.0  # what was on its way when the fault began may still arrive
LATE_SHARE = 0.8  # of the delay that was asked for


@dataclass(frozen=True, slots=True)
class Carried:
    """A message and what became of it."""

    source: NodeId
    target: NodeId
    rpc: str
    request: bool  # and not the response to one
    sent_ms: float
    received_ms: float | None


def carried(events: Sequence[TimelineEvent], from_ms: float, until_ms: float) -> Iterator[Carried]:
    """Messages that were sent between two moments, by those nodes that record events."""
    received = {
        (str(event.fields["message"]), event.node): event.at_ms
        for event in events
        if event.kind == RECEIVED and event.at_ms >= from_ms
    }
    for event in events:
        if event.kind == SENT and from_ms <= event.at_ms < until_ms:
            message, target = str(event.fields["message"]), str(event.fields["to"])
            arrived_ms = received.get((message, target))
            request = not message.endswith("r")
            rpc = rpc_of(event)
            yield Carried(event.node, target, rpc, request, event.at_ms, arrived_ms)


def rpc_of(event: TimelineEvent) -> str:
    """The name of the call that a message belongs to, in every runtime: `AppendEntries`."""
    name = str(event.fields.get("rpc") or event.fields.get("type", ""))
    return name.rsplit("/", 1)[-1].removesuffix("Request").removesuffix("Response")


def seen_to_act(
    injection: Injection, events: Sequence[TimelineEvent], nodes: Sequence[NodeId]
) -> bool | None:
    """The fault did what it is for; None when there was nothing on which it could act."""
    if injection.acted is not None:
        return injection.acted
    fault = injection.fault
    from_ms = injection.in_force_ms + SETTLE_MS
    until_ms = float("inf") if injection.until_ms is None else injection.until_ms
    messages = carried(events, from_ms, until_ms)
    match fault:
        case kinds.Partition() | kinds.Isolate() | kinds.Cut():
            pairs = set(_crossing(fault, nodes))
            crossing = [one for one in messages if (one.source, one.target) in pairs]
            arrived = [one for one in crossing if _arrived(one, until_ms)]
            return not arrived if crossing else None
        case kinds.Delay(a, b, delay_ms, jitter_ms, one_way):
            pairs = {(a, b)} if one_way else {(a, b), (b, a)}
            least_ms = (delay_ms - jitter_ms) * LATE_SHARE
            late = [
                one.received_ms - one.sent_ms >= least_ms
                for one in messages
                if (one.source, one.target) in pairs
                and one.received_ms is not None
                # What still waits when the delay ends may then arrive at once.
                and one.sent_ms < until_ms - delay_ms - jitter_ms
            ]
            return all(late) if late else None
        case kinds.CrashAt():
            died = {
                event.node
                for event in events
                if event.kind == CRASHED
                and event.fields.get(POINT) == fault.point
                and injection.at_ms <= event.at_ms < until_ms
            }
            return died.issuperset(fault.nodes)  # armed and never reached is no crash
        case kinds.Lose():
            callers = fault.callers(tuple(nodes))
            return any(
                not _arrived(one, until_ms)
                for one in messages
                if one.source in callers or one.target in callers
            )
    return True  # healing, restarting: what follows shows it


def _arrived(message: Carried, until_ms: float) -> bool:
    return message.received_ms is not None and message.received_ms < until_ms


def _crossing(
    fault: kinds.Partition | kinds.Isolate | kinds.Cut, nodes: Sequence[NodeId]
) -> Iterator[tuple[NodeId, NodeId]]:
    """The directions in which nothing may pass."""
    if isinstance(fault, kinds.Cut):
        yield fault.a, fault.b
        if not fault.one_way:
            yield fault.b, fault.a
        return
    groups = fault.groups if isinstance(fault, kinds.Partition) else ((fault.node,),)
    side = {node: number for number, group in enumerate(groups) for node in group}
    for source in nodes:
        for target in nodes:
            if side.get(source, -1) != side.get(target, -1):
                yield source, target
