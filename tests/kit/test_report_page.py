"""The report of a run: one file, nothing from elsewhere, and nothing in it acts but our script."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.kit import report_page
from labs.kit.report_page import EVENTS_MAX, page
from labs.kit.timeline import diagram, svg
from labs.raft.lab import LAB
from tests.kit.timeline.script import Script, election

REPORT: dict[str, Any] = {
    "lab": "raft",
    "experiment": "leader-crash",
    "runtime": "sim",
    "seed": 7,
    "settings": {"heartbeat_ms": 100},
    "measurements": {"downtime_ms": {"value": 312.25, "unit": "ms"}},
    "verdicts": {"linearizable": {"valid": True, "operations": 12}},
}
VOID = {"meta", "input", "rect", "line", "path", "circle", "br", "hr", "link", "img"}


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements, attributes, scripts and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.inside: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open.pop() == tag, "elements close in the order in which they opened"

    def handle_data(self, data: str) -> None:
        if self.open:
            self.inside.setdefault(self.open[-1], []).append(data)

    def words(self) -> str:
        return " ".join(
            text
            for tag, texts in self.inside.items()
            if tag not in ("script", "style")
            for text in texts
        )


def made(report: Any = None, **options: Any) -> str:
    picture = svg(diagram(election().events, lab=LAB), fine=True)
    chosen = REPORT if report is None else report
    return page(chosen, picture, **{"events": election().events, "lab": LAB, **options})


def test_everything_is_on_the_page() -> None:
    """Verdicts, measurements with units, settings, the picture and the events."""
    words = Reader(made()).words()
    for expected in (
        "raft / leader-crash",
        "lab raft, experiment leader-crash, runtime sim, seed 7",
        "linearizable",
        "operations 12",
        "downtime_ms",
        "312.25",
        "heartbeat_ms",
        "killed n1 without warning",
        "n2 became leader of term 2 with votes from n2, n3",
    ):
        assert expected in words, expected


def test_sec_24_nothing_is_loaded_from_elsewhere() -> None:
    """No address but the names of XML, no element or attribute that loads something (SEC-24)."""
    text = made()
    assert set(re.findall(r"\w+://[^\s'\"]+", text)) == {"http://www.w3.org/2000/svg"}
    found = Reader(text)
    assert not {"link", "img", "iframe", "object", "embed", "use", "image"} & set(found.elements)
    for _, name, value in found.attributes:
        assert name not in ("src", "href", "xlink:href", "style", "srcset", "action")
        assert not name.startswith("on")
        assert "url(" not in value or value.startswith("url(#fl-")


def test_sec_09_only_our_script_may_run() -> None:
    """The policy allows the one script and style by their hashes, and nothing else (SEC-09)."""
    found = Reader(made())
    [policy] = [value for tag, name, value in found.attributes if "default-src" in value]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for element, rule in (("script", "script-src"), ("style", "style-src")):
        content = "".join(found.inside[element])
        assert found.elements.count(element) == 1
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


any_text = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "' onclick='a", "&lt;"]
)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from([*REPORT, "history", "x"]), any_value), any_text)
def test_sec_09_any_report_is_only_text(report: dict[str, Any], words: str) -> None:
    """Whatever a report holds, the page has the same elements, and none of them acts (SEC-09)."""
    script = Script().start(words).add(words, 1.0, words or "x", text=words)
    found = Reader(page(report, "", events=script.events, title=words))
    allowed = {
        *("html", "head", "meta", "title", "style", "body", "script", "h1", "h2", "p", "table"),
        *("thead", "tbody", "tr", "th", "td", "code", "div", "label", "input", "select"),
        *("option", "span"),
    }
    assert set(found.elements) <= allowed
    assert found.elements.count("script") == 1
    assert found.open == []
    assert not any(name.startswith("on") for _, name, _ in found.attributes)


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ({"valid": True}, "yes"),
        ({"valid": False}, "no"),
        ({"valid": None, "reason": "out of time"}, "unknown"),
        ("pass", "yes"),
        ("fail", "no"),
        ("INVALID", "no"),
        ("could be", "unknown"),
        (True, "yes"),
        (None, "unknown"),
        (1, "unknown"),
        ({}, "unknown"),
    ],
)
def test_unknown_is_never_a_pass(verdict: object, kind: str) -> None:
    """Only a clear yes is shown as one."""
    shown = made({"verdicts": {"promise": verdict}})
    assert f"class='verdict {kind}'" in shown
    assert shown.count("class='verdict ") == 1


def test_a_counterexample_is_explained() -> None:
    """In its own words, not as JSON."""
    verdict = {"name": "reads", "valid": False, "counterexample": {"explanation": "read 5 is old"}}
    words = Reader(made({"verdicts": [verdict]})).words()
    assert "read 5 is old" in words
    assert "explanation" not in words


def test_the_page_is_bounded() -> None:
    """The last events are listed, and how many are not."""
    script = Script()
    for number in range(100_000):
        script.add("n1", number, "note", number=number)
    text = page(REPORT, "", events=script.events)
    assert text.count("<tr>") < EVENTS_MAX + 50
    assert "97,000 earlier events are left out" in text


@pytest.mark.skipif(shutil.which("node") is None, reason="no JavaScript engine here")
def test_the_script_is_well_formed() -> None:
    """It parses."""
    script = Path(report_page.__file__).parent / "page" / "report.js"
    subprocess.run(["node", "--check", script], check=True, timeout=60)


def test_pictures_of_a_lab_follow_the_diagram_under_their_headings() -> None:
    """As they are; a heading is text as any other."""
    shown = made(pictures={"Ring <1>": "<svg id='ring'></svg>", "Tree": "<svg id='tree'></svg>"})
    found = Reader(shown)
    assert "Ring <1>" in found.words()
    assert found.elements.count("svg") == 3
    places = [shown.index(one) for one in ("What happened", "id='ring'", "id='tree'", ">Events<")]
    assert places == sorted(places)
