"""The graded checks of the saga lab: every scenario, with points, papers and hints."""

from __future__ import annotations

from typing import Any

from labs.kit.grading.course import Check, Course, Part
from labs.kit.grading.scenario import Scenario, check_of, sim_options, specs_of
from labs.kit.violation import InvariantViolated
from labs.saga.advice import ADVICE
from labs.saga.invariants import invariants
from labs.saga.lab import LAB
from labs.saga.mutants import MUTANTS
from labs.saga.scenarios import SCENARIOS
from labs.saga.scenarios.table import LOG
from nodes.sim.cluster import Observer

GUIDE = "guide/saga.md"

PARTS = (
    Part(
        1,
        "Steps and compensations",
        "Each step is one local transaction, and each has a compensation that undoes just that.",
        "Garcia-Molina and Salem 1987, 1 and 2; Frank and Zahle 1998 on countermeasures",
    ),
    Part(
        2,
        "Idempotency keys",
        "A step that is asked for again is not done again, and its answer is that of the first "
        "time.",
        "Helland 2012, Idempotence Is Not a Medical Condition",
    ),
    Part(
        3,
        "The saga log",
        "What the orchestrator is about to do is in its log, so a crash loses no order and does "
        "none twice.",
        "Garcia-Molina and Salem 1987, 3 to 5",
    ),
    Part(
        4,
        "Turning back",
        "What cannot be carried out is undone, behind the pivot nothing is, and what does neither "
        "has an operator.",
        "Garcia-Molina and Salem 1987, 4 to 6; Richardson 2018, 4.2 and 4.3",
    ),
    Part(
        5,
        "Choreography",
        "Services react to each other's events: none is lost, none tells a lie, none has its "
        "effect twice.",
        "Richardson 2018, 3.3 and 4.2; Helland 2012",
    ),
)

# A schedule of these takes a tenth of a second or more.
DEAR = frozenset(
    {
        "the-key-is-kept-with-the-effect",
        "an-order-survives-its-orchestrator",
        "wherever-a-node-crashes",
        "wherever-a-node-crashes-on-the-way-back",
        "events-carry-an-order-to-its-end",
        "events-undo-what-was-declined",
        "an-effect-and-its-event-are-one",
        "an-event-is-kept-until-the-log-has-it",
        "the-outbox-is-emptied",
        "what-comes-twice-is-taken-once",
        "nothing-is-missed-in-the-log",
        "wherever-a-node-crashes-in-a-choreography",
    }
)


def graded(scenario: Scenario[Any]) -> Check:
    """What is graded about a scenario."""
    seeds, quick_seeds = (8, 2) if scenario.id in DEAR else (15, 3)
    advice = ADVICE[scenario.id]
    return check_of(scenario, advice, page=GUIDE, seeds=seeds, quick_seeds=quick_seeds)


def observers_of(check: Check) -> list[Observer]:
    """What must hold at every step is asked from part 3 on, when steps and keys are learned or
    given: a mistake in what comes later would cost every point before."""
    return invariants() if check.part >= LOG else []


COURSE = Course(
    lab=LAB.id,
    parts=PARTS,
    checks=tuple(map(graded, SCENARIOS)),
    spec_of=specs_of(SCENARIOS),
    options_of=sim_options,
    observers=observers_of,
    broken=(InvariantViolated,),
    reference=LAB.core,
    exercise="labs.saga.exercise:MyOrderSaga",
    exercise_file="exercise.py",
    mutants=MUTANTS,
)
