"""Promises weaker than linearizability, by name."""

from __future__ import annotations

from collections.abc import Sequence

from labs.kit.checkers.causal import judge_causal
from labs.kit.checkers.eventual import judge_eventual
from labs.kit.checkers.limits import Limits
from labs.kit.checkers.linearizable import Finding
from labs.kit.checkers.list_sessions import judge_list_sessions
from labs.kit.checkers.models import Model
from labs.kit.checkers.sequential import judge_sequential
from labs.kit.checkers.sessions import judge_sessions
from labs.kit.checkers.versions import Violated, read_lists, versions
from labs.kit.history import Entry, Operation


def judge_level(
    found: Sequence[Operation],
    entries: Sequence[Entry],
    model: Model,
    consistency: str,
    limits: Limits,
) -> Finding:
    """Any level but linearizable. Raises LabError where the model cannot be judged by it."""
    try:
        if consistency == "eventual":
            return judge_eventual(found, entries, model, limits)
        if model.name == "append-list" and consistency not in ("sequential", "causal"):
            return judge_list_sessions(read_lists(found, entries, model), consistency)
        history = versions(found, entries, model, consistency, limits)
        if consistency == "sequential":
            return judge_sequential(history, limits)
        if consistency == "causal":
            return judge_causal(history, limits)
        return judge_sessions(history, consistency)
    except Violated as violated:
        return Finding(False, violated.counterexample)
