"""Planted bugs: Raft with one mistake each, as small as it can be made.

They prove that what looks for bugs finds them: `lab fuzz raft --mutant NAME`. The docstring of each
class says what it does wrong.
"""

from __future__ import annotations

from labs.raft.mutants import elections, replication, service
from nodes.cores.raft import Raft

# The public starter set for graders of Raft.
MUTANTS: dict[str, type[Raft]] = {
    "vote-not-persisted": elections.VoteNotPersisted,
    "vote-without-log-check": elections.VotesWithoutLogCheck,
    "commit-old-terms": replication.CountsOldTerms,
    "truncate-on-every-heartbeat": replication.TruncatesAlways,
    "ack-before-majority": service.RespondsBeforeCommit,
    "ack-before-fsync": replication.AcknowledgesBeforeSaving,
    "read-from-follower": service.ReadsFromAnyone,
    "timer-reset-on-any-rpc": elections.AnyCallResetsTimer,
    "same-timeouts": elections.SameTimeouts,
    "commit-without-min": replication.CommitsWhatLeaderCommitted,
    "apply-before-commit": replication.AppliesAtOnce,
    "snapshot-without-term": service.SnapshotWithoutTerm,
    "no-dedup-in-snapshot": service.DedupNotInSnapshot,
    "step-down-not-persisted": elections.StepDownNotPersisted,
    "next-index-never-backs-up": replication.NeverBacksUp,
}

# More of the kind.
MORE: dict[str, type[Raft]] = {
    "votes-twice": elections.VotesTwice,
    "voted-for-not-persisted": elections.VotedForNotPersisted,
    "quorum-too-small": replication.QuorumTooSmall,
    "reads-without-proof": service.ReadsWithoutProof,
    "no-dedup": service.NoDedup,
    "snapshot-without-state": service.SnapshotWithoutState,
}
