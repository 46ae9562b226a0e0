"""How the outcome of a client operation is said to people: what was read, and how it went."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

from labs.kit.text import visible, visible_bytes


class OutcomeText(NamedTuple):
    """Lines for stdout, which are what was read and nothing else, and lines for stderr."""

    out: tuple[str, ...] = ()
    err: tuple[str, ...] = ()


def key_value_text(verb: str, outcome: Mapping[str, Any]) -> OutcomeText:
    """Of an operation on one value a key; `outcome` is what `--json` prints."""
    where = served_by(outcome)
    if not outcome["ok"] and verb == "cas" and "found" in outcome:
        held = held_text(outcome)
        state = "does not exist" if held is None else f"holds {held}"
        return OutcomeText(err=(f"no: the key {state} ({where})",))
    if not outcome["ok"]:
        return OutcomeText(err=(failure_text(outcome),))
    if verb == "get" and not outcome["found"]:
        return OutcomeText(err=(f"no such key ({where})",))
    if verb == "get":
        return OutcomeText((held_text(outcome) or "",), (f"({where})",))
    absent = verb == "delete" and outcome.get("found") is False
    return OutcomeText(err=(f"{'ok, it was not there' if absent else 'ok'} ({where})",))


def served_by(outcome: Mapping[str, Any]) -> str:
    """The node that answered, and after how long."""
    return f"{visible(str(outcome['node']))}, {outcome['elapsed_ms']:.1f} ms"


def failure_text(outcome: Mapping[str, Any]) -> str:
    """Of one that did not happen, or may not have happened."""
    error = visible(str(outcome["error"]))
    unknown = outcome["ok"] is None
    return f"unknown: it may have happened, or may yet. {error}" if unknown else f"no: {error}"


def held_text(document: Mapping[str, Any]) -> str | None:
    """A value, as `text.bytes_to_json` wrote it; None when there is none."""
    if document.get("value_base64"):
        return visible_bytes(base64.b64decode(document["value_base64"]))
    return None if document["value"] is None else visible(document["value"])
