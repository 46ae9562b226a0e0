"""Raft's planted bugs with the checks that are about them, and what its empty methods return."""

from __future__ import annotations

from typing import Any

from protos import kv_pb2 as kv
from protos import raft_pb2 as pb
from tests.support.catches import Catch

CAUGHT_BY = {
    "vote-not-persisted": Catch("votes-survive-crashes", "votes are durable"),
    "vote-without-log-check": Catch("outdated-log-cannot-win", "leader completeness"),
    "commit-old-terms": Catch("old-terms-commit-with-own-term", "entries of their own term"),
    "truncate-on-every-heartbeat": Catch(
        "late-and-doubled-calls-do-no-harm", "committed", "appends acknowledged"
    ),
    "ack-before-majority": Catch("lost-followers-stop-commits", "without a majority"),
    "ack-before-fsync": Catch("acknowledged-entries-survive-crashes", "durable before they are"),
    "read-from-follower": Catch("deposed-leader-serves-no-reads", "read"),
    "timer-reset-on-any-rpc": Catch("clients-put-off-no-election", "one leader"),
    "same-timeouts": Catch("split-votes-are-settled", "one leader"),
    "commit-without-min": Catch(
        "conflicts-cost-one-probe-a-term", "state machine safety", "have applied different"
    ),
    "apply-before-commit": Catch(
        "writes-commit-in-order", "applies what is committed", "applied only when committed"
    ),
    "snapshot-without-term": Catch("snapshot-counts-in-elections", "of term 0"),
    "no-dedup-in-snapshot": Catch("retries-are-known-after-restarts", "holds b'1;'"),
    "step-down-not-persisted": Catch("rolling-restarts-lose-nothing", "terms never go back"),
    "next-index-never-backs-up": Catch("deposed-leaders-entries-vanish", "same log"),
    "votes-twice": Catch("split-votes-are-settled", "one vote a term"),
    "voted-for-not-persisted": Catch("votes-survive-crashes", "votes are durable"),
    "quorum-too-small": Catch(
        "minority-leader-commits-nothing", "majority holds", "without a majority"
    ),
    "reads-without-proof": Catch("deposed-leader-serves-no-reads", "no read"),
    "no-dedup": Catch("lost-responses-repeat-nothing", "holds b'1;2;3;'"),
    "snapshot-without-state": Catch("crashed-follower-gets-snapshot", "holds at"),
    "campaigns-without-asking": Catch("lost-leader-is-replaced", "starts no election"),
    "longest-log-wins": Catch("longer-log-of-earlier-term-cannot-win", "leader completeness"),
    "leads-with-one-vote": Catch("split-votes-are-settled", "one leader a term", "election safety"),
    "needs-every-vote": Catch("any-majority-elects", "one leader that all follow"),
    "never-campaigns-twice": Catch("split-votes-are-settled", "one leader"),
    "backs-up-by-one": Catch("conflicts-cost-one-probe-a-term", "at most 6 times"),
    "matches-by-index": Catch(
        "deposed-leaders-entries-vanish", "log matching", "have applied different"
    ),
    "counts-whole-log": Catch(
        "concurrent-writes-all-commit", "applied the same log", "majority holds"
    ),
    "keeps-acknowledgements": Catch("acknowledgements-end-with-the-term", "majority"),
    "forgets-lost-calls": Catch(
        "lost-calls-delay-only", "appends acknowledged", "applied the same log"
    ),
    "sends-again-what-is-under-way": Catch("each-entry-travels-once", "bytes"),
    "answers-every-answer": Catch("few-calls-are-needed", "calls"),
    "sends-no-heartbeats": Catch("one-leader-is-elected", "for as long as nothing fails"),
    "one-entry-a-call": Catch("concurrent-writes-share-calls", "calls"),
    "sends-with-heartbeats-only": Catch("writes-wait-for-no-heartbeat", "heartbeat interval"),
    "truncates-in-memory-only": Catch("deposed-leaders-entries-vanish", "disk"),
    "applies-log-on-start": Catch("longer-log-of-earlier-term-cannot-win", "commit"),
    "drops-last-entry-on-start": Catch("restarts-lose-nothing", "leader completeness"),
    "never-snapshots": Catch("logs-stay-short", "entries"),
    "snapshot-not-saved": Catch("second-restart-loses-nothing", "does not hold"),
    "collects-every-chunk": Catch("lagging-follower-gets-snapshot-with-lost-calls", "same log"),
    "installs-old-snapshots": Catch(
        "crashed-follower-gets-snapshot-with-lost-calls", "commit_index never goes back"
    ),
    "sends-snapshot-without-state": Catch("lagging-follower-gets-snapshot", "holds at"),
    "reads-with-old-proof": Catch("former-leader-serves-no-stale-reads", "serves no read before"),
    "forgets-waiting-clients": Catch("waiting-clients-hear-the-end", "clients hear"),
    "refuses-what-may-yet-happen": Catch("majority-goes-on-without-minority", "cannot say"),
    "votes-before-catching-up": Catch("added-server-catches-up-first", "before it gets a vote"),
    "new-server-never-counts": Catch("added-server-catches-up-first", "as a voter"),
    "never-gives-up-on-new-server": Catch("unreachable-server-is-not-added", "nothing was changed"),
    "changes-together": Catch("changes-come-one-at-a-time", "refuses a second change"),
    "changes-too-early": Catch(
        "changes-come-one-at-a-time", "too early", "begins no change before"
    ),
    "campaigns-without-vote": Catch("removed-server-disturbs-nobody", "does not campaign"),
    "votes-against-living-leader": Catch("removed-server-disturbs-nobody", "removed servers ask"),
    "removed-leader-counts-itself": Catch("leader-removes-itself", "does not count itself"),
    "removed-leader-stays": Catch("leader-removes-itself", "leads no more"),
    "transfers-at-once": Catch("leadership-is-handed-over", "leads"),
    "keeps-truncated-configuration": Catch("changes-survive-crashing-leaders", "voters"),
}

# Where else they show: a check that is about none of them alone still has to catch one.
CAUGHT_AS_WELL = (
    ("ack-before-majority", Catch("lost-leaders-stop-commits", "without a majority")),
    ("forgets-lost-calls", Catch("returning-follower-catches-up", "applied the same log")),
    ("truncates-in-memory-only", Catch("long-conflicts-are-repaired", "disk")),
    (
        "counts-whole-log",
        Catch("crashing-leaders-lose-nothing", "majority holds", "applied the same log"),
    ),
    (
        "truncate-on-every-heartbeat",
        Catch("crashing-leaders-with-lost-calls-lose-nothing", "committed", "applied the same log"),
    ),
    ("ack-before-majority", Catch("churn-loses-nothing", "was acknowledged", "reads see")),
    (
        "forgets-lost-calls",
        Catch(
            "churn-with-lost-calls-loses-nothing", "applied the same log", "appends acknowledged"
        ),
    ),
    ("snapshot-not-saved", Catch("all-restart-from-snapshots", "does not hold")),
    ("reads-without-proof", Catch("paused-leader-serves-no-stale-reads", "no old value")),
    ("read-from-follower", Catch("concurrent-clients-are-linearizable", "reads see", "no read")),
    ("ack-before-majority", Catch("shifting-partitions-lose-nothing", "was acknowledged", "reads")),
    ("snapshot-without-state", Catch("everything-at-once-loses-nothing", "same everywhere")),
)
CATCHES = (*CAUGHT_BY.items(), *CAUGHT_AS_WELL)

# What a method returns that does nothing; None where it returns nothing.
IDLE: dict[str, Any] = {
    "answer_pre_vote": pb.PreVoteResponse(),
    "request_vote": pb.RequestVoteResponse(),
    "append_entries": pb.AppendEntriesResponse(),
    "next_index_after": 1 << 20,
    "log_is_current": True,
    "install_snapshot": pb.InstallSnapshotResponse(),
    "apply_once": kv.CommandResult(put=kv.PutResponse()),
    "configuration_at": ("n1", "n2", "n3", "n4", "n5"),
    "why_not_change": "",
}
