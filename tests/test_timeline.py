"""The timeline: one JSON line an event, and one order for many nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.timeline import RECEIVED, SENT, TimelineEvent, merge

values = st.integers(-(2**53), 2**53) | st.booleans() | st.text(max_size=5)
names = st.text(min_size=1, max_size=8).filter(
    lambda name: name not in {"node", "seq", "lamport", "at_ms", "kind"}
)


@given(st.dictionaries(names, values, max_size=4), st.text(max_size=5))
def test_an_event_survives_its_line(fields: dict[str, int | str | bool], kind: str) -> None:
    """One line without a newline, whatever the fields say."""
    event = TimelineEvent("n1", 1, 2, 3.5, kind, fields)
    line = event.to_json()
    assert "\n" not in line
    assert TimelineEvent.from_json(line) == event


def test_a_field_cannot_disguise_itself() -> None:
    """What the host says about an event wins over what a core says."""
    event = TimelineEvent("n1", 1, 2, 3.0, "note", {"node": "n9", "seq": 7})
    assert TimelineEvent.from_json(event.to_json()).node == "n1"


@pytest.mark.parametrize("line", ["", "[]", "7", "{}", '{"node": "n1"}', "{"])
def test_nonsense_is_no_event(line: str) -> None:
    """A ValueError, whatever is wrong."""
    with pytest.raises(ValueError):  # noqa: PT011  json's own message, or ours
        TimelineEvent.from_json(line)


@st.composite
def executions(draw: st.DrawFn) -> list[TimelineEvent]:
    """Events of three nodes that send, receive and do things of their own, in the order in which
    they really happened, with the Lamport times that hosts give them."""
    clocks, seqs = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    flying: list[tuple[int, int]] = []
    events: list[TimelineEvent] = []
    for number in range(draw(st.integers(0, 30))):
        node = draw(st.sampled_from("abc"))
        kind, fields = draw(st.sampled_from([SENT, RECEIVED, "note"])), dict[str, int]()
        if kind == RECEIVED:
            if not flying:
                continue
            message, lamport = flying.pop(draw(st.integers(0, len(flying) - 1)))
            clocks[node] = max(clocks[node], lamport)
            fields = {"message": message}
        clocks[node] += 1
        seqs[node] += 1
        if kind == SENT:
            flying.append((number, clocks[node]))
            fields = {"message": number}
        events.append(TimelineEvent(node, seqs[node], clocks[node], 0.0, kind, fields))
    return events


@given(executions())
def test_the_merged_order_keeps_happens_before(events: list[TimelineEvent]) -> None:
    """Each node's events stay in their order, and no message arrives before it was sent, although
    no clock is trusted."""
    streams = [[event for event in events if event.node == node] for node in "abc"]
    merged = merge(streams)
    assert len(merged) == len(events)
    for node, stream in zip("abc", streams, strict=True):
        assert [event for event in merged if event.node == node] == stream
    place = {(event.kind, event.fields.get("message")): n for n, event in enumerate(merged)}
    for (kind, message), received_at in place.items():
        if kind == RECEIVED:
            assert place[SENT, message] < received_at


@given(executions())
def test_the_merged_order_does_not_depend_on_the_streams(events: list[TimelineEvent]) -> None:
    """The same events give the same order, however they were collected."""
    streams = [[event for event in events if event.node == node] for node in "cab"]
    assert merge(streams) == merge([events])
