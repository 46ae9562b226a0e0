"""The questions as flash cards for Anki: one deck a page, made by genanki.

Every id is made of the question's, so that an import brings existing cards up to date and leaves
what Anki knows of them alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.kit.errors import LabError
from labs.kit.guide.pages import LABELS, Guide, Question

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_CSS = """\
.card { font-family: sans-serif; font-size: 18px; text-align: left; max-width: 42em; margin: auto }
.question { font-size: 22px; font-weight: bold }
.nightMode code, code { background: rgba(128, 128, 128, 0.2); padding: 0 0.2em }
.where { color: gray; font-size: 14px }
"""
_FRONT = '<div class="question">{{Question}}</div><div class="where">{{Page}}</div>'
_BACK = "{{FrontSide}}<hr id=answer>{{Answer}}"


def export(guide: Guide, questions: Iterable[Question], path: Path) -> int:
    """Writes the cards; returns how many. Raises LabError without genanki, or where nothing can be
    written."""
    try:
        import genanki
    except ImportError:
        raise LabError(
            "flash cards are made by genanki; install it with `pip install 'faultlab[anki]'`"
        ) from None
    model = genanki.Model(
        _number("model"),
        "faultlab question",
        fields=[{"name": "Question"}, {"name": "Page"}, {"name": "Answer"}],
        templates=[{"name": "Answer it", "qfmt": _FRONT, "afmt": _BACK}],
        css=_CSS,
    )
    decks: dict[str, Any] = {}
    count = 0
    for question in questions:
        page = guide.page(question.page)
        title = page.title if page is not None else question.page
        if question.page not in decks:
            decks[question.page] = genanki.Deck(_number(question.page), f"faultlab::{title}")
        fields = [_html(question.title, inline=True), _html(title, inline=True), _answer(question)]
        guid = genanki.guid_for("faultlab", question.id)
        tags = [question.page.replace(" ", "-")]
        decks[question.page].add_note(genanki.Note(model, fields, guid=guid, tags=tags))
        count += 1
    try:
        genanki.Package(list(decks.values())).write_to_file(str(path))
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from None
    return count


def _number(name: str) -> int:
    """Anki's ids are numbers below 2^31; ours are the same on every machine."""
    digest = hashlib.sha256(f"faultlab:{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _answer(question: Question) -> str:
    parts = (f"**{label}.** {question.part(label)}" for label in LABELS if question.part(label))
    return _html("\n\n".join(parts))


def _html(text: str, *, inline: bool = False) -> str:
    markdown = _markdown()
    return str(markdown.renderInline(text) if inline else markdown.render(text))


def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt  # rich brings it, for the guide in a terminal

    # Links lead to pages, which cards do not have; raw HTML is shown, not obeyed.
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image"])
