"""The guide as data, and what the linter finds in pages that are broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labs.kit.errors import LabError
from labs.kit.guide import lint
from labs.kit.guide.pages import LABELS, Guide, load_guide, parse_page
from tests.kit.guide.examples import GOOD, READING, SHORT


@pytest.fixture
def guide(tmp_path: Path) -> Callable[[str], Guide]:
    """Makes a guide of one page and a reading list."""

    def make(page: str) -> Guide:
        (tmp_path / "page.md").write_text(page)
        (tmp_path / "reading-list.md").write_text(READING)
        return load_guide(tmp_path)

    return make


def test_a_page_becomes_questions(guide: Callable[[str], Guide]) -> None:
    """With title, section, parts without their labels, and blocks apart from the parts."""
    first, second = guide(GOOD).questions
    assert (first.id, first.title, first.page, first.section) == (
        "why-so", "Why so?", "page", "Part",
    )  # fmt: skip
    assert second.id == "why-not"
    assert [part.label for part in first.parts] == list(LABELS)
    assert first.part("Trade-off") == "It costs."
    assert first.part("See it") == "`lab run raft leader-crash`."
    assert first.expects[0].text.startswith("experiment: raft/leader-crash")
    assert not first.planned


def test_a_good_page_is_left_alone(guide: Callable[[str], Guide]) -> None:
    """Else the tests below would prove nothing."""
    assert lint.problems(guide(GOOD)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{#why-not}", "{#why-so}", "the id why-so is taken by page.md:5"),
        ("{#why-so}", "{#Why_So}", "is not made of"),
        (" {#why-so}", "", "a question needs an id"),
        ("Why so?", "Why so", "question mark"),
        ("**Trade-off.** It costs.", "", "lacks **Trade-off.**"),
        ("**Trade-off.** It costs.", "**Trade-off.**", "says nothing"),
        ("**Trade-off.**", "**Trade-offs.**", "is written 'Trade-off'"),
        ("**Follow-ups.**", "**Reasoning.**", "has **Reasoning.** twice"),
        ("**Short answer.** ", "**Short answer.** More, more. " + "more " * 60, "132 words"),
        (SHORT.strip(), "Too short.", "2 words"),
        ("[Raft 5.4]", "in 2014", "names no source"),
        ("[Raft 5.4]", "by [Paxos]: so", "[Paxos] is not in"),
        ("[Raft 5.4]", "[Raft 5.4; Paxos]", "[Paxos] is not in"),
        ("(#why-not)", "(#why-never)", "no such section; did you mean why-not"),
        ("(#why-not)", "(nowhere.md#x)", "leads nowhere"),
        ("(#why-not)", "(reading-list.md#x)", "no such section"),
        ("raft/leader-crash\n", "raft/leader-crush\n", "did you mean leader-crash"),
        ("raft/leader-crash\n", "rafft/leader-crash\n", "no lab is called 'rafft'"),
        ("raft/leader-crash\n", "leader-crash\n", "LAB/EXPERIMENT"),
        ("acknowledged_writes_lost", "acknowledged_writes_lst", "did you mean"),
        ("measurement: acknowledged_writes_lost\nequals: 0", "expectation: x", "no expectation x"),
        ("equals: 0", "equals: 0\nat_most: 1", "needs one of"),
        ("equals: 0", "", "needs one of"),
        ("equals: 0", "equals: none", "expected a number"),
        ("equals: 0", "between: [3, 2]", "is not less than"),
        ("equals: 0", "between: 3", "between: 150 300"),
        ("equals: 0", "between: low high", "expected a number"),
        ("equals: 0", "about: 3\nwithin: 5", "a percentage"),
        ("equals: 0", "equals: 0\nseed: 3", "nobody reads that"),
        ("equals: 0\n```", "equals: 0\n", "is never closed"),
        ("It costs.", "It costs.\n\n```mermaid\npicture\n  a\n```", "no kind of drawing"),
        ("It costs.", "It costs.\n\n```mermaid\ngraph LR\n  a[x --> b\n```", "do not match"),
        ("It costs.", "It costs.\n\n```mermaid\ngraph LR\n  a --> call[x]\n```", "of the language"),
        ("It costs.", "It costs.\n\n```mermaid\nsequenceDiagram\n  loop x\n```", "without `end`"),
    ],
)
def test_what_is_broken_is_found(
    guide: Callable[[str], Guide], old: str, new: str, said: str
) -> None:
    """Each with its line and the way out."""
    assert old in GOOD
    found = lint.problems(guide(GOOD.replace(old, new, 1)))
    assert said in "\n".join(map(str, found))


def test_a_question_is_shown_or_planned(guide: Callable[[str], Guide]) -> None:
    """A plain line says that a lab does not exist yet; with neither, nothing shows the answer."""
    bare = GOOD.split("```expect")[0]
    assert any("is shown by nothing" in one.what for one in lint.problems(guide(bare)))
    planned = guide(bare.replace("#why-not", "#why-so") + "\nplanned: the clocks lab\n")
    assert lint.problems(planned) == []
    assert planned.questions[0].planned == ("the clocks lab",)


def test_blocks_hide_what_is_in_them() -> None:
    """Headings, labels and links in a fenced block are text."""
    text = "# P\n\n```text\n### No? {#no}\n[x](nowhere)\n```\n"
    page = parse_page(Path("p.md"), text)
    assert not page.questions
    assert lint.anchors_of(page) == {"p"}


@pytest.mark.parametrize(
    ("text", "count"), [("a b-c [d e](f g) h", 5), ("a – b = c", 3), ("R + W > N", 3), ("", 0)]
)
def test_words_are_counted_as_they_are_said(text: str, count: int) -> None:
    """Signs are none, nor are targets of links."""
    assert lint.word_count(text) == count


def test_the_linter_is_asked_about_pages(
    small_guide: Guide, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is clean passes whatever is wrong with others."""
    folder = small_guide.pages[0].path.parent
    (folder / "reading-list.md").write_text(READING)
    (folder / "other.md").write_text("# Nothing asked\n")
    assert lint.main(["page"], folder) == 0
    assert "2 questions on 1 page, 2 expect blocks" in capsys.readouterr().err
    assert lint.main([], folder) == 1
    assert "other.md:1: no question" in capsys.readouterr().out
    with pytest.raises(LabError, match="did you mean page"):
        lint.main(["guide/pag.md"], folder)
