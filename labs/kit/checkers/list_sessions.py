"""The four session guarantees (Terry and others 1994) on lists that grow: a read shows every append
that it sees, in their order, so each guarantee is judged read by read (as Freitas, Leitao, Preguica
and Rodrigues do, "Characterizing the consistency of online services", 2016)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from labs.kit.checkers.linearizable import Finding
from labs.kit.checkers.values import show
from labs.kit.checkers.versions import Appended, Lists, because, said
from labs.kit.history import Operation

Needs = dict[tuple[str | None, Hashable], list[tuple[Hashable, Operation]]]


def judge_list_sessions(lists: Lists, consistency: str) -> Finding:
    """Whether every read shows what the guarantee says."""
    if consistency == "read-your-writes":
        return _own(lists)
    if consistency == "monotonic-reads":
        return _monotonic(lists)
    return _ordered(lists, _needs(lists, consistency), consistency)


def _own(lists: Lists) -> Finding:
    for session in lists.sessions:
        own: dict[str | None, list[Appended]] = {}
        for step in session:
            key = step.operation.key
            if step.seen is None:
                if step.operation.outcome == "ok":
                    own.setdefault(key, []).append(step)
                continue
            shown = set(step.seen)
            for mine in own.get(key, ()):
                if mine.element not in shown:
                    return _bad(step.operation, f"does not see {said(mine.operation)}, its own",
                                mine.operation)  # fmt: skip
    return Finding(True)


def _monotonic(lists: Lists) -> Finding:
    for session in lists.sessions:
        before: dict[str | None, Appended] = {}
        for step in session:
            if step.seen is None:
                continue
            earlier = before.get(step.operation.key)
            before[step.operation.key] = step
            if earlier is None:
                continue
            known = set(earlier.seen or ())
            if tuple(element for element in step.seen if element in known) != earlier.seen:
                return _bad(
                    step.operation,
                    f"does not show all that {said(earlier.operation)} did, in the same order",
                    earlier.operation,
                )
    return Finding(True)


def _needs(lists: Lists, consistency: str) -> Needs:
    """For each element, those that whoever sees it must see before it."""
    needs: Needs = {}
    for session in lists.sessions:
        last: dict[str | None, list[tuple[Hashable, Operation]]] = {}
        for step in session:
            key = step.operation.key
            if step.seen is None:
                needs[key, step.element] = list(last.get(key, ()))
                if consistency == "monotonic-writes":
                    # The one before it is enough: that one needs those before itself.
                    last[key] = [(step.element, step.operation)]
            elif consistency == "writes-follow-reads":
                last[key] = [(element, step.operation) for element in step.seen]
    return needs


def _ordered(lists: Lists, needs: Needs, consistency: str) -> Finding:
    for session in lists.sessions:
        for step in session:
            key, seen = step.operation.key, step.seen or ()
            place = {element: at for at, element in enumerate(seen)}
            for element in seen:
                for needed, cause in needs.get((key, element), ()):
                    if place.get(needed, len(seen)) > place[element]:
                        return _bad(
                            step.operation,
                            f"sees {show(element)} but not {show(needed)} before it, which "
                            f"{consistency} asks for",
                            *(cause, lists.appends[key, element], lists.appends[key, needed]),
                        )
    return Finding(True)


def _bad(reader: Operation, what: str, *others: Operation) -> Finding:
    involved: Sequence[Operation] = [reader, *others]
    return Finding(False, because(f"{said(reader)} {what}", involved, reader))
