"""Every planted bug is caught by the check that is about it, in words that name its cause."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from labs.kit.errors import LabError
from labs.kit.grading.judge import Implementation, Judge, Run
from labs.kit.grading.matrix import kill_matrix
from labs.raft.checks import COURSE
from nodes.loading import core_name
from tests.support.seeds import is_full

REPEATS = 5  # with seeds that no other repeat has
SEEDS_APART = 10_000


class Catch(NamedTuple):
    """The check that must notice a bug, and what its failure speaks of; one bug may show in two
    ways, of which the schedule decides."""

    check: str
    words: str
    or_words: str = ""

    def named_in(self, said: str) -> bool:
        """The failure names the cause."""
        return self.words in said or bool(self.or_words and self.or_words in said)


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


def first_failure(judge: Judge, mutant: str, check_id: str, first_seed: int) -> str:
    """What a normal grade says about a planted bug; nothing when every schedule passes."""
    core = COURSE.mutants[mutant]
    bug = Implementation(mutant, core_name(core))
    for seed in range(first_seed, first_seed + COURSE.check(check_id).seeds):
        outcome = judge.run(Run(check_id, seed, bug))
        if outcome.verdict == "fail":
            return f"expected {outcome.expected}; observed {outcome.observed}"
    return ""


@pytest.mark.parametrize(
    ("mutant", "catch"), CATCHES, ids=[f"{mutant}-{catch.check}" for mutant, catch in CATCHES]
)
def test_a_planted_bug_is_caught_again_and_again(mutant: str, catch: Catch) -> None:
    """Whichever seeds a grade takes, the check that is about the bug fails, and says why."""
    with Judge(COURSE) as judge:
        for repeat in range(REPEATS if is_full() else 1):
            said = first_failure(judge, mutant, catch.check, 1 + repeat * SEEDS_APART)
            assert catch.named_in(said), f"repeat {repeat}: {said or 'not caught'}"


def test_every_planted_bug_has_its_check() -> None:
    """None is forgotten, there are enough of them, and every part of the course has some."""
    assert set(CAUGHT_BY) == set(COURSE.mutants)
    assert len(CAUGHT_BY) >= 25
    parts = {COURSE.check(catch.check).part for catch in CAUGHT_BY.values()}
    assert parts == {part.number for part in COURSE.parts}


def test_every_check_catches_a_planted_bug() -> None:
    """A check that catches none would be no check."""
    assert {catch.check for _, catch in CATCHES} == {check.id for check in COURSE.checks}
    assert all(catch.words for _, catch in CATCHES)


def test_a_matrix_tells_caught_from_missed() -> None:
    """Its rows are bugs and its columns checks; what is left after few schedules is tried on
    more."""
    checks = [COURSE.check(name) for name in ("few-calls-are-needed", "votes-survive-crashes")]
    mutants = ("answers-every-answer", "voted-for-not-persisted", "transfers-at-once")
    heard: list[tuple[int, int]] = []
    matrix = kill_matrix(
        COURSE, jobs=1, mutants=mutants, checks=checks, told=lambda *done: heard.append(done)
    )
    fates = {place: cell.fate for place, cell in matrix.cells.items()}
    assert fates["answers-every-answer", "few-calls-are-needed"] == "caught"
    assert fates["voted-for-not-persisted", "votes-survive-crashes"] == "caught"
    assert matrix.survivors == ("transfers-at-once",)
    assert not matrix.all_caught
    assert matrix.idle_checks == ()
    assert heard[5] == (6, 6)
    assert heard[-1] == (8, 8)  # The survivor alone was tried again.
    document = matrix.to_json()
    assert document["survivors"] == ["transfers-at-once"]
    assert [mutant["name"] for mutant in document["mutants"]] == list(mutants)
    shown = matrix.text()
    assert "transfers-at-once        . ." in shown
    assert "1 planted bug caught by no check" in shown


def test_a_matrix_of_an_unknown_bug_is_refused() -> None:
    """A name that is none is said so."""
    with pytest.raises(LabError, match="no planted bug nonsense"):
        kill_matrix(COURSE, jobs=1, mutants=("nonsense",))
