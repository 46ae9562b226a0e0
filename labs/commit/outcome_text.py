"""What a client operation of the commit lab came to, in lines: outcome, reason, and every vote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labs.kit.outcome_text import OutcomeText, failure_text, served_by
from labs.kit.text import visible

_VOTES = {"yes": "voted yes", "no": "voted no", "none": "had not voted"}
_STATES = {
    "unknown": "knows nothing of it",
    "working": "waits for locks",
    "prepared": "voted yes, and is in doubt",
    "precommitted": "knows that all voted yes, and is in doubt",
    "committed": "has committed it",
    "aborted": "has aborted it",
}


def outcome_text(verb: str, outcome: Mapping[str, Any]) -> OutcomeText:
    """See Lab.outcome_text."""
    if "amounts" in outcome:
        return OutcomeText(tuple(_amounts(outcome)), tuple(_left_out(outcome)))
    if "nodes" in outcome:
        if not outcome["ok"]:
            return OutcomeText(err=(failure_text(outcome),))
        return OutcomeText(tuple(_known(outcome)), (f"({served_by(outcome)})",))
    name = visible(str(outcome.get("transaction", "")))
    votes = tuple(_votes(outcome))
    if outcome["ok"]:
        return OutcomeText(err=(f"{name} is committed ({served_by(outcome)})", *votes))
    hint = (f"`lab order status {name}` asks every node about it",) if outcome["ok"] is None else ()
    return OutcomeText(err=(f"{name}: {failure_text(outcome)}", *votes, *hint))


def _votes(outcome: Mapping[str, Any]) -> Iterator[str]:
    """One line a participant: how it voted, and what it was to change."""
    for ballot in outcome.get("participants", ()):
        changes = ", ".join(
            f"{visible(str(one['resource']))} {int(one['delta']):+}" for one in ballot["changes"]
        )
        reason = f": {visible(str(ballot['reason']))}" if ballot["reason"] else ""
        vote = _VOTES.get(str(ballot["kind"]), str(ballot["kind"]))
        yield f"  {visible(str(ballot['participant']))}  {vote}{reason}  ({changes})"


def _known(outcome: Mapping[str, Any]) -> Iterator[str]:
    """What each node says of a transaction."""
    for node, known in outcome["nodes"].items():
        said = "does not answer" if known is None else "; ".join(_said(known))
        yield f"{visible(str(node))}  {said}"


def _said(known: Mapping[str, Any]) -> Iterator[str]:
    if known["outcome"] != "undecided":
        yield f"its coordinator: {known['outcome']}"
    if known["phase"]:
        waiting = ", ".join(map(str, known["waiting_for"]))
        yield f"its coordinator: {known['phase']}" + (f", waits for {waiting}" if waiting else "")
    for attempt in known["attempts"]:
        yield _STATES.get(str(attempt["state"]), str(attempt["state"]))
    if known["outcome"] == "undecided" and not known["phase"] and not known["attempts"]:
        yield _STATES["unknown"]


def _amounts(outcome: Mapping[str, Any]) -> Iterator[str]:
    width = max((len(str(one["resource"])) for one in outcome["amounts"]), default=0)
    for one in outcome["amounts"]:
        locked = f"  locked by {visible(str(one['locked_by']))}" if one["locked_by"] else ""
        resource, amount = visible(str(one["resource"])), int(one["amount"])
        yield f"{resource:{width}}  {amount:>7,}  at {visible(str(one['node']))}{locked}"


def _left_out(outcome: Mapping[str, Any]) -> Iterator[str]:
    if outcome["left_out"]:
        yield f"and {outcome['left_out']} more; name one to see it"
    if not outcome["ok"]:
        yield failure_text(outcome)
