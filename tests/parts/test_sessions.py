"""Client sessions: exactly-once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.parts.sessions import Expired, Sessions
from protos import kv_pb2 as kv


def request(sequence: int, *, session: int = 1, below: int = 0) -> kv.RequestId:
    return kv.RequestId(session=session, sequence=sequence, acknowledged_below=below)


def result(length: int) -> kv.CommandResult:
    return kv.CommandResult(append=kv.AppendResponse(length_bytes=length))


def test_a_new_request_is_not_known() -> None:
    """None: it has to be carried out."""
    sessions = Sessions(3)
    sessions.open(1)
    assert sessions.recall(request(1)) is None


def test_a_retry_gets_the_first_result() -> None:
    """However often it comes."""
    sessions = Sessions(3)
    sessions.open(1)
    sessions.remember(request(1), result(7))
    assert sessions.recall(request(1)) == sessions.recall(request(1)) == result(7)


def test_an_unknown_session_has_expired() -> None:
    """Nobody can say whether the request took effect."""
    with pytest.raises(Expired, match="client session 9 has expired"):
        Sessions(3).recall(request(1, session=9))


def test_what_the_client_has_is_forgotten() -> None:
    """The client says up to where it has the responses; a retry of those cannot be answered."""
    sessions = Sessions(3)
    sessions.open(1)
    for sequence in (1, 2, 3):
        sessions.remember(request(sequence, below=sequence), result(sequence))
    with pytest.raises(Expired, match="request 2 was acknowledged"):
        sessions.recall(request(2))
    assert sessions.recall(request(3)) == result(3)


def test_the_bound_never_goes_back() -> None:
    """An old request that arrives late does not bring back what was forgotten."""
    sessions = Sessions(3)
    sessions.open(1)
    sessions.remember(request(5, below=5), result(5))
    sessions.remember(request(6, below=2), result(6))
    with pytest.raises(Expired):
        sessions.recall(request(4))


def test_the_one_unused_for_longest_is_forgotten() -> None:
    """At most `limit` sessions are kept."""
    sessions = Sessions(2)
    sessions.open(1)
    sessions.open(2)
    sessions.recall(request(1, session=1))
    sessions.open(3)
    assert [session.session for session in sessions.dump()] == [1, 3]


operations = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.integers(1, 6), st.just(0), st.just(0)),
        st.tuples(st.just("use"), st.integers(1, 6), st.integers(1, 5), st.integers(0, 5)),
    ),
    max_size=40,
)


@given(operations, st.integers(1, 3), st.integers(0, 40))
def test_a_restored_table_behaves_the_same(
    script: list[tuple[str, int, int, int]], limit: int, restored_at: int
) -> None:
    """Dumped and loaded at any point, by a snapshot, it gives the same results and forgets the same
    sessions as one that was never dumped: else replicas would part."""
    plain, restored = Sessions(limit), Sessions(limit)
    for place, (what, session, sequence, below) in enumerate(script):
        if place == restored_at:
            fresh = Sessions(limit)
            fresh.load(restored.dump())
            restored = fresh
        outcomes = []
        for sessions in (plain, restored):
            if what == "open":
                sessions.open(session)
                continue
            id = request(sequence, session=session, below=below)
            try:
                known = sessions.recall(id)
                if known is None:
                    sessions.remember(id, result(place))
                outcomes.append(str(known))
            except Expired as expired:
                outcomes.append(str(expired))
        assert len(set(outcomes)) <= 1
        assert list(plain.dump()) == list(restored.dump())
        assert len(plain) <= limit
