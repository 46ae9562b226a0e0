"""Part 5: what clients rely on."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

MINORITY = "raft-minority"

ADVICE: dict[str, Advice] = {
    "deposed-leader-serves-no-reads": Advice(
        2,
        "8, thesis 6.4",
        (
            "Look at wait_for_proof and answer_reads.",
            "A leader may have been replaced without knowing: before it answers a read, a majority "
            "must answer a request that it sent after the read came.",
            "wait_for_proof: WaitingRead(caller, key, self.round + 1, read_index) and a flush. "
            "answer_reads: only when read.round <= acknowledged_round().",
        ),
        MINORITY,
    ),
    "paused-leader-serves-no-stale-reads": Advice(
        2,
        "8, thesis 6.4",
        (
            "Look at which round proves a read: one that began before the read proves nothing.",
            "Answers that were on their way while the leader stood still belong to an old round.",
            "The round to wait for is self.round + 1, the one that begins after the read arrived; "
            "not self.round, which may be acknowledged already.",
        ),
        MINORITY,
    ),
    "waiting-clients-hear-the-end": Advice(
        1,
        "8, thesis 6.2",
        (
            "Look at on_leadership_lost: who waits at that moment?",
            "The next leader may yet commit the entry, so the honest answer is: unknown.",
            "Respond to every waiting write and read with outcome_unknown, and empty both. A "
            "leader that hears no majority for an election timeout steps down (silent_majority).",
        ),
        MINORITY,
    ),
    "lost-responses-repeat-nothing": Advice(
        2,
        "8, thesis 6.3",
        (
            "Look at what happens when the same request with the same id is applied twice.",
            "Each client numbers its requests; servers remember the latest responses, and repeat "
            "the answer instead of the work.",
            "Pass the command with its id to the state machine in apply, unchanged; "
            "Sessions.recall finds the earlier result.",
        ),
    ),
    "retries-are-known-after-restarts": Advice(
        2,
        "7, thesis 6.3",
        (
            "Look at dump_state_machine and restore_state_machine.",
            "The table of clients is part of the replicated state, so of the snapshot too.",
            "Keep the whole of state_machine.dump() in SnapshotData, with sessions and their "
            "results, and load all of it: keys alone are not enough.",
        ),
    ),
    "majority-goes-on-without-minority": Advice(
        1,
        "5.3, 8",
        (
            "Look at the write that waits on the smaller side.",
            "It may neither be acknowledged nor refused there: nobody knows yet.",
            "When the leader of the smaller side steps down, answer outcome_unknown; a retry by "
            "the same id then takes effect once.",
        ),
        MINORITY,
    ),
    "concurrent-clients-are-linearizable": Advice(
        1,
        "8, thesis 6.4",
        (
            "Look at the read in the failure: what had been acknowledged before it began?",
            "A read sees every write that was acknowledged before it began.",
            "read_index = max(commit_index, term_start_index) when the read arrives; answer it "
            "when last_applied >= read_index, in the order in which the reads came.",
        ),
    ),
    "shifting-partitions-lose-nothing": Advice(
        1,
        "5, 8",
        (
            "Look at which of the two it was: a write that is gone, or a read that was stale.",
            "Acknowledged means applied by a leader that had a majority at that moment.",
            "Gone: see the rules of parts 2 and 3. Stale: see deposed-leader-serves-no-reads. "
            "Twice: the id of a request must survive the change of leaders.",
        ),
        MINORITY,
    ),
    "everything-at-once-loses-nothing": Advice(
        1,
        "5, 7, 8",
        (
            "Run the other checks first: this one only combines what they test one by one.",
            "Snapshots, sessions and elections must not depend on each other's luck.",
            "If only this one fails: compare what a server has after install_snapshot with what it "
            "has after applying the same entries; digest, sessions and voters must be equal.",
        ),
    ),
    "writes-wait-for-no-heartbeat": Advice(
        1,
        "5.3",
        (
            "Look at when an entry is sent, and when commit_index is raised.",
            "A leader sends at once what is proposed, and commits when the response comes.",
            'propose sets the timer "flush" with 0 ms; appended calls advance_commit(), which '
            "applies, which answers the client. Nothing of that waits for the heartbeat.",
        ),
    ),
}
