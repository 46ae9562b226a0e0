"""What a lab offers to be explored: `labs/NAME/explore.py` with a `SPACE` in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module, util

from google.protobuf.message import Message

from labs.kit.errors import LabError
from labs.kit.explore.rules import Rules
from labs.kit.explore.state import Budget, State
from labs.kit.registry import load_lab
from nodes.core import Core, Param
from nodes.sim.cluster import Observer


@dataclass(frozen=True, slots=True)
class Space:
    """A small cluster and all that may happen to it. `settings` go on top of the lab's simulated
    ones: what makes no difference without time is switched off in them."""

    core: type[Core]
    settings: Mapping[str, Param]
    requests: Sequence[Message]
    observers: Callable[[], Sequence[Observer]]
    mutants: Mapping[str, type[Core]]
    budget: Budget = field(default_factory=Budget)
    depth: int = 6

    def rules(self, nodes: int, mutant: str | None = None) -> Rules:
        """With that many nodes, all with the same core. Raises KeyError for an unknown mutant."""
        core = self.core if mutant is None else self.mutants[mutant]
        ids = [f"n{number}" for number in range(1, nodes + 1)]
        return Rules(dict.fromkeys(ids, core), self.settings, self.requests)

    def first(self, rules: Rules, budget: Budget | None = None) -> State:
        """Where every course of events begins."""
        return rules.first(self.observers(), budget or self.budget)


def load_space(lab: str) -> Space:
    """Raises LabError when there is no such lab, or when it offers none."""
    found = load_lab(lab).id
    name = f"labs.{found.replace('-', '_')}.explore"
    if util.find_spec(name) is None:
        raise LabError(f"the {found} lab cannot be explored exhaustively; try `lab fuzz {found}`")
    space: Space = import_module(name).SPACE
    return space
