"""An exercise as somebody might hand it in: it loses points where it is wrong, and hears why."""

from __future__ import annotations

from labs.kit.grading.judge import Judge
from labs.quorum_store.checks import COURSE
from tests.support.plausible import VersionVectorStore, first_failure
from tests.support.seeds import is_full

# By check: what its failure must speak of.
SAYS = {
    "writes-that-know-nothing-of-each-other-stay": "observed four, one, origin",  # overwritten
    "the-last-writer-wins-everywhere": "durable before it is promised",
    "who-saw-a-value-can-replace-it": "durable before it is promised",
    "registers-are-linearizable": "durable before it is promised",
    "handed-off-versions-stay": "only what a writer has seen is overwritten",
}
# Vectors do where histories do not fork, and all that has nothing to do with versions.
KEEPS = (
    "any-node-coordinates",
    "acknowledged-writes-survive-crashes",
    "a-write-replaces-what-its-writer-saw",
    "no-two-writes-share-a-name",
    "reads-repair-what-they-find-behind",
    "deleted-stays-deleted",
    "hints-reach-their-homes",
    "who-joins-holds-its-keys-before-it-is-read",
)


def test_version_vectors_without_dots_lose_points_for_the_right_reason() -> None:
    """What was overwritten is there again, the tie of two stamps is not broken, and a node that
    counts on makes look overwritten what it gave away."""
    with Judge(COURSE) as judge:
        for check_id, words in SAYS.items():
            seeds = COURSE.check(check_id).seeds
            assert words in first_failure(judge, VersionVectorStore, check_id, seeds), check_id


def test_version_vectors_without_dots_keep_the_points_of_what_they_do_right() -> None:
    """The author is not told off for what the misunderstanding does not touch."""
    with Judge(COURSE) as judge:
        for check_id in KEEPS:
            check = COURSE.check(check_id)
            seeds = check.seeds if is_full() else check.quick_seeds
            assert first_failure(judge, VersionVectorStore, check_id, seeds) == "", check_id
