"""Planted bugs in replication and in the commit rule."""

from __future__ import annotations

from collections.abc import Iterable

from nodes.core import Caller, Respond, copy_of, handles
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
