"""Rafts that look right: exercises as somebody might hand them in, with misunderstandings that go
together. Each method is written from the paper's figure, not as a change of the reference, so that
the checks are held against mistakes that nobody planted for them."""

from tests.support.plausible.hasty import HastyRaft
from tests.support.plausible.longest_log import LongestLogRaft

__all__ = ["HastyRaft", "LongestLogRaft"]
