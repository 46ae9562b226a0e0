"""The graded checks of the commit lab: every scenario, with points, papers and hints."""

from __future__ import annotations

from typing import Any

from labs.commit.advice import ADVICE
from labs.commit.invariants import invariants
from labs.commit.lab import LAB
from labs.commit.mutants import MUTANTS
from labs.commit.scenarios import SCENARIOS
from labs.kit.grading.course import Check, Course, Part
from labs.kit.grading.scenario import Scenario, check_of, sim_options, specs_of
from labs.kit.violation import InvariantViolated
from nodes.sim.cluster import Observer

GUIDE = "guide/commit.md"

PARTS = (
    Part(
        1,
        "Two phases",
        "All participants commit or none does, and what was said outlives every crash.",
        "Bernstein, Hadzilacos, Goodman 1987, 7.1 to 7.4 up to recovery; Gray 1978",
    ),
    Part(
        2,
        "Locks",
        "Transactions do not disturb each other, and none waits for ever.",
        "Bernstein and others 3.1 to 3.4; Rosenkrantz, Stearns, Lewis 1978 on wait-die",
    ),
    Part(
        3,
        "Recovery and presumptions",
        "A coordinator that comes back knows what to tell, and writes no more than it must.",
        "Mohan, Lindsay, Obermarck 1986; Bernstein and others 7.4, recovery",
    ),
    Part(
        4,
        "Doubt",
        "Who voted yes and hears nothing asks whoever may know, and waits if nobody does.",
        "Bernstein and others 7.4, cooperative termination; Skeen 1981 on blocking",
    ),
    Part(
        5,
        "Three phases",
        "Those that are left decide without their coordinator, as long as silence is a crash.",
        "Skeen 1981; Bernstein and others 7.5",
    ),
)


def graded(scenario: Scenario[Any]) -> Check:
    """What is graded about a scenario."""
    return check_of(scenario, ADVICE[scenario.id], page=GUIDE, seeds=20, quick_seeds=3)


def observers_of(check: Check) -> list[Observer]:
    """What must hold at every step."""
    return invariants()


COURSE = Course(
    lab=LAB.id,
    parts=PARTS,
    checks=tuple(map(graded, SCENARIOS)),
    spec_of=specs_of(SCENARIOS),
    options_of=sim_options,
    observers=observers_of,
    broken=(InvariantViolated,),
    reference=LAB.core,
    exercise="labs.commit.exercise:MyAtomicCommit",
    exercise_file="exercise.py",
    mutants=MUTANTS,
)
