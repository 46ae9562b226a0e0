"""What a leader knows of one follower (volatile state on leaders, Figure 2)."""

from __future__ import annotations

from dataclasses import dataclass

from protos import raft_pb2 as pb


@dataclass(slots=True)
class Progress:
    """How far a follower is, and what is on its way to it.

    While `probing`, the leader does not know where the two logs part, and sends one request at a
    time; otherwise it sends ahead of the responses (pipelining, thesis 10.2.1).
    """

    next_index: int
    last_response_ms: int  # monotonic
    match_index: int = 0
    inflight: int = 0  # requests with entries that have not been answered
    probing: bool = True
    acknowledged_round: int = 0
    snapshot: pb.Snapshot | None = None  # the one being sent
    snapshot_offset: int = 0
    snapshot_inflight: bool = False
    recovering: bool = False  # the follower lost its disk

    def may_send(self, inflight_max: int) -> bool:
        """Entries may be sent now."""
        return self.inflight < (1 if self.probing else inflight_max)

    def sent(self, count: int) -> None:
        """`count` entries have gone out."""
        self.inflight += 1
        if not self.probing:
            self.next_index += count

    def answered(self) -> None:
        """A request with entries is not on its way any more. It may date from before the follower
        was removed and added anew."""
        self.inflight = max(0, self.inflight - 1)

    def succeeded(self, match_index: int) -> None:
        """The follower's log equals ours up to `match_index`."""
        self.match_index = max(self.match_index, match_index)
        self.next_index = max(self.next_index, self.match_index + 1)
        self.probing = False

    def forgot_behind(self, first_missing_index: int) -> None:
        """The follower's disk is gone: it does not hold any more what it once acknowledged."""
        self.match_index = min(self.match_index, first_missing_index - 1)

    def back_up(self, next_index: int) -> None:
        """The logs part somewhere before what was sent: ask there."""
        self.next_index = max(self.match_index + 1, next_index)
        self.probing = True

    def lost(self) -> None:
        """A request got no response, or was declined for what has come since: what was sent behind
        it may be missing as well. A lost probe teaches nothing; it is sent again."""
        if not self.probing:
            self.back_up(self.match_index + 1)
