"""What must hold in atomic commit at every step, whatever fails (Bernstein, Hadzilacos, Goodman,
7.2), and what money has to do with it.

Each invariant watches a simulated cluster between steps. It looks at what nodes were sent, what
they sent and what they put on their disks, never into the core, so that a learner's protocol is
held to the same. That everything is decided once all faults are repaired (AC5) is for a program to
demand, as is that all yes and no fault come to a commit (AC4).
"""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message

from labs.commit.promises import Promises
from labs.commit.violation import outcomes_in, saved, word
from labs.kit.violation import InvariantViolated
from nodes.core import Call, Effect, Event, NodeId, Requested, Started
from nodes.cores.commit.ledger import AMOUNTS, VOTES
from nodes.sim.cluster import Observer, SimCluster
from protos import commit_pb2 as pb

__all__ = ["Amounts", "Outcomes", "Promises", "invariants"]


def invariants() -> list[Observer]:
    """Fresh watchers for one run."""
    return [Outcomes(), Promises(), Amounts()]


class Outcomes:
    """AC1: all that decide, decide alike. AC2: who has decided does not reverse it.

    `diverged` collects transactions that broke AC1 instead, if `collect` says so: where theory says
    that it happens, an experiment counts it.
    """

    def __init__(self, *, collect: bool = False) -> None:
        self.collect = collect
        self.diverged: set[str] = set()
        self.first: dict[str, tuple[NodeId, pb.Outcome]] = {}
        self.decided: dict[tuple[NodeId, str], pb.Outcome] = {}

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        if isinstance(event, Started):
            for transaction, outcome in outcomes_in(event.slots):
                self.decide(node, transaction, outcome)
        for effect in effects:
            for transaction, outcome in outcomes_in(saved(effect)):
                self.decide(node, transaction, outcome)
            if isinstance(effect, Call) and isinstance(effect.request, pb.DecideRequest):
                self.decide(node, effect.request.transaction, effect.request.outcome)

    def decide(self, node: NodeId, transaction: str, outcome: pb.Outcome) -> None:
        """A node has decided, or says so again."""
        earlier = self.decided.setdefault((node, transaction), outcome)
        if earlier != outcome:
            raise InvariantViolated(
                "a decision is never reversed (AC2)",
                f"{node} has {word(earlier)} {transaction} and now has {word(outcome)} it",
            )
        other, first = self.first.setdefault(transaction, (node, outcome))
        if first == outcome:
            return
        self.diverged.add(transaction)
        if not self.collect:
            raise InvariantViolated(
                "all that decide, decide alike (AC1)",
                f"{other} has {word(first)} {transaction} and {node} has {word(outcome)} it",
            )


class Amounts:
    """Amounts change by committed transactions only, by each once, and by what it said."""

    def __init__(self) -> None:
        self.shares: dict[tuple[NodeId, str], list[pb.Change]] = {}
        self.amounts: dict[NodeId, dict[str, int]] = {}
        self.applied: dict[NodeId, set[str]] = {}
        self.known: set[NodeId] = set()

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        match event:
            case Started(slots, _, amnesia):
                self.read_disk(node, dict(slots), amnesia=amnesia)
            case Requested(_, pb.PrepareRequest() as request):
                self.shares.setdefault((node, request.transaction), list(request.changes))
        rows: dict[str, Message] = {}
        for effect in effects:
            for slot, state in saved(effect).items():
                rows[slot] = state
                if slot.startswith(VOTES) and isinstance(state, pb.Vote) and state.ByteSize():
                    transaction = slot.removeprefix(VOTES)
                    self.shares.setdefault((node, transaction), list(state.changes))
        if rows:
            self.check(node, rows)

    def read_disk(self, node: NodeId, slots: dict[str, Message], *, amnesia: bool) -> None:
        """A node that came up: what it holds must be what it had, and what is new there came by
        transactions."""
        if amnesia or node not in self.known:
            self.known.add(node)
            self.amounts[node] = amounts_in(slots)
            self.applied[node] = {key for key, _ in committed_in(slots)}
            return
        for slot, state in slots.items():
            if slot.startswith(VOTES) and isinstance(state, pb.Vote):
                share = (node, slot.removeprefix(VOTES))
                self.shares.setdefault(share, list(state.changes))
        self.check(node, slots)

    def check(self, node: NodeId, rows: dict[str, Message]) -> None:
        """Rows that were written, or found after a crash."""
        held, applied = self.amounts[node], self.applied[node]
        found = amounts_in(rows)
        if not held:  # The bank opens.
            held.update(found)
            return
        fresh = {transaction for transaction, _ in committed_in(rows)} - applied
        applied |= fresh
        if any((node, transaction) not in self.shares for transaction in fresh):
            # All of it fell into one step, which ended in a crash: nobody saw what it was.
            self.amounts[node] = held | found
            return
        expected = dict(held)
        for transaction in sorted(fresh):
            for change in self.shares[node, transaction]:
                expected[change.resource] = expected.get(change.resource, 0) + change.delta
        for resource, amount in (held | found).items():
            if amount != expected[resource]:
                raise InvariantViolated(
                    "amounts change by committed transactions only, and by each once",
                    f"{resource} at {node} was {held.get(resource)}, should be "
                    f"{expected[resource]} and is {amount}",
                )
        self.amounts[node] = expected


def amounts_in(slots: dict[str, Message]) -> dict[str, int]:
    """The amounts that these rows hold."""
    return {
        slot.removeprefix(AMOUNTS): state.amount
        for slot, state in slots.items()
        if isinstance(state, pb.Amount)
    }


def committed_in(slots: dict[str, Message]) -> list[tuple[str, pb.Outcome]]:
    """The attempts that these rows say are committed here, as at a participant."""
    return [
        (transaction, outcome)
        for transaction, outcome in outcomes_in(
            {slot: state for slot, state in slots.items() if isinstance(state, pb.Ended)}
        )
        if outcome == pb.COMMITTED
    ]
