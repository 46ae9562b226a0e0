"""`lab guide` and `lab quiz` as their users meet them."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from labs.kit.cli import run
from labs.kit.errors import LabError
from labs.kit.guide.pages import Guide, parse_page
from labs.kit.guide.quiz import Sitting, chosen_questions, key_points
from labs.kit.guide.quiz_state import QuizState
from labs.kit.guide.search import find
from tests.kit.guide.examples import GOOD, OTHER

pytestmark = pytest.mark.usefixtures("home", "small_guide")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_question_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    """By its id: every part, what shows it, and what was measured here."""
    assert run(["guide", "why-so"]) == 0
    printed = capsys.readouterr().out
    assert "Why so?" in printed
    assert all(label in printed for label in ("Short answer.", "Trade-off.", "Follow-ups."))
    assert "lab run raft leader-crash" in printed
    assert "acknowledged_writes_lost = 0" in printed
    assert "your latest run: not run" in printed
    assert "```" not in printed


def test_questions_are_found_by_words(capsys: pytest.CaptureFixture[str]) -> None:
    """The best is shown, others are named; nothing found is an answer, too."""
    assert run(["guide", "so", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["questions"]
    assert found["id"] == "why-so"
    assert found["expects"][0]["experiment"] == "raft/leader-crash"
    assert run(["guide", "somebody"]) == 0
    assert "also:\n  why-not: Why not?" in capsys.readouterr().err
    assert run(["guide", "zebra"]) == 1
    assert "no question about zebra" in capsys.readouterr().err


def test_pages_questions_and_plans_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without words the pages; a page's name lists its questions."""
    assert run(["guide"]) == 0
    assert "page" in capsys.readouterr().out
    for words in (["guide", "--list"], ["guide", "page"]):
        assert run(words) == 0
        assert "why-so   Why so?" in capsys.readouterr().out
    assert run(["guide", "--planned"]) == 0
    assert "0 of 2 questions wait" in capsys.readouterr().err
    bare = OTHER.split("```expect")[0]
    (tmp_path / "guide" / "page.md").write_text(f"{bare}\nplanned: the clocks lab\n")
    assert run(["guide", "--planned", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "planned": [{"id": "why-not", "planned": ["the clocks lab"]}]
    }


def test_titles_outweigh_answers() -> None:
    """A word in the title of one and in the text of another finds the former first."""
    text = GOOD.replace("It costs.", "It costs leaders.", 1).replace("Why not?", "Why a leader?")
    questions = parse_page(Path("p.md"), text).questions
    assert [one.id for one in find(questions, "lead")] == ["why-not", "why-so"]
    assert [one.id for one in find(questions, "zebra leader so")] == ["why-not", "why-so"][::-1][:1]
    assert find(questions, "") == []


# ------------------------------------------------------------------------------------------- quiz


def sitting(guide: Guide, state: QuizState, typed: str) -> tuple[Sitting, list[str]]:
    """A quiz with these lines typed, and the ids whose answers were revealed."""
    revealed: list[str] = []
    questions = {one.id: one for one in guide.questions}
    source = io.StringIO(typed)
    made = Sitting(questions, state, source, lambda: NOW, lambda one: revealed.append(one.id))
    return made, revealed


def test_weak_ones_come_back(
    home: Path, small_guide: Guide, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once more before the end, and sooner on other days than those that were known well."""
    state = QuizState.load(home)
    made, revealed = sitting(small_guide, state, "no idea\n\n0\nI know\nthis\n\n3\n\n2\n")
    made.hold(["why-so", "why-not"])
    assert revealed == ["why-so", "why-not", "why-so"]
    assert made.marks == {"why-so": [0, 2], "why-not": [3]}
    again = QuizState.load(home)
    weak, strong = again.due("why-so"), again.due("why-not")
    assert weak is not None
    assert strong is not None
    assert NOW < weak < strong
    assert again.next_ones(["why-not", "why-so"], NOW, 5) == []
    assert again.next_ones(["why-not", "new", "why-so"], weak, 5) == ["why-so", "new"]
    assert again.next_ones(["why-not", "why-so"], NOW + timedelta(days=90), 1) == ["why-so"]
    said = capsys.readouterr().err
    assert "once more" in said
    assert '  - and not: "No."' in said


def test_a_quiz_that_ends_early_keeps_what_was_marked(home: Path, small_guide: Guide) -> None:
    """Questions without a mark stay as they were."""
    made, revealed = sitting(small_guide, QuizState.load(home), "x\n\n3\nhalf an ans")
    made.hold(["why-so", "why-not"])
    assert revealed == ["why-so"]
    assert QuizState.load(home).known("why-so")
    assert not QuizState.load(home).known("why-not")


def test_a_mark_is_a_number(home: Path, small_guide: Guide) -> None:
    """From 0 to 3; after some tries nobody seems to want to."""
    made, _ = sitting(small_guide, QuizState.load(home), "x\n\n4\ngood\n2\n")
    made.hold(["why-so"])
    assert made.marks == {"why-so": [2]}
    made, _ = sitting(small_guide, QuizState.load(home), "x\n\n4\n5\n6\n")
    with pytest.raises(LabError, match="no mark"):
        made.hold(["why-not"])


def test_a_damaged_state_is_kept_aside(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The quiz begins anew, and nothing is overwritten."""
    home.mkdir()
    (home / "quiz.json").write_text('{"version": 1, "cards": {"x": 3}}')
    assert not QuizState.load(home).known("x")
    assert "is kept as quiz-" in capsys.readouterr().err
    assert len(list(home.glob("quiz-*.json"))) == 1


def test_key_points_are_sentences() -> None:
    """Of the short answer, with what it costs and what it does not say; links are their text."""
    text = GOOD.replace("word word", 'One [link](#why-not), e.g. this. "Two?" Three', 1)
    points = key_points(parse_page(Path("p.md"), text).questions[0])
    assert points[:2] == ("One link, e.g. this.", '"Two?"')
    assert points[-3:] == (
        "what it costs: It costs.",
        "where it is seen: Somebody did it [Raft 5.4].",
        'and not: "No."',
    )


def test_a_quiz_is_about_a_page_or_a_lab(small_guide: Guide) -> None:
    """A lab's are those that its experiments show, wherever they stand."""
    assert [one.id for one in chosen_questions(small_guide, "raft")] == ["why-so", "why-not"]
    assert len(chosen_questions(small_guide, "page")) == 2
    with pytest.raises(LabError, match="did you mean page"):
        chosen_questions(small_guide, "pagee")


def test_without_a_terminal_nobody_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """But a document says what is due."""
    assert run(["quiz"]) == 2
    assert "stdin is no terminal" in capsys.readouterr().err
    assert run(["quiz", "--json"]) == 0
    questions = json.loads(capsys.readouterr().out)["questions"]
    assert [(one["id"], one["due_now"]) for one in questions] == [
        ("why-so", True), ("why-not", True),
    ]  # fmt: skip


def test_flash_cards_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An Anki package with a card a question."""
    path = tmp_path / "guide.apkg"
    assert run(["quiz", "--export", str(path)]) == 0
    assert "2 cards" in capsys.readouterr().err
    with zipfile.ZipFile(path) as package:
        content = package.read("collection.anki2")
    assert b"<strong>Short answer.</strong>" in content
    assert b"Why not?" in content
    assert run(["quiz", "--export", str(tmp_path / "no" / "x.apkg")]) == 2
