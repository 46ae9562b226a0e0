"""Part 4: log compaction."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

ADVICE: dict[str, Advice] = {
    "logs-stay-short": Advice(
        2,
        "7",
        (
            "Look at take_snapshot, and at when it is called.",
            "Each server compacts by itself once enough was applied, and drops the log that the "
            "snapshot stands for.",
            "save(SNAPSHOT, ...) first, then discard(LOG, through) and self.log.discard(through), "
            "with through = last_applied - snapshot_trailing_entries, but not less than "
            "log.base_index.",
        ),
    ),
    "lagging-follower-gets-snapshot": Advice(
        2,
        "7, Figure 13",
        (
            "Look at install_snapshot, and at what the leader does when an entry is gone.",
            "A follower that lacks discarded entries gets state instead of entries, and goes on "
            "from last_included_index.",
            "collect each chunk; when done came and everything is there, install: restore the "
            "state machine, commit_index = last_applied = last_included_index, and answer "
            "installed once last_included_index <= commit_index.",
        ),
    ),
    "lagging-follower-gets-snapshot-with-lost-calls": Advice(
        1,
        "7, Figure 13",
        (
            "Look at chunks that arrive twice, late, or not at all.",
            "The follower says how much it has; the leader goes on from there.",
            "Append a chunk only if request.offset == len(incoming.data), begin anew when index or "
            "term differ, and always answer bytes_stored = len(incoming.data). An old snapshot "
            "(last_included_index <= commit_index) changes nothing.",
        ),
    ),
    "crashed-follower-gets-snapshot": Advice(
        2,
        "7, Figure 13",
        (
            "Look at what the follower has after install: state machine, log and disk.",
            "A snapshot carries the whole state as of its last entry; the log begins behind it.",
            "install: save(SNAPSHOT, snapshot) before the log is touched, restore_state_machine("
            "snapshot.data), and drop_log() unless the entry at last_included_index has "
            "last_included_term.",
        ),
    ),
    "crashed-follower-gets-snapshot-with-lost-calls": Advice(
        1,
        "7, Figure 13",
        (
            "Compare with crashed-follower-gets-snapshot: what differs are repeated and late "
            "chunks, to a server that began with nothing.",
            "A chunk that is not the next one is not an error: say again what you have.",
            "Clear incoming after the installation, and do not install again what is behind "
            "commit_index: applied state never goes back.",
        ),
    ),
    "snapshot-counts-in-elections": Advice(
        2,
        "7, 5.4.1",
        (
            "Look at last_term and last_index of a log that has no entry left.",
            "last_included_index and last_included_term stand for the last entry when the log is "
            "empty.",
            "Set log.snapshot_index and log.snapshot_term in take_snapshot, in install and in "
            "on_start, and save both in the snapshot: term 0 loses every comparison.",
        ),
        "raft-figure-8",
    ),
    "all-restart-from-snapshots": Advice(
        2,
        "7",
        (
            "Look at on_start of a server that has a snapshot.",
            "Snapshot first, then the log behind it; what was applied never goes back.",
            "restore_state_machine(snapshot.data), commit_index = last_applied = "
            "last_included_index, log.base_index = stored.first_index - 1. A crash may have come "
            "between saving the snapshot and discarding the log: then both hold the same entries.",
        ),
        "raft-fsync",
    ),
    "second-restart-loses-nothing": Advice(
        2,
        "7",
        (
            "Look at what is on disk after a restart in which no new snapshot was taken.",
            "A snapshot stays on disk until a later one replaces it; restoring changes nothing.",
            "Never save an empty snapshot, and keep self.snapshot as it was read: it is what a "
            "leader sends, and what the next restart needs. Its data holds sessions as well as "
            "keys.",
        ),
        "raft-fsync",
    ),
}
