"""Planted bugs: Raft with one mistake each, as small as it can be made.

They prove that what looks for bugs finds them: `lab fuzz raft --mutant NAME`. The docstring of each
class says what it does wrong.
"""

from __future__ import annotations

from labs.raft.mutants import elections, membership, replication, service, snapshots
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
    "campaigns-without-asking": elections.CampaignsWithoutAsking,
    "longest-log-wins": elections.LongestLogWins,
    "leads-with-one-vote": elections.LeadsWithOneVote,
    "needs-every-vote": elections.NeedsEveryVote,
    "never-campaigns-twice": elections.NeverCampaignsTwice,
    "backs-up-by-one": replication.BacksUpByOne,
    "matches-by-index": replication.MatchesByIndex,
    "counts-whole-log": replication.CountsWholeLog,
    "keeps-acknowledgements": replication.KeepsAcknowledgements,
    "forgets-lost-calls": replication.ForgetsLostCalls,
    "sends-again-what-is-under-way": replication.SendsAgainWhatIsUnderWay,
    "answers-every-answer": replication.AnswersEveryAnswer,
    "sends-no-heartbeats": replication.SendsNoHeartbeats,
    "one-entry-a-call": replication.OneEntryACall,
    "sends-with-heartbeats-only": replication.SendsWithHeartbeatsOnly,
    "truncates-in-memory-only": replication.TruncatesInMemoryOnly,
    "applies-log-on-start": replication.AppliesLogOnStart,
    "drops-last-entry-on-start": replication.DropsLastEntryOnStart,
    "never-snapshots": snapshots.NeverSnapshots,
    "snapshot-not-saved": snapshots.SnapshotNotSaved,
    "collects-every-chunk": snapshots.CollectsEveryChunk,
    "installs-old-snapshots": snapshots.InstallsOldSnapshots,
    "sends-snapshot-without-state": snapshots.SendsSnapshotWithoutState,
    "reads-with-old-proof": service.ReadsWithOldProof,
    "forgets-waiting-clients": service.ForgetsWaitingClients,
    "refuses-what-may-yet-happen": service.RefusesWhatMayYetHappen,
    "votes-before-catching-up": membership.VotesBeforeCatchingUp,
    "new-server-never-counts": membership.NewServerNeverCounts,
    "never-gives-up-on-new-server": membership.NeverGivesUpOnNewServer,
    "changes-together": membership.ChangesTogether,
    "changes-too-early": membership.ChangesTooEarly,
    "campaigns-without-vote": membership.CampaignsWithoutVote,
    "votes-against-living-leader": membership.VotesAgainstLivingLeader,
    "removed-leader-counts-itself": membership.RemovedLeaderCountsItself,
    "removed-leader-stays": membership.RemovedLeaderStays,
    "transfers-at-once": membership.TransfersAtOnce,
    "keeps-truncated-configuration": membership.KeepsTruncatedConfiguration,
}
