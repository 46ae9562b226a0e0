"""The quiz: a question, an answer in one's own words, the model answer, and a mark by oneself."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TextIO

from labs.kit.errors import LabError, nearest
from labs.kit.guide.claims import claims_of
from labs.kit.guide.pages import IN_PRACTICE, SHORT_ANSWER, TRADE_OFF, WRONG_ANSWER, Guide, Question
from labs.kit.output import tell
from labs.kit.text import counted

if TYPE_CHECKING:
    from labs.kit.guide.quiz_state import QuizState

REVEALED: Final = (SHORT_ANSWER, "Reasoning", "Follow-ups")  # the others are among the key points
TRIES: Final = 3  # at a mark, before we take it that nobody wants to give one
RUBRIC: Final = (
    "0  nothing, or the wrong answer below",
    "1  some key points, with help",
    "2  the key points, not the trade-off",
    "3  all of it, as one would say it in an interview",
)
_SENTENCE_ENDS = re.compile(
    r"(?:(?<=[.!?])|(?<=[.!?][\"”]))(?<!\b[a-z]\.)(?<!e\.g\.)\s+(?=[A-Z\"`(])"
)
_MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def chosen_questions(guide: Guide, about: str | None) -> list[Question]:
    """Of a page, of a lab (its page, and whatever its experiments show), or all.

    Raises LabError when that is none of them.
    """
    if about is None:
        return list(guide.questions)
    page = guide.page(about)
    lab = _lab_called(about)
    found = [
        one
        for one in guide.questions
        if (page is not None and one.page == page.name)
        or (lab and one.page.replace("_", "-") == lab)
        or (lab and any(claim.lab == lab for claim in claims_of(one)))
    ]
    if not found:
        known = [one.name for one in guide.pages if one.questions]
        raise LabError(f"the guide asks nothing about {about!r}; {nearest(about, known)}")
    return found


def _lab_called(name: str) -> str:
    from labs.kit.registry import lab_id

    try:
        return lab_id(name)
    except LabError:
        return ""


def key_points(question: Question) -> tuple[str, ...]:
    """What a good answer says: each sentence of the short one, what it costs, where it is seen, and
    what it does not say."""
    points = [*_sentences(question.part(SHORT_ANSWER))]
    for label, text in ((TRADE_OFF, "what it costs"), (IN_PRACTICE, "where it is seen")):
        first = next(iter(_sentences(question.part(label))), "")
        if first:
            points.append(f"{text}: {first}")
    wrong = next(iter(_sentences(question.part(WRONG_ANSWER))), "")
    return (*points, f"and not: {wrong}") if wrong else tuple(points)


def _sentences(text: str) -> list[str]:
    plain = " ".join(_MARKUP.sub(r"\1", text).split())
    return [one for one in _SENTENCE_ENDS.split(plain) if one]


@dataclass(slots=True)
class Sitting:
    """One quiz at a terminal. `reveal` shows the model answer; `clock` is asked for the time."""

    questions: Mapping[str, Question]
    state: QuizState
    source: TextIO
    clock: Callable[[], datetime]
    reveal: Callable[[Question], None]
    marks: dict[str, list[int]] = field(default_factory=dict)

    def hold(self, ids: Sequence[str]) -> None:
        """Asks each, and what was weak once more at the end. Ends early with the input."""
        from labs.kit.guide.quiz_state import WEAK

        waiting, number = deque(ids), 0
        while waiting:
            question, number = self.questions[waiting.popleft()], number + 1
            again = question.id in self.marks
            tell(f"\n{number} of {number + len(waiting)}{', once more' if again else ''}")
            mark = self._ask(question)
            if mark is None:
                return
            due = self.state.mark(question.id, mark, self.clock())
            self.marks.setdefault(question.id, []).append(mark)
            if mark <= WEAK and not again:
                waiting.append(question.id)
                tell("it comes once more before the end")
            else:
                comes = in_words(due - self.clock())
                tell(f"it comes back {comes}; the whole of it: lab guide {question.id}")

    def _ask(self, question: Question) -> int | None:
        tell(question.title)
        tell("in your own words; an empty line ends your answer, at once when you do not know")
        for line in self.source:
            if not line.strip():
                break
        else:
            return None
        self.reveal(question)
        tell("\na good answer says")
        for point in key_points(question):
            tell(f"  - {point}")
        tell("\n" + "\n".join(RUBRIC))
        return self._mark()

    def _mark(self) -> int | None:
        for _ in range(TRIES):
            tell("your mark, 0 to 3:")
            given = self.source.readline()
            if not given:
                return None
            if given.strip() in ("0", "1", "2", "3"):
                return int(given)
        raise LabError("no mark was given, so this question stays as it was")


def in_words(span: timedelta) -> str:
    """`today`, `in 1 day`, `in 12 days`."""
    days = round(span.total_seconds() / 86_400)
    return "today" if days < 1 else f"in {counted(days, 'day')}"


def overview(
    questions: Iterable[Question], state: QuizState, now: datetime
) -> Iterator[dict[str, object]]:
    """Every question and when it is due, for a document."""
    for one in questions:
        due = state.due(one.id)
        yield {
            "id": one.id,
            "title": one.title,
            "asked": state.known(one.id),
            "due": None if due is None else due.isoformat(timespec="seconds"),
            "due_now": due is None or due <= now,
        }
