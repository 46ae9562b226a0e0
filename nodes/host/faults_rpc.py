"""Faults on single calls: what a TCP proxy cannot do to one message.

They act at the caller, drawn from a seeded generator, one draw a fault and call.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from nodes.core import NodeId
from protos import node_pb2

HOLD_MS_MAX = 600_000


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one call."""

    lose_request: bool = False
    lose_response: bool = False
    duplicate: bool = False
    hold_ms: float = 0.0

    @property
    def name(self) -> str:
        """For the timeline; empty for a call that nothing happens to."""
        marks = (
            ("lose_request", self.lose_request),
            ("lose_response", self.lose_response),
            ("duplicate", self.duplicate),
            ("reorder", self.hold_ms > 0),
        )
        return "+".join(mark for mark, holds in marks if holds)


SPARED = Fate()


class RpcFaults:
    """The faults that are set at this node."""

    def __init__(self) -> None:
        self._faults: tuple[node_pb2.RpcFault, ...] = ()
        self._random = Random(0)

    @property
    def active(self) -> tuple[node_pb2.RpcFault, ...]:
        """As they were set."""
        return self._faults

    def replace(
        self, faults: Iterable[node_pb2.RpcFault], seed: int, peers: frozenset[NodeId]
    ) -> None:
        """Raises ValueError, with nothing changed, when one of them makes no sense."""
        wanted = tuple(faults)
        for fault in wanted:
            _check(fault, peers)
        self._faults = wanted
        self._random = Random(seed)

    def draw(self, peer: NodeId) -> Fate:
        """What happens to the next call to this peer."""
        if not self._faults:
            return SPARED
        kinds = node_pb2.RpcFault
        hit = set[int]()
        hold_ms = 0.0
        for fault in self._faults:
            if fault.peer and fault.peer != peer:
                continue
            if self._random.random() * 100 >= fault.percent:
                continue
            hit.add(fault.kind)
            if fault.kind == kinds.REORDER:
                hold_ms = max(hold_ms, self._random.uniform(0, fault.hold_ms))
        return Fate(
            kinds.LOSE_REQUEST in hit, kinds.LOSE_RESPONSE in hit, kinds.DUPLICATE in hit, hold_ms
        )


def _check(fault: node_pb2.RpcFault, peers: frozenset[NodeId]) -> None:
    known = node_pb2.RpcFault.Kind.values()
    if fault.kind == node_pb2.RpcFault.KIND_UNSPECIFIED or fault.kind not in known:
        raise ValueError(f"unknown kind of RPC fault: {fault.kind}")
    if not math.isfinite(fault.percent) or not 0 <= fault.percent <= 100:
        raise ValueError(f"percent is {fault.percent:g}, expected 0 to 100")
    if fault.peer and fault.peer not in peers:
        raise ValueError(f"{fault.peer!r} is no peer of this node")
    is_reorder = fault.kind == node_pb2.RpcFault.REORDER
    if is_reorder and not 1 <= fault.hold_ms <= HOLD_MS_MAX:
        raise ValueError(f"hold is {fault.hold_ms} ms, expected 1 to {HOLD_MS_MAX}")
    if not is_reorder and fault.hold_ms:
        raise ValueError("only reorder holds requests back")
