"""Planted bugs in what clients are told, and in snapshots."""

from __future__ import annotations

from google.protobuf.message import Message

from nodes.core import Caller, handles
from nodes.cores.raft import Raft
from nodes.cores.raft.service import Response
from protos import kv_pb2 as kv
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
