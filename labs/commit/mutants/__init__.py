"""Planted bugs: atomic commit with one mistake each, as small as it can be made.

They prove that what looks for bugs finds them: `lab check commit --mutant NAME`. The docstring of
each class says what it does wrong.
"""

from __future__ import annotations

from labs.commit.mutants import doubt, locks, recovery, three_phases, votes
from nodes.cores.commit import AtomicCommit

MUTANTS: dict[str, type[AtomicCommit]] = {
    "takes-and-does-not-give": votes.TakesAndDoesNotGive,
    "majority-decides": votes.MajorityDecides,
    "silence-is-consent": votes.SilenceIsConsent,
    "counts-one-too-few": votes.CountsOneTooFew,
    "yes-in-memory-only": votes.YesInMemoryOnly,
    "tells-before-it-is-written": votes.TellsBeforeItIsWritten,
    "carries-out-again": votes.CarriesOutAgain,
    "row-by-row": votes.RowByRow,
    "locks-nothing": locks.LocksNothing,
    "releases-after-its-vote": locks.ReleasesAfterItsVote,
    "locks-lost-in-a-crash": locks.LocksLostInACrash,
    "shows-what-may-be-aborted": locks.ShowsWhatMayBeAborted,
    "the-younger-waits": locks.TheYoungerWaits,
    "the-older-dies": locks.TheOlderDies,
    "forgets-who-waits": locks.ForgetsWhoWaits,
    "patient-for-ever": locks.PatientForEver,
    "holds-its-locks": locks.HoldsItsLocks,
    "forgets-in-a-crash": recovery.ForgetsInACrash,
    "recovers-to-commit": recovery.RecoversToCommit,
    "recovers-to-abort": recovery.RecoversToAbort,
    "writes-down-aborts": recovery.WritesDownAborts,
    "begins-unrecorded": recovery.BeginsUnrecorded,
    "aborts-unacknowledged": recovery.AbortsUnacknowledged,
    "forgets-at-once": recovery.ForgetsAtOnce,
    "forgets-in-memory-only": recovery.ForgetsInMemoryOnly,
    "never-asks": doubt.NeverAsks,
    "asks-nobody-else": doubt.AsksNobodyElse,
    "promises-and-forgets": doubt.PromisesAndForgets,
    "promises-nothing": doubt.PromisesNothing,
    "gives-up-in-doubt": doubt.GivesUpInDoubt,
    "answers-before-it-knows": doubt.AnswersBeforeItKnows,
    "skips-the-middle-phase": three_phases.SkipsTheMiddlePhase,
    "commits-when-one-knows": three_phases.CommitsWhenOneKnows,
    "waits-for-its-coordinator": three_phases.WaitsForItsCoordinator,
    "aborts-what-one-knows": three_phases.AbortsWhatOneKnows,
    "waits-for-the-dead": three_phases.WaitsForTheDead,
    "back-and-in-charge": three_phases.BackAndInCharge,
}
