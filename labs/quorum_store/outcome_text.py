"""What a client operation of the quorum lab came to, in lines: values, versions, replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labs.kit.outcome_text import OutcomeText, failure_text, held_text, served_by
from labs.kit.text import clock_time, counted, visible

WIDTH_MAX = 40  # of a value in the table of siblings

_KINDS = {"waiting": "silent so far", "not_asked": "not asked"}
_BEGUN = {
    "join": "{node} is joining the ring ({where}); `lab status` shows when it is a member",
    "leave": "{node} is leaving the ring ({where}); `lab status` shows when it is outside",
}


def outcome_text(verb: str, outcome: Mapping[str, Any]) -> OutcomeText:
    """See Lab.outcome_text."""
    if not outcome["ok"]:
        return OutcomeText(err=(failure_text(outcome), *_answers(outcome)))
    where, siblings = served_by(outcome), outcome.get("siblings", ())
    if verb in _BEGUN:
        return OutcomeText(err=(_BEGUN[verb].format(node=outcome["node"], where=where),))
    several = f"; {_several(len(siblings))}" if len(siblings) > 1 else ""
    versions = [*_siblings(outcome), *_answers(outcome), *_context(outcome)]
    if verb != "get":
        return OutcomeText(err=(f"ok ({where}){several}", *versions))
    if not siblings:
        return OutcomeText(err=(f"no such key ({where})", *versions))
    values = tuple(held_text(one) or "" for one in siblings)
    return OutcomeText(values, (f"({where}){several}", *versions))


def _several(count: int) -> str:
    return f"{counted(count, 'sibling')}, none of which was written knowing the others"


def _siblings(outcome: Mapping[str, Any]) -> Iterator[str]:
    """Each with its version, and when by whose clock it was written."""
    siblings = outcome.get("siblings", ())
    shown = [_short(held_text(one) or "") for one in siblings]
    width = max(map(len, shown), default=0)
    names = [visible(str(one["version"])) for one in siblings]
    name_width = max(map(len, names), default=0)
    for value, name, sibling in zip(shown, names, siblings, strict=True):
        written = _written(str(outcome["versions"]), sibling["stamp"])
        yield f"  {value:{width}}  {name:{name_width}}  {written}".rstrip()


def _short(value: str) -> str:
    return value if len(value) <= WIDTH_MAX else f"{value[: WIDTH_MAX - 3]}..."


def _written(versions: str, stamp: Mapping[str, Any]) -> str:
    writer, time = visible(str(stamp["writer"])), int(stamp["time"])
    if versions == "abd":
        return f"tag {time} by {writer}"
    return f"{clock_time(time / 1000)}.{time % 1000:03d} by {writer}'s clock" if time else ""


def _answers(outcome: Mapping[str, Any]) -> Iterator[str]:
    """One line a replica that was asked."""
    answers = outcome.get("answers", ())
    names = [_replica(one) for one in answers]
    width = max(map(len, names), default=0)
    for name, answer in zip(names, answers, strict=True):
        kind = str(answer["kind"])
        line = f"  {name:{width}}  {_KINDS.get(kind, kind)}"
        held = answer["held"]
        if held is not None:
            line += f": {', '.join(map(visible, held)) if held else 'holds nothing'}"
        yield line


def _replica(answer: Mapping[str, Any]) -> str:
    replica, home = visible(str(answer["replica"])), answer["stands_in_for"]
    return f"{replica} keeps a hint for {visible(str(home))}" if home else replica


def _context(outcome: Mapping[str, Any]) -> Iterator[str]:
    if outcome.get("context"):
        yield f"context {outcome['context']}, or --context last: what a put with it replaces"
