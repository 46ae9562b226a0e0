"""Exploring a small Raft: the reference holds in every state, and planted bugs are found by the
shortest way to them."""

from __future__ import annotations

import pytest

from labs.kit.errors import LabError
from labs.kit.explore.search import Found, explore
from labs.kit.explore.space import load_space
from labs.kit.explore.state import Budget
from labs.raft.explore import SPACE

NODES = 3


def explored(mutant: str | None, budget: Budget, depth: int) -> Found:
    rules = SPACE.rules(NODES, mutant)
    return explore(rules, SPACE.first(rules, budget), depth=depth, states_max=100_000, time_s=120.0)


def test_the_reference_holds_in_every_state() -> None:
    """Nothing is violated, whatever comes in whatever order; and it was every state."""
    found = explored(None, Budget(requests=1, timers=1, crashes=1), depth=4)
    assert (found.violation, found.complete) == (None, True)
    assert found.states > 500
    assert found.transitions > found.states


def test_more_is_found_further_away() -> None:
    """Each move further there are more states; equal ones are visited once."""
    budget = Budget(requests=0, timers=1, crashes=0)
    sizes = [explored(None, budget, depth).states for depth in (1, 2, 3)]
    assert sizes == sorted(set(sizes))
    assert sizes[0] == 1 + NODES, "one election timer each"


@pytest.mark.parametrize(
    ("mutant", "promise", "budget"),
    [
        ("vote-not-persisted", "votes are durable", Budget(0, 1, 0)),
        ("votes-twice", "one vote a term", Budget(0, 2, 0)),
        ("quorum-too-small", "a majority holds what is committed", Budget(0, 2, 0)),
        ("ack-before-fsync", "durable before they are acknowledged", Budget(0, 1, 0)),
    ],
)
def test_planted_bugs_are_found(mutant: str, promise: str, budget: Budget) -> None:
    """Each by the promise that it breaks, and with the way there."""
    found = explored(mutant, budget, depth=6)
    assert found.violation is not None
    assert promise in found.violation
    assert len(found.path) == found.depth
    assert found.path[0].endswith("timer election")


def test_a_crash_in_the_middle_of_a_step_is_one_of_the_moves() -> None:
    """Between asking for votes and writing one's own down, and at every other such point."""
    rules = SPACE.rules(NODES)
    first = SPACE.first(rules, Budget(0, 1, 1))
    kept = {move.keep for move in rules.moves(first) if move.kind == "fire"}
    assert None in kept
    assert len(kept) > 1
    told = [rules.describe(first, move) for move in rules.moves(first) if move.keep is not None]
    assert all("crashes after effect" in line for line in told)


def test_a_lost_call_is_heard_of() -> None:
    """Its caller learns that there will be no response."""
    rules = SPACE.rules(NODES)
    state = rules.first((), Budget(0, 1, 0, losses=1))
    fire = next(move for move in rules.moves(state) if move.kind == "fire")
    state = rules.follow(state, fire)
    lose = next(move for move in rules.moves(state) if move.kind == "lose")
    assert rules.describe(state, lose) == "RequestVoteRequest from n1 to n2 is lost"
    after = rules.follow(state, lose)
    assert len(after.packets) == len(state.packets) - 1
    assert after.budget.losses == 0


def test_bounds_are_kept() -> None:
    """A search that ends by its bound does not claim to have seen everything."""
    rules = SPACE.rules(NODES)
    found = explore(rules, SPACE.first(rules), depth=6, states_max=50, time_s=120.0)
    assert not found.complete
    found = explore(rules, SPACE.first(rules), depth=6, states_max=10**6, time_s=0.0)
    assert not found.complete


def test_labs_that_cannot_be_explored() -> None:
    """They say so, with the way out."""
    assert load_space("raft") is SPACE
    with pytest.raises(LabError):
        load_space("rft")
