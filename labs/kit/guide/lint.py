"""What is wrong with the guide, one line a problem.

python -m labs.kit.guide.lint        of every page; exit status 1 when something is wrong
"""

from __future__ import annotations

import difflib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from labs.kit.errors import ANSWER_IS_NO, DONE, LabError, nearest
from labs.kit.experiment.definition import Experiment
from labs.kit.guide.claims import BadClaim, Claim, parse_claim
from labs.kit.guide.pages import (
    GUIDE_FOLDER,
    IN_PRACTICE,
    LABELS,
    SEE_IT,
    SHORT_ANSWER,
    Guide,
    Line,
    Page,
    Question,
    bold_labels,
    load_guide,
    parse_page,
)
from labs.kit.text import counted, from_here

WORDS_MIN: Final = 60
WORDS_MAX: Final = 120
READING_LIST: Final = "reading-list"
# Verdicts that every run has, besides the expectations of its experiment.
VERDICTS_OF_ALL: Final = ("trials", "linearizable", "open-loop")
MERMAID_KINDS: Final = (
    "flowchart",
    "graph",
    "sequenceDiagram",
    "stateDiagram",
    "stateDiagram-v2",
    "classDiagram",
    "erDiagram",
    "gantt",
    "timeline",
    "mindmap",
    "pie",
    "quadrantChart",
    "xychart-beta",
    "block-beta",
    "gitGraph",
    "journey",
)

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]*)>?[^)]*\)")
_REFERENCE = re.compile(r"(?<!!)\[([^\[\]]+)\](?![(\[])")
_KEY = re.compile(r"[A-Z][\w+./-]*|etcd[-/][\w-]+")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Words of the language itself: a node of such a name breaks the drawing.
_RESERVED = re.compile(r"(?:^|[->&;]\s*)(call|href|end|class|click|style|graph)\s*(?:[\[({&]|-|=)")
_OPENS = re.compile(r"^ {0,3}```\w", re.MULTILINE)  # inside a block: the end of it was forgotten
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, and where."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{from_here(self.path)}:{self.line}: {self.what}"


Experiments = Callable[[str], tuple[Experiment, ...]]


@cache
def _experiments_of(lab: str) -> tuple[Experiment, ...]:
    """All of a lab. Raises LabError."""
    from labs.kit.experiment.registry import load_experiments
    from labs.kit.registry import lab_ids, load_lab

    if lab not in lab_ids():  # load_lab would take a shortened name, which nobody greps for
        raise LabError(f"no lab is called {lab!r}; {nearest(lab, lab_ids())}")
    return load_experiments(load_lab(lab))


def problems(guide: Guide, experiments: Experiments = _experiments_of) -> list[Problem]:
    """All that is wrong, page by page."""
    found = list(_repeated_ids(guide))
    sources = _sources(guide)
    for page in guide.pages:
        found += [*_fences(page), *_links(guide, page), *_undefined(page, sources)]
        if page.asks:
            found += [*_headings(page), *_labels(page)]
            for question in page.questions:
                found += [*_parts(page, question), *_see_it(page, question, experiments)]
    return sorted(set(found), key=lambda one: (one.path, one.line, one.what))


# ---------------------------------------------------------------------------------- questions


def _repeated_ids(guide: Guide) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for page in guide.pages:
        for question in page.questions:
            if question.id in first:
                what = f"the id {question.id} is taken by {first[question.id]}"
                yield Problem(page.path, question.line, what)
            first.setdefault(question.id, f"{page.path.name}:{question.line}")


def _headings(page: Page) -> Iterator[Problem]:
    if not page.questions:
        yield Problem(page.path, 1, "no question on this page: `### Question? {#id}`")
    for heading in page.headings:
        if heading.level != 3:
            continue
        if not heading.anchor:
            yield Problem(page.path, heading.line, "a question needs an id: `### Question? {#id}`")
        elif not _ID.fullmatch(heading.anchor):
            what = f"the id {heading.anchor} is not made of a-z, 0-9 and single dashes"
            yield Problem(page.path, heading.line, what)
        if not heading.title.endswith("?"):
            yield Problem(page.path, heading.line, "a question ends with a question mark")


def _labels(page: Page) -> Iterator[Problem]:
    folded = {label.casefold(): label for label in LABELS}
    for line, label in bold_labels(page):
        close = difflib.get_close_matches(label.casefold(), folded, n=1, cutoff=0.8)
        if close and label not in LABELS:
            yield Problem(page.path, line, f"the label {label!r} is written {folded[close[0]]!r}")


def _parts(page: Page, question: Question) -> Iterator[Problem]:
    counts = Counter(part.label for part in question.parts)
    for label in LABELS:
        if not counts[label]:
            yield Problem(page.path, question.line, f"{question.id} lacks **{label}.**")
        elif counts[label] > 1:
            yield Problem(page.path, question.line, f"{question.id} has **{label}.** twice")
    for part in question.parts:
        if not part.text and part.label != SEE_IT:
            yield Problem(page.path, part.line, f"**{part.label}.** says nothing")
    present = [part.label for part in question.parts]
    if len(set(present)) == len(present) and present != sorted(present, key=LABELS.index):
        what = f"the parts of {question.id} are not in order: {', '.join(LABELS)}"
        yield Problem(page.path, question.line, what)
    yield from _short_answer(page, question)
    practice = question.part(IN_PRACTICE)
    if practice and not any(_keys(practice)):
        what = f"**{IN_PRACTICE}.** of {question.id} names no source, as in [Raft 5.4]"
        yield Problem(page.path, question.line, what)


def _short_answer(page: Page, question: Question) -> Iterator[Problem]:
    answer = question.part(SHORT_ANSWER)
    words = word_count(answer)
    if answer and not WORDS_MIN <= words <= WORDS_MAX:
        what = f"the short answer has {words} words, not {WORDS_MIN} to {WORDS_MAX}"
        yield Problem(page.path, question.line, what)


def word_count(text: str) -> int:
    """Words as one says them: what has neither letter nor digit is none, nor are link targets."""
    plain = re.sub(r"\]\([^)]*\)", "]", text)
    return sum(1 for word in plain.split() if _WORD.search(word))


def _see_it(page: Page, question: Question, experiments: Experiments) -> Iterator[Problem]:
    if not question.expects and not question.planned:
        what = f"{question.id} is shown by nothing: an expect block, or a line `planned: ...`"
        yield Problem(page.path, question.line, what)
    if any(not planned.strip() for planned in question.planned):
        yield Problem(page.path, question.line, f"{question.id}: `planned:` says nothing")
    for fence in question.expects:
        try:
            claim = parse_claim(fence)
            _require_known(claim, experiments)
        except (BadClaim, LabError) as error:
            yield Problem(page.path, fence.line, f"expect: {error}")


def _require_known(claim: Claim, experiments: Experiments) -> None:
    """Raises BadClaim or LabError for what the lab does not have."""
    from labs.kit.experiment import open_loop

    known = {one.id: one for one in experiments(claim.lab)}
    if claim.name not in known:
        raise BadClaim(f"{claim.lab} has no experiment {claim.name}; {nearest(claim.name, known)}")
    experiment = known[claim.name]
    if claim.expectation:
        names = [*(one.id for one in experiment.expectations), *VERDICTS_OF_ALL]
        what, name = "expectation", claim.expectation
    else:
        measured = (*experiment.measurements, *open_loop.MEASUREMENTS)
        names, what, name = [one.name for one in measured], "measurement", claim.measurement
    if name not in names:
        raise BadClaim(f"{claim.experiment} has no {what} {name}; {nearest(name, names)}")


# ---------------------------------------------------------------------------------- sources


def _sources(guide: Guide) -> frozenset[str]:
    """Keys that the reading list defines: all that stand there in square brackets."""
    page = guide.page(READING_LIST)
    lines = () if page is None else (line.text for line in page.lines if not line.fence)
    return frozenset(found[1].strip() for line in lines for found in _REFERENCE.finditer(line))


def _keys(text: str) -> Iterator[str]:
    """Keys of the sources that a text names: `[Raft 5.4; Ong 3.2]` names Raft and Ong."""
    for found in _REFERENCE.finditer(_CODE.sub("", text)):
        for one in found[1].split(";"):
            key = re.split(r"[\s,§]", one.strip(), maxsplit=1)[0]
            if _KEY.fullmatch(key):
                yield key


def _undefined(page: Page, sources: frozenset[str]) -> Iterator[Problem]:
    if page.name == READING_LIST or not page.asks:
        return
    for line in page.lines:
        for key in () if line.fence else _keys(line.text):
            if key not in sources:
                what = f"the source [{key}] is not in guide/{READING_LIST}.md"
                yield Problem(page.path, line.number, what)


# ---------------------------------------------------------------------------------- links, fences


def _links(guide: Guide, page: Page) -> Iterator[Problem]:
    for line in page.lines:
        for target in () if line.fence else _targets(line):
            problem = _broken(guide, page, target)
            if problem:
                yield Problem(page.path, line.number, problem)


def _targets(line: Line) -> Iterator[str]:
    for found in _LINK.finditer(_CODE.sub("", line.text)):
        if not _ELSEWHERE.match(found[1]):
            yield unquote(found[1])


def _broken(guide: Guide, page: Page, target: str) -> str:
    file, _, anchor = target.partition("#")
    path = (page.path.parent / file).resolve() if file else page.path.resolve()
    if not target or not path.exists():
        return f"the link {target or '()'} leads nowhere"
    if not anchor or path.suffix != ".md":
        return ""
    known = next((one for one in guide.pages if one.path.resolve() == path), None)
    there = known or parse_page(path, path.read_text(encoding="utf-8"))
    anchors = anchors_of(there)
    return "" if anchor in anchors else f"{target}: no such section; {nearest(anchor, anchors)}"


def anchors_of(page: Page) -> frozenset[str]:
    """Where links into a page may go: ids that are given, else those that are made of titles."""
    return frozenset(one.anchor or _slug(one.title) for one in page.headings)


def _slug(title: str) -> str:
    kept = re.sub(r"[^\w\s-]", "", title.replace("`", "")).strip().lower()
    return re.sub(r"[\s-]+", "-", kept)


def _fences(page: Page) -> Iterator[Problem]:
    for fence in page.fences:
        nested = fence.kind not in ("markdown", "md") and _OPENS.search(fence.text)
        if nested or not fence.closed:
            yield Problem(page.path, fence.line, f"the {fence.kind} block is never closed")
        if fence.kind == "mermaid":
            problem = _malformed(fence.text)
            if problem:
                yield Problem(page.path, fence.line, f"mermaid: {problem}")


def _malformed(text: str) -> str:
    """What a drawing would certainly fail on; only a browser knows the whole grammar."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("%%")]
    if not lines:
        return "nothing is drawn"
    kind = lines[0].split()[0].rstrip(";")
    if kind not in MERMAID_KINDS:
        return f"{kind!r} is no kind of drawing; {nearest(kind, MERMAID_KINDS)}"
    if len(lines) == 1:
        return "nothing is drawn"
    if kind == "sequenceDiagram":
        return _unbalanced_blocks(lines[1:], ("loop", "alt", "opt", "par", "critical", "rect"))
    if kind in ("flowchart", "graph"):
        return (
            _unbalanced_blocks(lines[1:], ("subgraph",))
            or _unbalanced_brackets(lines[1:])
            or _reserved_names(lines[1:])
        )
    return ""


def _unbalanced_blocks(lines: Iterable[str], openers: tuple[str, ...]) -> str:
    depth = 0
    for line in lines:
        word = line.split()[0]
        depth += 1 if word in openers else -1 if word == "end" else 0
        if depth < 0:
            return "an `end` closes nothing"
    return f"{counted(depth, 'block')} without `end`" if depth else ""


def _unbalanced_brackets(lines: Iterable[str]) -> str:
    for line in lines:
        bare = re.sub(r'"[^"]*"|\|[^|]*\|', "", line)
        if bare.count('"') % 2:
            return f"an odd number of quotation marks: {line}"
        for opening, closing in ("[]", "()", "{}"):
            if bare.count(opening) != bare.count(closing):
                return f"{opening} and {closing} do not match: {line}"
    return ""


def _reserved_names(lines: Iterable[str]) -> str:
    for line in lines:
        found = _RESERVED.search(re.sub(r'"[^"]*"', '""', line))
        if found:
            return f"{found[1]!r} is a word of the language, so no node can have that name: {line}"
    return ""


def main(names: Sequence[str], folder: Path = GUIDE_FOLDER) -> int:
    """Prints what is wrong with these pages, or with all; the exit status says whether anything
    is. Raises LabError for a page that there is not."""
    guide = load_guide(folder)
    chosen = {_page(guide, name) for name in names} or {page.path for page in guide.pages}
    found = [problem for problem in problems(guide) if problem.path in chosen]
    for problem in found:
        print(problem)
    pages = [page for page in guide.pages if page.path in chosen]
    questions = [question for page in pages for question in page.questions]
    planned = sum(bool(one.planned) for one in questions)
    print(
        f"{counted(len(questions), 'question')} on {counted(len(pages), 'page')}, "
        f"{counted(sum(len(one.expects) for one in questions), 'expect block')}, "
        f"{planned} with a planned line; {counted(len(found), 'problem')}",
        file=sys.stderr,
    )
    return ANSWER_IS_NO if found else DONE


def _page(guide: Guide, name: str) -> Path:
    page = guide.page(Path(name).stem)
    if page is None:
        known = (one.name for one in guide.pages)
        raise LabError(f"the guide has no page {name}; {nearest(Path(name).stem, known)}")
    return page.path
