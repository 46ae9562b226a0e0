"""Planted bugs: the store with one mistake each, as small as it can be made.

They prove that what looks for bugs finds them: `lab check quorum --mutant NAME`. The docstring of
each class says what it does wrong.
"""

from __future__ import annotations

from labs.quorum_store.mutants import handoff, placement, quorums, repair, versions
from nodes.cores.quorum_store import QuorumStore

MUTANTS: dict[str, type[QuorumStore]] = {
    "counts-tokens-not-nodes": placement.CountsTokensNotNodes,
    "neighbours-by-name": placement.NeighboursByName,
    "coordinator-keeps-a-copy": placement.CoordinatorKeepsACopy,
    "owners-stand-in": placement.OwnersStandIn,
    "stands-in-by-name": placement.StandsInByName,
    "ring-of-everyone": placement.RingOfEveryone,
    "counts-itself-twice": quorums.CountsItselfTwice,
    "counts-sends": quorums.CountsSends,
    "reads-one-too-few": quorums.ReadsOneTooFew,
    "waits-for-all": quorums.WaitsForAll,
    "sends-to-w-only": quorums.SendsToWOnly,
    "ignores-requested-quorums": quorums.IgnoresRequestedQuorums,
    "asks-only-itself": quorums.AsksOnlyItself,
    "refuses-what-may-be-found": quorums.RefusesWhatMayBeFound,
    "keeps-in-memory-only": quorums.KeepsInMemoryOnly,
    "ignores-context": versions.IgnoresContext,
    "replaces-nothing": versions.ReplacesNothing,
    "context-covers-unseen-siblings": versions.ContextCoversUnseenSiblings,
    "counter-not-saved": versions.CounterNotSaved,
    "same-life-after-wipe": versions.SameLifeAfterWipe,
    "keeps-covered-siblings": versions.KeepsCoveredSiblings,
    "last-arrival-wins": versions.LastArrivalWins,
    "takes-the-longer-history": versions.TakesTheLongerHistory,
    "stamps-by-wall-clock": versions.StampsByWallClock,
    "first-answer-wins": versions.FirstAnswerWins,
    "no-write-back": versions.NoWriteBack,
    "tag-from-own-copy": versions.TagFromOwnCopy,
    "repairs-nobody": repair.RepairsNobody,
    "repairs-with-own-record": repair.RepairsWithOwnRecord,
    "stops-at-the-root": repair.StopsAtTheRoot,
    "compares-keys-only": repair.ComparesKeysOnly,
    "sends-everything": repair.SendsEverything,
    "tombstones-dropped-at-once": repair.TombstonesDroppedAtOnce,
    "tombstones-kept-for-ever": repair.TombstonesKeptForEver,
    "lost-disk-is-empty": repair.LostDiskIsEmpty,
    "recovers-after-one-peer": repair.RecoversAfterOnePeer,
    "never-recovers": repair.NeverRecovers,
    "nobody-stands-in": handoff.NobodyStandsIn,
    "waits-for-the-down": handoff.WaitsForTheDown,
    "counts-hints-not-kept": handoff.CountsHintsNotKept,
    "hints-in-memory-only": handoff.HintsInMemoryOnly,
    "never-hands-off": handoff.NeverHandsOff,
    "drops-hints-when-sent": handoff.DropsHintsWhenSent,
    "drops-hints-that-grew": handoff.DropsHintsThatGrew,
    "hints-answer-no-reads": handoff.HintsAnswerNoReads,
    "same-life-after-handoff": handoff.SameLifeAfterHandoff,
    "counts-one-ring": handoff.CountsOneRing,
    "read-from-before-transfer": handoff.ReadFromBeforeTransfer,
    "leaves-at-once": handoff.LeavesAtOnce,
    "changes-together": handoff.ChangesTogether,
    "keeps-what-it-lost": handoff.KeepsWhatItLost,
}
