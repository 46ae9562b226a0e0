"""`lab quiz`: be asked, and marked by yourself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labs.kit.errors import DONE, LabError
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import counted, from_here

if TYPE_CHECKING:
    from labs.kit.guide.pages import Question
    from labs.kit.guide.quiz_state import QuizState


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(quiz)


def quiz(
    about: Annotated[
        str | None,
        typer.Argument(metavar="[LAB|PAGE]", help="Only its questions; `lab guide` lists pages."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", help="How many questions.", min=1, max=200)
    ] = 5,
    export: Annotated[
        Path | None,
        typer.Option(help="Instead: flash cards for Anki, into this file.", metavar="FILE.apkg"),
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Be asked questions of the guide. Examples: lab quiz; lab quiz raft -n 3; lab quiz
    --export guide.apkg

    What is due is asked first, the weakest before the others. With --json it asks nothing and says
    what is due.
    """
    from labs.kit.guide.pages import load_guide
    from labs.kit.guide.quiz import chosen_questions, overview

    guide = load_guide()
    questions = chosen_questions(guide, about)
    if export is not None:
        from labs.kit.guide.anki import export as write

        cards = write(guide, questions, export)
        if json:
            print_json({"cards": cards, "file": str(export)})
        tell(f"{counted(cards, 'card')} in {from_here(export)}; in Anki: File, Import")
        return DONE
    state = _state()
    if json:
        from labs.kit.guide.quiz_state import now

        print_json({"questions": list(overview(questions, state, now()))})
        return DONE
    return _hold(questions, state, count)


def _state() -> QuizState:
    from labs.kit.guide.quiz_state import QuizState
    from labs.kit.session import home_folder

    return QuizState.load(home_folder())


def _hold(questions: list[Question], state: QuizState, count: int) -> int:
    from labs.kit.guide.quiz import Sitting, in_words
    from labs.kit.guide.quiz_state import now
    from labs.kit.predict import at_terminal

    by_id = {one.id: one for one in questions}
    chosen = state.next_ones(list(by_id), now(), count)
    if not chosen:
        due = state.next_due(by_id)
        assert due is not None  # nothing is new, so everything has a card
        tell(f"nothing is due; the next question comes {in_words(due - now())}")
        return DONE
    if not at_terminal(sys.stdin):
        raise LabError(
            "a quiz has nobody to ask here, since stdin is no terminal; `lab guide` shows "
            "questions and answers, `lab quiz --json` what is due"
        )
    sitting = Sitting(by_id, state, sys.stdin, now, _reveal)
    sitting.hold(chosen)
    if sitting.marks:
        first = [marks[0] for marks in sitting.marks.values()]
        tell(f"\n{counted(len(first), 'question')}, {sum(first)} of {3 * len(first)} points")
    return DONE


def _reveal(question: Question) -> None:
    from labs.kit.cli_guide import show
    from labs.kit.guide.quiz import REVEALED

    print()
    show(question, {}, REVEALED)
