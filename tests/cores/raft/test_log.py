"""RaftLog against a plain list of terms."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nodes.cores.raft.log import RaftLog
from protos import raft_pb2 as pb
from tests.support.raft_bench import put


class LogAgainstList(RuleBasedStateMachine):
    """`terms` holds every entry that ever stood in the log and was not truncated; `base` of them
    are discarded, `snapshot` of them are in the snapshot."""

    def __init__(self) -> None:
        super().__init__()
        self.log = RaftLog()
        self.terms: list[int] = []
        self.base = 0
        self.snapshot = 0

    @rule(steps=st.lists(st.integers(0, 2), min_size=1, max_size=4))
    def append(self, steps: list[int]) -> None:
        new: list[pb.LogEntry] = []
        for step in steps:
            term = max(1, (self.terms or [1])[-1] + step)
            self.terms.append(term)
            new.append(put(len(self.terms), term))
        self.log.append(new)

    @precondition(lambda self: len(self.terms) > self.snapshot)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(self.snapshot + 1, len(self.terms)))
        self.log.truncate(index)
        del self.terms[index - 1 :]

    @precondition(lambda self: len(self.terms) > self.snapshot)
    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        self.snapshot = data.draw(st.integers(self.snapshot + 1, len(self.terms)))
        self.log.snapshot_index = self.snapshot
        self.log.snapshot_term = self.terms[self.snapshot - 1]
        through = data.draw(st.integers(self.base, self.snapshot))
        self.log.discard(through)
        self.base = through

    @invariant()
    def ends_agree(self) -> None:
        assert (self.log.first_index, self.log.last_index) == (self.base + 1, len(self.terms))
        assert self.log.last_term == (self.terms or [0])[-1]

    @invariant()
    def terms_agree(self) -> None:
        for index in range(len(self.terms) + 2):
            held = self.base < index <= len(self.terms)
            known = held or index == self.snapshot
            expected = self.terms[index - 1] if known and index else None
            assert self.log.term_at(index) == (0 if index == 0 else expected)
            if held:
                assert self.log.entry(index).index == index
            else:
                with pytest.raises(IndexError):
                    self.log.entry(index)

    @invariant()
    def runs_of_terms_agree(self) -> None:
        held = list(range(self.base + 1, len(self.terms) + 1))
        for index in held:
            term = self.terms[index - 1]
            run = [other for other in held if self.terms[other - 1] == term]
            assert self.log.first_index_of_term_at(index) == run[0]
        for term in range(max(self.terms or [0]) + 2):
            places = [index for index in held if self.terms[index - 1] == term]
            assert self.log.last_index_of_term(term) == (places[-1] if places else None)


LogAgainstList.TestCase.settings = settings(max_examples=40, stateful_step_count=12)
TestLog = LogAgainstList.TestCase


def test_a_batch_keeps_both_limits() -> None:
    """As many entries as fit, and at least one."""
    log = RaftLog()
    log.append(put(index, 1, value=b"x" * 100) for index in range(1, 11))
    size = log.entry(1).ByteSize()
    assert len(log.batch(1, entries_max=3, bytes_max=10_000)) == 3
    assert [e.index for e in log.batch(4, entries_max=9, bytes_max=2 * size)] == [4, 5]
    assert len(log.batch(1, entries_max=9, bytes_max=1)) == 1
    assert log.batch(11, entries_max=9, bytes_max=1) == []


def test_a_log_has_no_holes() -> None:
    """An entry that does not follow on is our own mistake."""
    with pytest.raises(AssertionError, match="no holes"):
        RaftLog().append([put(2, 1)])


def test_discarding_may_reach_behind_the_end() -> None:
    """A snapshot may stand for more than the log ever held."""
    log = RaftLog()
    log.append([put(1, 1)])
    log.snapshot_index, log.snapshot_term = 5, 3
    log.discard(5)
    assert (log.first_index, log.last_index, log.last_term) == (6, 5, 3)
