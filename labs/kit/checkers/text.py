"""A verdict in the terminal: what was judged, and of a violation the order up to where it stops."""

from __future__ import annotations

from typing import Final

from labs.kit.checkers.models import describe
from labs.kit.history import Operation
from labs.kit.text import visible
from labs.kit.verdict import Counterexample, Verdict

STEPS_MAX: Final = 12  # of the order, the last ones: what matters is near the end


def lines(verdict: Verdict) -> list[str]:
    """For people, most important first."""
    what = f"{verdict.operations:,} operations of model {verdict.model}"
    took = f"judged in {verdict.elapsed_s:.2f} s"
    if verdict.valid is None:
        return [f"could not tell whether {what} are {verdict.consistency}: {verdict.reason}"]
    if verdict.valid:
        return [f"{verdict.consistency}: yes; {what}, {took}"]
    found = [f"{verdict.consistency}: NO; {what}, {took}"]
    why = verdict.counterexample
    if why is not None:
        found += ["", why.explanation, *_order(why)]
    return [visible(line) for line in found]


def _order(why: Counterexample) -> list[str]:
    by_number = {operation.number: operation for operation in why.operations}
    shown = list(why.linearized)[-STEPS_MAX:]
    if not shown and why.stuck is None:
        return []
    found = [""]
    hidden = len(why.linearized) - len(shown)
    if hidden:
        found.append(f"  ... {hidden} operations that fit, then:")
    rows = [(by_number[number], f"state {state}") for number, state in shown]
    if why.stuck is not None:
        rows.append((by_number[why.stuck], "FITS NOWHERE"))
    width = max(len(describe(operation)) for operation, _ in rows)
    found += [
        f"  {place(operation):<26} {describe(operation):<{width}}  {state}"
        for operation, state in rows
    ]
    return found


def place(operation: Operation) -> str:
    """Who, and where in the file."""
    return f"process {operation.process}, line {operation.invoked + 1}"


__all__ = ["lines", "place"]
