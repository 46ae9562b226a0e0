"""The client's service: writes through the log, each answered when it has been applied."""

from __future__ import annotations

import hashlib
from typing import TypeVar

from google.protobuf.message import Message

from nodes.core import Caller, Env, exercise, handles
from nodes.cores.raft.reads import Reads
from nodes.parts.sessions import Expired
from nodes.parts.state_machine import KvStateMachine, outcome_unknown, write_of
from protos import kv_pb2 as kv
from protos import node_pb2 as node
from protos import raft_pb2 as pb

MAX_UNCOMMITTED_ENTRIES = 10_000  # A leader that cannot commit must not fill its memory.

Response = TypeVar(
    "Response",
    kv.PutResponse,
    kv.CompareAndSetResponse,
    kv.AppendResponse,
    kv.DeleteResponse,
    kv.OpenSessionResponse,
)


class Raft(Reads):
    """A key-value store that survives the loss of any minority of its servers."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.state_machine = KvStateMachine(env.number("session_limit"))
        self.digest = 0  # of everything applied, in order
        self.waiting_writes: dict[int, tuple[Caller, type[Message]]] = {}  # by log index

    # ------------------------------------------------------------------------------------- writes

    @handles(kv.PutRequest)
    def put(self, request: kv.PutRequest, caller: Caller) -> kv.PutResponse | None:
        return self.write(kv.Command(put=request), caller, kv.PutResponse)

    @handles(kv.CompareAndSetRequest)
    def compare_and_set(
        self, request: kv.CompareAndSetRequest, caller: Caller
    ) -> kv.CompareAndSetResponse | None:
        command = kv.Command(compare_and_set=request)
        return self.write(command, caller, kv.CompareAndSetResponse)

    @handles(kv.AppendRequest)
    def append_value(self, request: kv.AppendRequest, caller: Caller) -> kv.AppendResponse | None:
        return self.write(kv.Command(append=request), caller, kv.AppendResponse)

    @handles(kv.DeleteRequest)
    def delete(self, request: kv.DeleteRequest, caller: Caller) -> kv.DeleteResponse | None:
        return self.write(kv.Command(delete=request), caller, kv.DeleteResponse)

    @handles(kv.OpenSessionRequest)
    def open_session(
        self, request: kv.OpenSessionRequest, caller: Caller
    ) -> kv.OpenSessionResponse | None:
        command = kv.Command(open_session=request)
        return self.write(command, caller, kv.OpenSessionResponse)

    @exercise(part=5, brief="put a client's command into the log, or refuse it (section 8)")
    def write(
        self, command: kv.Command, caller: Caller, response: type[Response]
    ) -> Response | None:
        """Puts the command into the log; the caller hears when it is applied."""
        if self.role != pb.LEADER:
            return response(refused=self.not_leader())
        if self.transfer:
            reason = "leadership is being handed over"
            return response(refused=node.Refused(reason=reason, hint=self.transfer.target))
        if self.log.last_index - self.commit_index >= MAX_UNCOMMITTED_ENTRIES:
            reason = f"{MAX_UNCOMMITTED_ENTRIES} entries wait to be committed already"
            return response(refused=node.Refused(reason=reason))
        index = self.propose(pb.LogEntry(command=command))
        self.waiting_writes[index] = (caller, response)
        return None

    def apply(self, entry: pb.LogEntry) -> None:
        super().apply(entry)
        content = entry.SerializeToString(deterministic=True)
        chained = self.digest.to_bytes(8, "big") + content
        self.digest = int.from_bytes(hashlib.blake2b(chained, digest_size=8).digest(), "big")
        if not entry.HasField("command"):
            return
        result = self.apply_once(entry.command, entry.index)
        waiting = self.waiting_writes.pop(entry.index, None)
        if waiting:
            caller, _ = waiting
            self.respond(caller, getattr(result, result.WhichOneof("result") or "put"))

    @exercise(part=5, brief="carry out a client's write once, however often it is in the log (6.3)")
    def apply_once(self, command: kv.Command, index: int) -> kv.CommandResult:
        """What a client is told about its command; every replica comes to the same.

        `index` is the command's place in the log; it names a session that the command opens, since
        no other command has it.
        """
        machine = self.state_machine
        if command.HasField("open_session"):
            return machine.open_session(index)
        request = write_of(command)
        if not request.HasField("id"):
            return machine.execute(request)
        try:
            result = machine.sessions.recall(request.id)
        except Expired as expired:
            return outcome_unknown(command, str(expired))
        if result is None:
            result = machine.execute(request)
            machine.sessions.remember(request.id, result)
        return result

    def on_leadership_lost(self, reason: str) -> None:
        super().on_leadership_lost(reason)
        self.give_up_writes(reason)

    @exercise(part=5, brief="tell everyone who waits for a write that we cannot say (section 8)")
    def give_up_writes(self, reason: str) -> None:
        """The entries may yet be committed by the next leader, so to refuse would be a lie."""
        unknown = node.OutcomeUnknown(reason=f"{self.env.node_id} lost the lead: {reason}")
        for caller, response in self.waiting_writes.values():
            self.respond(caller, response(outcome_unknown=unknown))
        self.waiting_writes = {}

    # -------------------------------------------------------------------------------------- state

    def read(self, key: str) -> kv.GetResponse:
        return self.state_machine.get(key)

    def dump_state_machine(self) -> bytes:
        data = pb.SnapshotData(state=self.state_machine.dump(), digest=self.digest)
        return data.SerializeToString(deterministic=True)

    def restore_state_machine(self, data: bytes) -> None:
        restored = pb.SnapshotData.FromString(data)
        self.state_machine.load(restored.state)
        self.digest = restored.digest

    def view(self) -> Message:
        view = super().view()
        assert isinstance(view, pb.RaftView)
        view.applied_digest = self.digest
        view.waiting_clients = len(self.waiting_writes) + len(self.waiting_reads)
        view.transferring = self.transfer is not None
        return view
