"""The SVG: well formed, bounded, true to the events, and safe to open."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.kit.history import Entry
from labs.kit.timeline import Violation, diagram, svg
from labs.kit.timeline.arrows import ARROWS_MAX, ARROWS_MAX_FINE
from labs.kit.timeline.operations_layer import rows_of
from labs.kit.timeline.sheet import BAND_HEIGHT, PLOT_WIDTH, Sheet
from labs.raft.lab import LAB
from nodes.timeline import RECEIVED, TimelineEvent
from tests.kit.timeline.script import Script, election

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in parsed(picture).iter(f"{SVG}text")]


def titles(picture: str) -> list[str]:
    return [element.text or "" for element in parsed(picture).iter(f"{SVG}title")]


def arrows(picture: str) -> list[tuple[str, float, float, float, float]]:
    """Title and ends of every message that is drawn."""
    found = []
    for group in parsed(picture).iter(f"{SVG}g"):
        title, line = group.find(f"{SVG}title"), group.find(f"{SVG}line")
        if title is not None and line is not None and " to " in (title.text or ""):
            x1, y1, x2, y2 = (float(line.get(name, "nan")) for name in ("x1", "y1", "x2", "y2"))
            found.append((title.text or "", x1, y1, x2, y2))
    return found


def lanes(picture: str) -> dict[str, float]:
    """The middle of each node's lane, in coordinates of the plot, read off its role bands."""
    found: dict[str, float] = {}
    for box in parsed(picture).iter(f"{SVG}rect"):
        title = box.find(f"{SVG}title")
        node = re.match(r"(n\d+): .* ms", title.text or "") if title is not None else None
        if node is not None and float(box.get("height", 0)) == BAND_HEIGHT:
            found[node[1]] = float(box.get("y", 0)) + BAND_HEIGHT / 2
    return found


def test_all_five_layers_are_there() -> None:
    """Operations, messages, faults, roles and terms, and the violation, each with its words."""
    history = [Entry(0, "invoke", "write", 1, "x", 0), Entry(0, "ok", "write", 1, "x", 400_000_000)]
    wrong = Violation("two leaders in term 2", at_ms=600.0, node="n2", operation=0)
    found = diagram(election().events, history, lab=LAB, violation=wrong)
    picture = svg(found, title="An election")
    shown = texts(picture)
    for words in (
        "An election",
        "w x=1",
        "killed n1 without warning",
        "leader, term 2",
        "down",
        "Violation: two leaders in term 2",
        "lost",
    ):
        assert words in shown, words
    assert any(
        "RequestVote request n1 to n3" in title and "lost" in title for title in titles(picture)
    )
    assert any(title.startswith("process 0: w x=1; ok, 400.0 ms") for title in titles(picture))


times = st.floats(0, 1000, allow_nan=False)
nodes = st.sampled_from(["n1", "n2", "n3", "n4"])


@st.composite
def exchanges(draw: st.DrawFn) -> list[TimelineEvent]:
    """Messages between nodes, some of which arrive, some twice, some never."""
    script = Script().start("n1", "n2", "n3", "n4")
    for number in range(draw(st.integers(0, 25))):
        source, target = draw(nodes), draw(nodes)
        sent = draw(times)
        id = f"m{number}" + ("r" if draw(st.booleans()) else "")
        script.send(id, source, target, sent, draw(st.sampled_from(["A", "B"])))
        for _ in range(draw(st.integers(0, 2))):
            script.receive(id, source, target, sent + draw(st.floats(0, 300)), "A")
    return script.events


@settings(max_examples=60, deadline=None)
@given(exchanges())
def test_every_received_message_is_drawn_from_its_sender(events: list[TimelineEvent]) -> None:
    """From the lane of who sent it to the lane of who received it, and never backwards in time."""
    found = diagram(events)
    picture = svg(found, fine=True)
    middle = lanes(picture)
    drawn = arrows(picture)
    counts = [int(re.match(r"(\d*)", title)[1] or 1) for title, *_ in drawn]  # type: ignore[index] # always matches
    crossing = [one for one in found.messages if one.source != one.target]
    assert sum(counts) == len(crossing)
    received = [event for event in events if event.kind == RECEIVED]
    assert sum(one.fate == "arrived" for one in crossing) == sum(
        event.fields["from"] != event.node for event in received
    )
    for title, x1, y1, x2, y2 in drawn:
        way = re.search(r"(n\d) to (n\d)", title)
        assert way is not None
        source, target = middle[way[1]], middle[way[2]]
        assert math.isclose(abs(y1 - source), BAND_HEIGHT / 2)
        assert (y2 > y1) == (target > source)
        if "lost" not in title and "not known" not in title:
            assert math.isclose(abs(y2 - target), BAND_HEIGHT / 2)
            assert x2 >= x1 - 0.1
        else:
            assert min(source, target) < y2 < max(source, target)


hostile = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", "]]>&\"'", "\x00\x1b[2J\ud800\ufffe\uffff", "-->", "' onload='x"]
)


@settings(max_examples=60, deadline=None)
@given(hostile, hostile, hostile)
def test_any_text_is_only_text(node: str, value: str, words: str) -> None:
    """Names, keys, values and words cannot become elements or break the file."""
    script = Script().start(node).add(node, 2.0, words or "x", message=words, to=node)
    script.fault(3.0, words, do="kill", nodes=[node])
    script.message(words or "m", node, "other", 1.0, 2.0, value)
    history = [Entry(0, "invoke", "write", value, words, 0)]
    wrong = Violation(words, at_ms=1.0, node=node)
    picture = svg(diagram(script.events, history, violation=wrong), title=words)
    names = {element.tag.removeprefix(SVG) for element in parsed(picture).iter()}
    assert names <= {
        *("svg", "g", "rect", "line", "path", "text", "title", "circle"),
        *("defs", "pattern", "clipPath"),
    }
    for element in parsed(picture).iter():
        assert not any(name.startswith("on") or "href" in name for name in element.attrib)


def many(count: int) -> list[TimelineEvent]:
    """So many events of a busy cluster."""
    script = Script().start("n1", "n2", "n3", "n4", "n5")
    for number in range(count // 2):
        target = f"n{2 + number % 4}"
        sent = number * 0.04
        kind = "AppendEntries" if number % 50 else f"Rare{number % 7}"
        script.message(f"m{number}", "n1", target, sent, sent + 0.5, kind)
    return script.events


def test_a_hundred_thousand_events_make_a_small_picture() -> None:
    """Arrows are bundled, and the picture says how many messages it shows in how many arrows."""
    found = diagram(many(100_000))
    for fine, limit in ((False, ARROWS_MAX), (True, ARROWS_MAX_FINE)):
        picture = svg(found, fine=fine)
        assert len(picture) < 700 * limit
        assert picture.count("<line ") <= limit + 50, "grid and legend have lines, too"
        assert ">50,000 messages in " in picture


def test_many_operations_are_bundled_and_none_is_missing() -> None:
    """Every client's row is drawn to its end, and the one that is wrong stays alone."""
    history = []
    for number in range(4000):
        at = number * 500_000
        for process in range(4):
            history.append(Entry(process, "invoke", "read", None, "x", at))
        for process in range(4):
            history.append(Entry(process, "ok", "read", number, "x", at + 400_000))
    picture = svg(diagram([], history, violation=Violation("stale", operation=9000)))
    bars = [title for title in titles(picture) if title.startswith("process")]
    bundles = [re.match(r"(\d+) operations", title) for title in titles(picture)]
    counted = sum(int(found[1]) for found in bundles if found is not None)
    assert counted + len(bars) == 16_000
    assert len(picture) < 2_000_000
    assert any(title.startswith("process 0: r x: 2250; ok") for title in bars)


@pytest.mark.parametrize(
    ("events", "window"),
    [([], {}), ([], {"from_ms": 5.0, "to_ms": 5.0}), (election().events, {"from_ms": 1e6})],
)
def test_nothing_to_show_is_still_a_picture(events: Any, window: Any) -> None:
    """An empty record or an empty stretch of time draws an empty plot."""
    assert parsed(svg(diagram(events, **window))).tag == f"{SVG}svg"


def test_the_cross_of_a_lost_message_is_seen() -> None:
    """Bands lie over arrows; so a cross is never where a band is."""
    nodes = [f"n{number}" for number in range(1, 8)]
    script = Script().start(*nodes)
    for source in nodes:
        for target in nodes:
            if source != target:
                id = f"{source}-{target}"
                script.send(id, source, target, 5.0).fail(id, source, target, 50.0, "deadline")
    picture = svg(diagram(script.events))
    drawn = [y2 for title, *_, y2 in arrows(picture) if "lost" in title]
    assert len(drawn) == 42
    for y in drawn:
        for middle in lanes(picture).values():
            assert abs(y - middle) > BAND_HEIGHT / 2 + 4


def test_processes_in_turn_share_a_row() -> None:
    """A client that begins anew under another number does not need a row of its own."""
    history = []
    for process in range(20):
        at = process * 1_000_000
        history.append(Entry(process, "invoke", "read", None, "x", at))
        outcome: Any = "info" if process % 2 else "ok"
        history.append(Entry(process, outcome, "read", 1, "x", at + 900_000))
    found = diagram([], history)
    assert len(rows_of(found.operations, Sheet(found.window))) == 1


def test_words_do_not_overlap() -> None:
    """Labels that are seen in one lane or row stand behind each other."""
    picture = svg(diagram(election().events, lab=LAB))
    rows: dict[float, list[tuple[float, float]]] = {}
    for element in parsed(picture).iter(f"{SVG}text"):
        moved = re.match(r"translate\(([\d.-]+) ([\d.-]+)\)", element.get("transform", ""))
        if moved is None or element.get("visibility") == "hidden":
            continue
        begin = float(moved[1])
        rows.setdefault(float(moved[2]), []).append(
            (begin, begin + float(element.get("data-w", 0)))
        )
    assert rows
    for spans in rows.values():
        ordered = sorted(spans)
        for (_, end), (begin, _) in pairwise(ordered):
            assert begin >= end - 12, "the words of a label end before the next one begins"
    assert all(end <= PLOT_WIDTH + 40 for spans in rows.values() for _, end in spans)
