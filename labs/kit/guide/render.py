"""A question as a terminal shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from labs.kit.guide.compare import KeptRun, Row, rows
from labs.kit.guide.pages import LABELS, SEE_IT, Guide, Question
from labs.kit.text import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

_MARKS = {"agree": "agrees", "differ": "DIFFERS", "unknown": "cannot tell", "not run": "not run"}


def rendered(
    question: Question, runs: Mapping[str, Sequence[KeptRun]], labels: Iterable[str] = LABELS
) -> Iterator[RenderableType]:
    """The question, its parts, and what shows the answer, with what was measured here."""
    yield Text(question.title, style="bold underline")
    yield Text(f"{question.id}, in {question.page}.md", style="dim")
    for label in labels:
        text = question.part(label)
        if text:
            yield Text("")
            yield Markdown(f"**{label}.** {text}" if label != SEE_IT else _see_it(text))
    if SEE_IT in labels:
        yield from _shown_by(question, runs)


def _see_it(text: str) -> str:
    return f"**{SEE_IT}.** {text}"


def _shown_by(
    question: Question, runs: Mapping[str, Sequence[KeptRun]]
) -> Iterator[RenderableType]:
    for row in rows([question], runs):
        yield Text("")
        yield Text(f"  lab run {row.claim.lab} {row.claim.name}", style="bold")
        yield Text(f"  the guide expects: {visible(row.says())}")
        yield Text(f"  your latest run: {_measured(row)}")
    for planned in question.planned:
        yield Text("")
        yield Text(f"  planned: {planned}", style="dim")


def _measured(row: Row) -> str:
    observed = f"{visible(row.observed)}: " if row.observed else ""
    return f"{observed}{_MARKS[row.verdict]}"


def questions_table(questions: Iterable[Question]) -> Table:
    """Ids and titles."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("id", no_wrap=True, style="cyan")
    table.add_column("question")
    for one in questions:
        table.add_row(one.id, one.title)
    return table


def planned_table(questions: Iterable[Question]) -> Table:
    """What nothing shows yet."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("id", no_wrap=True, style="cyan")
    table.add_column("what will show it")
    for one in questions:
        for planned in one.planned:
            table.add_row(one.id, planned)
    return table


def pages_table(guide: Guide) -> Table:
    """The pages that ask."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("page", no_wrap=True, style="cyan")
    table.add_column("questions", justify="right")
    table.add_column("title")
    for page in guide.pages:
        if page.questions:
            table.add_row(page.name, str(len(page.questions)), page.title)
    return table
