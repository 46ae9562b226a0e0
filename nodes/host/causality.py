"""What a host tells the timeline, and the Lamport clock that orders it.

Every message, request or response, has an id and carries its sender's Lamport time; a receiver's
clock jumps ahead of it, so that a receive is always later than its send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nodes import timeline
from nodes.core import NodeId, NoteValue
from nodes.host.recorder import Recorder

MessageType = Literal["request", "response"]


class Causality:
    """The Lamport clock of a node. `boot` tells this run's message ids from an earlier one's."""

    def __init__(self, node: NodeId, recorder: Recorder, *, boot: int) -> None:
        self._prefix = f"{node}-{boot}-"
        self._recorder = recorder
        self._lamport = recorder.last_lamport
        self._messages = 0

    def next_message(self) -> str:
        """An id for a request; its response has the same with `r` behind it."""
        self._messages += 1
        return f"{self._prefix}{self._messages}"

    def happened(self, kind: str, fields: Mapping[str, NoteValue]) -> int:
        """Something local. Returns its Lamport time."""
        self._lamport += 1
        self._recorder.record(self._lamport, kind, fields)
        return self._lamport

    def sent(self, message: str, to: NodeId, rpc: str, what: MessageType, fault: str = "") -> int:
        """Returns the Lamport time that the message must carry."""
        fields: dict[str, NoteValue] = {"message": message, "to": to, "rpc": rpc, "type": what}
        if fault:
            fields["fault"] = fault
        return self.happened(timeline.SENT, fields)

    def received(
        self, message: str, source: NodeId, rpc: str, what: MessageType, lamport: int
    ) -> None:
        """`lamport` is the time that the message carried."""
        self._lamport = max(self._lamport, lamport)
        fields: dict[str, NoteValue] = {
            "message": message,
            "from": source,
            "rpc": rpc,
            "type": what,
        }
        self.happened(timeline.RECEIVED, fields)

    def failed(self, message: str, to: NodeId, rpc: str, reason: str) -> None:
        """A request of ours got no response."""
        self.happened(timeline.FAILED, {"message": message, "to": to, "rpc": rpc, "reason": reason})
