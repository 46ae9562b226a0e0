"""Cores that look right: exercises as somebody might hand them in, with misunderstandings that go
together. Each method is written from the paper, not as a change of the reference, so that the
checks are held against mistakes that nobody planted for them."""

from tests.support.plausible.hasty import HastyRaft
from tests.support.plausible.judged import first_failure
from tests.support.plausible.longest_log import LongestLogRaft
from tests.support.plausible.version_vectors import VersionVectorStore

__all__ = ["HastyRaft", "LongestLogRaft", "VersionVectorStore", "first_failure"]
