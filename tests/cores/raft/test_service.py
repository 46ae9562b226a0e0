"""Writes of clients, each carried out once (thesis 6.3)."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from labs.raft.lab import LAB
from nodes.core import Env
from nodes.cores.raft import Raft
from protos import kv_pb2 as kv


@st.composite
def schedules(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Requests of three clients, retried at random and delivered in any order that a client which
    waits for each response can cause: a retry may come at any time after its request."""
    steps: list[tuple[int, int]] = []
    sent = dict.fromkeys(range(1, 4), 0)
    for _ in range(draw(st.integers(0, 30))):
        client = draw(st.integers(1, 3))
        if sent[client] and draw(st.booleans()):
            steps.append((client, draw(st.integers(1, sent[client]))))
        else:
            sent[client] += 1
            steps.append((client, sent[client]))
    return steps


@given(schedules())
def test_exactly_once_under_retries(schedule: list[tuple[int, int]]) -> None:
    """However often and late a request is repeated, it takes effect once, and every retry gets the
    response of the first time."""
    core = Raft(Env("n1", ("n2", "n3"), Random(0), LAB.defaults()))
    for session in (1, 2, 3):
        core.apply_once(kv.Command(open_session=kv.OpenSessionRequest()), session)
    first: dict[tuple[int, int], kv.CommandResult] = {}
    for index, (client, sequence) in enumerate(schedule, start=10):
        request = kv.AppendRequest(
            key="log",
            suffix=f"{client}.{sequence} ".encode(),
            id=kv.RequestId(session=client, sequence=sequence),
        )
        result = core.apply_once(kv.Command(append=request), index)
        assert first.setdefault((client, sequence), result) == result
    written = core.state_machine.values.get("log", b"").decode().split()
    assert written == [f"{client}.{sequence}" for client, sequence in first]
