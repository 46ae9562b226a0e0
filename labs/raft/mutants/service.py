"""Planted bugs in what clients are told, and in snapshots."""

from __future__ import annotations

from google.protobuf.message import Message

from nodes.core import Caller, handles
from nodes.cores.raft import Raft
from nodes.cores.raft.reads import WaitingRead
from nodes.cores.raft.service import Response
from protos import kv_pb2 as kv
from protos import node_pb2 as node
from protos import raft_pb2 as pb


class RespondsBeforeCommit(Raft):
    """Acknowledges a write as soon as it is in the leader's log."""

    def write(
        self, command: kv.Command, caller: Caller, response: type[Response]
    ) -> Response | None:
        declined = super().write(command, caller, response)
        if declined is not None:
            return declined
        if response is kv.OpenSessionResponse:
            return None  # The session's number is not known before.
        self.waiting_writes.pop(self.log.last_index)
        return response()


class ReadsFromAnyone(Raft):
    """Every server serves reads, from whatever it has."""

    @handles(kv.GetRequest)
    def get(self, request: kv.GetRequest, caller: Caller) -> kv.GetResponse:
        """Asks nobody."""
        return self.read(request.key)


class ReadsWithoutProof(Raft):
    """Serves reads for as long as it takes itself for the leader."""

    def wait_for_proof(self, key: str, caller: Caller) -> None:
        self.respond(caller, self.read(key))


class NoDedup(Raft):
    """Carries a retried write out again."""

    def apply(self, entry: pb.LogEntry) -> None:
        anonymous = pb.LogEntry()
        anonymous.CopyFrom(entry)
        if entry.HasField("command") and entry.command.HasField("append"):
            anonymous.command.append.ClearField("id")
        super().apply(anonymous)


class DedupNotInSnapshot(Raft):
    """Its snapshots lack what clients were told."""

    def dump_state_machine(self) -> bytes:
        data = pb.SnapshotData.FromString(super().dump_state_machine())
        for session in data.state.sessions:
            session.ClearField("results")
        return data.SerializeToString(deterministic=True)


class SnapshotWithoutState(Raft):
    """Restores an empty state machine."""

    def restore_state_machine(self, data: bytes) -> None:
        restored = pb.SnapshotData.FromString(data)
        restored.ClearField("state")
        super().restore_state_machine(restored.SerializeToString())


class SnapshotWithoutTerm(Raft):
    """Its snapshots do not say of which term their last entry was."""

    def save(self, slot: str, state: Message) -> None:
        if isinstance(state, pb.Snapshot):
            state.last_included_term = 0
        super().save(slot, state)


class ReadsWithOldProof(Raft):
    """Takes a round that began before the read came for proof."""

    def wait_for_proof(self, key: str, caller: Caller) -> None:
        read_index = max(self.commit_index, self.term_start_index)
        self.waiting_reads.append(WaitingRead(caller, key, self.round, read_index))
        self.answer_reads()


class ForgetsWaitingClients(Raft):
    """Does not tell its clients that it has lost its leadership."""

    def on_leadership_lost(self, reason: str) -> None:
        self.waiting_writes = {}
        super().on_leadership_lost(reason)


class RefusesWhatMayYetHappen(Raft):
    """Tells its clients that a write did not happen, which the next leader may yet commit."""

    def on_leadership_lost(self, reason: str) -> None:
        for caller, response in self.waiting_writes.values():
            declined = response()
            getattr(declined, "refused").CopyFrom(node.Refused(reason=reason))  # noqa: B009  of several types
            self.respond(caller, declined)
        self.waiting_writes = {}
        super().on_leadership_lost(reason)
