"""What a node says is on its disk before it says it: a yes, and a decision to commit. And nobody
decides to commit before everyone's yes is durable (AC3).

A node that crashes between two effects of a step may have sent the first ones. So the order of the
effects is judged, not only what they come to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.message import Message

from labs.commit.violation import attempt_of, outcomes_in, saved
from labs.kit.violation import InvariantViolated
from nodes.core import Call, Effect, Event, NodeId, Requested, Respond, Started
from nodes.cores.commit.ledger import ENDED, VOTES
from nodes.sim.cluster import SimCluster
from protos import commit_pb2 as pb


class Promises:
    """Durable before it is told, and unanimous before it is decided."""

    def __init__(self) -> None:
        self.voted: set[tuple[NodeId, str]] = set()
        self.committed: set[tuple[NodeId, str]] = set()  # attempts, and clients' names
        self.participants: dict[str, list[NodeId]] = {}
        self.asked: dict[tuple[NodeId, int], str] = {}  # to vote, or by a client, by the call
        self.judged: set[str] = set()

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        if cluster.params.get("fsync", "on") == "off":
            return  # Its promises are empty, as the setting says.
        match event:
            case Started(slots):
                self.take_rows(cluster, node, slots)
            case Requested(caller, pb.PrepareRequest() as request):
                self.participants[request.transaction] = list(request.participants)
                self.asked[caller.node, caller.call_id] = request.transaction
            case Requested(caller, pb.TransactRequest() as request):
                self.asked[caller.node, caller.call_id] = request.transaction
        for effect in effects:
            self.take_rows(cluster, node, saved(effect))
            match effect:
                case Call(_, pb.PrepareRequest() as request):
                    self.participants[request.transaction] = list(request.participants)
                case Call(_, pb.DecideRequest(outcome=pb.COMMITTED) as told):
                    self.check_durable(node, told.transaction, "tells others")
                case Respond(caller, pb.PrepareResponse(yes=True)):
                    self.check_vote(node, self.asked[caller.node, caller.call_id])
                case Respond(caller, pb.TransactResponse(outcome=pb.COMMITTED)):
                    name = self.asked[caller.node, caller.call_id]
                    self.check_durable(node, name, "tells its client")

    def take_rows(self, cluster: SimCluster, node: NodeId, rows: Mapping[str, Message]) -> None:
        """What is on a node's disk from here on, or was found there."""
        for slot, state in rows.items():
            transaction = attempt_of(slot)
            if isinstance(state, pb.Vote) and transaction and state.ByteSize():
                self.voted.add((node, transaction))
                self.participants[transaction] = list(state.participants)
            if isinstance(state, pb.Ended) and state.outcome == pb.COMMITTED:
                self.committed.add((node, slot.removeprefix(ENDED)))
        for transaction, outcome in outcomes_in(rows):
            if outcome == pb.COMMITTED:
                self.committed.add((node, transaction))
                self.check_unanimous(cluster, node, transaction)

    def check_vote(self, node: NodeId, transaction: str) -> None:
        """A yes is a promise."""
        if not {(node, transaction)} & (self.voted | self.committed):
            raise InvariantViolated(
                "a yes is durable before it is said",
                f"{node} says yes to {transaction}, and nothing of it is on its disk",
            )

    def check_durable(self, node: NodeId, transaction: str, act: str) -> None:
        """The commit point comes before anybody hears of it."""
        if (node, transaction) not in self.committed:
            raise InvariantViolated(
                "a decision to commit is durable before it is told",
                f"{node} {act} that {transaction} is committed, and its disk does not say so",
            )

    def check_unanimous(self, cluster: SimCluster, node: NodeId, transaction: str) -> None:
        """Everyone has voted yes; looked at once for a transaction."""
        if transaction in self.judged:
            return
        self.judged.add(transaction)
        for participant in self.participants.get(transaction, ()):
            if not {(participant, transaction)} & (self.voted | self.committed) and not _on_disk(
                cluster, participant, (VOTES + transaction, ENDED + transaction)
            ):
                raise InvariantViolated(
                    "commit only if all voted yes (AC3)",
                    f"{node} commits {transaction}, for which {participant} has not voted",
                )


def _on_disk(cluster: SimCluster, node: NodeId, slots: Iterable[str]) -> bool:
    """Whether one of the slots is there. It may have been written by a step that ended in a crash,
    which no observer saw."""
    found = cluster.disk(node).load(amnesia=False).slots
    return any(slot in found for slot in slots)
