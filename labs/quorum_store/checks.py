"""The graded checks of the quorum lab: every scenario, with points, papers and hints."""

from __future__ import annotations

from typing import Any

from labs.kit.grading.course import Check, Course, Part
from labs.kit.grading.scenario import Scenario, check_of, sim_options, specs_of
from labs.kit.violation import InvariantViolated
from labs.quorum_store.advice import ADVICE
from labs.quorum_store.invariants import invariants
from labs.quorum_store.lab import LAB
from labs.quorum_store.mutants import MUTANTS
from labs.quorum_store.scenarios import SCENARIOS
from labs.quorum_store.scenarios.table import VERSIONS
from nodes.sim.cluster import Observer

GUIDE = "guide/quorum_store.md"

PARTS = (
    Part(
        1,
        "The ring",
        "All nodes agree who keeps a key, without asking anyone.",
        "Dynamo paper 4.2, 4.3; Karger and others 1997 on consistent hashing",
    ),
    Part(
        2,
        "Quorums",
        "A write is acknowledged when W replicas have it, a read answered when R have said.",
        "Dynamo paper 4.5; Gifford 1979 on weighted voting",
    ),
    Part(
        3,
        "Versions and siblings",
        "A write replaces what its writer saw, and nothing else; or the last one wins; or ABD.",
        "Dynamo paper 4.4; Preguica and others 2010 (DVV); Kulkarni and others 2014; Attiya, "
        "Bar-Noy, Dolev 1995 (ABD)",
    ),
    Part(
        4,
        "Repair",
        "Replicas that missed something get it, what was deleted stays so, a lost disk is filled.",
        "Dynamo paper 4.7, 5",
    ),
    Part(
        5,
        "Handoff and changes of the ring",
        "Others stand in for nodes that are down, and nodes come and go while clients go on.",
        "Dynamo paper 4.6, 4.8, 4.9",
    ),
)

# A schedule of these takes a tenth of a second or more.
DEAR = frozenset(
    {
        "concurrent-clients-lose-nothing",
        "registers-are-linearizable",
        "anti-entropy-finds-what-nobody-reads",
        "only-what-differs-travels",
        "hints-are-kept-until-they-are-delivered",
        "handed-off-versions-stay",
        "changes-under-load-lose-nothing",
    }
)


def graded(scenario: Scenario[Any]) -> Check:
    """What is graded about a scenario."""
    seeds, quick_seeds = (10, 2) if scenario.id in DEAR else (20, 3)
    advice = ADVICE[scenario.id]
    return check_of(scenario, advice, page=GUIDE, seeds=seeds, quick_seeds=quick_seeds)


def observers_of(check: Check) -> list[Observer]:
    """What must hold at every step is asked from part 3 on, when all of it is learned or given: a
    mistake in what comes later would cost every point before."""
    return invariants() if check.part >= VERSIONS else []


COURSE = Course(
    lab=LAB.id,
    parts=PARTS,
    checks=tuple(map(graded, SCENARIOS)),
    spec_of=specs_of(SCENARIOS),
    options_of=sim_options,
    observers=observers_of,
    broken=(InvariantViolated,),
    reference=LAB.core,
    exercise="labs.quorum_store.exercise:MyQuorumStore",
    exercise_file="exercise.py",
    mutants=MUTANTS,
)
