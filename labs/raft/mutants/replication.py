"""Planted bugs in replication and in the commit rule."""

from __future__ import annotations

from collections.abc import Iterable

from nodes.core import (
    Call,
    Caller,
    Env,
    NodeId,
    Respond,
    Started,
    StoredLog,
    copy_of,
    handles,
    on_response,
    on_timer,
)
from nodes.cores.raft import Raft
from nodes.cores.raft.state import LOG
from nodes.parts.quorum import reached_by_majority
from protos import raft_pb2 as pb


def reached(core: Raft) -> Iterable[int]:
    """How far each voter's durable log reaches, as the leader knows it."""
    for voter in core.voters:
        own = voter == core.env.node_id
        yield core.saved_index if own else core.followers[voter].match_index


class QuorumTooSmall(Raft):
    """Two of five are enough to commit."""

    def advance_commit(self) -> None:
        index = sorted(reached(self), reverse=True)[len(self.voters) // 2 - 1]
        if index > self.commit_index and self.log.term_at(index) == self.current_term:
            self.commit_index = index
            self.apply_committed()


class CountsOldTerms(Raft):
    """Commits entries of earlier terms by counting copies."""

    def advance_commit(self) -> None:
        index = reached_by_majority(reached(self))
        if index > self.commit_index:
            self.commit_index = index
            self.apply_committed()


class TruncatesAlways(Raft):
    """Drops everything behind the previous entry of each request, conflict or not."""

    @handles(pb.AppendEntriesRequest)
    def append_entries(
        self, request: pb.AppendEntriesRequest, caller: Caller
    ) -> pb.AppendEntriesResponse:
        """Makes room first, also for a heartbeat."""
        first = request.prev_log_index + 1
        stale = request.term < self.current_term
        if not stale and self.log.snapshot_index < first <= self.log.last_index:
            self.truncate(LOG, first)
            self.log.truncate(first)
            self.log_truncated()
        return super().append_entries(request, caller)


class AcknowledgesBeforeSaving(Raft):
    """Tells the leader that it holds the entries, and saves them afterwards."""

    @handles(pb.AppendEntriesRequest)
    def append_entries(  # type: ignore[override]  # what the handler returns is sent last, too late
        self, request: pb.AppendEntriesRequest, caller: Caller
    ) -> None:
        """The response goes out in front of what it promises."""
        response = super().append_entries(request, caller)
        self._effects.insert(0, Respond(caller, copy_of(response)))


class CommitsWhatLeaderCommitted(Raft):
    """Takes the leader's commit index for its own log, also where the two may yet differ."""

    @handles(pb.AppendEntriesRequest)
    def append_entries(
        self, request: pb.AppendEntriesRequest, caller: Caller
    ) -> pb.AppendEntriesResponse:
        """Bounded by the end of its log instead of by the last entry that was vouched for."""
        response = super().append_entries(request, caller)
        commit_index = min(request.leader_commit, self.log.last_index)
        if response.success and commit_index > self.commit_index:
            self.commit_index = commit_index
            self.apply_committed()
        return response


class AppliesAtOnce(Raft):
    """A follower applies entries as they arrive."""

    def log_extended(self, entries: list[pb.LogEntry]) -> None:
        super().log_extended(entries)
        for entry in entries:
            if entry.index == self.last_applied + 1:
                self.last_applied = entry.index
                self.apply(entry)


class NeverBacksUp(Raft):
    """Asks a follower that declined the same again."""

    def next_index_after(
        self, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> int:
        return request.prev_log_index + 1


class BacksUpByOne(Raft):
    """Backs up one entry at a time."""

    def next_index_after(
        self, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> int:
        return max(1, request.prev_log_index)


class MatchesByIndex(Raft):
    """Takes an entry at the same index for the same entry."""

    def holds(self, index: int, term: int) -> bool:
        return index <= self.log.last_index


class CountsWholeLog(Raft):
    """Takes any success for holding the leader's whole log."""

    @on_response(pb.AppendEntriesRequest, pb.AppendEntriesResponse)
    def appended(
        self, peer: NodeId, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> None:
        """Overlooks what was proposed since the request left."""
        if response.success and self.role == pb.LEADER and peer in self.followers:
            self.followers[peer].succeeded(self.log.last_index)
        super().appended(peer, request, response)


class KeepsAcknowledgements(Raft):
    """Counts what followers held when it led before."""

    def on_leadership_lost(self, reason: str) -> None:
        self.held_before = {peer: known.match_index for peer, known in self.followers.items()}
        super().on_leadership_lost(reason)

    def advance_commit(self) -> None:
        held_before = getattr(self, "held_before", {})
        followers = {v: self.followers[v].match_index for v in self.voters if v in self.followers}
        held = [max(match, held_before.get(peer, 0)) for peer, match in followers.items()]
        index = reached_by_majority([self.saved_index, *held])
        if index > self.commit_index and self.log.term_at(index) == self.current_term:
            self.commit_index = index
            self.apply_committed()


class ForgetsLostCalls(Raft):
    """Waits for ever for the answer to a call that got lost."""

    def on_call_failed(self, call: Call, reason: str) -> None:
        if not isinstance(call.request, pb.AppendEntriesRequest):
            super().on_call_failed(call, reason)


class SendsAgainWhatIsUnderWay(Raft):
    """Sends entries anew until they are acknowledged, without waiting for the answer."""

    def replicate(self, peer: NodeId, *, even_if_empty: bool = False) -> None:
        super().replicate(peer, even_if_empty=even_if_empty)
        progress = self.followers[peer]
        if not progress.probing:
            progress.next_index = progress.match_index + 1


class AnswersEveryAnswer(Raft):
    """Sends the next heartbeat as soon as one is answered."""

    @on_response(pb.AppendEntriesRequest, pb.AppendEntriesResponse)
    def appended(
        self, peer: NodeId, request: pb.AppendEntriesRequest, response: pb.AppendEntriesResponse
    ) -> None:
        """Each answer breeds a request."""
        super().appended(peer, request, response)
        if self.role == pb.LEADER and peer in self.followers:
            self.replicate(peer, even_if_empty=True)


class SendsNoHeartbeats(Raft):
    """Leaves its followers alone for as long as there is nothing new."""

    def replicate(self, peer: NodeId, *, even_if_empty: bool = False) -> None:
        super().replicate(peer, even_if_empty=even_if_empty and self.leadership_in_doubt())


class OneEntryACall(Raft):
    """Sends each entry in a call of its own."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.max_entries_per_append = 1


class SendsWithHeartbeatsOnly(Raft):
    """Lets entries wait for the next heartbeat."""

    @on_timer("flush")
    def flush(self) -> None:
        """Writes its own log, and sends nothing but a new term's first entry."""
        if self.role == pb.LEADER and self.commit_index >= self.term_start_index:
            self.save_own_entries()
        else:
            super().flush()


class TruncatesInMemoryOnly(Raft):
    """Drops conflicting entries from memory, and leaves them on disk."""

    def truncate(self, log: str, from_index: int) -> None:
        pass


class AppliesLogOnStart(Raft):
    """Takes everything in its log for committed when it restarts."""

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        self.commit_index = self.log.last_index
        self.apply_committed()


class DropsLastEntryOnStart(Raft):
    """Takes the last entry of its log for half written when it restarts, and drops it."""

    def restore_log(self, stored: StoredLog) -> None:
        kept = stored.entries[:-1]
        super().restore_log(StoredLog(stored.first_index, kept))
        if stored.entries:
            self.truncate(LOG, stored.first_index + len(kept))
