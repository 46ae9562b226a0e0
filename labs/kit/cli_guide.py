"""`lab guide`: the questions, in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.kit.errors import ANSWER_IS_NO, DONE
from labs.kit.guide.pages import LABELS
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import counted, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labs.kit.guide.compare import KeptRun
    from labs.kit.guide.pages import Guide, Question

READING_WIDTH = 100


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(guide)


def guide(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORDS]...", help="Words to look for, a question's id, or a page."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Ids and titles of all.")] = False,
    planned: Annotated[
        bool, typer.Option("--planned", help="Questions that no experiment shows yet.")
    ] = False,
    json: JsonFlag = False,
) -> int:
    """Read the guide. Examples: lab guide; lab guide random timeouts; lab guide raft-figure-8

    Exit status 1 when nothing is found.
    """
    from labs.kit.guide.pages import load_guide

    whole = load_guide()
    if planned:
        return _planned(whole, json=json)
    text = " ".join(words or ())
    page = whole.page(text)
    if listed or (page is not None and page.questions):
        return _list(page.questions if page is not None else whole.questions, json=json)
    if not text:
        return _pages(whole, json=json)
    return _read(whole, text, json=json)


def _planned(whole: Guide, *, json: bool) -> int:
    found = [one for one in whole.questions if one.planned]
    if json:
        print_json({"planned": [{"id": one.id, "planned": list(one.planned)} for one in found]})
        return DONE
    from labs.kit.guide.render import planned_table
    from labs.kit.run_lists import print_tables

    print_tables(planned_table(found))
    tell(f"{len(found)} of {counted(len(whole.questions), 'question')} wait for an experiment")
    return DONE


def _list(questions: Sequence[Question], *, json: bool) -> int:
    if json:
        print_json({"questions": [_entry(one) for one in questions]})
        return DONE
    from labs.kit.guide.render import questions_table
    from labs.kit.run_lists import print_tables

    print_tables(questions_table(questions))
    tell("read one: lab guide ID")
    return DONE


def _pages(whole: Guide, *, json: bool) -> int:
    if json:
        pages = [
            {"name": one.name, "title": one.title, "questions": len(one.questions)}
            for one in whole.pages
        ]
        print_json({"pages": pages})
        return DONE
    from labs.kit.guide.render import pages_table
    from labs.kit.run_lists import print_tables

    print_tables(pages_table(whole))
    tell("lab guide PAGE lists its questions, lab guide WORDS finds one, lab quiz asks you")
    return DONE


def _read(whole: Guide, text: str, *, json: bool) -> int:
    found = _found(whole, text)
    if json:
        print_json({"questions": [_document(one) for one in found]})
    if not found:
        tell(f"the guide has no question about {visible(text)}; `lab guide --list` shows all")
        return ANSWER_IS_NO
    if json:
        return DONE
    show(found[0], _runs())
    if len(found) > 1:
        tell("\nalso:")
    for one in found[1:]:
        tell(f"  {one.id}: {one.title}")
    return DONE


def _found(whole: Guide, text: str) -> list[Question]:
    from labs.kit.guide.search import find

    exact = [one for one in whole.questions if one.id == text]
    return exact or find(whole.questions, text)


def show(
    question: Question,
    runs: Mapping[str, Sequence[KeptRun]],
    labels: Sequence[str] = LABELS,
) -> None:
    """The question with these parts, on stdout."""
    from rich.console import Console

    from labs.kit.guide.render import rendered

    console = Console(highlight=False)
    console.width = min(console.width, READING_WIDTH)
    console.print(*rendered(question, runs, labels), sep="\n")


def _runs() -> Mapping[str, Sequence[KeptRun]]:
    from labs.kit.guide.compare import kept_runs
    from labs.kit.runs import run_folders
    from labs.kit.session import home_folder

    return kept_runs(run_folders(home_folder()))


def _entry(question: Question) -> dict[str, Any]:
    return {"id": question.id, "title": question.title, "page": question.page}


def _document(question: Question) -> dict[str, Any]:
    from labs.kit.guide.claims import claims_of

    return _entry(question) | {
        "section": question.section,
        "parts": {part.label: part.text for part in question.parts},
        "expects": [
            {"experiment": one.experiment, "claim": one.says()} for one in claims_of(question)
        ],
        "planned": list(question.planned),
    }
