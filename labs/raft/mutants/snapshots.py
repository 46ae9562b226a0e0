"""Planted bugs in log compaction; those in what a snapshot holds are in service.py."""

from __future__ import annotations

from google.protobuf.message import Message

from nodes.core import Caller, handles
from nodes.cores.raft import Raft
from nodes.cores.raft.snapshots import SNAPSHOT
from protos import raft_pb2 as pb


class NeverSnapshots(Raft):
    """Lets its log grow for ever."""

    def take_snapshot(self) -> None:
        pass


class SnapshotNotSaved(Raft):
    """Drops the log that a snapshot stands for, and keeps the snapshot in memory only."""

    def save(self, slot: str, state: Message) -> None:
        if slot != SNAPSHOT:
            super().save(slot, state)


class CollectsEveryChunk(Raft):
    """Adds each chunk of a snapshot as it comes, also one that it has already."""

    def collect(self, request: pb.InstallSnapshotRequest) -> None:
        held = len(self.incoming.data)
        super().collect(request)
        if request.offset < held == len(self.incoming.data):
            self.incoming.data += request.data


class InstallsOldSnapshots(Raft):
    """Installs a snapshot that comes late, and goes back to what that holds."""

    @handles(pb.InstallSnapshotRequest)
    def install_snapshot(
        self, request: pb.InstallSnapshotRequest, caller: Caller
    ) -> pb.InstallSnapshotResponse:
        """Takes any snapshot for newer than what it has committed."""
        committed, self.commit_index = self.commit_index, 0
        response = super().install_snapshot(request, caller)
        self.commit_index = self.commit_index or committed
        return response


class SendsSnapshotWithoutState(Raft):
    """Sends followers where its snapshot ends, and an empty state machine."""

    def send_snapshot(self, peer: str) -> None:
        progress = self.followers[peer]
        if progress.snapshot is None and not progress.snapshot_inflight:
            data = pb.SnapshotData.FromString(self.snapshot.data)
            data.ClearField("state")
            progress.snapshot = pb.Snapshot(
                last_included_index=self.snapshot.last_included_index,
                last_included_term=self.snapshot.last_included_term,
                configuration=self.snapshot.configuration,
                data=data.SerializeToString(),
            )
            progress.snapshot_offset = 0
        super().send_snapshot(peer)
