"""What a learner knows of the guide: `.lab/quiz.json`, a card a question, and when each is due.

When a question comes back is FSRS's to say (py-fsrs), in days: a quiz is something for every day,
and what was weak is asked again before the same one ends.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zlib import crc32

from fsrs import Card, Rating, Scheduler

from labs.kit.output import tell
from labs.kit.session import SessionFolder

FILE_NAME: Final = "quiz.json"
VERSION: Final = 1
DAYS_MAX: Final = 60  # nobody prepares for an interview for longer
MARKS: Final = (Rating.Again, Rating.Hard, Rating.Good, Rating.Easy)  # by what one gave oneself
WEAK: Final = 1  # this mark and worse ones are asked again the same day


class QuizState:
    """The cards of one learner. Make it with `load`; `mark` saves."""

    def __init__(self, folder: Path, cards: dict[str, Card]) -> None:
        self._folder, self._cards = folder, cards
        # Without steps of minutes an answer counts for days, and the same answers for the same.
        self._scheduler = Scheduler(
            learning_steps=(), relearning_steps=(), maximum_interval=DAYS_MAX, enable_fuzzing=False
        )

    @classmethod
    def load(cls, folder: Path) -> QuizState:
        """What is in the folder; empty when there is nothing yet. A file that cannot be read is
        kept aside, and said."""
        path = folder / FILE_NAME
        try:
            text = path.read_bytes()
        except OSError:
            return cls(folder, {})
        try:
            document = json.loads(text)
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']!r}")
            cards = {str(name): Card.from_dict(raw) for name, raw in document["cards"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            aside = path.with_name(f"quiz-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json")
            path.replace(aside)
            tell(f"{path} could not be read; it is kept as {aside.name}, the quiz begins anew")
            return cls(folder, {})
        return cls(folder, cards)

    def known(self, question: str) -> bool:
        """It was asked before."""
        return question in self._cards

    def due(self, question: str) -> datetime | None:
        """When it is to be asked again; None for one that never was."""
        card = self._cards.get(question)
        return None if card is None else card.due

    def next_ones(self, questions: Sequence[str], now: datetime, count: int) -> list[str]:
        """What to ask now: what is due, the weakest first, and then new ones in their order."""
        due = [one for one in questions if one in self._cards and self._cards[one].due <= now]
        due.sort(key=lambda one: self._scheduler.get_card_retrievability(self._cards[one], now))
        return [*due, *(one for one in questions if one not in self._cards)][:count]

    def next_due(self, questions: Iterable[str]) -> datetime | None:
        """When the first of them is to be asked again."""
        return min((self._cards[one].due for one in questions if one in self._cards), default=None)

    def mark(self, question: str, mark: int, now: datetime) -> datetime:
        """Remembers how it went, from 0 to 3; returns when it is to be asked again."""
        card = self._cards.get(question)
        if card is None:
            card = Card(card_id=crc32(question.encode()), due=now)
        self._cards[question], _ = self._scheduler.review_card(card, MARKS[mark], now)
        self._save()
        return self._cards[question].due

    def _save(self) -> None:
        """Readers see the old file or the new one, never half."""
        SessionFolder(self._folder).create()
        cards = {name: card.to_dict() for name, card in sorted(self._cards.items())}
        text = json.dumps({"version": VERSION, "cards": cards}, indent=2) + "\n"
        temporary = self._folder / f"{FILE_NAME}.{os.getpid()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(self._folder / FILE_NAME)


def now() -> datetime:
    """This moment, as cards know it."""
    return datetime.now(UTC)
