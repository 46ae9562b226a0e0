"""What a lab offers so that it can be graded: `labs/NAME/checks.py` with a `COURSE` in it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module, util
from typing import Any

from labs.kit.errors import LabError, nearest
from labs.kit.registry import load_lab
from nodes.cluster.api import ClusterSpec
from nodes.core import Core, Param
from nodes.sim.cluster import Observer, SimOptions


@dataclass(frozen=True, slots=True)
class Part:
    """One step of the course: `goal` in a sentence, `read` what to read for it."""

    number: int
    title: str
    goal: str
    read: str


@dataclass(frozen=True, slots=True)
class Check:
    """One graded guarantee: an async function on a Cluster that raises Failed, Vacuous or
    TimeoutError.

    `title` states the guarantee; `hints` go from where to look, over which rule, to nearly the
    answer. `seeds` is how many schedules a normal check tries in simulation, `quick_seeds` how many
    watch mode does; `simulated` and `real` say where it makes sense. `params` differ from the lab's
    defaults. `guide` is the page, with its section, that explains it.
    """

    id: str
    title: str
    part: int
    points: int
    paper: str
    hints: tuple[str, str, str]
    guide: str
    nodes: int
    function: Callable[[Any], Coroutine[Any, Any, None]]
    params: Mapping[str, Param] = field(default_factory=dict)
    seeds: int = 100
    quick_seeds: int = 3
    simulated: bool = True
    real: bool = True

    def runs_in(self, runtime: str) -> bool:
        """It makes sense there: in `sim`, or on nodes of their own."""
        return self.simulated if runtime == "sim" else self.real


@dataclass(frozen=True)
class Course:
    """All that is graded in one lab.

    `spec_of(check, core, seed, simulated)` is the cluster of one run, whose nodes run `core`
    (`module:Class`); `options_of(seed)` its virtual world; `observers(check)` are fresh invariants
    that are watched in it, and `broken` what they raise. `reference` and `exercise` name cores;
    `exercise_file` is where the learner writes, relative to the lab's folder. `mutants` are the
    planted bugs, by name.
    """

    lab: str
    parts: tuple[Part, ...]
    checks: tuple[Check, ...]
    spec_of: Callable[[Check, str, int, bool], ClusterSpec]
    options_of: Callable[[int], SimOptions]
    observers: Callable[[Check], Sequence[Observer]]
    broken: tuple[type[Exception], ...]
    reference: str
    exercise: str
    exercise_file: str
    mutants: Mapping[str, type[Core]]

    @property
    def points_max(self) -> int:
        """Of all checks together."""
        return sum(check.points for check in self.checks)

    def check(self, name: str) -> Check:
        """The check of this id. Raises LabError that names the nearest."""
        for check in self.checks:
            if check.id == name:
                return check
        known = [check.id for check in self.checks]
        raise LabError(f"{self.lab} has no check {name}; {nearest(name, known)}")

    def part(self, number: int) -> Part:
        """The part of this number. Raises LabError that says which there are."""
        for part in self.parts:
            if part.number == number:
                return part
        raise LabError(
            f"{self.lab} has no part {number}; it has {self.parts[0].number} to "
            f"{self.parts[-1].number}"
        )


def load_course(name: str) -> Course:
    """What the lab grades. Raises LabError when there is no such lab, or it grades nothing."""
    lab = load_lab(name)
    module = f"labs.{lab.id.replace('-', '_')}.checks"
    if util.find_spec(module) is None:
        raise LabError(f"the {lab.id} lab has no graded checks: there is no {module}")
    course = import_module(module).COURSE
    assert isinstance(course, Course)
    return course
