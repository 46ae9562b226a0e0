"""What happened, said to people: one line an event, in the words of the lab."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labs.kit.lab import Lab
from labs.kit.text import visible
from nodes.timeline import CRASHED, POINT

# What hosts write for every message: worth a timeline, never a line in a live view.
ROUTINE_KINDS = frozenset({"sent", "received", "failed", "timer", "saved"})
_HEAD = ("node", "seq", "lamport", "at_ms", "kind")
_LIST = re.compile(r"[\w-]+(,[\w-]+)+")
_HOST_SENTENCES = {
    "started": "{node} started",
    "crashed": "{node} crashed",
    "fault": "{node}: a fault was set",
}


class _Fields(dict[str, str]):
    """A note's fields as text; one that is missing shows as a question mark."""

    def __missing__(self, name: str) -> str:
        return "?"


def sentence(lab: Lab, event: Mapping[str, Any]) -> str:
    """The line for an event, a dictionary as nodes/timeline.py writes it; empty when it is not
    worth one. Control characters are escaped."""
    kind = str(event.get("kind", "?"))
    template = lab.sentences.get(kind) or _HOST_SENTENCES.get(kind)
    if callable(template):
        template = template(event)
    if kind == CRASHED and POINT in event:
        template = "{node} died at its crash point {point}"
    if template is None:
        return _generic(event, kind)
    return template.format_map(_Fields({name: _text(value) for name, value in event.items()}))


def _generic(event: Mapping[str, Any], kind: str) -> str:
    fields = ", ".join(
        f"{visible(str(name))} {_text(value)}" for name, value in event.items() if name not in _HEAD
    )
    what = visible(kind).replace("_", " ")
    return f"{_text(event.get('node', '?'))}: {what}" + (f" ({fields})" if fields else "")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = visible(str(value))
    return text.replace(",", ", ") if _LIST.fullmatch(text) else text
