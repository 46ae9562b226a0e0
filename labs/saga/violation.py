"""What invariants of the saga lab have in common: how they read rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from google.protobuf.message import Message

from nodes.core import NodeId
from nodes.sim.cluster import SimCluster
from protos import saga_pb2 as pb

Row = TypeVar("Row", bound=Message)


def rows_of(slots: Mapping[str, Message], table: str, kind: type[Row]) -> Iterator[tuple[str, Row]]:
    """The rows of a table, by key."""
    for name, state in slots.items():
        if isinstance(state, kind) and name.startswith(f"{table}/"):
            yield name.removeprefix(f"{table}/"), state


def on_disk(cluster: SimCluster, node: NodeId) -> Mapping[str, Message]:
    """The rows that the node would find if it crashed now."""
    return cluster.disk(node).load(amnesia=False).slots


def word(status: pb.Status) -> str:
    """As people say it."""
    return pb.Status.Name(status).lower()


def copied(saga: pb.Saga) -> pb.Saga:
    """One of our own, with which the core does not go on."""
    mine = pb.Saga()
    mine.CopyFrom(saga)
    return mine
