"""The whole protocol with its clients' service, and what a node shows of itself."""

from __future__ import annotations

from google.protobuf.message import Message

from nodes.core import Caller, NodeId, handles
from nodes.cores.commit.coordinator import Coordination
from nodes.cores.commit.three_phase import ThreePhase
from protos import commit_pb2 as pb
from protos import node_pb2 as node

SHOWN_MAX = 100  # of the latest outcomes, in the view


class AtomicCommit(ThreePhase):
    """A bank whose transactions change several nodes, or none."""

    @handles(pb.TransactRequest)
    def transact(self, request: pb.TransactRequest, caller: Caller) -> pb.TransactResponse | None:
        name = request.transaction
        if self.lost_disk:
            return _refused(f"{self.env.node_id} lost its disk, and with it what it promised")
        if name in self.ended:
            reason = "it was aborted before" if self.ended[name] == pb.ABORTED else ""
            return pb.TransactResponse(outcome=self.ended[name], reason=reason)
        for coordination in self.coordinated.values():
            if coordination.request == name:
                coordination.callers.append(caller)
                return None
        problem = problem_of(request)
        if problem:
            return _refused(problem)
        shares: dict[NodeId, list[pb.Change]] = {}
        for change in request.changes:
            shares.setdefault(self.home(change.resource), []).append(change)
        # A name of its own for each attempt: a message of an earlier one must not be taken for it.
        transaction = f"{name}#{self.env.rng.getrandbits(32):08x}"
        coordination = Coordination(transaction, name, shares, self.now.mono_ms)
        coordination.since_ms = request.since_ms or self.now.wall_ms
        coordination.callers.append(caller)
        self.begin(coordination)
        return None

    @handles(pb.ReadRequest)
    def read(self, request: pb.ReadRequest, caller: Caller) -> pb.ReadResponse:
        home = self.home(request.resource)
        if home != self.env.node_id:
            refused = node.Refused(reason=f"{request.resource} lives at {home}", hint=home)
            return pb.ReadResponse(refused=refused)
        return pb.ReadResponse(
            found=request.resource in self.amounts,
            amount=self.amounts.get(request.resource, 0),
            locked_by=self.locks.holders.get(request.resource, ""),
        )

    @handles(pb.StatusRequest)
    def status(self, request: pb.StatusRequest, caller: Caller) -> pb.StatusResponse:
        name = request.transaction
        response = pb.StatusResponse(outcome=self.ended.get(name, pb.UNDECIDED))
        for coordination in self.coordinated.values():
            if coordination.request == name and coordination.outcome == pb.UNDECIDED:
                response.phase = coordination.phase
                response.waiting_for.extend(sorted(coordination.waiting_for))
        for transaction in dict.fromkeys([*self.ended, *self.votes, *self.waiting]):
            if transaction.startswith(f"{name}#"):
                state = self.state_of(transaction)
                response.attempts.add(transaction=transaction, state=state)
        return response

    def view(self) -> Message:
        locks = self.locks
        return pb.CommitView(
            coordinated=[self.describe(one) for one in self.coordinated.values()],
            in_doubt=[
                pb.InDoubt(
                    transaction=transaction,
                    coordinator=self.votes[transaction].coordinator,
                    precommitted=self.votes[transaction].precommitted,
                    since_ms=max(0, self.now.mono_ms - self.voted_ms[transaction]),
                )
                for transaction in self.votes
            ],
            locks=[
                pb.Lock(resource=resource, holder=holder, waiting=locks.waiting_for(resource))
                for resource, holder in sorted(locks.holders.items())
            ],
            amounts=self.amounts,
            decided=dict(list(self.ended.items())[-SHOWN_MAX:]),
            forced_writes=self.forced_writes,
            messages=self.messages,
            committed=self.committed,
            aborted=self.aborted,
            died=self.died,
            lost_disk=self.lost_disk,
        )


def problem_of(request: pb.TransactRequest) -> str | None:
    """Why a transaction makes no sense; None when it does."""
    resources = [change.resource for change in request.changes]
    if not request.transaction or "#" in request.transaction:
        return "a transaction needs a name, without #"
    if not resources:
        return "a transaction changes something"
    if len(set(resources)) < len(resources):
        return "each resource may be named once"
    return None


def _refused(reason: str) -> pb.TransactResponse:
    return pb.TransactResponse(refused=node.Refused(reason=reason))
