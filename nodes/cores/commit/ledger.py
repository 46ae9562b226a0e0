"""A node's resources, and what it knows of transactions: the part that is durable.

The protocol is written in layers, each a class that adds one chapter to the one before: Ledger,
Participant, Coordinator, Termination, ThreePhase, and AtomicCommit with the client's service and
the view. A layer calls a later one only through hooks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.message import Message

from nodes.core import Caller, Core, Env, NodeId, Param, Started
from nodes.parts.hash_ring import position
from nodes.parts.locks import LockTable, Priority
from protos import commit_pb2 as pb

AMOUNTS, DECISIONS, VOTES, ENDED = "amounts/", "decisions/", "votes/", "ended/"
OPENED, LOST = "opened", "lost"
CUSTOMERS = ("alice", "bob", "carol", "dave")  # the first accounts; others have numbers
ITEMS = ("book", "lamp", "pen")
SHOP, SLOTS = "account/shop", "shipping/slots"
ENDED_MAX = 10_000  # transactions whose outcome is remembered


def before(priority: pb.Priority) -> Priority:
    """As locks compare it: the older is the smaller."""
    return priority.time_ms, priority.transaction


def opening_amounts(params: Mapping[str, Param]) -> dict[str, int]:
    """Everything that there is when the bank opens; the shop has sold nothing yet."""
    accounts = [f"account/{name}" for name in customers(int(params["accounts"]))]
    stock = [f"stock/{item}" for item in ITEMS]
    return {**dict.fromkeys((*accounts, *stock, SLOTS), int(params["opening_amount"])), SHOP: 0}


def customers(count: int) -> tuple[str, ...]:
    """Who has an account."""
    numbers = range(len(CUSTOMERS) + 1, count + 1)
    return (*CUSTOMERS[:count], *map(str, numbers))


class Ledger(Core):
    """Amounts, votes, decisions and outcomes, as they are on disk. What is written goes through
    `force`, so that it is counted."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        everyone = sorted((env.node_id, *env.peers), key=lambda node: (len(node), node))
        # The first node holds nothing, so that a coordinator can fail without a participant.
        self.holders: tuple[NodeId, ...] = tuple(everyone[1:] or everyone)
        self.homes = {
            resource: self.holders[place % len(self.holders)]
            for place, resource in enumerate(opening_amounts(env.params))
        }
        self.protocol = env.text("protocol")
        self.amounts: dict[str, int] = {}
        self.votes: dict[str, pb.Vote] = {}
        self.decisions: dict[str, pb.Decision] = {}
        self.ended: dict[str, pb.Outcome] = {}
        self.locks = LockTable(wait_die=env.text("deadlocks") == "wait-die")
        self.recovered: set[str] = set()  # of an earlier life
        self.lost_disk = False
        self.forced_writes = 0
        self.messages = 0

    # ---------------------------------------------------------------------------------- resources

    def home(self, resource: str) -> NodeId:
        """The participant that holds a resource, or would know that there is none: one after the
        other holds what there is when the bank opens."""
        return self.homes.get(resource) or self.holders[position(resource) % len(self.holders)]

    def opening(self) -> dict[str, int]:
        """What this node holds when the bank opens."""
        amounts = opening_amounts(self.env.params)
        return {
            key: amount for key, amount in amounts.items() if self.home(key) == self.env.node_id
        }

    # --------------------------------------------------------------------------------- durability

    def on_start(self, started: Started) -> None:
        for name, state in started.slots.items():
            key = name.partition("/")[2]
            match state:
                case pb.Amount():
                    self.amounts[key] = state.amount
                case pb.Vote():
                    self.votes[key] = state
                case pb.Decision():
                    self.decisions[key] = state
                case pb.Ended():
                    self.ended[key] = state.outcome
        # Whoever lost promises that others build on must not make new ones.
        self.lost_disk = started.amnesia or LOST in started.slots
        if self.lost_disk:
            self.note("lost_disk")
            self.save(LOST, pb.Ended(outcome=pb.ABORTED))
        elif OPENED not in started.slots:
            self.amounts = self.opening()
            rows: dict[str, Message] = {
                AMOUNTS + key: pb.Amount(amount=amount, open=True)
                for key, amount in self.amounts.items()
            }
            self.save_all({**rows, OPENED: pb.Ended(outcome=pb.COMMITTED)})
        self.recovered = {*self.votes, *self.decisions}
        for transaction, vote in self.votes.items():
            resources = [change.resource for change in vote.changes]
            self.locks.hold(transaction, before(vote.priority), resources)

    def force(self, what: str, transaction: str, slots: Mapping[str, Message]) -> None:
        """Makes all of it durable, or nothing, before anything later happens. `what` of the
        transaction that is: begin, vote, precommit, decision or outcome."""
        self.forced_writes += 1
        self.save_all(slots)
        self.note("forced", transaction=transaction, what=what)

    def remember(self, transaction: str, outcome: pb.Outcome) -> dict[str, Message]:
        """Knows the outcome from now on; returns the rows to write for it."""
        self.ended[transaction] = outcome
        rows: dict[str, Message] = {ENDED + transaction: pb.Ended(outcome=outcome)}
        if len(self.ended) > ENDED_MAX:
            oldest = next(iter(self.ended))
            del self.ended[oldest]
            rows[ENDED + oldest] = pb.Ended()
        return rows

    # ----------------------------------------------------------------------------------- messages

    def ask(self, peer: NodeId, request: Message, timeout_ms: int) -> None:
        """A request of the protocol, which is counted."""
        self.messages += 1
        self.call(peer, request, timeout_ms=timeout_ms)

    def answer(self, caller: Caller, response: Message) -> None:
        """A response of the protocol, which is counted."""
        self.messages += 1
        self.respond(caller, response)


def changed(amounts: Mapping[str, int], changes: Iterable[pb.Change]) -> dict[str, int]:
    """The amounts after these changes. Raises KeyError for a resource that is not there, and
    ValueError for an amount that would fall below zero; either names it."""
    after = {}
    for change in changes:
        if change.resource not in amounts:
            raise KeyError(change.resource)
        amount = amounts[change.resource] + change.delta
        if amount < 0:
            raise ValueError(change.resource)
        after[change.resource] = amount
    return after
