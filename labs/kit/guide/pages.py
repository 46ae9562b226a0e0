"""The guide's pages as data: questions, their parts, and what they predict.

A question is a level-3 heading with an id, and paragraphs that begin with bold labels:

    ### Why are election timeouts random? {#raft-random-timeouts}

    **Short answer.** If all followers waited equally long ...

Reading is forgiving, so that one bad page never keeps anybody from the others; `lint` is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labs.kit.errors import LabError
from labs.kit.registry import LABS_FOLDER

GUIDE_FOLDER: Final = LABS_FOLDER.parent / "guide"
SHORT_ANSWER: Final = "Short answer"
TRADE_OFF: Final = "Trade-off"
IN_PRACTICE: Final = "In practice"
WRONG_ANSWER: Final = "Wrong answer"
SEE_IT: Final = "See it"
LABELS: Final = (
    SHORT_ANSWER,
    "Reasoning",
    TRADE_OFF,
    IN_PRACTICE,
    WRONG_ANSWER,
    "Follow-ups",
    SEE_IT,
)
# In the order in which they are meant to be read.
READING_ORDER: Final = (
    "distributed-systems-architecture",
    "fundamentals",
    "consistency",
    "consensus",
    "fault-tolerance",
    "time-and-ordering",
    "transactions",
    "data-patterns",
    "leader-election",
    "crdts",
    "real-systems",
    "architecture-principles",
    "partition-strategies",
    "failure-drawings",
)
NO_QUESTIONS: Final = frozenset(
    {
        "distributed-systems-architecture",
        "failure-drawings",
        "reading-list",
        "performance",
        "fuzzing",
    }
)

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*(?:\{#([^}\s]*)\})?\s*#*\s*")
_LABEL = re.compile(r"\*\*([^*]+?)\.\*\*\s*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*")
_PLANNED = re.compile(r"planned:\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page. `fence` is the kind of the fenced block that it is in or bounds
    (`expect`, `mermaid`, "text" where the block does not say), empty outside of all."""

    number: int
    text: str
    fence: str = ""
    boundary: bool = False  # opens or closes the block


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; `anchor` is empty unless it is given with the heading."""

    line: int
    level: int
    title: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block; `closed` is False when the page ends in it."""

    line: int
    kind: str
    text: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A labelled part of a question, without its label."""

    label: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the guide."""

    id: str
    title: str
    page: str
    line: int
    section: str  # the level-2 heading above it, empty when there is none
    parts: tuple[Part, ...]
    expects: tuple[Fence, ...]
    planned: tuple[str, ...]

    def part(self, label: str) -> str:
        """The text of a part; empty when it is missing."""
        return next((one.text for one in self.parts if one.label == label), "")


@dataclass(frozen=True, slots=True)
class Page:
    """One file of the guide."""

    name: str
    title: str
    path: Path
    lines: tuple[Line, ...]
    headings: tuple[Heading, ...]
    fences: tuple[Fence, ...]
    questions: tuple[Question, ...]

    @property
    def asks(self) -> bool:
        """It is made of questions."""
        return self.name not in NO_QUESTIONS


@dataclass(frozen=True, slots=True)
class Guide:
    """All pages."""

    pages: tuple[Page, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """Of all pages, in the order in which they are meant to be read."""
        return tuple(question for page in self.pages for question in page.questions)

    def page(self, name: str) -> Page | None:
        """The page of this name, with dashes or underscores."""
        wanted = name.replace("_", "-")
        return next((one for one in self.pages if one.name.replace("_", "-") == wanted), None)


def load_guide(folder: Path = GUIDE_FOLDER) -> Guide:
    """Every page in the folder. Raises LabError when there is none."""
    paths = sorted(folder.glob("*.md"), key=lambda path: (_place(path.stem), path.stem))
    if not paths:
        raise LabError(f"{folder} holds no pages; the guide is read from a checkout of the project")
    return Guide(tuple(read_page(path) for path in paths))


def _place(name: str) -> int:
    if name == "reading-list":
        return len(READING_ORDER) + 1
    return READING_ORDER.index(name) if name in READING_ORDER else len(READING_ORDER)


def read_page(path: Path) -> Page:
    """One file as a page."""
    return parse_page(path, path.read_text(encoding="utf-8"))


def parse_page(path: Path, text: str) -> Page:
    """The text of a file as a page."""
    lines = tuple(_lines(text))
    headings = tuple(_headings(lines))
    title = next((one.title for one in headings if one.level == 1), path.stem)
    fences = tuple(_fences(lines))
    questions = tuple(_questions(path.stem, lines, headings))
    return Page(path.stem, title, path, lines, headings, fences, questions)


def _lines(text: str) -> Iterator[Line]:
    mark, kind = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.fullmatch(line)
        if not mark and fence:
            mark, kind = fence[1], fence[2] or "text"
            yield Line(number, line, kind, boundary=True)
        elif mark and fence and fence[1].startswith(mark) and not fence[2]:
            yield Line(number, line, kind, boundary=True)
            mark, kind = "", ""
        else:
            yield Line(number, line, kind)


def _headings(lines: Iterable[Line]) -> Iterator[Heading]:
    for line in lines:
        found = None if line.fence else _HEADING.fullmatch(line.text)
        if found:
            yield Heading(line.number, len(found[1]), found[2], found[3] or "")


def _fences(lines: Iterable[Line]) -> Iterator[Fence]:
    opened: Line | None = None
    inside: list[str] = []
    for line in lines:
        if line.boundary and opened is None:
            opened, inside = line, []
        elif line.boundary and opened is not None:
            yield Fence(opened.number, opened.fence, "\n".join(inside), closed=True)
            opened = None
        elif opened is not None:
            inside.append(line.text)
    if opened is not None:
        yield Fence(opened.number, opened.fence, "\n".join(inside), closed=False)


def _questions(
    page: str, lines: tuple[Line, ...], headings: tuple[Heading, ...]
) -> Iterator[Question]:
    section = ""
    for place, heading in enumerate(headings):
        if heading.level == 2:
            section = heading.title
        if heading.level != 3 or not heading.anchor:
            continue
        below = (one.line for one in headings[place + 1 :] if one.level <= 3)
        body = lines[heading.line : next(below, len(lines) + 1) - 1]
        yield Question(
            heading.anchor,
            heading.title,
            page,
            heading.line,
            section,
            tuple(_parts(body)),
            tuple(one for one in _fences(body) if one.kind == "expect"),
            tuple(found[1] for found in map(planned, body) if found),
        )


def planned(line: Line) -> re.Match[str] | None:
    """The match of a line `planned: ...`, whose group 1 is what is planned."""
    return None if line.fence else _PLANNED.fullmatch(line.text.strip())


def _parts(body: Iterable[Line]) -> Iterator[Part]:
    """Each from its label to the next; what belongs to machines (expect, planned) is left out."""
    label, first = "", 0
    inside: list[str] = []
    for line in body:
        found = None if line.fence else _LABEL.match(line.text)
        if found and found[1] in LABELS:
            if label:
                yield Part(label, first, "\n".join(inside).strip())
            label, first, inside = found[1], line.number, [line.text[found.end() :]]
        elif line.fence != "expect" and not planned(line):
            inside.append(line.text)
    if label:
        yield Part(label, first, "\n".join(inside).strip())


def bold_labels(page: Page) -> Iterator[tuple[int, str]]:
    """Every line that begins with a bold word or two and a full stop: a label, or nearly one."""
    for line in page.lines:
        found = None if line.fence else _LABEL.match(line.text)
        if found:
            yield line.number, found[1]
