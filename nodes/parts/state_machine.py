"""The replicated state machine: a key-value store with exactly-once writes.

Deterministic: the same commands in the same order give the same state and the same results on every
replica.
"""

from __future__ import annotations

from nodes.parts.sessions import Expired, Sessions
from protos import kv_pb2 as kv

Write = kv.PutRequest | kv.CompareAndSetRequest | kv.AppendRequest | kv.DeleteRequest


class KvStateMachine:
    """Values by key, and what the clients were told."""

    def __init__(self, session_limit: int) -> None:
        self.values: dict[str, bytes] = {}
        self.sessions = Sessions(session_limit)

    def apply(self, command: kv.Command, index: int) -> kv.CommandResult:
        """Carries out one command. `index` is its place in the log; it names a session that the
        command opens, since no other command has it."""
        kind = command.WhichOneof("operation")
        if kind == "open_session":
            self.sessions.open(index)
            return kv.CommandResult(open_session=kv.OpenSessionResponse(session=index))
        request: Write = getattr(command, kind or "put")
        if not request.HasField("id"):
            return self._write(request)
        try:
            result = self.sessions.recall(request.id)
        except Expired as expired:
            return _unknown(kind or "put", str(expired))
        if result is None:
            result = self._write(request)
            self.sessions.remember(request.id, result)
        return result

    def get(self, key: str) -> kv.GetResponse:
        """What a key holds now."""
        value = self.values.get(key)
        return kv.GetResponse(found=value is not None, value=value or b"")

    def dump(self) -> kv.StateMachineState:
        """The whole state, for a snapshot."""
        return kv.StateMachineState(values=self.values, sessions=self.sessions.dump())

    def load(self, state: kv.StateMachineState) -> None:
        """Replaces the whole state by what `dump` gave."""
        self.values = dict(sorted(state.values.items()))
        self.sessions.load(state.sessions)

    def _write(self, request: Write) -> kv.CommandResult:
        key, result = request.key, kv.CommandResult()
        current = self.values.get(key)
        match request:
            case kv.PutRequest():
                self.values[key] = request.value
                result.put.SetInParent()
            case kv.AppendRequest():
                self.values[key] = (current or b"") + request.suffix
                result.append.length_bytes = len(self.values[key])
            case kv.DeleteRequest():
                self.values.pop(key, None)
                result.delete.existed = current is not None
            case kv.CompareAndSetRequest():
                expected = request.expected if request.HasField("expected") else None
                if current is not None:
                    result.compare_and_set.current = current
                result.compare_and_set.swapped = current == expected
                if current == expected:
                    self.values[key] = request.value
        return result


def _unknown(kind: str, reason: str) -> kv.CommandResult:
    result = kv.CommandResult()
    getattr(result, kind).outcome_unknown.reason = reason
    return result
