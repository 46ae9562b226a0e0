"""Eventual consistency (Vogels 2009): if no new updates are made, in the end everyone reads the
same last state. A finite history shows it by the last reads of its sessions: those that began
after the last update of the key had ended. They must agree, and hold every update that was
acknowledged.

How long "in the end" takes is not judged. Without such reads, the history says nothing. Where an
update got no response it may still take effect: then a disagreement proves nothing, either.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from labs.kit.checkers.limits import Limits
from labs.kit.checkers.linearizable import Finding
from labs.kit.checkers.models import Action, Model
from labs.kit.checkers.values import show
from labs.kit.checkers.versions import because, said
from labs.kit.errors import LabError
from labs.kit.history import Entry, Operation

Claimed = tuple[Operation, Action]
JUDGED = ("register", "cas-register", "kv", "set", "counter", "append-list")


def judge_eventual(
    found: Sequence[Operation], entries: Sequence[Entry], model: Model, limits: Limits
) -> Finding:
    """Whether the last reads of every key agree, and are right."""
    if model.name not in JUDGED:
        raise LabError(f"eventual cannot be judged for the model {model.name}: it has no reads")
    keys: dict[str | None, tuple[list[Claimed], list[Claimed]]] = {}
    for one in found:
        limits.check()
        action = model.action(one, entries)
        if action is None or action.verb == "not":
            continue
        updates, reads = keys.setdefault(one.key, ([], []))
        if action.verb != "read":
            updates.append((one, action))
        elif one.completed is not None:
            reads.append((one, action))
    unknown = ""
    for key, (updates, reads) in keys.items():
        finding = _of_key(key, updates, reads, model)
        if finding.valid is False:
            return finding
        unknown = unknown or finding.reason
    return Finding(None, reason=unknown) if unknown else Finding(True)


def _of_key(key: str | None, updates: list[Claimed], reads: list[Claimed], model: Model) -> Finding:
    where = "" if key is None else f" of key {key}"
    ends = max((one.completed or one.invoked for one, _ in updates), default=-1)
    last = {one.process: (one, action) for one, action in reads if one.invoked > ends}
    if not last:
        return Finding(
            None,
            reason=f"no read{where} began after its last update: end the history with final reads",
        )
    finals = list(last.values())
    lost = any(one.completed is None for one, _ in updates)
    first, seen = finals[0]
    for one, action in finals[1:]:
        if action.value != seen.value:
            if lost:
                return Finding(
                    None,
                    reason=f"final reads{where} differ, but an update without response may still "
                    f"take effect: record final reads after it is known what became of it",
                )
            what = f"{said(first)} and {said(one)} differ, though no update came any more"
            return Finding(False, because(what, [first, one], one))
    wrong = _wrong(model.name, updates, seen.value)
    if wrong:
        return Finding(False, because(f"{said(first)} {wrong}", [first], first))
    return Finding(True)


def _wrong(model: str, updates: list[Claimed], value: Hashable) -> str:
    """What is wrong with the state in which everything ended; empty if nothing is."""
    sure = [action for one, action in updates if one.completed is not None]
    all_of_them = [action for _, action in updates]
    match model:
        case "counter":
            assert isinstance(value, int)
            steps = [(a.value, one.completed is None) for one, a in updates]
            total = sum(by for by, lost in steps if isinstance(by, int) and not lost)
            maybe = [by for by, lost in steps if isinstance(by, int) and lost]
            low = total + sum(by for by in maybe if by < 0)
            high = total + sum(by for by in maybe if by > 0)
            return "" if low <= value <= high else f"is not the sum of the updates, {total}"
        case "set" | "append-list":
            assert isinstance(value, frozenset | tuple)
            missing = [action.value for action in sure if action.value not in value]
            foreign = [e for e in value if e not in {action.value for action in all_of_them}]
            if missing:
                return f"does not hold {show(missing[0])}, which was acknowledged"
            return f"holds {show(foreign[0])}, which nobody added" if foreign else ""
    if any(action.verb == "append" for action in all_of_them):
        return ""  # what a string must hold depends on the order
    made = {action.value if action.verb == "write" else action.new for action in all_of_them}
    if not sure and value is None:
        return ""
    return "" if value in made else "is no value that was written"
