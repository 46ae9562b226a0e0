"""What invariants of the commit lab have in common: how they read what is
saved and sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from google.protobuf.message import Message

from nodes.core import Effect, NodeId, saves_of
from nodes.cores.commit.ledger import DECISIONS, ENDED, VOTES
from nodes.sim.cluster import SimCluster
from protos import commit_pb2 as pb


def commit_view(cluster: SimCluster, node: NodeId) -> pb.CommitView | None:
    """What the node shows now; None while it is down."""
    view = cluster.view_now(node)
    return view if isinstance(view, pb.CommitView) else None


def saved(effect: Effect) -> Mapping[str, Message]:
    """The slots that an effect replaces."""
    return {save.slot: save.state for save in saves_of(effect)}


def word(outcome: pb.Outcome) -> str:
    """As people say it."""
    return pb.Outcome.Name(outcome).lower()


def attempt_of(slot: str) -> str | None:
    """The attempt of a transaction that a slot is about; none for the client's name of it."""
    for table in (ENDED, DECISIONS, VOTES):
        if slot.startswith(table) and "#" in slot:
            return slot.removeprefix(table)
    return None


def outcomes_in(slots: Mapping[str, Message]) -> Iterator[tuple[str, pb.Outcome]]:
    """The outcomes of attempts that these slots record."""
    for slot, state in slots.items():
        transaction = attempt_of(slot)
        if transaction is None or not isinstance(state, pb.Ended | pb.Decision):
            continue
        if state.outcome != pb.UNDECIDED:
            yield transaction, state.outcome
