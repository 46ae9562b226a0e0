"""The planted bugs of atomic commit with the checks that are about them, and what its empty methods
return."""

from __future__ import annotations

from typing import Any

from protos import commit_pb2 as pb
from tests.support.catches import Catch

ALIKE = "all that decide, decide alike (AC1)"
UNANIMOUS = "commit only if all voted yes (AC3)"
ONCE = "by each once"

CAUGHT_BY = {
    "takes-and-does-not-give": Catch("what-nobody-objects-to-commits", ONCE),
    "majority-decides": Catch("a-single-no-aborts-everywhere", UNANIMOUS, "votes no"),
    "silence-is-consent": Catch("silence-is-no-yes", UNANIMOUS, "did not vote"),
    "counts-one-too-few": Catch(
        "nobody-commits-before-the-last-vote", UNANIMOUS, "no client is told before"
    ),
    "yes-in-memory-only": Catch("a-yes-outlives-a-crash", "a yes is durable before it is said"),
    "tells-before-it-is-written": Catch(
        "what-clients-were-told-outlives-everything",
        "a decision to commit is durable before it is told",
    ),
    "carries-out-again": Catch("what-is-decided-happens-once", ONCE),
    "row-by-row": Catch("a-participant-may-crash-anywhere", ONCE, "or nothing of it"),
    "locks-nothing": Catch("locks-stay-until-the-outcome-is-known", "holds the lock"),
    "releases-after-its-vote": Catch("nothing-is-spent-twice", "enough for one", "account/alice"),
    "locks-lost-in-a-crash": Catch("locks-stay-until-the-outcome-is-known", "after a crash"),
    "shows-what-may-be-aborted": Catch("reads-see-what-is-committed", "nothing was committed"),
    "the-younger-waits": Catch("the-younger-dies-and-the-older-waits", "does not wait"),
    "the-older-dies": Catch(
        "the-younger-dies-and-the-older-waits", "the older one waits", "waited for the locks"
    ),
    "forgets-who-waits": Catch("whoever-waited-gets-its-turn", "it waited"),
    "patient-for-ever": Catch("a-deadlock-does-not-last", "a deadlock is over after"),
    "holds-its-locks": Catch("a-single-no-aborts-everywhere", "has heard of the no"),
    "forgets-in-a-crash": Catch(
        "what-was-decided-is-told-after-a-crash", ALIKE, "all that was committed"
    ),
    "recovers-to-commit": Catch("what-was-not-decided-is-aborted", "nothing was decided"),
    "recovers-to-abort": Catch("a-coordinator-may-crash-anywhere", "(AC", "told what became of"),
    "writes-down-aborts": Catch("a-presumed-abort-is-not-written-down", "an abort forces"),
    "begins-unrecorded": Catch(
        "without-presumption-aborts-are-acknowledged", "that it begins, and that it aborts"
    ),
    "aborts-unacknowledged": Catch(
        "without-presumption-aborts-are-acknowledged", "remembers the abort until"
    ),
    "forgets-at-once": Catch(
        "a-commit-is-remembered-until-all-know", "remembers the commit as long as"
    ),
    "forgets-in-memory-only": Catch(
        "a-commit-is-remembered-until-all-know", "forgets a commit that everyone"
    ),
    "never-asks": Catch("who-is-in-doubt-asks", "its coordinator answers"),
    "asks-nobody-else": Catch("somebody-who-knows-is-enough", "others know the outcome"),
    "promises-and-forgets": Catch("who-has-not-voted-lets-all-abort", ALIKE),
    "promises-nothing": Catch("who-has-not-voted-lets-all-abort", "they asked it"),
    "gives-up-in-doubt": Catch("those-in-doubt-wait-if-nobody-knows", "stays in doubt"),
    "answers-before-it-knows": Catch("who-still-counts-votes-says-so", "stays in doubt", ALIKE),
    "skips-the-middle-phase": Catch("everyone-knows-before-anyone-commits", "knows that all"),
    "commits-when-one-knows": Catch("everyone-knows-before-anyone-commits", "knows that all"),
    "waits-for-its-coordinator": Catch(
        "those-left-abort-what-nobody-could-commit", "left without their coordinator"
    ),
    "aborts-what-one-knows": Catch("one-who-knows-brings-all-along", "knew that all had voted"),
    "waits-for-the-dead": Catch("the-dead-hold-up-nobody", "will hear of it"),
    "back-and-in-charge": Catch("three-phases-survive-a-crash-anywhere", ALIKE, "or nothing of it"),
}

CATCHES = tuple(CAUGHT_BY.items())

# What a method returns that does nothing; None where it returns nothing.
IDLE: dict[str, Any] = {"state_told": pb.InquireResponse.UNKNOWN, "take_precommit": False}
