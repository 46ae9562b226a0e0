"""What lasts at a node as bars: who begins and ends them, and how they are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from labs.kit.lab import SpanChange
from labs.kit.timeline.model import Diagram, Span, Window
from labs.kit.timeline.picture import svg
from labs.kit.timeline.spans import spans
from nodes.timeline import CRASHED, TimelineEvent

EMPTY = Diagram(("n1", "n2"), Window(0, 100), (), (), (), (), (), (), None, (), ())


def event(at_ms: float, kind: str, node: str = "n1", **fields: str) -> TimelineEvent:
    return TimelineEvent(node, int(at_ms), int(at_ms), at_ms, kind, fields)


def in_note(note: Mapping[str, Any]) -> Sequence[SpanChange]:
    """`begin` and `end` of what is named `it`; `kept` is durable, `there` is at n2."""
    kind = str(note["kind"])
    if kind not in ("begin", "kept", "there", "end"):
        return ()
    label = "" if kind == "end" else str(note.get("label", kind))
    node = "n2" if kind == "there" else ""
    return (SpanChange(str(note["it"]), label, node=node, durable=kind == "kept"),)


def found(*events: TimelineEvent) -> list[tuple[str, str, float, float | None]]:
    return [
        (one.node, one.label, one.began_ms, one.ended_ms)
        for one in spans(events, ("n1", "n2"), in_note)
    ]


def test_a_bar_begins_and_ends() -> None:
    """Under its name; one that is never ended is open."""
    assert found(event(1, "begin", it="a"), event(2, "begin", it="b"), event(5, "end", it="a")) == [
        ("n1", "begin", 1, 5),
        ("n1", "begin", 2, None),
    ]


def test_the_next_one_takes_its_place() -> None:
    """At another node, too; what is only said again goes on."""
    assert found(
        event(1, "begin", it="a"),
        event(2, "begin", it="a"),
        event(3, "there", it="a"),
        event(4, "end", it="a"),
    ) == [("n1", "begin", 1, 3), ("n2", "there", 3, 4)]


def test_it_ends_with_who_told_of_it() -> None:
    """A crash takes what was only in memory, wherever it shows, and leaves what is durable."""
    assert found(
        event(1, "there", it="a"), event(2, "kept", it="b"), event(9, CRASHED, node="n1")
    ) == [("n2", "there", 1, 9), ("n1", "kept", 2, None)]


def test_a_node_that_was_killed_tells_of_no_crash() -> None:
    """The fault does."""
    fault = '{"do": "kill", "nodes": ["n1"]}'
    killed = event(7, "fault", node="client", fault=fault, text="killed n1")
    (bar,) = found(event(1, "begin", it="a"), killed)
    assert bar == ("n1", "begin", 1, 7)


def bars(*drawn: Span) -> str:
    return svg(replace(EMPTY, spans=drawn))


def test_bars_are_drawn_with_their_words() -> None:
    """And their times for who points at them; the legend says what the kinds mean."""
    picture = bars(Span("n1", "charge o1", "work", 10, 60), Span("n2", "undo o2", "undo", 5, None))
    assert "charge o1; 10.0 ms to 60.0 ms" in picture
    assert "undo o2; 5.0 ms, and goes on" in picture
    assert ">a step<" in picture
    assert ">being undone<" in picture
    assert ">held<" not in picture


def test_more_at_a_time_than_there_are_rows_is_said() -> None:
    """Never silently left out."""
    many = [Span("n1", f"o{number}", "hold", number, 90) for number in range(5)]
    assert "2 steps and locks" in bars(*many)
    assert "steps and locks" not in bars(*many[:3])
