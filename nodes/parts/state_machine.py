"""The replicated state machine: a key-value store, and what its clients were told.

Deterministic: the same commands in the same order give the same state and the same results on every
replica. Whether a command is a retry, and must not be carried out again, is the protocol's to say.
"""

from __future__ import annotations

from nodes.parts.sessions import Sessions
from protos import kv_pb2 as kv

Write = kv.PutRequest | kv.CompareAndSetRequest | kv.AppendRequest | kv.DeleteRequest


class KvStateMachine:
    """Values by key, and what the clients were told."""

    def __init__(self, session_limit: int) -> None:
        self.values: dict[str, bytes] = {}
        self.sessions = Sessions(session_limit)

    def open_session(self, session: int) -> kv.CommandResult:
        """Opens a session under a number that was never used before."""
        self.sessions.open(session)
        return kv.CommandResult(open_session=kv.OpenSessionResponse(session=session))

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

    def execute(self, request: Write) -> kv.CommandResult:
        """Carries out one write, whether or not it was carried out before."""
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


def write_of(command: kv.Command) -> Write:
    """The write that a command holds; an empty one for a command without."""
    request: Write = getattr(command, command.WhichOneof("operation") or "put")
    return request


def outcome_unknown(command: kv.Command, reason: str) -> kv.CommandResult:
    """Nobody can say whether the command took effect."""
    result = kv.CommandResult()
    getattr(result, command.WhichOneof("operation") or "put").outcome_unknown.reason = reason
    return result
