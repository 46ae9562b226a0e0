"""Questions by words: those of the title first, then those of the answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from labs.kit.guide.pages import SHORT_ANSWER, Question

FOUND_MAX: Final = 12
_IN_TITLE, _IN_ID, _IN_SHORT_ANSWER, _ANYWHERE = 8, 6, 3, 1
_WORDS = re.compile(r"\w+")


def find(questions: Iterable[Question], words: str) -> list[Question]:
    """Those that have every word, or else most of them; the best first.

    A word counts also as the beginning of one: `elect` finds elections.
    """
    wanted = [word.casefold() for word in _WORDS.findall(words)]
    scored = [(_score(question, wanted), question) for question in questions]
    most = max((matched for (matched, _), _ in scored), default=0)
    if not most or most * 2 < len(wanted):
        return []
    best = [(score, question) for (matched, score), question in scored if matched == most]
    best.sort(key=lambda pair: -pair[0])  # stable: equally good ones stay in reading order
    return [question for _, question in best[:FOUND_MAX]]


def _score(question: Question, wanted: Iterable[str]) -> tuple[int, int]:
    """How many of the words it has, and how much they weigh where they stand."""
    fields = (
        (_IN_TITLE, question.title),
        (_IN_ID, question.id),
        (_IN_SHORT_ANSWER, question.part(SHORT_ANSWER)),
        (_ANYWHERE, " ".join((question.section, *(part.text for part in question.parts)))),
    )
    vocabularies = [(weight, set(_WORDS.findall(text.casefold()))) for weight, text in fields]
    matched = score = 0
    for word in wanted:
        weight = max((each * _fits(word, known) for each, known in vocabularies), default=0)
        matched += weight > 0
        score += weight
    return matched, score


def _fits(word: str, known: set[str]) -> int:
    """Twice as much for the whole word as for a beginning; short words must be whole."""
    if word in known:
        return 2
    return 1 if len(word) > 2 and any(one.startswith(word) for one in known) else 0
