"""Dotted version vectors (Preguica and others, 2010): which writes overwrite which.

A write is named by a dot: who gave it, and that actor's counter. A context is all that somebody has
seen: per actor, everything up to a counter. A client hands back the context that it read, and its
write replaces what the context covers, and nothing else: writes that do not know of each other stay
side by side, as siblings.

This relies on two things. An actor names each of its writes by a counter higher than all before;
and it holds all that it has named and that was not overwritten. One that lost or gave away a record
must be another actor from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

Dot = tuple[str, int]
Context = dict[str, int]


@dataclass(slots=True)
class Versions(Generic[T]):
    """What is known of one key: the values nobody has overwritten, and all that was ever seen."""

    siblings: dict[Dot, T] = field(default_factory=dict)
    context: Context = field(default_factory=dict)


def covers(context: Context, dot: Dot) -> bool:
    """Who has this context has seen the write."""
    actor, counter = dot
    return context.get(actor, 0) >= counter


def descends(one: Context, other: Context) -> bool:
    """`one` has seen everything that `other` has; equal ones descend from each other."""
    return all(one.get(actor, 0) >= counter for actor, counter in other.items())


def join(*contexts: Context) -> Context:
    """What all of them have seen together: the least upper bound."""
    joined: Context = {}
    for context in contexts:
        for actor, counter in context.items():
            if counter > joined.get(actor, 0):
                joined[actor] = counter
    return joined


def merge(one: Versions[T], other: Versions[T]) -> Versions[T]:
    """What both know together. A sibling stays if both have it, or if the other has never seen it:
    one that the other has seen, and has no longer, was overwritten."""
    siblings = {
        dot: value
        for dot, value in one.siblings.items()
        if dot in other.siblings or not covers(other.context, dot)
    }
    for dot, value in other.siblings.items():
        if dot not in siblings and not covers(one.context, dot):
            siblings[dot] = value
    return Versions(siblings, join(one.context, other.context))


def write(versions: Versions[T], context: Context, dot: Dot, value: T) -> Versions[T]:
    """After a write named `dot` by one who has seen `context`, the arguments being left as they
    are."""
    assert not covers(versions.context, dot), "an actor gave a counter twice"
    siblings = {seen: held for seen, held in versions.siblings.items() if not covers(context, seen)}
    siblings[dot] = value
    actor, counter = dot
    return Versions(siblings, join(versions.context, context, {actor: counter}))
